/** What a table takes: its columns, which rows may not be there twice, and what becomes of invalid rows. */

import { Button, Group, Pagination, Stack, Switch, Table, Text, Title, VisuallyHidden } from "@mantine/core";
import { IconFileImport, IconPlus } from "@tabler/icons-react";
import { useCallback, useRef, useState } from "react";

import type { Column, TableDataNode } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import { ColumnRow } from "./ColumnRow";
import styles from "./Data.module.css";
import { SchemaImport } from "./SchemaImport";
import { changeColumn, changeTable, moveColumn, newColumn, removeColumn } from "./tables";
import { Uniqueness } from "./Uniqueness";

/** Columns that are shown at once. */
const PAGE = 100;

export function TableForm({ node }: { node: TableDataNode }) {
  const { edit } = useDraft();
  const { id, columns } = node;
  const [page, setPage] = useState(1);
  const [importing, setImporting] = useState(false);
  const [said, setSaid] = useState("");
  const body = useRef<HTMLTableSectionElement>(null);
  const change = useCallback(
    (index: number, fields: Partial<Column>) => edit(changeColumn(id, index, fields)),
    [edit, id],
  );
  const remove = useCallback((index: number) => edit(removeColumn(id, index)), [edit, id]);
  const move = useCallback(
    (from: number, to: number, name: string) => {
      edit(moveColumn(id, from, to));
      setSaid(`${name} is column ${to + 1} now.`);
      setPage(Math.floor(to / PAGE) + 1);
      // The focus goes with the column.
      requestAnimationFrame(() => {
        body.current?.querySelector<HTMLElement>(`[data-column="${to}"] [data-handle]`)?.focus();
      });
    },
    [edit, id],
  );
  const add = (): void => {
    edit(changeTable(id, (now) => ({ columns: [...now.columns, newColumn(now.columns)] })));
    setPage(Math.floor(columns.length / PAGE) + 1);
    requestAnimationFrame(() => {
      const field = body.current?.querySelector<HTMLInputElement>(`[data-column="${columns.length}"] input`);
      field?.focus();
      field?.select();
    });
  };
  const first = Math.max(0, Math.min(page, Math.ceil(columns.length / PAGE)) - 1) * PAGE;
  const shown = columns.slice(first, first + PAGE).map((column, place) => ({ column, index: first + place }));
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={2} size="h4">
          Columns
        </Title>
        <Button
          variant="default"
          leftSection={<IconFileImport size={16} aria-hidden />}
          onClick={() => setImporting(true)}
        >
          Import from a file
        </Button>
      </Group>
      <Text size="sm" c="dimmed">
        In the order of the table. Whoever provides data can map the columns of a file of their own to these.
      </Text>
      <div className={styles["wide"]}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>No.</Table.Th>
              <Table.Th>Name</Table.Th>
              <Table.Th>Type</Table.Th>
              <Table.Th>Allow empty</Table.Th>
              <Table.Th>Hashed</Table.Th>
              <Table.Th>Range</Table.Th>
              <Table.Th aria-label="Actions" />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody ref={body}>
            {shown.map(({ column, index }) => (
              <ColumnRow
                // Names change while they are typed, and may be the same.
                key={index}
                index={index}
                last={columns.length - 1}
                column={column}
                onChange={change}
                onMove={move}
                onRemove={remove}
              />
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <VisuallyHidden role="status">{said}</VisuallyHidden>
      <Group justify="space-between">
        <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={add}>
          Add column
        </Button>
        {columns.length > PAGE && (
          <Pagination
            total={Math.ceil(columns.length / PAGE)}
            value={page}
            onChange={setPage}
            getControlProps={(control) => ({ "aria-label": `${control} page of columns` })}
            getItemProps={(number) => ({ "aria-label": `Page ${number} of columns` })}
          />
        )}
      </Group>
      <Uniqueness node={node} />
      <Switch
        label="Drop invalid rows"
        description="Rows that are not what the table takes are left out, and computations run on the others. Otherwise one such row makes the whole table invalid."
        checked={node.drop_invalid_rows}
        onChange={({ currentTarget: { checked } }) => edit(changeTable(id, () => ({ drop_invalid_rows: checked })))}
      />
      {importing && (
        <SchemaImport
          node={node}
          onClose={() => setImporting(false)}
          onColumns={(taken) => {
            edit(changeTable(id, () => ({ columns: taken, unique: [] })));
            setPage(1);
            setImporting(false);
          }}
        />
      )}
    </Stack>
  );
}
