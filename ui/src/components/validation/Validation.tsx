/** What the validation of a table has found. */

import { Stack, Table, Text } from "@mantine/core";

import { type Findings, findings } from "./findings";

/** Lines that are shown: nobody reads more. */
const MOST = 100;

/** @param columns Names of the table's columns. */
export function Validation({ validation, columns }: { validation: unknown; columns: readonly string[] }) {
  const all = findings(validation, columns);
  if (all === undefined) {
    return <Text size="sm">The validation has left no report that can be read.</Text>;
  }
  const shown = all.found.slice(0, MOST);
  return (
    <Stack gap="xs">
      <Text size="sm">{summary(all)}</Text>
      {shown.length > 0 && (
        <Table.ScrollContainer minWidth={400} type="native">
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Row</Table.Th>
                <Table.Th>Column</Table.Th>
                <Table.Th>What is wrong</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {shown.map((each, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a report doesn't change, and two findings may be alike.
                <Table.Tr key={at}>
                  <Table.Td>{each.row ?? ""}</Table.Td>
                  <Table.Td>
                    <bdi>{each.column ?? ""}</bdi>
                  </Table.Td>
                  <Table.Td>
                    <bdi>{each.message === "" ? each.code : each.message}</bdi>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {all.total > shown.length && (
        <Text size="sm" c="dimmed">
          And {(all.total - shown.length).toLocaleString("en")} more.
        </Text>
      )}
    </Stack>
  );
}

function summary({ passed, rows, invalidRows, droppedRows }: Findings): string {
  const count = (number: number): string => `${number.toLocaleString("en")} row${number === 1 ? "" : "s"}`;
  const parts = [passed ? "The table is valid." : "The table is not valid."];
  if (rows !== undefined) {
    parts.push(`It has ${count(rows)}.`);
  }
  if (droppedRows !== undefined && droppedRows > 0) {
    parts.push(`Left out because they are not valid: ${count(droppedRows)}.`);
  } else if (invalidRows !== undefined && invalidRows > 0) {
    parts.push(`Not valid: ${count(invalidRows)}.`);
  }
  return parts.join(" ");
}
