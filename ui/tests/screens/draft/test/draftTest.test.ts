import { expect, test } from "vitest";

import type { NodeProgress, TestOptions } from "../../../../src/client/testing";
import { configurationDigest } from "../../../../src/core/configuration";
import { BadRequestError } from "../../../../src/core/errors";
import type { Configuration, Limits, NodeReport, RoomReport } from "../../../../src/core/records";
import { newDraft } from "../../../../src/drafts/draft";
import { putNode } from "../../../../src/drafts/edits";
import { DraftTest, testOf } from "../../../../src/screens/draft/test/draftTest";
import { counted, over, progressRows, reportRows } from "../../../../src/screens/draft/test/rows";

const LIMITS = {} as Limits;
const SCRIPT = { script: "", files: [], logs_on_error: false, logs_on_success: false, image: "python", limits: LIMITS };
const ROOM: Configuration = [
  { kind: "python" as const, id: "b", name: "B", dependencies: ["a"], ...SCRIPT },
  { kind: "python" as const, id: "a", name: "A", dependencies: ["file"], ...SCRIPT },
  { kind: "raw_data" as const, id: "file", name: "File", required: true },
].reduce((room, node) => putNode(node)(room), newDraft("Room", "ann@example.com").configuration);
const nothing = async () => new Map<string, Blob>();

function report(node: string, more: Partial<NodeReport>): NodeReport {
  const empty = { error: "", needs: "", console: "", files: [] };
  return { node, name: node.toUpperCase(), kind: "python", outcome: "passed", ...empty, ...more };
}

function told(node: string, more: Partial<NodeProgress>): NodeProgress {
  return { node, name: node.toUpperCase(), status: "running", waitingFor: "", ...more };
}

function whole(...nodes: NodeReport[]): RoomReport {
  const digest = configurationDigest(ROOM);
  return { version: 1, title: ROOM.title, digest, images: [], locks: {}, nodes, empty: ["File"] };
}

test("what is going on is told, and what has come of it is kept", async () => {
  const mine = new DraftTest();
  const seen: string[] = [];
  mine.subscribe(() => seen.push([...mine.shown().progress.values()].map((each) => each.status).join()));
  const result = new Blob(["zip"]);
  const end = whole(report("a", { seconds: 1.25 }), report("b", { outcome: "failed", error: "It broke.\nThere." }));
  await mine.start(ROOM, nothing, async (_, { onProgress, onResult }) => {
    expect(mine.shown().running).toBe(true);
    onProgress?.(told("a", { status: "queued", waitingFor: "a worker" }));
    onProgress?.(told("a", {}));
    onResult?.("a", result);
    return end;
  });
  expect(seen).toEqual(["", "queued", "running", "running"]);
  const { running, last, error } = mine.shown();
  expect([running, error]).toEqual([false, null]);
  expect(last?.results.get("a")).toBe(result);
  const rows = reportRows(ROOM, end);
  expect(rows.map(({ node, words }) => [node.id, words])).toEqual([
    ["a", "passed in 1.3 s"],
    ["b", "failed: It broke."],
  ]);
  expect(counted(rows)).toBe("1 passed, 1 failed");
});

test("one at a time; what fails is shown, and the last report stays", async () => {
  const mine = new DraftTest();
  await mine.start(ROOM, nothing, async () => whole());
  const { last } = mine.shown();
  let runs = 0;
  const failing = async (): Promise<RoomReport> => {
    runs += 1;
    throw new BadRequestError("No.");
  };
  await Promise.all([mine.start(ROOM, nothing, failing), mine.start(ROOM, nothing, failing)]);
  expect(runs).toBe(1);
  expect(mine.shown().error).toBeInstanceOf(BadRequestError);
  expect(mine.shown().last).toBe(last);
});

test("a test that is cancelled is no failure", async () => {
  const mine = new DraftTest();
  const endless = async (_: Configuration, { signal }: TestOptions): Promise<RoomReport> => {
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    expect(mine.shown()).toMatchObject({ running: true, cancelled: true });
    signal?.throwIfAborted();
    return whole();
  };
  const ended = mine.start(ROOM, nothing, endless);
  await Promise.resolve();
  mine.cancel();
  await ended;
  expect(mine.shown()).toMatchObject({ running: false, cancelled: true, error: null });
  mine.cancel();
  await mine.start(ROOM, nothing, async () => whole());
  expect(mine.shown()).toMatchObject({ running: false, cancelled: false });
});

test("each draft has one test for as long as the page lives", () => {
  expect(testOf("a")).toBe(testOf("a"));
  expect(testOf("a")).not.toBe(testOf("b"));
});

test("what is said of each node while it goes on", () => {
  const words = (progress: NodeProgress[], running = true): string[] =>
    progressRows(ROOM, new Map(progress.map((each) => [each.node, each])), running).map((row) => row.words);
  expect(words([])).toEqual(["waits for what it needs", "waits for what it needs"]);
  expect(words([told("a", { status: "queued", waitingFor: "a worker" })])[0]).toBe("waits for a worker");
  expect(words([told("a", { status: "queued" })])[0]).toBe("waits for its turn");
  expect(words([told("a", {})])[0]).toBe("runs");
  expect(words([told("a", {})], false)[0]).toBe("was not run to its end");
  const skipped = report("b", { outcome: "skipped", needs: "A" });
  const rows = progressRows(ROOM, new Map([["b", told("b", { status: "skipped", report: skipped })]]), true);
  expect(rows[1]?.words).toBe("skipped: it needs A, which failed");
  expect(over(rows)).toBe(1);
  expect(counted(rows)).toBe("1 skipped");
  expect(counted([])).toBe("nothing to run");
});
