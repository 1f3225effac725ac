/** A match: two tables, when their rows belong together, and how noisy the counts are. */

import {
  ActionIcon,
  Button,
  Checkbox,
  Fieldset,
  Group,
  NativeSelect,
  NumberInput,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { Editor } from "../../../components/editor/Editor";
import { useDraft } from "../../../drafts/useDraft";
import styles from "./Computations.module.css";
import { type ById, columnsOf, type KnownColumn } from "./columns";
import { type Alternatives, EMPTY_PAIR, matchPaths, type Pair, pathNames, readQuery, writeQuery } from "./matching";
import { SourceSelect } from "./PreviewForm";
import { Privacy } from "./Privacy";
import { Advanced, LogSettings } from "./Settings";
import type { FormProps } from "./useNode";

type Sides = [string, string];
type Known = readonly (KnownColumn[] | undefined)[];

export function MatchForm({ node, change, nodes }: FormProps<"match"> & { nodes: ById }) {
  const { id } = useDraft();
  const sides = sidesOf(node, nodes);
  const names = sides.map((each) => nodes.get(each)?.name ?? "");
  const form = readQuery(node.query, names);
  const [byHand, setByHand] = useState(form === undefined);
  const choose = (side: 0 | 1, table: string): void => {
    const chosen = sides.map((each, place) => (place === side ? table : each)).filter((each) => each !== "");
    change({ dependencies: chosen, paths: matchPaths(chosen.map((each) => nodes.get(each)?.name ?? each)) });
  };
  return (
    <Stack>
      <Group align="flex-end" grow maw={760}>
        <SourceSelect
          label="First table"
          reader={node}
          nodes={nodes}
          value={sides[0]}
          onChange={(to) => choose(0, to)}
        />
        <SourceSelect
          label="Second table"
          disabled={sides[0] === ""}
          reader={node}
          nodes={nodes}
          value={sides[1]}
          onChange={(to) => choose(1, to)}
        />
      </Group>
      {sides[0] !== "" && sides[0] === sides[1] && (
        <Text size="sm" c="red">
          A match needs two tables: choose another one.
        </Text>
      )}
      <Stack gap="xs">
        <Group justify="space-between">
          <Text fw={500} size="sm">
            Rows belong together where
          </Text>
          <SegmentedControl
            size="xs"
            aria-label="How the condition is written"
            data={[
              { value: "form", label: "Form", disabled: form === undefined },
              { value: "json", label: "JSON logic" },
            ]}
            value={byHand || form === undefined ? "json" : "form"}
            onChange={(value) => setByHand(value === "json")}
          />
        </Group>
        {byHand || form === undefined ? (
          <>
            <Editor
              name={`${id}/${node.id}/`}
              label="Condition, as JSON logic"
              language="json"
              value={node.query}
              onChange={(query) => change({ query })}
              placeholder={'{"==": [{"var": "0.email"}, {"var": "1.email"}]}'}
              height="260px"
            />
            <Text size="sm" c="dimmed">
              and, or, !, ==, !=, &lt;, &lt;=, &gt;, &gt;=, in, var, and of texts lower and trim. A var is table.column;
              tables may be 0 and 1. Each alternative needs an == between both tables.
            </Text>
          </>
        ) : (
          <Condition
            alternatives={form}
            names={names}
            known={sides.map((each) => columnsOf(nodes, each))}
            onChange={(changed) => change({ query: writeQuery(changed) })}
          />
        )}
      </Stack>
      <Group align="flex-start" grow maw={760}>
        <NumberInput
          label="Rounded to multiples of"
          description="Of each count, after the noise."
          min={1}
          max={1e9}
          allowDecimal={false}
          value={node.round}
          onChange={(value) => typeof value === "number" && change({ round: value })}
        />
        <NumberInput
          label="Sensitivity"
          description="By how much one person may change a count."
          min={0}
          max={1e9}
          decimalScale={6}
          value={node.sensitivity}
          onChange={(value) => typeof value === "number" && change({ sensitivity: value })}
        />
      </Group>
      <Privacy
        node={node}
        change={change as FormProps<"synthetic" | "match">["change"]}
        about="Five counts share it. Smaller is more private, and noisier. 1 is a usual choice."
      />
      <LogSettings node={node} change={change} />
      <Advanced image={node.image} limits={node.limits} change={change} />
    </Stack>
  );
}

/** The ids of the two tables, in the order that the query knows them in: that of the paths. */
function sidesOf(node: FormProps<"match">["node"], nodes: ById): Sides {
  const listed = pathNames(node.paths).map((name) =>
    node.dependencies.find((each) => (nodes.get(each)?.name ?? each) === name),
  );
  const whole = listed.length === node.dependencies.length && listed.every((each) => each !== undefined);
  const [one = "", other = ""] = whole ? (listed as string[]) : node.dependencies;
  return [one, other];
}

interface ConditionProps {
  alternatives: Alternatives;
  names: readonly string[];
  known: Known;
  onChange: (alternatives: Alternatives) => void;
}

function Condition({ alternatives, names, known, onChange }: ConditionProps) {
  const put = (at: number, pairs: Pair[]): void =>
    onChange(
      pairs.length === 0
        ? alternatives.filter((_, place) => place !== at)
        : alternatives.map((each, place) => (place === at ? pairs : each)),
    );
  return (
    <Stack gap="xs">
      {alternatives.map((pairs, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: alternatives have nothing else, and fields keep nothing.
        <Fieldset key={at} legend={at === 0 ? "All of these are equal" : "Or all of these"} p="sm">
          <Stack gap="xs">
            {pairs.map((pair, place) => (
              <PairRow
                // biome-ignore lint/suspicious/noArrayIndexKey: as above
                key={place}
                pair={pair}
                names={names}
                known={known}
                removable={alternatives.length > 1 || pairs.length > 1}
                onChange={(changed) =>
                  put(
                    at,
                    pairs.flatMap((each, other) => (other === place ? (changed ?? []) : each)),
                  )
                }
              />
            ))}
            <Group>
              <Button
                size="compact-sm"
                variant="subtle"
                leftSection={<IconPlus size={14} aria-hidden />}
                onClick={() => put(at, [...pairs, { ...EMPTY_PAIR }])}
              >
                And another column
              </Button>
            </Group>
          </Stack>
        </Fieldset>
      ))}
      <Group>
        <Button
          size="compact-sm"
          variant="subtle"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => onChange([...alternatives, [{ ...EMPTY_PAIR }]])}
        >
          Or another way to match
        </Button>
      </Group>
    </Stack>
  );
}

interface PairRowProps {
  pair: Pair;
  names: readonly string[];
  known: Known;
  removable: boolean;
  onChange: (pair: Pair | undefined) => void;
}

function PairRow({ pair, names, known, removable, onChange }: PairRowProps) {
  const texts = (["left", "right"] as const).every((side, place) => {
    const type = known[place]?.find((column) => column.name === pair[side])?.type;
    return type !== "INTEGER" && type !== "FLOAT";
  });
  return (
    <Group gap="xs" align="flex-end" className={styles["wide"]}>
      <ColumnInput
        label={`Column of ${names[0] || "the first table"}`}
        known={known[0]}
        value={pair.left}
        onChange={(left) => onChange({ ...pair, left })}
      />
      <Text pb={6} aria-hidden>
        =
      </Text>
      <ColumnInput
        label={`Column of ${names[1] || "the second table"}`}
        known={known[1]}
        value={pair.right}
        onChange={(right) => onChange({ ...pair, right })}
      />
      {texts && (
        <Stack gap={4} pb={4}>
          <Checkbox
            size="xs"
            label="Upper and lower case are the same"
            checked={pair.lower}
            onChange={(event) => onChange({ ...pair, lower: event.currentTarget.checked })}
          />
          <Checkbox
            size="xs"
            label="Spaces around don't count"
            checked={pair.trim}
            onChange={(event) => onChange({ ...pair, trim: event.currentTarget.checked })}
          />
        </Stack>
      )}
      {removable && (
        <ActionIcon variant="subtle" color="red" aria-label="Remove these columns" onClick={() => onChange(undefined)}>
          <IconTrash size={16} />
        </ActionIcon>
      )}
    </Group>
  );
}

interface ColumnInputProps {
  label: string;
  known: KnownColumn[] | undefined;
  value: string;
  onChange: (column: string) => void;
}

function ColumnInput({ label, known, value, onChange }: ColumnInputProps) {
  if (known === undefined) {
    return <TextInput label={label} w={200} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
  }
  const there = known.some((column) => column.name === value);
  const first = there ? [] : [{ value, label: value === "" ? "Choose one" : `${value} (not in the table)` }];
  return (
    <NativeSelect
      label={label}
      w={200}
      data={[...first, ...known.map(({ name }) => ({ value: name, label: name }))]}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
