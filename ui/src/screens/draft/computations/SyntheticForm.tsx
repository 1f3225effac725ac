/** Synthetic data: from which table, which of its columns, how each is made. */

import {
  Button,
  Checkbox,
  Group,
  NativeSelect,
  NumberInput,
  Pagination,
  Stack,
  Switch,
  Table,
  Text,
} from "@mantine/core";
import { useState } from "react";

import type { SyntheticColumn } from "../../../core/records";
import styles from "./Computations.module.css";
import { type ById, columnsOf, type KnownColumn } from "./columns";
import { SourceSelect } from "./PreviewForm";
import { Privacy } from "./Privacy";
import { Advanced, LogSettings } from "./Settings";
import { allColumns, MASKS, masked, putColumn, TYPES, usual } from "./synthetic";
import type { FormProps } from "./useNode";

/** Columns on one page of the table. */
const PAGE = 50;
const MOST_INDEX = 2000;

export function SyntheticForm({ node, change, nodes }: FormProps<"synthetic"> & { nodes: ById }) {
  const choose = (dependency: string): void => {
    const known = columnsOf(nodes, dependency);
    // Columns are those of a table: another table has others.
    change({ dependency, columns: known === undefined ? [] : allColumns(known) });
  };
  return (
    <Stack>
      <SourceSelect
        label="Source table"
        description="One row for each person, best: a person with several rows is protected that many times less."
        reader={node}
        nodes={nodes}
        value={node.dependency}
        onChange={choose}
      />
      {node.dependency !== "" && (
        <Columns
          key={node.dependency}
          columns={node.columns}
          known={columnsOf(nodes, node.dependency)}
          onChange={(edit) => change((now) => ({ columns: edit(now.columns) }))}
        />
      )}
      <Privacy
        node={node}
        change={change as FormProps<"synthetic" | "match">["change"]}
        about="Smaller is more private, and less like the table. 1 is a usual choice."
      />
      <Switch
        label="Compare with the table itself in the report"
        description="Exact counts, means and deviations: that is not private, and data owners have to agree to it."
        checked={node.statistics}
        onChange={(event) => change({ statistics: event.currentTarget.checked })}
      />
      <LogSettings node={node} change={change} />
      <Advanced image={node.image} limits={node.limits} change={change} />
    </Stack>
  );
}

interface ColumnsProps {
  columns: readonly SyntheticColumn[];
  known: readonly KnownColumn[] | undefined;
  onChange: (edit: (columns: readonly SyntheticColumn[]) => SyntheticColumn[]) => void;
}

function Columns({ columns, known, onChange }: ColumnsProps) {
  const [page, setPage] = useState(1);
  const made = new Map(columns.map((column) => [column.index, column]));
  const beyond = columns.map((column) => column.index).filter((index) => index >= (known?.length ?? 0));
  const indexes = [...(known ?? []).map((_, index) => index), ...beyond];
  const pages = Math.ceil(indexes.length / PAGE);
  const put = (index: number, column: SyntheticColumn | undefined): void =>
    onChange((now) => putColumn(now, index, column));
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text fw={500} size="sm">
          Columns: {columns.length}
          {known === undefined ? "" : ` of ${known.length}`}
        </Text>
        {known !== undefined && (
          <Group gap="xs">
            <Button size="compact-xs" variant="default" onClick={() => onChange(() => allColumns(known))}>
              All
            </Button>
            <Button size="compact-xs" variant="default" onClick={() => onChange(() => [])}>
              None
            </Button>
          </Group>
        )}
      </Group>
      <div className={styles["wide"]}>
        <Table aria-label="Columns of the synthetic data" verticalSpacing={4}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Column</Table.Th>
              <Table.Th>Type</Table.Th>
              <Table.Th>Values</Table.Th>
              <Table.Th>May be empty</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {indexes.slice((page - 1) * PAGE, page * PAGE).map((index) => (
              <ColumnRow
                key={index}
                index={index}
                name={known?.[index]?.name ?? `Column ${index + 1}`}
                column={made.get(index)}
                onChange={(column) => put(index, column)}
                first={usual(index, known?.[index])}
              />
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {pages > 1 && (
        <Pagination
          total={pages}
          value={Math.min(page, pages)}
          onChange={setPage}
          getControlProps={(control) => ({ "aria-label": `${control} page` })}
        />
      )}
      {known === undefined && <AddColumn taken={made} onAdd={(index) => put(index, usual(index))} />}
    </Stack>
  );
}

interface ColumnRowProps {
  index: number;
  name: string;
  /** As it is made, if it is. */
  column: SyntheticColumn | undefined;
  /** How it is made to begin with. */
  first: SyntheticColumn;
  onChange: (column: SyntheticColumn | undefined) => void;
}

function ColumnRow({ name, column, first, onChange }: ColumnRowProps) {
  const shown = column ?? first;
  const disabled = column === undefined;
  return (
    <Table.Tr>
      <Table.Td>
        <Checkbox
          label={column?.name === undefined ? name : `${name} as ${column.name}`}
          checked={!disabled}
          onChange={(event) => onChange(event.currentTarget.checked ? first : undefined)}
        />
      </Table.Td>
      <Table.Td>
        <NativeSelect
          size="xs"
          aria-label={`Type of ${name}`}
          disabled={disabled}
          data={[...TYPES]}
          value={shown.type}
          onChange={(event) => onChange({ ...shown, type: event.currentTarget.value as SyntheticColumn["type"] })}
        />
      </Table.Td>
      <Table.Td>
        <NativeSelect
          size="xs"
          aria-label={`Values of ${name}`}
          disabled={disabled}
          data={[
            { value: "", label: "Like those of the table" },
            ...MASKS.map(({ value, label }) => ({ value, label: `Made up: ${label}` })),
          ]}
          value={shown.mask ? shown.mask_type : ""}
          onChange={(event) => onChange(masked(shown, event.currentTarget.value))}
        />
      </Table.Td>
      <Table.Td>
        <Checkbox
          aria-label={`${name} may be empty`}
          disabled={disabled}
          checked={shown.nullable}
          onChange={(event) => onChange({ ...shown, nullable: event.currentTarget.checked })}
        />
      </Table.Td>
    </Table.Tr>
  );
}

function AddColumn({ taken, onAdd }: { taken: ReadonlyMap<number, unknown>; onAdd: (index: number) => void }) {
  const [place, setPlace] = useState<number | string>(1);
  const index = typeof place === "number" ? place - 1 : -1;
  return (
    <Group align="flex-end">
      <NumberInput
        label="Column of the table, by its place"
        description="Which columns this table has is known when it has run."
        min={1}
        max={MOST_INDEX}
        allowDecimal={false}
        value={place}
        onChange={setPlace}
      />
      <Button
        variant="default"
        disabled={index < 0 || taken.has(index)}
        onClick={() => {
          onAdd(index);
          setPlace(index + 2);
        }}
      >
        Add column
      </Button>
    </Group>
  );
}
