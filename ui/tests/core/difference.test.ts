import { expect, test } from "vitest";

import { readConfiguration } from "../../src/core/configuration";
import { changes } from "../../src/core/difference";
import { utf8 } from "../../src/core/encoding";
import type { Configuration, Node } from "../../src/core/records";
import { load } from "../vectors";

const ROOM = readConfiguration(utf8(load("rooms").configuration.exported));

function edited(id: string, edit: (node: Node) => object): Configuration {
  return { ...ROOM, nodes: ROOM.nodes.map((node) => (node.id === id ? (edit(node) as Node) : node)) };
}

test("what says the same doesn't differ, however it is written", () => {
  expect(changes(ROOM, ROOM)).toEqual([]);
  const reversed = edited(ROOM.nodes[0]?.id ?? "", (node) => Object.fromEntries(Object.entries(node).reverse()));
  expect(changes(ROOM, reversed)).toEqual([]);
});

test("each field that differs is named", () => {
  const script = ROOM.nodes.find((node) => node.kind === "python");
  const id = script?.id ?? "";
  const after = edited(id, (node) => ({ ...node, name: "Other", files: [{ name: "new.py", content: "1" }] }));
  const found = changes(ROOM, { ...after, title: "Another", privacy_budget: 3 });
  expect(found).toContainEqual({ of: "room", id: "", field: "title", before: ROOM.title, after: "Another" });
  expect(found).toContainEqual({ of: "room", id: "", field: "privacy_budget", before: ROOM.privacy_budget, after: 3 });
  expect(found).toContainEqual({ of: "node", id, field: "name", before: script?.name, after: "Other" });
  expect(found).toContainEqual({ of: "node", id, field: "file new.py", before: undefined, after: "1" });
});

test("what comes and goes is there on one side alone", () => {
  const [first, ...others] = ROOM.nodes;
  const someone = { user: "new@example.com", data_owner_of: [], analyst_of: [], keys: [] };
  const found = changes(ROOM, { ...ROOM, nodes: others, participants: [...ROOM.participants, someone] });
  expect(found).toEqual([
    { of: "participant", id: "new@example.com", field: "", before: undefined, after: someone },
    { of: "node", id: first?.id, field: "", before: first, after: undefined },
  ]);
});

test("the order counts: it is part of what is agreed on", () => {
  const found = changes(ROOM, { ...ROOM, nodes: [...ROOM.nodes].reverse() });
  expect(found.map(({ of, field }) => [of, field])).toEqual([["room", "order of nodes"]]);
});

test("a lock that one side hasn't got yet is no difference; another lock is", () => {
  const environment = ROOM.nodes.find((node) => node.kind === "python_environment");
  const id = environment?.id ?? "";
  const lock = (version: string) => [{ name: "numpy", version, sha256: ["00".repeat(32)] }];
  const [none, one, other] = [[], lock("1"), lock("2")].map((each) => edited(id, (node) => ({ ...node, lock: each })));
  expect([none, one, other].every((room) => room !== undefined)).toBe(true);
  if (none !== undefined && one !== undefined && other !== undefined) {
    expect(changes(none, one)).toEqual([]);
    expect(changes(one, none)).toEqual([]);
    expect(changes(one, other).map(({ field }) => field)).toEqual(["lock"]);
  }
});
