/**
 * The test of a draft: it goes on while its author looks at other pages, and what it has shown is kept for as long as
 * this page lives, in memory alone: consoles may hold the test data.
 */

import type { Uploaded } from "../../../client/datasets";
import type { TransferProgress } from "../../../client/progress";
import type { NodeProgress, TestData, TestOptions } from "../../../client/testing";
import type { Configuration, RoomReport } from "../../../core/records";

/** What a test has shown. */
export interface Tested {
  /** What was tested. */
  configuration: Configuration;
  report: RoomReport;
  /** Zips, by the ids of what they are the results of. */
  results: ReadonlyMap<string, Blob>;
  /** When it ended, in milliseconds since 1970. */
  ended: number;
}

export interface Shown {
  running: boolean;
  /** Of the test that is running or was broken off, by ids. */
  progress: ReadonlyMap<string, NodeProgress>;
  transfers: ReadonlyMap<string, TransferProgress>;
  /** Why the last one couldn't be brought to an end. */
  error: unknown;
  /** Whether its author has ended it; while it is running, it is being cleaned up. */
  cancelled: boolean;
  /** What could not be cleaned up. */
  warnings: readonly string[];
  last: Tested | undefined;
}

/** Runs a test; `Client.test` with the data that belongs to it. */
export type RunTest = (configuration: Configuration, options: TestOptions) => Promise<RoomReport>;

const IDLE: Shown = {
  running: false,
  progress: new Map(),
  transfers: new Map(),
  error: null,
  cancelled: false,
  warnings: [],
  last: undefined,
};

export class DraftTest {
  /**
   * Test data that was uploaded since the page is open, by their ids: the vault doesn't keep the keys where this browser
   * can't be sure whose vault it is.
   */
  readonly uploaded = new Map<string, Uploaded>();
  readonly #listeners = new Set<() => void>();
  #shown = IDLE;
  #ending: AbortController | undefined;

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** For `useSyncExternalStore`: another object after each change. */
  readonly shown = (): Shown => this.#shown;

  /**
   * Tests a configuration, unless a test is running. What fails is shown.
   *
   * @param data Looks up the test data, by ids of data nodes.
   */
  async start(
    configuration: Configuration,
    data: () => Promise<ReadonlyMap<string, TestData>>,
    run: RunTest,
  ): Promise<void> {
    if (this.#shown.running) {
      return;
    }
    const ending = new AbortController();
    const { signal } = ending;
    const results = new Map<string, Blob>();
    this.#ending = ending;
    this.#show({ ...IDLE, last: this.#shown.last, running: true });
    try {
      const report = await run(configuration, {
        data: await data(),
        signal,
        onProgress: (progress) => {
          this.#show({ progress: new Map(this.#shown.progress).set(progress.node, progress) });
        },
        onTransfer: (node, progress) => {
          this.#show({ transfers: new Map(this.#shown.transfers).set(node, progress) });
        },
        onResult: (node, content) => results.set(node, content),
        onWarning: (message) => this.#show({ warnings: [...this.#shown.warnings, message] }),
      });
      this.#show({ running: false, cancelled: false, last: { configuration, report, results, ended: Date.now() } });
    } catch (error) {
      this.#show({ running: false, error: signal.aborted ? null : error });
    }
  }

  /** Ends the test that is running, and all that runs for it. */
  cancel(): void {
    if (this.#shown.running) {
      this.#show({ cancelled: true });
      this.#ending?.abort();
    }
  }

  #show(changed: Partial<Shown>): void {
    this.#shown = { ...this.#shown, ...changed };
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

const tests = new Map<string, DraftTest>();

/** The test of a draft, always the same one. */
export function testOf(draft: string): DraftTest {
  const test = tests.get(draft) ?? new DraftTest();
  tests.set(draft, test);
  return test;
}
