import { expect, test } from "vitest";

import { auditLine } from "../../src/core/audit";
import {
  configurationDigest,
  configurationOf,
  readConfiguration,
  writeConfiguration,
} from "../../src/core/configuration";
import { decodeCanonical } from "../../src/core/decode";
import { checkDefinition, participantOf, readDefinition, roomId } from "../../src/core/definition";
import { canonical, sha256, toHex, utf8 } from "../../src/core/encoding";
import { DefinitionInvalid } from "../../src/core/errors";
import { topologicalOrder } from "../../src/core/graph";
import { leafHash, MerkleRoot } from "../../src/core/merkle";
import { nodeDigest } from "../../src/core/nodes";
import { missing } from "../../src/core/planning";
import type { Definition, Event, PythonNode } from "../../src/core/records";
import { readVaultDefinition } from "../../src/core/vault";
import { load, type Vectors } from "../vectors";

const vectors = load("rooms");
const ROOM = readDefinition(utf8(vectors.definition), vectors.id);

test("a definition of Python's is read", () => {
  expect(roomId(ROOM)).toBe(vectors.id);
  const digests = Object.fromEntries(ROOM.nodes.map((node) => [node.id, nodeDigest(node)]));
  expect(digests).toEqual(vectors.node_digests);
  expect(participantOf(ROOM, ` ${ROOM.owner.toUpperCase()}`)?.user).toBe(ROOM.owner);
});

test.each<Vectors>(vectors.plans)("nothing that the plan of $target needs is missing", ({ target, attached }) => {
  expect(missing(ROOM, target, new Map(Object.entries(attached)))).toEqual([]);
});

test("configurations", () => {
  const { configuration, with_environment: vector } = vectors;
  const read = readConfiguration(utf8(configuration.exported));
  expect(writeConfiguration(read)).toBe(configuration.exported);
  expect(configurationDigest(read)).toBe(configuration.digest);
  expect(configurationOf(readDefinition(utf8(vector.definition), vector.id))).toEqual(read);
  for (const bad of ["", "{}", configuration.exported.replace("cloister-room", "cloister-house")]) {
    expect(() => readConfiguration(utf8(bad))).toThrow(DefinitionInvalid);
  }
  expect(() => readConfiguration(utf8("{}"))).toThrow("no configuration of a room");
  // One that says that it is one may be of a newer version.
  expect(() => readConfiguration(utf8('{"format": "cloister-room"}'))).toThrow("Update the client");
});

test("what is missing is named", () => {
  expect(missing(ROOM, "report", new Map()).map((node) => node.id)).toEqual(["patients"]);
});

test("events", () => {
  const tree = new MerkleRoot();
  for (const each of vectors.events) {
    const data = utf8(each.canonical);
    const event = decodeCanonical(data, "Event", "an event");
    expect(toHex(leafHash(data))).toBe(each.leaf_hash);
    expect(auditLine(event)).toBe(each.audit_line);
    tree.append(data);
  }
  expect(toHex(tree.root())).toBe(vectors.root);
});

test("an audit line stays one line of five fields, whatever it is made of", () => {
  const node = "a,b\nc\u2028d\u202ee\u00a0f";
  const event: Event = { version: 1, time: 1, actor: "a@b", body: { type: "dataset_fetched", node, manifest: "m" } };
  expect(auditLine(event)).toBe("1,a@b,Dataset of a b c d e f has been fetched,fetch dataset,m");
});

test.each([
  [1, "1"],
  [0.5, "0.5"],
  [0.00001, "1e-05"],
  [0.0001, "0.0001"],
  [123456, "123456"],
  [1234567, "1.23457e+06"],
  [1 / 3, "0.333333"],
])("epsilon %d is written as Python does", (epsilon, written) => {
  const body: Event["body"] = { type: "run_started", run: "r", node: "n", cache_key: "c", inputs: [], epsilon };
  const event: Event = { version: 1, time: 1, actor: "a@b", body };
  expect(auditLine(event)).toContain(`at the cost of epsilon ${written},`);
});

test("definitions that are not the room's, or not in their form, are refused", () => {
  const other = utf8(`${vectors.definition} `);
  expect(() => readDefinition(utf8(vectors.definition), "ab".repeat(32))).toThrow("this room's id");
  expect(() => readDefinition(other, toHex(sha256(other)))).toThrow("canonical form");
  const strange = canonical({ ...ROOM, surprise: 1 });
  expect(() => readDefinition(strange, toHex(sha256(strange)))).toThrow(DefinitionInvalid);
});

const [HEAD, ...TAIL] = ROOM.nodes as [Definition["nodes"][0], ...Definition["nodes"]];
const SCRIPT = ROOM.nodes.find((node) => node.kind === "python") as PythonNode;
const [PERSON, ...PEOPLE] = ROOM.participants as [Definition["participants"][0], ...Definition["participants"]];

test.each<[string, Partial<Definition>]>([
  ["has no name", { title: " " }],
  ["control characters", { title: "a\nb" }],
  ["enclaves", { enclaves: [] }],
  ["workers", { workers: [] }],
  ["Two nodes have the id", { nodes: [HEAD, ...ROOM.nodes] }],
  ["Two nodes are called", { nodes: [...ROOM.nodes, { ...HEAD, id: "fresh" }] }],
  ["is not allowed", { nodes: [{ ...HEAD, name: "../etc" }, ...TAIL] }],
  ["is not in the room", { nodes: TAIL }],
  [
    "lists a dependency twice",
    { nodes: [...ROOM.nodes, { ...SCRIPT, id: "x", name: "x", dependencies: ["lab", "lab"] }] },
  ],
  ["depends on itself", { nodes: [...ROOM.nodes, { ...SCRIPT, id: "x", name: "x", dependencies: ["x"] }] }],
  ["an image that the room doesn't list", { images: [] }],
  ["is listed twice", { participants: [PERSON, PERSON, ...PEOPLE] }],
  ["lower case", { participants: [{ ...PERSON, user: PERSON.user.toUpperCase() }, ...PEOPLE] }],
  ["which is not in the room", { participants: [{ ...PERSON, analyst_of: ["nothing"] }, ...PEOPLE] }],
  ["can't be data owner", { participants: [{ ...PERSON, data_owner_of: [SCRIPT.id] }, ...PEOPLE] }],
  ["can't be analyst", { participants: [{ ...PERSON, analyst_of: ["patients"] }, ...PEOPLE] }],
  ["has none", { pins_required: true }],
  ["is not among the participants", { owner: "nobody@example.org" }],
  ["nobody could enter", { issuers: [] }],
  ["needs 1 to", { issuers: [{ name: "hub", keys: [] }] }],
])("a definition that breaks a rule is refused: %s", (message, change) => {
  expect(() => checkDefinition({ ...ROOM, ...change })).toThrow(DefinitionInvalid);
  expect(() => checkDefinition({ ...ROOM, ...change })).toThrow(message);
});

test("chains of any length are put in order", () => {
  const chain = Array.from({ length: 1000 }, (_, at) => ({
    ...SCRIPT,
    id: `n${at}`,
    name: `n${at}`,
    dependencies: at === 0 ? [] : [`n${at - 1}`],
  }));
  const order = topologicalOrder([...chain].reverse());
  expect(order.map((node) => node.id)).toEqual(chain.map((node) => node.id));
});

test("vaults", () => {
  const vault = load("vault");
  const definition = readVaultDefinition(utf8(vault.definition), vault.id);
  expect(toHex(sha256(canonical(definition)))).toBe(vault.id);
  const tree = new MerkleRoot();
  for (const each of vault.events) {
    decodeCanonical(utf8(each.canonical), "VaultEvent", "an event of a vault");
    tree.append(utf8(each.canonical));
  }
  expect(toHex(tree.root())).toBe(vault.root);
  decodeCanonical(utf8(vault.dataset_item), "DatasetRecord", "what is kept of a dataset");
  expect(() => readVaultDefinition(utf8(vault.definition), "ab".repeat(32))).toThrow(DefinitionInvalid);
});
