import { describe, expect, test } from "vitest";

import type { Node, PythonNode, SqlNode, TableDataNode } from "../../../../src/core/records";
import { byId, columnsOf } from "../../../../src/screens/draft/computations/columns";
import { LIMITS } from "../../../../src/screens/draft/computations/kinds";
import { identifier, PYTHON_TAKEN, snippet, variable } from "../../../../src/screens/draft/computations/snippets";
import { below, codeItems, inputItem, readerOf, sourcesFor } from "../../../../src/screens/draft/computations/tree";

const NASTY = '"); import os #\u202e\n<img src=x onerror=alert(1)>';

function table(name: string, ...columns: string[]): TableDataNode {
  const made = columns.map((each) => ({
    name: each,
    type: "STRING" as const,
    nullable: false,
    hashed: each === "key",
  }));
  const rest = { drop_invalid_rows: false, unique: [], image: "python", limits: LIMITS };
  return { kind: "table_data", id: `${name} id`, name, required: true, columns: made, ...rest };
}

function python(name: string, script: string, ...dependencies: string[]): PythonNode {
  const rest = { files: [], logs_on_error: false, logs_on_success: false, image: "python", limits: LIMITS };
  return { kind: "python", id: `${name} id`, name, script, dependencies, ...rest };
}

function sql(name: string, ...dependencies: string[]): SqlNode {
  return { kind: "sql", id: `${name} id`, name, statement: "", dependencies, image: "python", limits: LIMITS };
}

describe("what there is to read", () => {
  const file: Node = { kind: "raw_data", id: "file id", name: "file", required: true };
  const [first, second, last] = [sql("first", "people id"), python("second", "", "first id"), sql("last", "second id")];
  const nodes = byId([last, second, first, file, table("people", "name")]);

  test("data comes first; what reads the computation itself is no choice", () => {
    const found = sourcesFor(nodes, readerOf(second)).map(({ id, mounted, blocked }) => [
      id,
      mounted,
      blocked !== undefined,
    ]);
    expect(found).toEqual([
      ["file id", false, false],
      ["people id", false, false],
      ["last id", false, true],
      ["first id", true, false],
    ]);
  });

  test("queries read tables alone, and results of scripts, which may be some", () => {
    const blocked = sourcesFor(nodes, readerOf(first)).filter((each) => each.blocked !== undefined);
    expect(blocked.map((each) => each.id)).toEqual(["file id", "last id", "second id"]);
    expect(sourcesFor(nodes, readerOf(last)).find((each) => each.id === "second id")?.blocked).toBeUndefined();
  });

  test("what stands in a circle ends", () => {
    const circle = byId([sql("one", "other id"), sql("other", "one id")]);
    expect(sourcesFor(circle, readerOf(sql("one", "other id"))).map((each) => each.mounted)).toEqual([true]);
  });

  test("packages are no data", () => {
    const rest = { requirements: "", lock: [], image: "python", limits: LIMITS };
    const all = byId([{ kind: "python_environment", id: "p", name: "p", ...rest }, second]);
    expect(sourcesFor(all, readerOf(second))).toEqual([]);
  });
});

describe("what lies below", () => {
  const paths = (node: Node, ...others: Node[]): string[] =>
    below(byId([node, ...others]), node).map((each) => each.path.replace(`/input/${node.name}/`, ""));

  test("tables and results of programs", () => {
    expect(paths(table("t", "a"))).toEqual(["dataset.csv", "types", "validation-report.json"]);
    expect(paths(sql("s"))).toEqual(["dataset.csv", "types"]);
  });

  test("what a script says that it writes", () => {
    const script = `
      frame.to_csv("/output/mean stay.csv"); open('/output/deep/er/a.json', "w")
      open(f"/output/{name}.csv"); open("/output/../etc"); open("/output/")
      cloister_util.write_tabular_data(frame.groupby(["a"]).mean(), "/output/table/")
      write_tabular_data(frame)
    `;
    expect(paths(python("p", script))).toEqual(["table", "dataset.csv", "types", "mean stay.csv", "deep/er/a.json"]);
    expect(inputItem(byId([]), python("p", script)).content).toBe("table");
    expect(inputItem(byId([]), python("p", "print()")).content).toBe("results");
    expect(paths({ ...python("p", ""), logs_on_success: true })).toEqual(["container.log"]);
  });

  test("previews show what they show", () => {
    const file: Node = { kind: "raw_data", id: "file id", name: "file", required: true };
    const rest = { quota_bytes: 1, image: "python", limits: LIMITS };
    const preview = (id: string, dependency: string): Node => ({ kind: "preview", id, name: id, dependency, ...rest });
    expect(paths(preview("p", "file id"), file)).toEqual(["file"]);
    expect(paths(preview("p", "t id"), table("t", "a"))).toContain("dataset.csv");
    expect(paths(preview("p", "q"), preview("q", "p"))).toEqual([]);
    expect(paths(preview("p", ""))).toEqual([]);
  });
});

describe("columns", () => {
  const nodes = byId([
    table("people", "name", "key"),
    table("others", "NAME", "town"),
    {
      kind: "match",
      id: "m",
      name: "m",
      query: "",
      round: 1,
      epsilon: 1,
      sensitivity: 1,
      paths: [],
      dependencies: ["people id", "others id"],
      logs_on_error: false,
      logs_on_success: false,
      image: "synthetic",
      limits: LIMITS,
    },
  ]);

  test("hashed ones are hashes", () => {
    expect(columnsOf(nodes, "people id")?.map((each) => each.type)).toEqual(["STRING", "HASH_SHA256_HEX"]);
  });

  test("of matched rows: those of both, told apart", () => {
    expect(columnsOf(nodes, "m")?.map((each) => each.name)).toEqual(["people_name", "key", "others_NAME", "town"]);
  });

  test("of others they are known when they have run", () => {
    expect(columnsOf(byId([sql("s")]), "s id")).toBeUndefined();
    expect(columnsOf(nodes, "nobody")).toBeUndefined();
  });
});

describe("snippets", () => {
  test("a table in each language", () => {
    const node = table("of people-1", 'na"me', "age");
    const nodes = byId([node, sql("q")]);
    const item = inputItem(nodes, node);
    const read =
      'from cloister_util import read_tabular_data\n\nof_people_1 = read_tabular_data("/input/of people-1")\n';
    expect(snippet("python", item)).toBe(read);
    expect(snippet("r", item)).toBe('of_people_1 <- read_tabular_data("/input/of people-1")\n');
    expect(snippet("sql", item)).toBe('SELECT "na""me", "age"\nFROM "of people-1"\n');
    expect(snippet("sqlite", inputItem(nodes, sql("q")))).toBe('SELECT *\nFROM "q"\n');
    expect(snippet("sql", item, true)).toBe('SELECT count(*) AS "rows"\nFROM "of people-1"\n');
  });

  test("what stands in names stays in quotes", () => {
    const raw = { kind: "raw_data", id: "r", name: NASTY, required: false } as const;
    const items = [inputItem(byId([]), raw), inputItem(byId([]), table(NASTY)), ...below(byId([]), table(NASTY))];
    const files = codeItems([
      { name: `${NASTY}.py`, content: "x" },
      { name: `${NASTY}.csv`, content: "x" },
    ]);
    for (const item of [...items, ...files]) {
      for (const language of ["python", "r"] as const) {
        // Without all that is quoted there is nothing of the name but letters.
        const code = snippet(language, item).replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
        expect(code).not.toMatch(/#|<img|system|\u202e/);
        expect(code).not.toContain("alert(");
      }
      expect(snippet("sql", item).replace(/"(?:[^"]|"")*"/g, '""')).toMatch(/^SELECT \*\nFROM ""\n$/);
    }
    expect(identifier('a"b')).toBe('"a""b"');
  });

  test("variables", () => {
    expect(variable("of people-1", PYTHON_TAKEN)).toBe("of_people_1");
    expect(variable("class", PYTHON_TAKEN)).toBe("class_");
    expect(variable("2 bands", PYTHON_TAKEN)).toBe("data_2_bands");
    expect(variable("…", PYTHON_TAKEN)).toBe("data");
    expect(variable("_", PYTHON_TAKEN)).toBe("data");
  });

  test("static files", () => {
    const code = (name: string, content = "x"): string[] =>
      codeItems([{ name, content }]).map((item) => snippet("python", item));
    expect(code("helper.py")).toEqual(["import helper\n"]);
    expect(code("lib/deep/er.py")).toEqual(["from lib.deep import er\n"]);
    expect(code("my helper.py")[0]).toContain('open("/input/code/my helper.py"');
    expect(code("csv.py")[0]).toContain("file.read()");
    expect(code("a.csv")[0]).toContain("pd.read_csv");
    expect(code("a.csv", " ")[0]).toContain("file.read()");
  });
});
