/** One kind of problem in one column: where it is, and what can be done about it. */

import { Button, Card, Group, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";

import type { TableDataNode } from "../../../core/records";
import { type Kind, MESSAGES, type WrongValue } from "../../../tables/problems";
import type { Correction, Recipe } from "../../../tables/recipe";
import { namedCell, rowNames, shownCell } from "./cells";
import { Mend } from "./Mend";
import type { UsedTable } from "./useTable";
import styles from "./Wizard.module.css";

/** Values, and rows of one value, that are shown at once. */
const [VALUES, ROWS] = [10, 20];

interface Props {
  node: TableDataNode;
  kind: Kind;
  recipe: Recipe;
  change: UsedTable["change"];
  changeColumn: UsedTable["changeColumn"];
}

export function ProblemKind(props: Props) {
  const { node, kind } = props;
  const [most, setMost] = useState(VALUES);
  const names = (kind.combination === null ? [kind.column] : (node.unique[kind.combination] ?? [])).flatMap((index) =>
    index === null ? [] : shownCell(node.columns[index]?.name ?? ""),
  );
  const where = names.length === 0 ? "Rows" : names.join(", ");
  return (
    <Card withBorder p="sm" component="section" aria-label={`${where}: ${MESSAGES[kind.code]}`}>
      <Stack gap="xs">
        <Text size="sm">
          <b>{where}</b>: {MESSAGES[kind.code]}.{" "}
          <Text span size="sm" c="dimmed">
            {kind.code}, {rowNames(kind.rows, kind.count)}
          </Text>
        </Text>
        {kind.values.length === 0 ? (
          <Text size="xs" c="dimmed">
            {kind.code === "DUPLICATE_VALUES"
              ? "The first of them stays. Leave the others out, or change the file."
              : "Leave these rows out, or change the file."}
          </Text>
        ) : (
          <Values {...props} values={kind.values.slice(0, most)} />
        )}
        {kind.values.length > most && (
          <Group>
            <Button size="compact-xs" variant="subtle" onClick={() => setMost(most + 5 * VALUES)}>
              {kind.values.length - most} more values
            </Button>
          </Group>
        )}
      </Stack>
    </Card>
  );
}

function Values({ values, ...props }: Props & { values: readonly WrongValue[] }) {
  return (
    <Table>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Value in the file</Table.Th>
          <Table.Th>Where</Table.Th>
          <Table.Th>Replace by</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {values.map((value) => (
          <ValueRow key={value.text} value={value} {...props} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function ValueRow({ value, node, kind, recipe, change, changeColumn }: Props & { value: WrongValue }) {
  const [single, setSingle] = useState(value.cut);
  const index = kind.column ?? 0;
  const [column, made] = [node.columns[index], recipe.columns[index]];
  if (column === undefined || made === undefined) {
    return null;
  }
  const replace = (text: string | undefined): void => {
    const others = made.replaced.filter(([from]) => from !== value.text);
    changeColumn(index, { replaced: text === undefined ? others : [...others, [value.text, text]] });
  };
  const correct = (row: number, text: string | undefined): void => {
    const others = recipe.corrections.filter((each) => each.row !== row || each.column !== index);
    const corrections: Correction[] = text === undefined ? others : [...others, { row, column: index, text }];
    change({ corrections });
  };
  const named = namedCell(value.text);
  const shared = { column, recipe: made };
  return (
    <Table.Tr>
      <Table.Td className={styles["cell"]}>
        {named}
        {value.cut && "\u2026"}
      </Table.Td>
      <Table.Td className={styles["narrow"]}>
        <Text size="xs">{rowNames(value.rows, value.count, 3)}</Text>
        {value.count > 1 && !value.cut && (
          <Button size="compact-xs" variant="subtle" aria-expanded={single} onClick={() => setSingle(!single)}>
            {single ? "All at once" : "Row by row"}
          </Button>
        )}
      </Table.Td>
      <Table.Td>
        {single ? (
          <Stack gap={4}>
            {value.rows.slice(0, ROWS).map((row) => (
              <Mend
                key={row}
                {...shared}
                label={`Replace ${named} in ${column.name}, row ${row}, by`}
                hint={`row ${row.toLocaleString("en")}`}
                value={recipe.corrections.find((each) => each.row === row && each.column === index)?.text}
                onValue={(text) => correct(row, text)}
              />
            ))}
            {value.count > ROWS && <Text size="xs">The others: all at once, or in the file.</Text>}
          </Stack>
        ) : (
          <Mend
            {...shared}
            label={`Replace ${named} in ${column.name} by`}
            hint=""
            value={made.replaced.find(([from]) => from === value.text)?.[1]}
            onValue={replace}
          />
        )}
      </Table.Td>
    </Table.Tr>
  );
}
