/** SQL and SQLite: one statement over tables. */

import { NumberInput, Stack, Switch, Text } from "@mantine/core";
import type { Ref } from "react";

import { Editor, type EditorHandle } from "../../../components/editor/Editor";
import { useDraft } from "../../../drafts/useDraft";
import { Advanced, LogSettings } from "./Settings";
import type { FormProps } from "./useNode";

const HEIGHT = "max(240px, calc(100dvh - 560px))";
/** Of how many rows each group is made, to begin with. */
const GROUP = 10;
const MOST_ROWS = 2 ** 31;

type Props = FormProps<"sql" | "sqlite"> & {
  /** Those that are read, with their columns where these are known. */
  tables: Readonly<Record<string, readonly string[]>>;
  editor: Ref<EditorHandle>;
};

export function QueryForm({ node, change, tables, editor }: Props) {
  const { id } = useDraft();
  return (
    <Stack>
      <Stack gap={4}>
        <Editor
          ref={editor}
          name={`${id}/${node.id}/`}
          label="Statement"
          language={node.kind}
          value={node.statement}
          onChange={(statement) => change({ statement })}
          placeholder="SELECT … FROM … (one statement; mount the tables that it reads)"
          tables={tables}
          height={HEIGHT}
        />
        <Text size="sm" c="dimmed">
          {node.kind === "sql" ? "DuckDB's dialect." : "SQLite's dialect."} Tables are called as they are here: put
          names with spaces or - in double quotes.
        </Text>
      </Stack>
      {node.kind === "sql" ? (
        <SmallGroups rows={node.minimum_rows} onChange={(rows) => change({ minimum_rows: rows })} />
      ) : (
        <LogSettings node={node} change={change} />
      )}
      <Advanced image={node.image} limits={node.limits} change={change} />
    </Stack>
  );
}

function SmallGroups({ rows, onChange }: { rows: number | undefined; onChange: (rows: number | undefined) => void }) {
  return (
    <Stack gap="xs">
      <Switch
        label="Leave out small groups"
        description={
          "Shows those groups alone that are made from so many rows of each table with people's data. A query that " +
          "can't be shown to keep that is refused when it runs, and when it is tested."
        }
        checked={rows !== undefined}
        onChange={(event) => onChange(event.currentTarget.checked ? GROUP : undefined)}
      />
      {rows !== undefined && (
        <NumberInput
          label="Rows that a group has at least"
          w={240}
          min={1}
          max={MOST_ROWS}
          allowDecimal={false}
          allowNegative={false}
          value={rows}
          onChange={(value) => typeof value === "number" && onChange(value)}
        />
      )}
    </Stack>
  );
}
