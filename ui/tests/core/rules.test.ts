/** The rules that a room keeps, checked before it is published: with the verdict of the Python code. */

import { expect, test } from "vitest";

import { readConfiguration } from "../../src/core/configuration";
import { readDefinition } from "../../src/core/definition";
import { canonical, sha256, toHex, utf8 } from "../../src/core/encoding";
import { DefinitionInvalid } from "../../src/core/errors";
import { type Problem, problems } from "../../src/core/problems";
import type { Configuration, Definition, Node, PythonNode, TableDataNode } from "../../src/core/records";
import { load } from "../vectors";

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape is edited
type Json = any;
interface Case {
  says: string;
  edits: [path: (string | number)[], value?: Json][];
  definition: boolean;
  configuration: boolean;
}

const vectors: { definition: Definition; cases: Case[] } = load("rules");
const OURS = ["title", "description", "owner", "participants", "nodes", "pins_required", "privacy_budget"];

/** As `edited` of tests/vectors/rules.py. */
function edited<T>(base: T, edits: Case["edits"]): T {
  const value: Json = structuredClone(base);
  for (const [path, ...given] of edits) {
    const inner = path.slice(0, -1).reduce((each: Json, step) => each[place(each, step)], value);
    const last = path.at(-1) as string | number;
    if (last === "+") {
      inner.push(expanded(given[0]));
    } else if (given.length > 0) {
      inner[place(inner, last)] = expanded(given[0]);
    } else {
      delete inner[place(inner, last)];
    }
  }
  return value;
}

function place(inner: Json, step: string | number): string | number {
  return Array.isArray(inner) && typeof step === "string"
    ? inner.findIndex((item) => [item.id, item.user, item.name].includes(step))
    : step;
}

function expanded(value: Json, at?: number): Json {
  if (typeof value === "string") {
    return at === undefined ? value : value.replaceAll("#", String(at));
  }
  if (Array.isArray(value)) {
    return value.map((each) => expanded(each, at));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if ("$times" in value) {
    return value.$times[0].repeat(value.$times[1]);
  }
  if ("$many" in value) {
    return Array.from({ length: value.$many[1] }, (_, place) => expanded(value.$many[0], place));
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, expanded(each, at)]));
}

function written(definition: Definition): Configuration {
  const ours = Object.entries(definition).filter(([name]) => OURS.includes(name));
  return { format: "cloister-room", version: 1, ...Object.fromEntries(ours) } as Configuration;
}

function isDefinition(definition: Definition): boolean {
  const data = canonical(definition);
  try {
    readDefinition(data, toHex(sha256(data)));
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(DefinitionInvalid);
    return false;
  }
}

/** What an imported configuration has; what can't be read has one, too. */
function problemsOf(configuration: Configuration): Problem[] {
  try {
    return problems(readConfiguration(canonical(configuration)));
  } catch (error) {
    expect(error).toBeInstanceOf(DefinitionInvalid);
    return [{ message: (error as Error).message }];
  }
}

test.each(vectors.cases)("a room with $says", ({ edits, definition, configuration }) => {
  const changed = edited(vectors.definition, edits);
  expect(isDefinition(changed)).toBe(definition);
  const found = problemsOf(written(changed));
  expect(found.length === 0, JSON.stringify(found)).toBe(configuration);
  for (const { message } of found) {
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(message.length).toBeLessThan(700);
  }
});

const BASE = written(vectors.definition);
const SCRIPT = BASE.nodes.find((node) => node.id === "plot") as PythonNode;
const TABLE = BASE.nodes.find((node) => node.id === "sales") as TableDataNode;
const alone = (nodes: Node[]): Configuration => ({
  ...BASE,
  nodes,
  participants: [{ user: BASE.owner, data_owner_of: [], analyst_of: [], keys: [] }],
});

test("all problems are told, each with its place", () => {
  const nodes: Node[] = [
    { ...TABLE, id: "t", name: "t", columns: [], unique: [[0]] },
    { ...SCRIPT, id: "s", name: "1", script: "", dependencies: ["t", "gone"] },
    { ...SCRIPT, id: "a", name: "a", dependencies: ["b"] },
    { ...SCRIPT, id: "b", name: "b", dependencies: ["a"] },
    { ...SCRIPT, id: "c", name: "c", dependencies: ["b"], limits: { ...SCRIPT.limits, cpus: Number.NaN, pids: 1.5 } },
  ];
  const found = problems({ ...alone(nodes), title: "", privacy_budget: Number.NaN, owner: "x@y" });
  const places = found.map(({ node, field }: Problem) => [node, field]);
  expect(places).toEqual([
    [undefined, "title"],
    ["s", "name"],
    ["t", "columns"],
    ["t", "columns"],
    ["s", "dependencies"],
    ["s", "script"],
    ["c", "limits"],
    ["a", "dependencies"],
    [undefined, "privacy_budget"],
    [undefined, "owner"],
  ]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])("%d is no number that a record has", (value) => {
  const column = { name: "a", type: "FLOAT" as const, nullable: true, hashed: false, range: { less_than: value } };
  expect(problems(alone([{ ...TABLE, columns: [column] }]))).toMatchObject([{ node: "sales", field: "columns" }]);
  const limits = { ...SCRIPT.limits, wall_seconds: value };
  expect(problems(alone([{ ...SCRIPT, dependencies: [], limits }]))).toMatchObject([{ node: "plot" }]);
});

test("half a character is no text", () => {
  const [bad, good] = ["\ud83d", String.raw`\ud83d 😀`].map((script) => ({ ...SCRIPT, dependencies: [], script }));
  expect(problems(alone([bad as Node]))).toMatchObject([{ node: "plot", message: expect.stringMatching("half") }]);
  expect(problems(alone([good as Node]))).toEqual([]);
});

test("what is too much is refused, and quickly", () => {
  const dense = (count: number): Node[] =>
    Array.from({ length: count }, (_, at) => {
      const dependencies = Array.from({ length: at }, (_, before) => `n${before}`);
      return { ...SCRIPT, id: `n${at}`, name: `n${at}`, dependencies };
    });
  expect(problems(alone(dense(141)))).toEqual([]);
  expect(problems(alone(dense(142)))).toMatchObject([{ message: expect.stringMatching("list 10011 dependencies") }]);
  const large = { ...SCRIPT, dependencies: [], script: "x".repeat(16 * 1024 * 1024) };
  expect(problems(alone([large]))).toMatchObject([{ message: expect.stringMatching("larger than 16 MiB") }]);
  const everybody = Array.from({ length: 101 }, (_, at) => {
    return { user: `${at}@x`, data_owner_of: [], analyst_of: Array<string>(1000).fill("plot"), keys: [] };
  });
  expect(problems({ ...BASE, participants: everybody })).toMatchObject([
    { field: "participants", message: expect.stringMatching("101000 roles together; 100000 are the most") },
  ]);
});

test("circles are told once each, with their way", () => {
  const node = (id: string, ...dependencies: string[]): Node => ({ ...SCRIPT, id, name: id, dependencies });
  const messages = (...nodes: Node[]): string[] => problems(alone(nodes)).map(({ message }) => message);
  expect(messages(node("a", "a"))).toEqual(['The node "a" depends on itself, directly.']);
  expect(
    messages(node("d", "b"), node("a", "b"), node("b", "c"), node("c", "b", "a"), node("e", "f"), node("f")),
  ).toEqual(['The node "b" depends on itself, by way of "c".', 'The node "b" depends on itself, by way of "c", "a".']);
  const ring = Array.from({ length: 9 }, (_, at) => node(`n${at}`, `n${(at + 1) % 9}`));
  expect(messages(...ring)).toEqual(['The node "n0" depends on itself, by way of "n1", "n2", "n3", "n4", 4 more.']);
});

test("a thousand nodes are looked at in an instant, also where they make a circle", () => {
  const chain: Node[] = Array.from({ length: 1000 }, (_, at) => {
    return { ...SCRIPT, id: `n${at}`, name: `n${at}`, dependencies: at === 0 ? [] : [`n${at - 1}`] };
  });
  const ring = [{ ...SCRIPT, id: "n0", name: "n0", dependencies: ["n999"] }, ...chain.slice(1)];
  for (const nodes of [chain, chain.toReversed(), ring]) {
    const found = problems(alone(nodes));
    expect(found).toHaveLength(nodes === ring ? 1 : 0);
    // Far more than it takes, as others keep the machine busy; what grows with the square of it takes longer still.
    const before = performance.now();
    problems(alone(nodes));
    expect(performance.now() - before).toBeLessThan(10_000);
  }
});

test("an exported room of Python's has no problems", () => {
  const { configuration } = load("rooms");
  expect(problems(readConfiguration(utf8(configuration.exported)))).toEqual([]);
});
