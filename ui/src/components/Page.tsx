/** The head of a page, and the states that all pages share: waiting, and failed. */

import { Center, Group, Loader, Stack, Text, Title } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";

import styles from "./Page.module.css";
import { Problem } from "./Problem";

export function Page({
  title,
  subtitle,
  actions,
  children,
}: {
  title: string;
  subtitle?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Cloister`;
  }, [title]);
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start">
        <Stack gap={4}>
          <Title order={1} size="h2" className={styles["title"] ?? ""}>
            {title}
          </Title>
          {typeof subtitle === "string" ? <Text c="dimmed">{subtitle}</Text> : subtitle}
        </Stack>
        {actions !== undefined && <Group>{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

/** What a query has brought; until then that it is waited for, or what has failed. */
export function Loaded<T>({
  query,
  children,
  elsewhere,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
  /** Where one can go instead. */
  elsewhere?: ReactNode;
}) {
  if (query.data !== undefined) {
    return <>{children(query.data)}</>;
  }
  if (query.error !== null) {
    return (
      <Stack>
        <Problem error={query.error} onRetry={() => void query.refetch()} />
        {elsewhere}
      </Stack>
    );
  }
  return (
    <Center p="xl">
      <Loader role="img" aria-label="Loading" />
    </Center>
  );
}
