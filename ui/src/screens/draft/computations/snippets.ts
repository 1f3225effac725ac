/**
 * What reads a place in the container, ready to be pasted: it runs as it is, in the language of its script.
 *
 * Names come from whoever wrote the configuration: they stand in quotes, escaped, and nowhere else.
 */

import type { Item } from "./tree";

export type Language = "python" | "r" | "sql" | "sqlite";

/**
 * The snippet for a place.
 *
 * @param filtered Of queries: whether groups of few rows are left out, so that rows themselves can't be asked for.
 */
export function snippet(language: Language, item: Item, filtered = false): string {
  switch (language) {
    case "python":
      return inPython(item);
    case "r":
      return inR(item);
    case "sql":
    case "sqlite":
      return inSql(item, filtered);
  }
}

function inPython(item: Item): string {
  const name = variable(item.name, PYTHON_TAKEN);
  const place = quoted(item.path);
  const parts = modulePath(item);
  switch (item.content) {
    case "table":
      return item.optional
        ? python([PATHS, "", READ], `${name} = read_tabular_data(${place}) if Path(${place}).exists() else None`)
        : python([READ], `${name} = read_tabular_data(${place})`);
    case "results":
      return python([PATHS], `${name} = sorted(path for path in Path(${place}).rglob("*") if path.is_file())`);
    case "rows":
      return reading(item, ["import csv"], `open(${place}, encoding="utf-8", newline="")`, "list(csv.reader(file))");
    case "csv":
      return python(["import pandas as pd"], `${name} = pd.read_csv(${place})`);
    case "json":
      return reading(item, ["import json"], `open(${place}, encoding="utf-8")`, "json.load(file)");
    case "bytes":
      return reading(item, [], `open(${place}, "rb")`, "file.read()");
    case "python":
      if (parts !== undefined) {
        const [module = "", ...folders] = parts.reverse();
        return folders.length === 0 ? `import ${module}\n` : `from ${folders.reverse().join(".")} import ${module}\n`;
      }
      return reading(item, [], `open(${place}, encoding="utf-8")`, "file.read()");
    case "text":
    case "r":
      return reading(item, [], `open(${place}, encoding="utf-8")`, "file.read()");
    case "write-file":
      return python([PATHS], `Path(${place}).write_text("done\\n", encoding="utf-8")`);
    case "write-table":
      return python(
        ["import pandas as pd", "from cloister_util import write_tabular_data"],
        `${name} = pd.DataFrame({"number": [1, 2, 3]})\nwrite_tabular_data(${name}, ${place})`,
      );
    case "scratch":
      return python([PATHS], `${name} = Path(${place})`);
    case "column":
      return place;
  }
}

const PATHS = "from pathlib import Path";
const READ = "from cloister_util import read_tabular_data";

function python(imports: string[], code: string): string {
  return `${imports.join("\n")}\n\n${code}\n`;
}

/** A file that is opened, and read while it is open. */
function reading(item: Item, imports: string[], opened: string, read: string): string {
  const name = variable(item.name, PYTHON_TAKEN);
  const needed = [...imports, ...(item.optional ? [PATHS] : [])];
  const head = needed.length === 0 ? "" : `${needed.join("\n")}\n\n`;
  const lines = [`with ${opened} as file:`, `    ${name} = ${read}`];
  if (item.optional) {
    const indented = lines.map((line) => `    ${line}`).join("\n");
    return `${head}${name} = None\nif Path(${quoted(item.path)}).exists():\n${indented}\n`;
  }
  return `${head}${lines.join("\n")}\n`;
}

function inR(item: Item): string {
  const name = variable(item.name, R_TAKEN);
  const place = quoted(item.path);
  const assign = (read: string): string =>
    item.optional ? `${name} <- if (file.exists(${place})) ${read} else NULL\n` : `${name} <- ${read}\n`;
  switch (item.content) {
    case "table":
      return assign(`read_tabular_data(${place})`);
    case "results":
      return assign(`list.files(${place}, recursive = TRUE, full.names = TRUE)`);
    case "csv":
      return assign(`read.csv(${place})`);
    case "json":
      return assign(`jsonlite::fromJSON(${place})`);
    case "bytes":
      return assign(`readBin(${place}, "raw", file.size(${place}))`);
    case "r":
      return `source(${place}, encoding = "UTF-8")\n`;
    case "rows":
    case "text":
    case "python":
      return assign(`readLines(${place}, encoding = "UTF-8", warn = FALSE)`);
    case "write-file":
      return `writeLines("done", ${place})\n`;
    case "write-table":
      return `${name} <- data.frame(number = 1:3)\nwrite_tabular_data(${name}, ${place})\n`;
    case "scratch":
      return `${name} <- ${place}\n`;
    case "column":
      return place;
  }
}

function inSql(item: Item, filtered: boolean): string {
  if (item.content === "column") {
    return identifier(item.label);
  }
  const columns = (item.columns ?? []).map((column) => identifier(column.name)).join(", ");
  return `SELECT ${filtered ? 'count(*) AS "rows"' : columns || "*"}\nFROM ${identifier(item.name)}\n`;
}

/** A name of a table or a column in a query. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as Python and R have it: JSON's escapes mean the same in both. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** What a module that is among the static files is imported by, from its folders on; undefined where it can't be. */
function modulePath(item: Item): string[] | undefined {
  const parts = item.path
    .replace(/^\/input\/code\//, "")
    .replace(/\.py$/, "")
    .split("/");
  return parts.every((part) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(part) && !PYTHON_TAKEN.has(part)) ? parts : undefined;
}

/** A name for a variable, made of whatever something is called. */
export function variable(name: string, taken: ReadonlySet<string>): string {
  const plain = name.replace(/[^A-Za-z0-9_]+/g, "_").replace(/^_+|_+$/g, "");
  const begun = /^[A-Za-z]/.test(plain) ? plain : `data_${plain}`.replace(/_$/, "");
  return taken.has(begun) ? `${begun}_` : begun;
}

/** Python's words, and those that snippets or most scripts use for something else. */
export const PYTHON_TAKEN: ReadonlySet<string> = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from global " +
    "if import in is lambda nonlocal not or pass raise return try while with yield " +
    "Path abs all any bool bytes csv dict file filter float format hash id input int iter json len list map max min " +
    "next np object open pd print range read_tabular_data round set sorted str sum tuple type write_tabular_data zip"
  ).split(" "),
);

/** R's words. Functions can be called whatever variables there are. */
export const R_TAKEN: ReadonlySet<string> = new Set(
  "if else repeat while function for next break in TRUE FALSE NULL Inf NaN NA T F".split(" "),
);
