/** Columns taken from a file of the kind that the table is to take: names and types. Its rows go nowhere. */

import { Button, Group, Loader, Stack, Table, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { startTableChecker, type TableChecker } from "../../../client/tableChecker";
import { Dialog } from "../../../components/Dialog";
import { FORMATS } from "../../../components/formats";
import { Problem } from "../../../components/Problem";
import { FileDrop } from "../../../components/upload/FileDrop";
import { ReadingStep } from "../../../components/upload/wizard/ReadingStep";
import type { Column, TableDataNode } from "../../../core/records";
import { inferColumns } from "../../../tables/infer";
import type { Reading } from "../../../tables/reading";

export function SchemaImport({
  node,
  onClose,
  onColumns,
}: {
  node: TableDataNode;
  onClose: () => void;
  onColumns: (columns: Column[]) => void;
}) {
  const checker = useRef<TableChecker | null>(null);
  useEffect(() => () => checker.current?.close(), []);
  const looking = useMutation({
    mutationFn: async ({ file, reading }: { file: File; reading: Reading | null }) => {
      checker.current ??= startTableChecker();
      const seen = await checker.current.look(file, [], reading);
      const { header, records } = seen.start;
      // Nothing stands below a single row that could tell: whoever takes columns from it has their names there.
      const names = reading === null && seen.problem === null && header === null && records.length === 1;
      const again = names ? await checker.current.look(file, [], { ...seen.reading, header: true }) : seen;
      return { file, ...again };
    },
  });
  const seen = looking.data;
  const columns = seen === undefined || seen.problem !== null ? [] : inferColumns(seen.start);
  const many = columns.length === 0 ? "Use these columns" : `Use these ${columns.length} columns`;
  const use = columns.length === 1 ? "Use this column" : many;
  return (
    <Dialog onClose={onClose} title={`Columns of ${node.name}, from a file`} size="xl">
      <Stack>
        <FileDrop
          file={seen?.file ?? null}
          accept=".csv,.tsv,.txt,.xlsx,text/csv,text/tab-separated-values,text/plain"
          hint="CSV, TSV or Excel (.xlsx). It is read in this browser; nothing but names and types is taken from it."
          onFile={(file) => looking.mutate({ file, reading: null })}
        />
        {looking.isPending && <Loader size="sm" role="img" aria-label="Reading" />}
        {looking.error !== null && <Problem error={looking.error} />}
        {seen !== undefined && seen.problem !== null && <Problem error={seen.problem} />}
        {seen !== undefined && (
          <ReadingStep table={seen} onReading={(reading) => looking.mutate({ file: seen.file, reading })} />
        )}
        {columns.length > 0 && (
          <>
            <Text size="sm">
              These columns are taken, instead of the ones that are there. Look at the types: they are those that the
              first rows have.
            </Text>
            <Table.ScrollContainer minWidth={300} maxHeight={300} type="native">
              <Table aria-label="Columns that are taken">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Name</Table.Th>
                    <Table.Th>Type</Table.Th>
                    <Table.Th>Allow empty</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {columns.map(({ name, type, nullable }) => (
                    <Table.Tr key={name}>
                      <Table.Td>{name}</Table.Td>
                      <Table.Td>{FORMATS[type].label}</Table.Td>
                      <Table.Td>{nullable ? "Yes" : "No"}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button disabled={columns.length === 0 || looking.isPending} onClick={() => onColumns(columns)}>
            {use}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
