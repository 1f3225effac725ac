/** Which column of the file is which of the table, and how its cells are written. */

import { Badge, Checkbox, NativeSelect, Stack, Table, Text } from "@mantine/core";

import type { Column, TableDataNode } from "../../../core/records";
import { check, type Format, hashed } from "../../../tables/cells";
import { FORMS, type Form } from "../../../tables/forms";
import { HASHABLE, proposeColumn } from "../../../tables/mapping";
import { made } from "../../../tables/preparation";
import { asked, type ColumnRecipe } from "../../../tables/recipe";
import { FORMATS } from "../../formats";
import { namedCell, shownCell } from "./cells";
import type { TableFile, UsedTable } from "./useTable";
import styles from "./Wizard.module.css";

const NONE = "";
const HASH_LABELS: Readonly<Record<(typeof HASHABLE)[number], string>> = {
  STRING: "Hash here: as texts",
  EMAIL: "Hash here: as e-mail addresses, in lower case",
  PHONE_NUMBER_E164: "Hash here: as phone numbers, with +",
  INTEGER: "Hash here: as whole numbers",
  DATE_ISO8601: "Hash here: as dates",
};

export function MappingStep({
  node,
  table,
  changeColumn,
}: {
  node: TableDataNode;
  table: TableFile;
  changeColumn: UsedTable["changeColumn"];
}) {
  const { start, recipe } = table;
  const sources = Array.from({ length: start.width }, (_, place) => ({
    value: String(place),
    label: start.header === null ? `Column ${place + 1}` : `${place + 1}: ${shownCell(start.header[place] ?? "")}`,
  }));
  const used = new Set(recipe.columns.map((column) => column.source));
  const unused = sources.filter(({ value }) => !used.has(Number(value)));
  return (
    <Stack gap="sm">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard. */}
      <section className={styles["columns"]} tabIndex={0} aria-label="Columns of the table">
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Column of the table</Table.Th>
              <Table.Th>Column of the file</Table.Th>
              <Table.Th>How the file writes it</Table.Th>
              <Table.Th>For example</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {node.columns.map((column, index) => (
              <Row
                key={column.name}
                column={column}
                recipe={recipe.columns[index]}
                sources={sources}
                table={table}
                onChange={(fields) => changeColumn(index, fields)}
              />
            ))}
          </Table.Tbody>
        </Table>
      </section>
      {unused.length > 0 && (
        <Text size="sm" c="dimmed">
          Not used, and not sent: {unused.map(({ label }) => label).join(", ")}.
        </Text>
      )}
    </Stack>
  );
}

interface RowProps {
  column: Column;
  recipe: ColumnRecipe | undefined;
  sources: { value: string; label: string }[];
  table: TableFile;
  onChange: (fields: Partial<ColumnRecipe>) => void;
}

function Row({ column, recipe, sources, table, onChange }: RowProps) {
  if (recipe === undefined) {
    return null;
  }
  const { name, type, nullable } = column;
  const hashes = type === "HASH_SHA256_HEX";
  const kind = recipe.hashAs ?? type;
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm">{shownCell(name)}</Text>
        <Badge size="xs" variant="light" color="gray">
          {FORMATS[type].label}
        </Badge>
        {column.hashed && (
          <Text size="xs" c="dimmed">
            The enclave hashes it
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <NativeSelect
          aria-label={`Column of the file for ${name}`}
          data={[{ value: NONE, label: nullable ? "None: leave it empty" : "Choose one" }, ...sources]}
          value={recipe.source === null ? NONE : String(recipe.source)}
          error={recipe.source === null && !nullable && "It must not be empty"}
          onChange={({ currentTarget: { value } }) =>
            onChange(proposeColumn(column, value === NONE ? null : Number(value), table.start))
          }
        />
      </Table.Td>
      <Table.Td>
        <Stack gap={4}>
          {hashes && (
            <NativeSelect
              aria-label={`What the file has for ${name}`}
              data={[
                { value: NONE, label: "Hashes: as they are" },
                ...HASHABLE.map((value) => ({ value, label: HASH_LABELS[value] })),
              ]}
              value={recipe.hashAs ?? NONE}
              onChange={({ currentTarget: { value } }) =>
                onChange({ hashAs: value === NONE ? null : (value as Format), form: "plain" })
              }
            />
          )}
          {FORMS[kind].length > 1 && (
            <NativeSelect
              aria-label={`How the file writes ${name}`}
              data={FORMS[kind].map(({ form, label }) => ({ value: form, label }))}
              value={recipe.form}
              onChange={(event) => onChange({ form: event.currentTarget.value as Form })}
            />
          )}
          <Checkbox
            size="xs"
            label="Leave out spaces around"
            aria-label={`Leave out spaces around ${name}`}
            checked={recipe.trim}
            onChange={(event) => onChange({ trim: event.currentTarget.checked })}
          />
        </Stack>
      </Table.Td>
      <Table.Td>
        <Examples column={column} recipe={recipe} table={table} />
      </Table.Td>
    </Table.Tr>
  );
}

/** What becomes of the first cells. */
function Examples({ column, recipe, table }: { column: Column; recipe: ColumnRecipe; table: TableFile }) {
  const { source } = recipe;
  if (source === null) {
    return null;
  }
  const cells = [...new Set(table.start.records.map((record) => record[source] ?? ""))].slice(0, 3);
  return cells.map((cell) => {
    const text = made(cell, recipe);
    const { code, value } = check(asked(column, recipe), text);
    const becomes = code === undefined && recipe.hashAs !== null ? `${hashed(value).slice(0, 12)}\u2026` : text;
    return (
      <div key={cell} className={styles["cell"]}>
        {namedCell(cell)}
        {becomes !== cell && ` \u2192 ${namedCell(becomes)}`}
        {code !== undefined && (
          <Text span size="xs" c="red" inherit>
            {" "}
            (invalid)
          </Text>
        )}
      </div>
    );
  });
}
