import { describe, expect, test } from "vitest";
import { checked } from "../../../../src/core/decode";
import { problems } from "../../../../src/core/problems";
import type { Configuration, Node } from "../../../../src/core/records";
import { newDraft } from "../../../../src/drafts/draft";
import { putNode } from "../../../../src/drafts/edits";
import { KINDS_OFFERED, LIMITS, newComputation, suggestedName } from "../../../../src/screens/draft/computations/kinds";
import { imageOf, librariesOf } from "../../../../src/screens/draft/computations/libraries";
import { readLimit, writeLimit } from "../../../../src/screens/draft/computations/limits";
import { matchPaths, pathNames, readQuery, writeQuery } from "../../../../src/screens/draft/computations/matching";
import { fileProblem, nameProblem } from "../../../../src/screens/draft/computations/names";
import { costs } from "../../../../src/screens/draft/computations/privacy";
import { allColumns, masked, putColumn, usual } from "../../../../src/screens/draft/computations/synthetic";

const EMPTY: Configuration = newDraft("Forms", "a@example.org").configuration;

function withNodes(...nodes: Node[]): Configuration {
  return nodes.reduce((room, node) => putNode(node)(room), EMPTY);
}

const raw = (name: string): Node => ({ kind: "raw_data", id: name, name, required: true });

describe("limits", () => {
  test.each([
    [4 * 1024 ** 3, "bytes", "4 GiB"],
    [1.5 * 1024 ** 3, "bytes", "1.5 GiB"],
    [1_000_000, "bytes", "1000000 bytes"],
    [0, "bytes", "0 bytes"],
    [3600, "seconds", "1 h"],
    [5461, "seconds", "1 h 31 min 1 s"],
    [0.5, "count", "0.5"],
    [100_000, "count", "100000"],
  ] as const)("%d %s is %s", (value, unit, text) => {
    expect(writeLimit(value, unit)).toBe(text);
    expect(readLimit(text, unit)).toBe(value);
  });

  test.each([
    ["512mb", "bytes", 512_000_000],
    [" 2 g ", "bytes", 2 * 1024 ** 3],
    ["100", "bytes", 100],
    ["90 min", "seconds", 5400],
    ["1h30m", "seconds", 5400],
    [".5", "count", 0.5],
  ] as const)("%s is read", (text, unit, value) => {
    expect(readLimit(text, unit)).toBe(value);
  });

  test.each([
    ["", "bytes"],
    ["soon", "seconds"],
    ["4 GiB and more", "bytes"],
    ["1 h 30", "seconds"],
    ["-1", "count"],
    ["5 constructor", "bytes"],
    ["9".repeat(30), "bytes"],
    ["1 GiB", "count"],
  ] as const)("%s is none", (text, unit) => {
    expect(readLimit(text, unit)).toBeUndefined();
  });
});

describe("new computations", () => {
  test.each(KINDS_OFFERED)("a new one of kind %s is a record", (kind) => {
    const made = newComputation(EMPTY, kind, suggestedName(EMPTY, kind));
    expect(checked(made, "Node", "a node")).toEqual(made);
    expect(made.limits).toEqual(LIMITS);
  });

  test.each([
    ["python", '"new": The script is empty.'],
    ["sql", '"new": The query is empty.'],
    ["synthetic", '"new": Choose the source table.', '"new": Choose at least one column.'],
    ["match", '"new": Say which rows belong together: the query is empty.', '"new": Choose two tables.'],
    ["preview", '"new": Choose what it shows.'],
  ] as const)("what one of kind %s lacks at first is said", (kind, ...lacking) => {
    const room = withNodes(newComputation(EMPTY, kind, "new"));
    expect(problems(room).map(({ message }) => message)).toEqual(lacking);
  });

  test("its id is its name, unless another has that", () => {
    expect(newComputation(EMPTY, "sql", "mean").id).toBe("mean");
    const renamed = withNodes({ ...raw("mean"), name: "other" });
    expect(newComputation(renamed, "sql", "mean").id).toBe("mean_2");
    expect(suggestedName(withNodes(raw("python")), "python")).toBe("python_2");
  });

  test("names", () => {
    const room = withNodes(raw("letter"));
    expect(nameProblem(room, "by age-2")).toBeUndefined();
    for (const wrong of ["", "2", "a ", "a\n", "é", "<b>"]) {
      expect(nameProblem(room, wrong)).toMatch(/^Start with a letter/);
    }
    expect(nameProblem(room, "letter")).toMatch(/^Another node/);
    expect(nameProblem(room, "letter", "letter")).toBeUndefined();
    const files = [{ name: "lib/a.py", content: "" }];
    expect(fileProblem(files, "2 b.txt")).toBeUndefined();
    for (const wrong of ["", "../a", "/a", "a//b", "a\n", ".hidden", "lib/a.py", "lib", "lib/a.py/b"]) {
      expect(fileProblem(files, wrong)).toBeDefined();
    }
  });
});

describe("matching", () => {
  const pair = { left: "e.mail", right: "mail", lower: false, trim: false };

  test.each([
    [[[pair]]],
    [[[{ ...pair, lower: true, trim: true }, pair]]],
    [
      [
        [pair],
        [
          { ...pair, lower: true },
          { ...pair, trim: true },
        ],
      ],
    ],
  ])("a form is a query, and a form again", (form) => {
    expect(readQuery(writeQuery(form), ["a", "b"])).toEqual(form);
  });

  test("tables by name, in whatever order, in a list", () => {
    const query = JSON.stringify([{ "==": [{ lower: [{ var: ["b.mail"] }] }, { lower: { var: "a.e.mail" } }] }]);
    expect(readQuery(query, ["a", "b"])).toEqual([[{ ...pair, lower: true }]]);
  });

  test("nothing yet is a form to be filled in", () => {
    expect(readQuery(" ", ["a", "b"])).toHaveLength(1);
  });

  test.each([
    "{",
    "[]",
    "{}",
    '"a"',
    '{"==": [{"var": "0.a"}, {"var": "0.b"}]}',
    '{"==": [{"var": "0.a"}, 5]}',
    '{"==": [{"lower": {"var": "0.a"}}, {"var": "1.b"}]}',
    '{"!=": [{"var": "0.a"}, {"var": "1.b"}]}',
    '{"or": [{"and": []}]}',
    '{"==": [{"var": "c.a"}, {"var": "1.b"}]}',
    '{"==": [{"lower": {"lower": {"var": "0.a"}}}, {"lower": {"lower": {"var": "1.a"}}}]}',
    '{"__proto__": []}',
  ])("%s is written by hand", (query) => {
    expect(readQuery(query, ["a", "b"])).toBeUndefined();
  });

  test("its paths follow the names of its tables", () => {
    const made = newComputation(EMPTY, "match", "m") as Extract<Node, { kind: "match" }>;
    const node = { ...made, dependencies: ["a", "b"], paths: matchPaths(["a", "b"]) };
    const room = putNode({ ...raw("a"), name: "c d" })(withNodes(raw("a"), raw("b"), node));
    const [, , match] = room.nodes;
    expect(match?.kind === "match" && match.paths).toEqual(["c d/dataset.csv", "b/dataset.csv"]);
    expect(pathNames(["/input/a/dataset.csv", "b/dataset.csv", "c"])).toEqual(["a", "b", "c"]);
  });
});

test("what is lost of privacy adds up over all that reads the data", () => {
  const synthetic = (id: string, dependency: string, epsilon: number): Node =>
    ({ ...newComputation(EMPTY, "synthetic", id), dependency, epsilon }) as Node;
  const query = { ...newComputation(EMPTY, "sql", "q"), dependencies: ["a", "b"] } as Node;
  const room = withNodes(raw("a"), raw("b"), query, synthetic("one", "q", 0.1), synthetic("two", "a", 0.2));
  expect(costs(room, "two")).toEqual([{ id: "a", name: "a", epsilon: 0.3 }]);
  expect(costs(room, "one").map((each) => [each.id, each.epsilon])).toEqual(
    expect.arrayContaining([
      ["a", 0.3],
      ["b", 0.1],
    ]),
  );
  expect(costs(room, "q")).toEqual([]);
});

test("columns of synthetic data", () => {
  const all = allColumns([
    { name: "a", type: "EMAIL", nullable: false },
    { name: "b", type: "INTEGER", nullable: true },
  ]);
  expect(all.map((each) => [each.index, each.type, each.mask, each.nullable])).toEqual([
    [0, "EMAIL", false, false],
    [1, "INTEGER", false, true],
  ]);
  expect(putColumn(all, 0, undefined).map((each) => each.index)).toEqual([1]);
  expect(putColumn(putColumn(all, 0, undefined), 0, usual(0)).map((each) => each.index)).toEqual([0, 1]);
  expect(masked(usual(0), "iban")).toMatchObject({ mask: true, mask_type: "iban" });
  expect(masked(masked(usual(0), "iban"), "")).toMatchObject({ mask: false });
});

test("libraries of images", () => {
  const [small, large] = [imageOf("python"), imageOf("python-ml")];
  expect(small?.packages).toHaveProperty("pandas");
  expect(Object.keys(large?.packages ?? {}).length).toBeGreaterThan(90);
  // What an installation offers as python may be the larger image.
  const [one, other] = ["11".repeat(32), "22".repeat(32)];
  const offered = [
    { name: "python", measurement: one },
    { name: "python-ml", measurement: one },
    { name: "python", measurement: other },
  ];
  expect(imageOf("python", offered)).toBe(large);
  expect(imageOf("python", offered.slice(2))).toBe(small);
  expect(imageOf("constructor")).toBeUndefined();
  if (large === undefined) {
    throw new Error("There is no such image.");
  }
  expect(librariesOf(large, "SCIKIT_learn").map((each) => each.name)).toEqual(["scikit-learn"]);
  expect(librariesOf(imageOf("r") ?? large, "mass")).toEqual([{ name: "MASS", version: null }]);
});
