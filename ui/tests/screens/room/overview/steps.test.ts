import { expect, test } from "vitest";

import { EnclaveError } from "../../../../src/core/errors";
import type { Event } from "../../../../src/core/records";
import { attachment, previewed } from "../../../../src/screens/room/overview/history";
import type { Job } from "../../../../src/screens/room/overview/jobs";
import {
  attachedData,
  beyondBudget,
  costs,
  inputsOf,
  nodesOf,
  stepsOf,
  waitsFor,
} from "../../../../src/screens/room/overview/states";
import { nextSteps, words } from "../../../../src/screens/room/overview/steps";
import { ANN, BOB, DIGEST, definition, OTHER_DIGEST, status } from "./definition";

function said(user: string, attached: string[], jobs: Record<string, Job["state"]> = {}): string[] {
  const known = new Map(Object.entries(jobs).map(([node, state]) => [node, { node, state } as Job]));
  return nextSteps(definition, user, status(attached), known).map((step) => words(step, user));
}

test("what has to be provided comes first, and whoever waits is told for what", () => {
  expect(said(ANN, [])).toEqual(["Provide data for table"]);
  expect(said(BOB, [])).toEqual([
    "Provide data for pictures",
    "query and synthetic wait for data of table from ann@example.com",
    "both waits for data of table from ann@example.com and data of pictures from you",
  ]);
});

test("what can be run, is being run, has ended", () => {
  expect(said(BOB, ["t", "p"])).toEqual(["Run query", "Run synthetic", "Run both"]);
  expect(said(BOB, ["t", "p"], { q: "failed", s: "waiting", both: "finished" })).toEqual([
    "The result of both is ready",
    "query has ended without a result: run it again",
    "synthetic is being computed",
  ]);
});

test("a result that was looked at is no step any more", () => {
  const known = new Map([["q", { node: "q", state: "finished", seen: true } as Job]]);
  const steps = nextSteps(definition, BOB, status(["t", "p"]), known);
  expect(steps.map((step) => words(step, BOB))).toEqual(["Run synthetic", "Run both"]);
});

test("a table that is known not to be valid is to be replaced before anything reads it", () => {
  const steps = (user: string, ...jobs: Partial<Job>[]): string[] => {
    const known = new Map(jobs.map((job) => [job.node ?? "", job as Job]));
    return nextSteps(definition, user, status(["t", "p"]), known).map((step) => words(step, user));
  };
  const failed = new EnclaveError("The computation 'query' failed. The table 'table' is not valid: see its report.");
  for (const job of [
    { node: "t", state: "finished", passed: false },
    { node: "q", state: "failed", error: failed },
  ] as const) {
    expect(steps(ANN, job)).toEqual(["Replace the data of table: it is not valid"]);
    expect(steps(BOB, job)).toEqual(["query, synthetic and both wait for valid data of table from ann@example.com"]);
  }
  expect(steps(ANN, { node: "t", state: "finished", passed: true })).toEqual([]);
  expect(steps(ANN, { node: "t", state: "finished", passed: null })).toEqual([]);
});

test("nothing is left to do where all is done, for strangers, or when the room was stopped", () => {
  expect(said(ANN, ["t"])).toEqual([]);
  expect(said("cy@example.com", [])).toEqual([]);
  expect(nextSteps(definition, BOB, status([], { stopped: true }), new Map())).toEqual([]);
});

test("nodes by roles", () => {
  const { data, computations, others } = nodesOf(definition, BOB);
  expect(data.map((node) => node.id)).toEqual(["f", "p"]);
  expect(computations.map((node) => node.id)).toEqual(["q", "s", "both"]);
  expect([others.data.map((node) => node.id), others.computations]).toEqual([["t"], []]);
});

test("an optional node is waited for by nobody", () => {
  const wanted = waitsFor(definition, "both", attachedData(status(["t"])), new Set());
  expect(wanted.map(({ node, by }) => [node.id, by])).toEqual([["p", [BOB]]]);
});

test("what a run costs, of each data that it reads", () => {
  expect(costs(definition, "both", status(["t"]))).toEqual([]);
  const spent = status(["t", "p"], { privacy: [{ node: "t", epsilon: 2 }] });
  const [cost, ...others] = costs(definition, "both", spent);
  expect(others).toEqual([]);
  expect(cost).toMatchObject({ node: { id: "t" }, epsilon: 1, spent: 2, left: 0.5 });
  expect(beyondBudget(costs(definition, "both", spent))).toBe(true);
  expect(beyondBudget(costs(definition, "both", status(["t", "p"])))).toBe(false);
  const { privacy_budget: _, ...unbounded } = definition;
  expect(costs(unbounded, "s", spent)[0]?.left).toBeNull();
  expect(costs(definition, "q", status(["t"]))).toEqual([]);
});

test("a run over other data is another one", () => {
  const before = inputsOf(definition, "both", attachedData(status(["t", "p"])));
  expect(
    inputsOf(
      definition,
      "both",
      new Map([
        ["t", DIGEST],
        ["p", OTHER_DIGEST],
      ]),
    ),
  ).not.toBe(before);
  expect(inputsOf(definition, "both", attachedData(status(["t", "p", "f"])))).not.toBe(before);
  // Data that it doesn't read is nothing to it.
  expect(inputsOf(definition, "q", attachedData(status(["t"])))).toBe(
    inputsOf(definition, "q", attachedData(status(["t", "p"]))),
  );
});

test("the steps of a run, in their order", () => {
  const steps = stepsOf(definition, "both", attachedData(status(["t", "f", "p"])));
  expect(steps.map((node) => node.id)).toEqual(["t", "s", "both"]);
  expect(stepsOf(definition, "unknown", new Map())).toEqual([]);
});

test("what the log tells", () => {
  const at = (time: number, actor: string, body: Event["body"]): Event => ({ version: 1, time, actor, body });
  const events = [
    at(1, ANN, { type: "dataset_attached", node: "t", manifest: DIGEST, request: "" }),
    at(2, ANN, { type: "dataset_removed", node: "t", manifest: DIGEST, request: "" }),
    at(3, BOB, { type: "dataset_attached", node: "t", manifest: DIGEST, request: "" }),
    at(4, BOB, { type: "result_fetched", node: "q", run: "", spent: 100 }),
    at(5, ANN, { type: "result_fetched", node: "q", run: "", spent: 7 }),
    at(6, BOB, { type: "result_fetched", node: "q", run: "" }),
  ];
  expect(attachment(events, "t", DIGEST)).toEqual({ time: 3, by: BOB });
  expect(attachment(events, "t", OTHER_DIGEST)).toBeUndefined();
  expect(previewed(events, "q", BOB)).toBe(100);
});
