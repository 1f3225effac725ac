/** The first line of a node's card: what it is called, of which kind it is, and how it stands. */

import { Badge, Group, Text, ThemeIcon, Title } from "@mantine/core";
import type { ReactNode } from "react";

import { KINDS } from "../../../components/kinds";
import type { Node } from "../../../core/records";
import styles from "./Overview.module.css";

export interface Standing {
  label: string;
  color: string;
}

export function NodeHead({ node, standing, children }: { node: Node; standing: Standing; children?: ReactNode }) {
  const { label, icon: Icon, color } = KINDS[node.kind];
  return (
    <Group justify="space-between" align="flex-start">
      <Group gap="sm">
        <ThemeIcon variant="light" color={color}>
          <Icon size={16} aria-hidden />
        </ThemeIcon>
        <Title order={3} size="h5" className={styles["name"]}>
          {node.name}
        </Title>
        <Text size="sm" c="dimmed">
          {label}
        </Text>
        <Badge variant="light" color={standing.color}>
          {standing.label}
        </Badge>
      </Group>
      <Group gap="xs">{children}</Group>
    </Group>
  );
}
