/** A digest, a key or an id: its beginning, the whole of it on demand, and a button that copies it. */

import { ActionIcon, Code, CopyButton, Group, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

/** @param what Names it for people who can't see it: "room id". */
export function Hex({ value, what, length = 12 }: { value: string; what: string; length?: number }) {
  return (
    <Group gap={4} wrap="nowrap" display="inline-flex">
      <Tooltip label={value} multiline maw={420} styles={{ tooltip: { wordBreak: "break-all" } }}>
        <Code>{value.length > length ? `${value.slice(0, length)}…` : value}</Code>
      </Tooltip>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <ActionIcon
            size="xs"
            variant="subtle"
            color="gray"
            aria-label={copied ? `Copied: ${what}` : `Copy ${what}`}
            onClick={copy}
          >
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        )}
      </CopyButton>
    </Group>
  );
}
