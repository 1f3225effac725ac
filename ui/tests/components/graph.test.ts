import { expect, test } from "vitest";

import { described, graphOf, HEIGHT, places, WIDTH } from "../../src/components/graph/layout";
import { statesOf } from "../../src/components/graph/states";
import { readDefinition } from "../../src/core/definition";
import { utf8 } from "../../src/core/encoding";
import { isDataNode } from "../../src/core/nodes";
import type { Event, Limits, Node, Participant, PythonNode } from "../../src/core/records";
import { load } from "../vectors";

const vectors = load("rooms");
const ROOM = readDefinition(utf8(vectors.with_environment.definition), vectors.with_environment.id);
const LIMITS: Limits = {
  memory_bytes: 1,
  pids: 1,
  cpus: 1,
  wall_seconds: 1,
  output_bytes: 1,
  output_files: 1,
  scratch_bytes: 1,
  log_bytes: 1,
};

function python(id: string, dependencies: string[], more: Partial<PythonNode> = {}): PythonNode {
  const script = { script: "", files: [], logs_on_error: false, logs_on_success: false, image: "python" };
  return { kind: "python", id, name: `The ${id}`, dependencies, limits: LIMITS, ...script, ...more };
}

function ann(more: Partial<Participant>): Participant {
  return { user: "ann@example.com", data_owner_of: [], analyst_of: [], keys: [], ...more };
}

test("what is needed stands left of what needs it, and nothing lies on anything else", () => {
  const graph = graphOf(ROOM);
  const { edges } = graph;
  const nodes = (places(graph) ?? []).map((place, at) => ({ ...place, id: graph.nodes[at]?.node.id ?? "" }));
  expect(nodes.map((each) => each.id).sort()).toEqual(ROOM.nodes.map((node) => node.id).sort());
  const at = new Map(nodes.map((each) => [each.id, each]));
  expect(edges.length).toBeGreaterThan(0);
  for (const { from, to } of edges) {
    expect((at.get(from)?.x ?? 0) + WIDTH).toBeLessThan(at.get(to)?.x ?? 0);
  }
  for (const one of nodes) {
    for (const other of nodes.filter((each) => each !== one)) {
      expect(Math.abs(one.x - other.x) >= WIDTH || Math.abs(one.y - other.y) >= HEIGHT).toBe(true);
    }
  }
  expect(edges.filter((edge) => edge.environment).length).toBe(1);
});

test("each after what it needs, with those who have to do with it", () => {
  const data: Node = { kind: "raw_data", id: "data", name: "Data", required: true };
  const bob = { ...ann({ analyst_of: ["two"] }), user: "bob@example.com" };
  const nodes = [python("two", ["one", "data"]), python("one", ["data"]), data];
  const placed = graphOf({ nodes, participants: [ann({ data_owner_of: ["data"], analyst_of: ["two"] }), bob] });
  expect(placed.nodes.map((each) => each.node.id)).toEqual(["data", "one", "two"]);
  const said = placed.nodes.map((each) => described(each));
  expect(said).toEqual([
    "Data, File; data from ann@example.com; needed by The one and The two",
    "The one, Python; may be run by nobody yet; needs Data; needed by The two",
    "The two, Python; may be run by ann@example.com and bob@example.com; needs The one and Data",
  ]);
});

test("a draft is pictured, whatever is wrong with it", () => {
  const nodes = [
    python("a", ["b", "gone", "a"]),
    python("b", ["a", "a"]),
    python("b", []),
    python("__proto__", ["constructor"], { environment: "__proto__" }),
    python("constructor", [""]),
  ];
  const placed = graphOf({ nodes, participants: [] });
  expect(placed.nodes.map((each) => each.node.id)).toEqual(["a", "b", "__proto__", "constructor"]);
  const there = places(placed) ?? [];
  expect(there.length).toBe(4);
  expect(there.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))).toBe(true);
  expect(placed.edges.map(({ from, to }) => [from, to])).toEqual([
    ["b", "a"],
    ["a", "b"],
    ["constructor", "__proto__"],
  ]);
  expect(places(graphOf({ nodes: [], participants: [] }))).toEqual([]);
});

test("a hundred nodes are placed; of what nobody could follow there is no picture", () => {
  const ids = Array.from({ length: 100 }, (_, at) => `n${at}`);
  const few = (at: number): string[] => [at - 20, (at * 7) % 20].flatMap((each) => (at < 20 ? [] : (ids[each] ?? [])));
  const sparse = graphOf({ nodes: ids.map((id, at) => python(id, few(at))), participants: [] });
  expect(places(sparse)?.length).toBe(100);
  const dense = graphOf({ nodes: ids.map((id, at) => python(id, ids.slice(0, at))), participants: [] });
  expect(dense.nodes.length).toBe(100);
  expect(places(dense)).toBeUndefined();
});

test("how a published room stands", () => {
  const [table] = ROOM.nodes.filter(isDataNode);
  const [run] = ROOM.nodes.filter((node) => node.kind === "python");
  const [id, script] = [table?.id ?? "", run?.id ?? ""];
  expect(statesOf(ROOM, []).get(id)?.label).toMatch(/waits for data|has no data/);
  expect(statesOf(ROOM, [{ node: id, manifest: "" }]).get(id)).toEqual({ tone: "good", label: "has data" });
  const said = (body: Partial<Event["body"]>): Event =>
    ({ version: 1, time: 0, actor: "", body: { run: "", node: script, ...body } }) as unknown as Event;
  const began = said({ type: "run_started" });
  expect(statesOf(ROOM, [], [began]).get(script)?.tone).toBe("busy");
  expect(statesOf(ROOM, [], [began, said({ type: "run_finished" })]).get(script)?.tone).toBe("good");
  expect(statesOf(ROOM, [], [began, said({ type: "run_failed" })]).get(script)?.tone).toBe("bad");
  const voided = said({ type: "run_voided", reason: "input removed" });
  expect(statesOf(ROOM, [], [began, voided]).get(script)?.label).toBe("ended: input removed");
  const attach = said({ type: "dataset_attached", node: id });
  expect(statesOf(ROOM, [], [began, said({ type: "run_finished" }), attach]).get(script)).toBeUndefined();
  const invalid = said({ type: "run_failed", node: id });
  expect(statesOf(ROOM, [{ node: id, manifest: "" }], [invalid]).get(id)?.tone).toBe("bad");
  expect(statesOf(ROOM, [], [invalid]).get(id)?.tone).toBe("open");
});

test("runs that are followed say more than the log", () => {
  const step = (status: string, waitingFor = "") => ({ status, waitingFor });
  const run = {
    state: "waiting" as const,
    steps: new Map([
      ["a", step("finished")],
      ["b", step("running")],
      ["c", step("queued")],
    ]),
  };
  const states = statesOf(ROOM, [], [], new Map([["c", run]]));
  expect(["a", "b", "c"].map((id) => states.get(id)?.label)).toEqual(["has a result", "running", "is queued"]);
  const queued = { ...run, steps: new Map([["c", step("queued", "a worker")]]) };
  expect(statesOf(ROOM, [], [], new Map([["c", queued]])).get("c")?.label).toBe("waits for a worker");
  for (const [state, label] of [
    ["finished", "has a result"],
    ["failed", "failed"],
    ["cancelled", undefined],
  ] as const) {
    expect(statesOf(ROOM, [], [], new Map([["c", { ...run, state }]])).get("c")?.label).toBe(label);
  }
});
