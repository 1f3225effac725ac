import { expect, test } from "vitest";

import type { Event } from "../../src/core/records";
import { actions, lines, matching } from "../../src/screens/room/audit/entries";

const events: Event[] = [
  {
    version: 1,
    time: 1,
    actor: "ann@x.example",
    body: { type: "dataset_attached", node: "N 1", manifest: "ab".repeat(32), request: "00" },
  },
  {
    version: 1,
    time: 2,
    actor: "bob@x.example",
    body: { type: "run_started", run: "cd".repeat(32), node: "mean", cache_key: "ef".repeat(32), inputs: [] },
  },
  { version: 1, time: 3, actor: "bob@x.example", body: { type: "log_read", size: 3 } },
];

test("every event is a line, in order", () => {
  expect(lines(events).map(({ index, actor, action }) => [index, actor, action])).toEqual([
    [0, "ann@x.example", "attach dataset"],
    [1, "bob@x.example", "start run"],
    [2, "bob@x.example", "read log"],
  ]);
});

test("what is looked for is found in any field, whatever the case, all words of it", () => {
  const all = lines(events);
  const found = (words: string, action: string | null = null): number[] =>
    matching(all, words, action).map((line) => line.index);
  expect(found("")).toEqual([0, 1, 2]);
  expect(found("BOB mean")).toEqual([1]);
  expect(found("abab")).toEqual([0]);
  expect(found("bob", "read log")).toEqual([2]);
  expect(found("nobody")).toEqual([]);
  expect(actions(all)).toEqual(["attach dataset", "read log", "start run"]);
});
