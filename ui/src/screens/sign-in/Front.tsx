/** The frame of the pages for people who haven't signed in. */

import { Container, Group, Paper, Stack, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

export function Front({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Cloister`;
  }, [title]);
  return (
    <Container component="main" size="xs" py="xl">
      <Paper withBorder p="lg">
        <Stack>
          <Group gap="sm" wrap="nowrap">
            <img src="/icon.svg" alt="" width={32} height={32} />
            <Title order={1} size="h2">
              {title}
            </Title>
          </Group>
          {children}
        </Stack>
      </Paper>
    </Container>
  );
}
