/** What is computed: the list of computations, the one that is worked on, and what it finds. */

import { Stack, Tabs, Text } from "@mantine/core";
import { type RefObject, useCallback, useDeferredValue, useMemo, useRef, useState } from "react";

import type { EditorHandle } from "../../../components/editor/Editor";
import { type ComputeNode, isDataNode } from "../../../core/nodes";
import type { Configuration, Node, TextFile } from "../../../core/records";
import { useDraft } from "../../../drafts/useDraft";
import { problemsByNode } from "../nodes/NodeProblems";
import { useChosen } from "../nodes/useChosen";
import { TestButton } from "../test/TestButton";
import { AddComputation } from "./AddComputation";
import { ComputationList } from "./ComputationList";
import styles from "./Computations.module.css";
import { type ById, byId } from "./columns";
import { EnvironmentForm } from "./EnvironmentForm";
import { FileBrowser } from "./FileBrowser";
import { Head } from "./Head";
import { Libraries } from "./Libraries";
import { MatchForm } from "./MatchForm";
import { PreviewForm } from "./PreviewForm";
import { QueryForm } from "./QueryForm";
import { ScriptForm } from "./ScriptForm";
import { SyntheticForm } from "./SyntheticForm";
import { codeItems, inputItem } from "./tree";
import { type Change, type NodeOf, useChange } from "./useNode";

export default function ComputationsTab() {
  const { configuration } = useDraft();
  // What is typed is there at once; what is around it follows.
  const settled = useDeferredValue(configuration);
  const computations = useMemo(() => computationsOf(settled), [settled]);
  const problems = useMemo(() => problemsByNode(settled), [settled]);
  const { chosen, choose } = useChosen("computations", computationsOf(configuration));
  return (
    <div className={styles["columns"]}>
      <div className={styles["list"]}>
        <AddComputation onAdded={choose} />
        <ComputationList computations={computations} chosen={chosen?.id} problems={problems} onChoose={choose} />
        {computations.length > 0 && <TestButton />}
      </div>
      {chosen === undefined ? (
        <Text c="dimmed">
          Nothing is computed yet. Add a computation: a script or a query over the tables and files in Data.
        </Text>
      ) : (
        <Work key={chosen.id} node={chosen} settled={settled} problems={problems.get(chosen.id) ?? []} />
      )}
    </div>
  );
}

function computationsOf(configuration: Configuration): ComputeNode[] {
  return configuration.nodes.filter((node) => !isDataNode(node));
}

const NO_FILES: readonly TextFile[] = [];

/** All nodes but one: the same map for as long as they are the same. */
function useOthers(nodes: readonly Node[], id: string): ById {
  const others = nodes.filter((each) => each.id !== id);
  const [kept, keep] = useState(others);
  const same = kept.length === others.length && kept.every((each, at) => each === others[at]);
  if (!same) {
    keep(others);
  }
  const now = same ? kept : others;
  return useMemo(() => byId(now), [now]);
}

type Reader = NodeOf<"python" | "r" | "sql" | "sqlite">;

function isReader(node: Node): node is Reader {
  return node.kind === "python" || node.kind === "r" || node.kind === "sql" || node.kind === "sqlite";
}

interface WorkProps {
  node: ComputeNode;
  settled: Configuration;
  problems: readonly string[];
}

function Work({ node, settled, problems }: WorkProps) {
  const change = useChange(node.id, node.kind);
  const nodes = useMemo(() => byId(settled.nodes), [settled]);
  const others = useOthers(settled.nodes, node.id);
  const editor = useRef<EditorHandle>(null);
  const mount = useCallback(
    (id: string, mounted: boolean) =>
      (change as Change<Reader["kind"]>)((now) => {
        const others = now.dependencies.filter((each) => each !== id);
        return { dependencies: mounted ? [...others, id] : others };
      }),
    [change],
  );
  const insert = useCallback(
    (code: string) => editor.current?.insert(code.replace(/\n$/, ""), code.endsWith("\n")),
    [],
  );
  const browser = isReader(node) && (
    <FileBrowser
      nodes={others}
      id={node.id}
      kind={node.kind}
      reading={node.dependencies}
      files={"files" in node ? node.files : NO_FILES}
      filtered={node.kind === "sql" && node.minimum_rows !== undefined}
      begun={"statement" in node && node.statement.trim() !== ""}
      onMount={mount}
      onInsert={insert}
    />
  );
  const script = node.kind === "python" || node.kind === "r";
  const beside = script || browser !== false || node.kind === "python_environment";
  return (
    <div className={beside ? styles["work"] : undefined}>
      <Stack>
        <Head node={node} problems={problems} onRename={(name) => change({ name })} />
        <Form node={node} change={change} nodes={nodes} editor={editor} />
      </Stack>
      {beside && (
        <aside className={styles["beside"]} aria-label="What it finds">
          {script || node.kind === "python_environment" ? (
            <Tabs defaultValue={script ? "files" : "libraries"}>
              <Tabs.List mb="xs">
                {script && <Tabs.Tab value="files">Files</Tabs.Tab>}
                <Tabs.Tab value="libraries">Available in this image</Tabs.Tab>
              </Tabs.List>
              {script && <Tabs.Panel value="files">{browser}</Tabs.Panel>}
              <Tabs.Panel value="libraries">
                <Libraries image={node.image} />
              </Tabs.Panel>
            </Tabs>
          ) : (
            browser
          )}
        </aside>
      )}
    </div>
  );
}

interface FormProps {
  node: ComputeNode;
  change: Change<ComputeNode["kind"]>;
  nodes: ById;
  editor: RefObject<EditorHandle | null>;
}

function Form({ node, change, nodes, editor }: FormProps) {
  // Each form changes fields of its own kind alone; `change` does nothing where the kind is another.
  const its = change as never;
  switch (node.kind) {
    case "python":
    case "r":
      return <ScriptForm node={node} change={its} paths={pathsOf(node, nodes)} editor={editor} />;
    case "sql":
    case "sqlite":
      return <QueryForm node={node} change={its} tables={tablesOf(node, nodes)} editor={editor} />;
    case "synthetic":
      return <SyntheticForm node={node} change={its} nodes={nodes} />;
    case "match":
      return <MatchForm node={node} change={its} nodes={nodes} />;
    case "preview":
      return <PreviewForm node={node} change={its} nodes={nodes} />;
    case "python_environment":
      return <EnvironmentForm node={node} change={its} />;
  }
}

/** What a script can open. */
function pathsOf(node: NodeOf<"python" | "r">, nodes: ById): string[] {
  const read = node.dependencies.flatMap((id) => nodes.get(id) ?? []);
  return [...read.map((each) => inputItem(nodes, each)), ...codeItems(node.files)].map((item) => item.path);
}

/** The tables that a query reads, with their columns. */
function tablesOf(node: NodeOf<"sql" | "sqlite">, nodes: ById): Record<string, string[]> {
  const read = node.dependencies.flatMap((id) => nodes.get(id) ?? []);
  return Object.fromEntries(
    read.map((each) => [each.name, (inputItem(nodes, each).columns ?? []).map((column) => column.name)]),
  );
}
