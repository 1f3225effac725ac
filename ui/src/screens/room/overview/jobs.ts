/**
 * The runs that a user has started in a room, for as long as anybody may want to know how they go: they outlive a
 * reload, and the enclave remembers how they have ended.
 *
 * Of a run nothing is kept but its id: how it failed is asked for again.
 */

import type { Room } from "../../../client/room";
import type { Store } from "../../../client/store";
import { randomHex } from "../../../core/encoding";
import { BadRequestError, Unanswered, Unavailable } from "../../../core/errors";
import type { Progress } from "../../../core/records";

/** What runs take of a room. */
export type Runs = Pick<Room, "id" | "run" | "wait" | "cancel">;

/** What is said of one computation that a run needs. */
export interface Step {
  status: Progress["status"];
  /** What it waits for while it is queued; empty where nothing is known. */
  waitingFor: string;
}

/** A run as it is now. */
export interface Job {
  node: string;
  job: string;
  /** Milliseconds since 1970. */
  started: number;
  /** What it is computed from: see `inputsOf`. */
  over: string;
  state: "waiting" | "finished" | "failed" | "cancelled";
  /** Of all computations that it needs and that were told of, by their nodes. */
  steps: ReadonlyMap<string, Step>;
  /** Whether the hub can't be reached at the moment; it is tried again. */
  away: boolean;
  /** Whether its end was asked for. */
  ending: boolean;
  /** What has failed. */
  error: unknown;
  /** Whether this very page has started it. */
  fresh: boolean;
  /** Whether the user has looked at its result. */
  seen: boolean;
  /** What the validation of a table has found: whether it is valid. Null where this browser hasn't learnt that. */
  passed: boolean | null;
}

/** Milliseconds that it is waited for a hub that is away; doubled each time, up to the last. */
const [PAUSE, LONGEST_PAUSE] = [1_000, 30_000];
/** Milliseconds after which nobody asks for a run any more. */
const KEPT = 30 * 24 * 3600 * 1000;

interface Kept {
  version: 1;
  node: string;
  job: string;
  started: number;
  over: string;
  seen: boolean;
  passed?: boolean | null;
}

/** The runs that are about the data of now: what was computed from other data before counts for nothing any more. */
export function jobsOver(jobs: ReadonlyMap<string, Job>, over: (node: string) => string): ReadonlyMap<string, Job> {
  return new Map([...jobs].filter(([node, job]) => job.state === "waiting" || job.over === over(node)));
}

/** All runs of one user in one room; of each computation the last one. */
export class Jobs {
  readonly #room: Runs;
  readonly #store: Store;
  readonly #prefix: string;
  readonly #pause: (milliseconds: number) => Promise<void>;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #jobs: ReadonlyMap<string, Job> = new Map();
  #recalled: Promise<void> | undefined;

  /**
   * @param pause Waits so many milliseconds.
   * @param now Milliseconds since 1970.
   */
  constructor(
    room: Runs,
    store: Store,
    email: string,
    pause: (milliseconds: number) => Promise<void> = slept,
    now: () => number = Date.now,
  ) {
    this.#room = room;
    this.#store = store;
    this.#prefix = `${email}/${room.id}/`;
    this.#pause = pause;
    this.#now = now;
  }

  /** The runs of now, by node: another map after each change. */
  readonly current = (): ReadonlyMap<string, Job> => this.#jobs;

  /** Is told of each change, until what it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Follows the runs that were started before the page was loaded. Once; later calls wait for the first. */
  async recall(): Promise<void> {
    this.#recalled ??= this.#recall();
    await this.#recalled;
  }

  /**
   * Starts a computation, and follows it to its end.
   *
   * @param over What it is computed from: see `inputsOf`.
   * @returns How it has ended.
   */
  async start(node: string, over: string): Promise<Job["state"]> {
    await this.recall();
    const kept: Kept = { version: 1, node, job: randomHex(), started: this.#now(), over, seen: false };
    const before = this.#jobs.get(node);
    // Known before it is asked for: whatever happens to this page, the run is found again.
    await this.#store.update("jobs", this.#prefix + kept.job, () => kept);
    if (before !== undefined) {
      await this.#store.remove("jobs", this.#prefix + before.job);
    }
    return await this.#follow(kept, true);
  }

  /** Ends a run, wherever it is. */
  async cancel(node: string): Promise<void> {
    const job = this.#jobs.get(node);
    if (job?.state !== "waiting") {
      return;
    }
    this.#change(job.job, node, { ending: true });
    try {
      await this.#room.cancel(node, job.job);
    } catch (error) {
      this.#change(job.job, node, { ending: false });
      throw error;
    }
  }

  /** What a run has led to is lost, and computed once more by another job, which is remembered in its place. */
  async replace(node: string, job: string): Promise<void> {
    const before = this.#jobs.get(node);
    if (before !== undefined) {
      const after = { ...before, job, started: this.#now() };
      await this.#keep(after);
      await this.#store.remove("jobs", this.#prefix + before.job);
      this.#tell(new Map(this.#jobs).set(node, after));
    }
  }

  /** Its result was looked at. */
  async look(node: string): Promise<void> {
    const job = this.#jobs.get(node);
    if (job !== undefined && !job.seen) {
      this.#change(job.job, node, { seen: true });
      await this.#keep({ ...job, seen: true });
    }
  }

  /** Somebody has read what the validation of a table has found. */
  async judge(node: string, job: string, passed: boolean): Promise<void> {
    const now = this.#jobs.get(node);
    if (now?.job === job && now.passed !== passed) {
      this.#change(job, node, { passed });
      await this.#keep({ ...now, passed });
    }
  }

  async #keep({ node, job, started, over, seen, passed }: Job): Promise<void> {
    const kept: Kept = { version: 1, node, job, started, over, seen, passed };
    await this.#store.update("jobs", this.#prefix + job, () => kept);
  }

  async #recall(): Promise<void> {
    const newest = new Map<string, Kept>();
    for (const [key, value] of await this.#store.entries("jobs", this.#prefix)) {
      const other = isKept(value) ? newest.get(value.node) : undefined;
      if (!isKept(value) || value.started < this.#now() - KEPT || (other?.started ?? 0) > value.started) {
        await this.#store.remove("jobs", key);
        continue;
      }
      if (other !== undefined) {
        await this.#store.remove("jobs", this.#prefix + other.job);
      }
      newest.set(value.node, value);
    }
    for (const kept of newest.values()) {
      void this.#follow(kept, false);
    }
  }

  async #follow({ node, job, started, over, seen, passed = null }: Kept, fresh: boolean): Promise<Job["state"]> {
    const begun: Job = {
      node,
      job,
      started,
      over,
      state: "waiting",
      steps: new Map(),
      away: false,
      ending: false,
      error: null,
      fresh,
      seen,
      passed,
    };
    this.#tell(new Map(this.#jobs).set(node, begun));
    const onProgress = (progress: Progress): void => this.#progressed(job, node, progress);
    let asked = !fresh;
    for (let pause = PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        if (!asked) {
          // Where the answer was lost, the same is asked again: it is started once.
          await this.#room.run(node, job);
          asked = true;
          this.#change(job, node, { away: false });
        }
        await this.#room.wait(node, job, { onProgress });
        return this.#ended(job, node, { state: "finished" });
      } catch (error) {
        if (!(error instanceof Unavailable)) {
          if (!asked && !(error instanceof Unanswered)) {
            // It was refused: there is nothing to come back for.
            await this.#store.remove("jobs", this.#prefix + job);
          }
          const cancelled = this.#jobs.get(node)?.ending === true && error instanceof BadRequestError;
          return this.#ended(job, node, { state: cancelled ? "cancelled" : "failed", error });
        }
        this.#change(job, node, { away: true });
      }
      await this.#pause(pause);
    }
  }

  #progressed(job: string, node: string, { node: step, status, waiting_for }: Progress): void {
    const steps = new Map(this.#jobs.get(node)?.steps);
    this.#change(job, node, { steps: steps.set(step, { status, waitingFor: waiting_for ?? "" }), away: false });
  }

  #ended(job: string, node: string, how: Pick<Job, "state"> & Partial<Job>): Job["state"] {
    this.#change(job, node, { ...how, away: false, ending: false });
    return how.state;
  }

  /** Nothing where another run of the computation has begun since. */
  #change(job: string, node: string, change: Partial<Job>): void {
    const before = this.#jobs.get(node);
    if (before?.job === job) {
      this.#tell(new Map(this.#jobs).set(node, { ...before, ...change }));
    }
  }

  #tell(jobs: ReadonlyMap<string, Job>): void {
    this.#jobs = jobs;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

function isKept(value: unknown): value is Kept {
  const { version, node, job, started, over, seen, passed } = (value ?? {}) as Partial<Kept>;
  return (
    version === 1 &&
    typeof node === "string" &&
    typeof job === "string" &&
    /^[0-9a-f]{64}$/.test(job) &&
    typeof started === "number" &&
    typeof over === "string" &&
    typeof seen === "boolean" &&
    (passed == null || typeof passed === "boolean")
  );
}

function slept(milliseconds: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, milliseconds));
}
