import { beforeAll, expect, test } from "vitest";

import { transfers } from "../../../src/screens/datasets/transfers";

beforeAll(() => {
  // There is no window that could be closed here.
  const target = new EventTarget();
  Object.assign(globalThis, {
    addEventListener: target.addEventListener.bind(target),
    removeEventListener: target.removeEventListener.bind(target),
  });
});

const PROGRESS = { done: 1, total: 2, bytesPerSecond: 1, secondsLeft: 1 };
const states = (): string[] => transfers.all().map(({ name, state }) => `${name} ${state}`);

test("a transfer tells how far it is, ends, and is put away", async () => {
  let seen = 0;
  const stop = transfers.subscribe(() => {
    seen += 1;
  });
  await transfers.run("upload", "one", async ({ onProgress }) => {
    onProgress(PROGRESS);
    expect(transfers.all()[0]).toMatchObject({ state: "running", progress: PROGRESS });
  });
  expect(states()).toEqual(["one done"]);
  expect(seen).toBe(3);
  transfers.forget(transfers.all()[0]?.id ?? 0);
  expect(states()).toEqual([]);
  stop();
});

test("one that fails and one that is cancelled are told apart", async () => {
  await transfers.run("download", "bad", async () => {
    throw new Error("no");
  });
  const cancelled = transfers.run("upload", "gone", async ({ signal }) => {
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  transfers.cancel(transfers.all()[0]?.id ?? 0);
  await cancelled;
  expect(states()).toEqual(["gone cancelled", "bad failed"]);
});
