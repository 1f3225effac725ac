/** Combinations of columns that no two rows may have the same values in. */

import { ActionIcon, Button, Group, MultiSelect, Stack, Text, Title } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";

import type { TableDataNode } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import { changeTable } from "./tables";

export function Uniqueness({ node }: { node: TableDataNode }) {
  const { edit } = useDraft();
  const { id, columns, unique } = node;
  const set = (combinations: number[][]): void => edit(changeTable(id, () => ({ unique: combinations })));
  const data = columns.map((column, index) => ({ value: String(index), label: column.name || `column ${index + 1}` }));
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        Uniqueness
      </Title>
      <Text size="sm" c="dimmed">
        No two rows may have the same values in all columns of a combination; empty cells are the same as each other.
      </Text>
      {unique.map((combination, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: combinations have nothing else that stays.
        <Group key={place} wrap="nowrap">
          <MultiSelect
            flex={1}
            maw={640}
            aria-label={`Columns of combination ${place + 1}`}
            placeholder={combination.length === 0 ? "Choose columns" : undefined}
            data={data}
            value={combination.map(String)}
            searchable
            onChange={(chosen) => set(unique.map((each, index) => (index === place ? chosen.map(Number) : each)))}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Remove combination ${place + 1}`}
            onClick={() => set(unique.filter((_, index) => index !== place))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      ))}
      <Group>
        <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => set([...unique, []])}>
          Add combination
        </Button>
      </Group>
    </Stack>
  );
}
