/** A key or an id that is compared with what another device shows. */

import { ActionIcon, CopyButton, Group, Stack, Text } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

import { grouped } from "./keyText";
import styles from "./Settings.module.css";

export function Compared({ value, what }: { value: string; what: string }) {
  return (
    <Stack gap={2}>
      <Group gap={4}>
        <Text size="sm" fw={600}>
          {what}
        </Text>
        <CopyButton value={value}>
          {({ copied, copy }) => (
            <ActionIcon
              size="sm"
              variant="subtle"
              color="gray"
              aria-label={copied ? `Copied: ${what}` : `Copy: ${what}`}
              onClick={copy}
            >
              {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            </ActionIcon>
          )}
        </CopyButton>
      </Group>
      <Text className={styles["key"] ?? ""}>{grouped(value)}</Text>
    </Stack>
  );
}
