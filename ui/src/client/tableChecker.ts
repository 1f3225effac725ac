/** The page's side of looking at tables: what is done in a worker, as promises. */

import type { Start } from "../tables/infer";
import type { CheckProgress, CheckResult } from "../tables/prepare";
import type { Reading } from "../tables/reading";
import type { Recipe, Target } from "../tables/recipe";
import { Calls, type StartThread, threadOf } from "./calls";
import { unpacked } from "./messages";

/** A file that was looked at. */
export interface SeenFile {
  reading: Reading;
  /** Names of sheets, of an Excel file. */
  sheets: string[];
  start: Start;
  /** Why it can't be read so, if it can't; then nothing of it is there. */
  problem: Error | null;
}

/** To the worker. `id` tells orders apart. */
export type CheckOrder =
  | { type: "look"; id: number; file: Blob; names: readonly string[]; reading: Reading | null; most: number }
  | { type: "check"; id: number; file: Blob; target: Target; recipe: Recipe };

/** From the worker. */
export type CheckReport =
  | { type: "progress"; id: number; progress: CheckProgress }
  | { type: "seen"; id: number; seen: Omit<SeenFile, "problem">; problem: { name: string; message: string } | null }
  | { type: "checked"; id: number; result: CheckResult }
  | { type: "failed"; id: number; name: string; message: string };

/** Records of a file that are looked at, before all of them are checked. */
const LOOKED_AT = 2_000;

const LOST =
  "The browser has given up reading this file, most likely for want of memory. Save it as CSV, and try again.";

/** Reads and checks tables beside the page. What it is told never leaves the machine. */
export class TableChecker {
  readonly #calls: Calls<CheckOrder, CheckReport>;

  /** @param start Starts a worker, or whatever `serveChecks` listens at; another one, after one was lost. */
  constructor(start: StartThread) {
    this.#calls = new Calls(start, LOST);
  }

  /** Ends all that it does. Whoever waits for it waits for ever: that is for those who have gone. */
  close(): void {
    this.#calls.end();
  }

  /**
   * How a file begins, and how it is written: as is told here, else as it looks.
   *
   * @param names Of the columns that are wanted.
   * @throws BadRequestError It can't be read at all.
   * @throws CloisterError The worker is lost. The next file has another one.
   */
  async look(file: Blob, names: readonly string[], reading: Reading | null = null): Promise<SeenFile> {
    const order = (id: number): CheckOrder => ({ type: "look", id, file, names, reading, most: LOOKED_AT });
    const { seen, problem } = await this.#calls.ask(order, "seen");
    return { ...seen, problem: problem === null ? null : unpacked(problem) };
  }

  /**
   * Checks every row of a file.
   *
   * @throws BadRequestError It can't be read so.
   * @throws CloisterError As `look`.
   */
  async check(
    file: Blob,
    target: Target,
    recipe: Recipe,
    onProgress: (progress: CheckProgress) => void,
  ): Promise<CheckResult> {
    const order = (id: number): CheckOrder => ({ type: "check", id, file, target, recipe });
    return (await this.#calls.ask(order, "checked", { onProgress })).result;
  }
}

/** A checker with a worker of its own, in browsers. Whoever started it closes it. */
export function startTableChecker(): TableChecker {
  return new TableChecker((lost) => {
    const worker = new Worker(new URL("../worker/tables.ts", import.meta.url), { type: "module" });
    return threadOf(worker, lost);
  });
}
