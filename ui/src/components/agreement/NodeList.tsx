/** Nodes of a room in full: who has to do with them, what holds of them, and every line of their scripts. */

import { Accordion, Badge, Button, Group, List, Stack, Table, Text } from "@mantine/core";
import { lazy, Suspense, useEffect, useRef, useState } from "react";

import { isDataNode } from "../../core/nodes";
import type { Column, Node, SyntheticColumn, TableDataNode } from "../../core/records";
import type { Language } from "../editor/languages";
import { listed } from "../graph/layout";
import { KINDS } from "../kinds";
import { type Agreed, columnWords, limitWords, peopleOf, termsOf, textsOf } from "./agreed";

const Editor = lazy(() => import("../editor/Editor").then(({ Editor: found }) => ({ default: found })));
/** Nodes that are opened all at once: each script is an editor. */
const MOST_OPEN = 50;

interface NodeListProps {
  agreed: Agreed;
  nodes: readonly Node[];
  nameOf: (id: string) => string;
  /** The id of the node that is shown at once. */
  open?: string | undefined;
  /** What is said where there are none. */
  none: string;
  /** Of the headings of nodes. */
  order: 3 | 4;
}

export function NodeList({ agreed, nodes, nameOf, open, none, order }: NodeListProps) {
  // By places: ids may have spaces, which those of elements can't.
  const found = nodes.findIndex((node) => node.id === open);
  const wanted = found < 0 ? undefined : String(found);
  const [opened, setOpened] = useState<string[]>(wanted === undefined ? [] : [wanted]);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (wanted !== undefined) {
      setOpened((before) => (before.includes(wanted) ? before : [...before, wanted]));
      const control = place.current?.querySelector<HTMLElement>("[data-wanted]");
      control?.scrollIntoView({ block: "start" });
      control?.focus({ preventScroll: true });
    }
  }, [wanted]);
  if (nodes.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {none}
      </Text>
    );
  }
  const all = opened.length >= Math.min(nodes.length, MOST_OPEN);
  return (
    <Stack gap="xs" ref={place}>
      <Group>
        <Button
          size="compact-sm"
          variant="subtle"
          onClick={() => setOpened(all ? [] : nodes.slice(0, MOST_OPEN).map((_, at) => String(at)))}
        >
          {all ? "Close all" : nodes.length > MOST_OPEN ? `Open the first ${MOST_OPEN}` : "Open all"}
        </Button>
      </Group>
      <Accordion multiple variant="separated" chevronPosition="left" order={order} value={opened} onChange={setOpened}>
        {nodes.map((node, at) => (
          <Accordion.Item key={node.id} value={String(at)}>
            <Accordion.Control data-wanted={String(at) === wanted || undefined}>
              <Head agreed={agreed} node={node} />
            </Accordion.Control>
            <Accordion.Panel>{opened.includes(String(at)) && <Body node={node} nameOf={nameOf} />}</Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Stack>
  );
}

function Head({ agreed, node }: { agreed: Agreed; node: Node }) {
  const { icon: Icon, label } = KINDS[node.kind];
  const people = listed(peopleOf(agreed, node), "nobody");
  return (
    <Group gap="sm" wrap="nowrap">
      <Icon size={20} aria-hidden />
      <Text fw={600} size="sm" component="bdi">
        {node.name}
      </Text>
      <Badge variant="default" size="sm">
        {label}
      </Badge>
      {node.kind !== "python_environment" && (
        <Text size="sm" component="bdi" lineClamp={2}>
          {isDataNode(node) ? `provided by ${people}` : `run by ${people}`}
        </Text>
      )}
    </Group>
  );
}

function Body({ node, nameOf }: { node: Node; nameOf: (id: string) => string }) {
  return (
    <Stack gap="sm">
      {isDataNode(node) ? (
        <>
          <Text size="sm">
            {node.required
              ? "It is required: what reads it can't run without it."
              : "It is not required: what reads it can run without it."}
          </Text>
          {node.kind === "table_data" && <Columns node={node} />}
        </>
      ) : (
        <>
          <List size="sm">
            {termsOf(node, nameOf).map((term) => (
              <List.Item key={term}>
                <bdi>{term}</bdi>
              </List.Item>
            ))}
          </List>
          {node.kind === "synthetic" && <SyntheticColumns columns={node.columns} />}
          {textsOf(node).map(({ name, text }) => (
            <Stack key={name} gap={4}>
              <Text size="sm" fw={600} component="bdi">
                {name}
              </Text>
              <Suspense fallback={null}>
                <Editor value={text} language={languageFor(node, name)} label={`${name} of ${node.name}`} />
              </Suspense>
            </Stack>
          ))}
        </>
      )}
      {node.kind !== "raw_data" && (
        <Text size="sm" c="dimmed">
          {node.kind === "table_data" ? "It is validated" : "It runs"} in the image <bdi>{node.image}</bdi>, with{" "}
          {limitWords(node.limits)} at most.
        </Text>
      )}
    </Stack>
  );
}

function Columns({ node: { columns, unique, drop_invalid_rows: dropped } }: { node: TableDataNode }) {
  return (
    <Stack gap="xs">
      <Table.ScrollContainer minWidth={400} type="native">
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Column</Table.Th>
              <Table.Th>Type</Table.Th>
              <Table.Th>Each cell</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {columns.map((column: Column, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: of what was agreed on, nothing moves.
              <Table.Tr key={at}>
                <Table.Td>
                  <bdi>{column.name}</bdi>
                </Table.Td>
                <Table.Td>{column.type}</Table.Td>
                <Table.Td>{columnWords(column)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {unique.map((combination) => {
        const names = combination.map((at) => columns[at]?.name ?? `column ${at + 1}`);
        return (
          <Text key={names.join("\n")} size="sm">
            No two rows have the same <bdi>{listed(names)}</bdi>.
          </Text>
        );
      })}
      <Text size="sm">
        {dropped ? "Rows that are not valid are left out." : "A table with a row that is not valid is refused."}
      </Text>
    </Stack>
  );
}

function SyntheticColumns({ columns }: { columns: readonly SyntheticColumn[] }) {
  return (
    <Table.ScrollContainer minWidth={400} type="native">
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Column of the table</Table.Th>
            <Table.Th>Type</Table.Th>
            <Table.Th>Its values</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {columns.map((column, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: of what was agreed on, nothing moves.
            <Table.Tr key={at}>
              <Table.Td>
                {column.index + 1} <bdi>{column.name ?? ""}</bdi>
              </Table.Td>
              <Table.Td>{column.type}</Table.Td>
              <Table.Td>
                {column.mask ? `are made up: ${column.mask_type}` : "are like those of the table"}
                {column.nullable && ", or empty"}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function languageFor(node: Node, name: string): Language {
  if (node.kind === "sql" || node.kind === "sqlite") {
    return node.kind;
  }
  if (node.kind === "match") {
    return "json";
  }
  return /\.py$/.test(name) ? "python" : /\.r$/i.test(name) ? "r" : /\.sql$/.test(name) ? "sql" : "text";
}
