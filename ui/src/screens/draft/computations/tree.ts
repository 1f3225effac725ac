/** What a computation finds in its container, as a tree: inputs, static files, places to write to. */

import { dependencies, mounted } from "../../../core/nodes";
import type { Node, TextFile } from "../../../core/records";
import { type ById, columnsOf, isTable, type KnownColumn } from "./columns";

/**
 * How a place is read or written.
 *
 * `table`: a folder that is a table. `rows`: its `dataset.csv`. `results`: a folder of whatever a script has written.
 * `bytes`, `text`, `csv`, `json`: a file. `python`, `r`: code of one's own. `column`: of a table, in queries.
 */
export type Content =
  | "table"
  | "rows"
  | "results"
  | "bytes"
  | "text"
  | "csv"
  | "json"
  | "python"
  | "r"
  | "column"
  | "write-file"
  | "write-table"
  | "scratch";

/** A place in the container, or a part of a table. */
export interface Item {
  /** What is shown. */
  label: string;
  /** What a variable for it is called after. */
  name: string;
  path: string;
  content: Content;
  /** It may not be there: nobody has to attach data to it. */
  optional: boolean;
  columns?: KnownColumn[] | undefined;
  /** Said beside it. */
  note?: string;
}

/** A node that can be read, or is. */
export interface Source {
  id: string;
  kind: Node["kind"];
  item: Item;
  /** Whether it is among the dependencies. */
  mounted: boolean;
  /** Why it can't be. */
  blocked: string | undefined;
}

/** Who looks for something to read. */
export interface Reader {
  id: string;
  kind: Node["kind"];
  /** The ids of what it reads. */
  reading: readonly string[];
}

export function readerOf(node: Node): Reader {
  return { id: node.id, kind: node.kind, reading: mounted(node) };
}

/** The nodes that a computation may read, data first, each in the order of the room. */
export function sourcesFor(nodes: ById, reader: Reader): Source[] {
  const reading = new Set(reader.reading);
  const after = readersOf(nodes, reader.id);
  const query = ["sql", "sqlite", "synthetic", "match"].includes(reader.kind);
  const found: Source[] = [];
  for (const node of nodes.values()) {
    const isMounted = reading.has(node.id);
    // What packages were installed is no data: it is chosen as environment.
    if (node.id !== reader.id && (isMounted || node.kind !== "python_environment")) {
      const blocked = after.has(node.id)
        ? "It reads this computation itself."
        : query && isTable(nodes, node.id) === false
          ? "No table, as this computation needs one."
          : undefined;
      found.push({ id: node.id, kind: node.kind, item: inputItem(nodes, node), mounted: isMounted, blocked });
    }
  }
  const isData = ({ kind }: Source): boolean => kind === "raw_data" || kind === "table_data";
  return [...found.filter(isData), ...found.filter((each) => !isData(each))];
}

/** Ids of all that reads a node, directly or not. */
function readersOf(nodes: ById, id: string): ReadonlySet<string> {
  const direct = new Map<string, string[]>();
  for (const node of nodes.values()) {
    for (const each of dependencies(node)) {
      direct.set(each, [...(direct.get(each) ?? []), node.id]);
    }
  }
  const found = new Set<string>();
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const reader of direct.get(next) ?? []) {
      if (!found.has(reader)) {
        found.add(reader);
        open.push(reader);
      }
    }
  }
  return found;
}

/** Where a node is mounted. */
export function inputItem(nodes: ById, node: Node): Item {
  const common = {
    label: node.name,
    name: node.name,
    path: `/input/${node.name}`,
    optional: (node.kind === "raw_data" || node.kind === "table_data") && !node.required,
  };
  if (node.kind === "raw_data") {
    return { ...common, content: "bytes" };
  }
  const writes = node.kind === "python" || node.kind === "r" ? written(node.script) : undefined;
  const table = isTable(nodes, node.id) === true || writes?.tables.includes("") || columnsOf(nodes, node.id);
  return { ...common, content: table ? "table" : "results", columns: columnsOf(nodes, node.id) };
}

/** What lies below the place where a node is mounted; of what a script has written, as far as the script says it. */
export function below(nodes: ById, node: Node, root = inputItem(nodes, node), depth = 0): Item[] {
  const file = (name: string, content: Content, note?: string): Item => ({
    label: name,
    name: content === "rows" ? root.name : `${root.name} ${name}`,
    path: `${root.path}/${name}`,
    content,
    optional: root.optional,
    ...(content === "rows" ? { columns: root.columns } : {}),
    ...(note === undefined ? {} : { note }),
  });
  const table = [file("dataset.csv", "rows", "no header line"), file("types", "bytes")];
  const log = "logs_on_success" in node && node.logs_on_success ? [file("container.log", "text")] : [];
  switch (node.kind) {
    case "raw_data":
      return [];
    case "table_data":
      return [...table, file("validation-report.json", "json")];
    case "sql":
      return table;
    case "match":
      return table;
    case "sqlite":
      return [...table, ...log];
    case "synthetic":
      return [...table, file("report.json", "json"), file("report.png", "bytes"), file("report.svg", "bytes"), ...log];
    case "python_environment":
      return [file("report.json", "json")];
    case "preview": {
      const source = nodes.get(node.dependency);
      if (source === undefined || depth > 20) {
        return [];
      }
      return source.kind === "raw_data" ? [file(source.name, "bytes")] : below(nodes, source, root, depth + 1);
    }
    case "python":
    case "r": {
      const { files, tables } = written(node.script);
      const note = "as its script says";
      return [
        ...tables.flatMap((folder) =>
          folder === "" ? table : [{ ...file(folder, "table", note), columns: undefined } as Item],
        ),
        ...files.map((name) => file(name, contentOf(name), note)),
        ...log,
      ];
    }
  }
}

/** Static files as the computation finds them. */
export function codeItems(files: readonly TextFile[]): Item[] {
  return files.map(({ name, content }) => {
    const guessed = contentOf(name);
    // What is empty can't be parsed.
    const usable = content.trim() !== "" || guessed === "python" || guessed === "r";
    return {
      label: name,
      name: stem(name),
      path: `/input/code/${name}`,
      content: usable && guessed !== "bytes" ? guessed : "text",
      optional: false,
    };
  });
}

export const OUTPUT: readonly Item[] = [
  { label: "result.txt", name: "result", path: "/output/result.txt", content: "write-file", optional: false },
  {
    label: "dataset.csv and types",
    name: "result",
    path: "/output",
    content: "write-table",
    optional: false,
    note: "a table that others can read",
  },
];

export const SCRATCH: Item = {
  label: "/scratch",
  name: "scratch",
  path: "/scratch",
  content: "scratch",
  optional: false,
  note: "room to work, as /tmp; wiped afterwards",
};

const OUTPUT_PATH = /["'`]\/output\/([A-Za-z0-9_][A-Za-z0-9_. /-]*)["'`]/g;
const TABLE_WRITTEN = /write_(?:tabular_data|sql_data_to_dir)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)/g;
const OUTPUT_FOLDER = /["'`]\/output\/?([A-Za-z0-9_][A-Za-z0-9_. /-]*)?["'`]/;
const MOST = 50;

/** The files and folders of tables that a script writes, where their paths stand in it. A help, and no promise. */
function written(script: string): { files: string[]; tables: string[] } {
  const tables = new Set<string>();
  for (const [, given = ""] of script.matchAll(TABLE_WRITTEN)) {
    // Without a place it is /output itself; what isn't called can't be told from what is defined.
    tables.add((OUTPUT_FOLDER.exec(given)?.[1] ?? "").replace(/\/+$/, ""));
  }
  const files = new Set<string>();
  for (const [, name = ""] of script.matchAll(OUTPUT_PATH)) {
    if (!tables.has(name.replace(/\/+$/, "")) && !name.endsWith("/") && !name.split("/").includes("..")) {
      files.add(name);
    }
  }
  return { files: [...files].slice(0, MOST), tables: [...tables].slice(0, MOST) };
}

const CONTENTS: Readonly<Record<string, Content>> = {
  csv: "csv",
  json: "json",
  py: "python",
  r: "r",
  txt: "text",
  md: "text",
  log: "text",
  sql: "text",
  yaml: "text",
  yml: "text",
  toml: "text",
};

function contentOf(name: string): Content {
  const ending = /\.([A-Za-z]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(CONTENTS, ending) ? (CONTENTS[ending] ?? "bytes") : "bytes";
}

function stem(name: string): string {
  return (name.split("/").at(-1) ?? name).replace(/\.[^.]*$/, "");
}
