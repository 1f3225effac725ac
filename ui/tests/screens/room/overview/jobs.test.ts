import { expect, test } from "vitest";

import type { WaitOptions } from "../../../../src/client/room";
import { MemoryStore } from "../../../../src/client/store";
import { BadRequestError, EnclaveError, Unanswered, Unavailable } from "../../../../src/core/errors";
import type { Progress } from "../../../../src/core/records";
import { type Job, Jobs, jobsOver, type Runs } from "../../../../src/screens/room/overview/jobs";
import { ANN, BOB, ROOM } from "./definition";

/** A room whose runs end when they are told to. */
class Room implements Runs {
  readonly id = ROOM;
  asked: string[] = [];
  readonly #listeners = new Set<() => void>();
  /** What the next requests are answered with. */
  readonly refusals: Error[] = [];
  readonly #waiting = new Map<string, { end: (error?: Error) => void; tell: (progress: Progress) => void }>();

  async run(node: string, job = ""): Promise<string> {
    this.#ask(`run ${node} ${job}`);
    this.#refuse();
    return job;
  }

  async wait(node: string, job: string, { onProgress }: WaitOptions = {}): Promise<void> {
    this.#ask(`wait ${node} ${job}`);
    this.#refuse();
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      this.#waiting.set(job, { end, tell: (progress) => onProgress?.(progress) });
    });
  }

  async cancel(node: string, job: string): Promise<void> {
    this.#ask(`cancel ${node} ${job}`);
    this.end(job, new BadRequestError("It was cancelled."));
  }

  end(job: string, error?: Error): void {
    this.#waiting.get(job)?.end(error);
  }

  tell(job: string, status: Progress["status"], waiting_for?: string): void {
    const more = waiting_for === undefined ? {} : { waiting_for };
    this.#waiting.get(job)?.tell({ frame: "progress", body: null, node: "t", status, ...more });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #ask(what: string): void {
    this.asked.push(what);
    this.#listeners.forEach((listener) => listener());
  }

  #refuse(): void {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) {
      throw refusal;
    }
  }
}

/** Until something is so of what tells of its changes. */
async function until(subject: Pick<Jobs, "subscribe">, holds: () => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const ended = subject.subscribe(() => look());
    const look = (): void => {
      if (holds()) {
        ended();
        resolve();
      }
    };
    look();
  });
}

function opened(room: Room, store: MemoryStore, email = BOB): Jobs {
  return new Jobs(room, store, email, async () => undefined);
}

async function waits(room: Room, job = ""): Promise<void> {
  await until(room, () => room.asked.some((each) => each.startsWith("wait") && each.endsWith(job)));
}

test("a run is followed to its end, and known before it is asked for", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const jobs = opened(room, store);
  const run = jobs.start("q", "t=1");
  await until(jobs, () => jobs.current().has("q"));
  const job = jobs.current().get("q")?.job ?? "";
  expect((await store.entries("jobs", "")).map(([key]) => key)).toEqual([`${BOB}/${ROOM}/${job}`]);
  await waits(room);
  room.tell(job, "queued", "a worker");
  expect(jobs.current().get("q")?.steps.get("t")).toEqual({ status: "queued", waitingFor: "a worker" });
  room.tell(job, "running");
  expect(jobs.current().get("q")?.steps.get("t")).toEqual({ status: "running", waitingFor: "" });
  room.end(job);
  expect(await run).toBe("finished");
  expect(room.asked).toEqual([`run q ${job}`, `wait q ${job}`]);
});

test("after a reload it is waited for again, not run again", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const before = opened(room, store);
  void before.start("q", "t=1");
  await waits(room);
  const { job = "", started } = before.current().get("q") ?? {};
  room.asked = [];
  // Somebody else's, in the same browser, is none of theirs.
  const [jobs, others] = [opened(room, store), opened(room, store, ANN)];
  await Promise.all([jobs.recall(), others.recall()]);
  expect(others.current().size).toBe(0);
  expect(jobs.current().get("q")).toMatchObject({ job, started, over: "t=1", state: "waiting" });
  await waits(room);
  room.end(job, new EnclaveError("The computation 'q' failed."));
  await until(jobs, () => jobs.current().get("q")?.state === "failed");
  expect(room.asked).toEqual([`wait q ${job}`]);
  // What it failed with isn't kept.
  expect(JSON.stringify(await store.entries("jobs", ""))).not.toContain("failed");
});

test("whoever has looked at a result needn't be told of it again", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const before = opened(room, store);
  const run = before.start("q", "t=1");
  await waits(room);
  room.end(before.current().get("q")?.job ?? "");
  await run;
  expect(before.current().get("q")).toMatchObject({ seen: false, fresh: true });
  await before.look("q");
  expect(before.current().get("q")?.seen).toBe(true);
  const jobs = opened(room, store);
  await jobs.recall();
  expect(jobs.current().get("q")).toMatchObject({ seen: true, fresh: false, over: "t=1" });
});

test("a job that computes again what was lost is remembered in place of the first", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const before = opened(room, store);
  const run = before.start("q", "t=1");
  await waits(room);
  room.end(before.current().get("q")?.job ?? "");
  await run;
  const again = "ab".repeat(32);
  await before.replace("q", again);
  await before.replace("unknown", again);
  expect(before.current().get("q")).toMatchObject({ job: again, state: "finished", over: "t=1" });
  const jobs = opened(room, store);
  await jobs.recall();
  expect([...jobs.current().values()].map(({ job }) => job)).toEqual([again]);
});

test("of a computation the last run counts", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const jobs = opened(room, store);
  const first = jobs.start("q", "");
  await waits(room);
  const old = jobs.current().get("q")?.job ?? "";
  const second = jobs.start("q", "");
  await until(jobs, () => jobs.current().get("q")?.job !== old);
  room.end(old, new EnclaveError("no"));
  expect(await first).toBe("failed");
  const fresh = jobs.current().get("q")?.job ?? "";
  expect(jobs.current().get("q")?.state).toBe("waiting");
  await waits(room, fresh);
  room.end(fresh);
  expect(await second).toBe("finished");
  expect(await store.entries("jobs", "")).toHaveLength(1);
});

test("a hub that is away is asked again, for the same run", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const jobs = opened(room, store);
  room.refusals.push(new Unavailable("away"), new Unavailable("away"));
  const seen: boolean[] = [];
  jobs.subscribe(() => seen.push(jobs.current().get("q")?.away ?? false));
  const run = jobs.start("q", "");
  await waits(room);
  const job = jobs.current().get("q")?.job ?? "";
  expect(room.asked).toEqual([`run q ${job}`, `run q ${job}`, `run q ${job}`, `wait q ${job}`]);
  expect(seen).toContain(true);
  room.end(job);
  expect(await run).toBe("finished");
  expect(jobs.current().get("q")?.away).toBe(false);
});

test("what was refused is not come back for", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const jobs = opened(room, store);
  room.refusals.push(new BadRequestError("Data is missing."));
  expect(await jobs.start("q", "")).toBe("failed");
  expect(jobs.current().get("q")?.error).toBeInstanceOf(BadRequestError);
  expect(await store.entries("jobs", "")).toEqual([]);
});

test("what the hub says in the enclave's place refuses nothing: the run is found again", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const jobs = opened(room, store);
  room.refusals.push(new Unanswered("The hub itself says: no."));
  expect(await jobs.start("q", "")).toBe("failed");
  expect(await store.entries("jobs", "")).toHaveLength(1);
});

test("a run that is cancelled has not failed", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const jobs = opened(room, store);
  const run = jobs.start("q", "");
  await waits(room);
  await jobs.cancel("q");
  expect(await run).toBe("cancelled");
  await jobs.cancel("q");
  expect(room.asked.filter((each) => each.startsWith("cancel"))).toHaveLength(1);
});

test("what a validation has found is remembered, of that very run", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const before = opened(room, store);
  const run = before.start("t", "t=1");
  await waits(room);
  const job = before.current().get("t")?.job ?? "";
  room.end(job);
  await run;
  await before.judge("t", "ab".repeat(32), true);
  expect(before.current().get("t")?.passed).toBeNull();
  await before.judge("t", job, false);
  await before.look("t");
  const jobs = opened(room, store);
  await jobs.recall();
  expect(jobs.current().get("t")).toMatchObject({ job, passed: false, seen: true });
});

test("what is kept and makes no sense, or is old, is thrown away", async () => {
  const [room, store] = [new Room(), new MemoryStore()];
  const old = { version: 1, node: "q", job: "ab".repeat(32), started: 0, over: "", seen: false };
  await store.update("jobs", `${BOB}/${ROOM}/${old.job}`, () => old);
  await store.update("jobs", `${BOB}/${ROOM}/x`, () => ({ version: 2 }));
  const jobs = opened(room, store);
  await jobs.recall();
  expect([jobs.current().size, await store.entries("jobs", "")]).toEqual([0, []]);
});

test("what was computed from other data counts for nothing, but for what still runs", () => {
  const job = (node: string, state: Job["state"]): [string, Job] => [node, { node, state, over: "t=1" } as Job];
  const all = new Map([job("a", "finished"), job("b", "failed"), job("c", "waiting")]);
  expect([...jobsOver(all, () => "t=1").keys()]).toEqual(["a", "b", "c"]);
  expect([...jobsOver(all, () => "t=2").keys()]).toEqual(["c"]);
});
