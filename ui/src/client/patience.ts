/** Trying again: only what failed for want of a connection, a bounded number of times, with growing pauses. */

import { Unavailable } from "../core/errors";

/** Seconds after which a connection that broke is taken to have been a good one: counting starts anew. */
const LONG_LIVED = 10;
/** Seconds, of what the other side asks to wait. */
const LONGEST_PAUSE = 30;
const MORE_PAUSES = 6;

/** How often, and after which pauses (seconds), something is tried again. */
export class Patience {
  readonly #pauses: readonly number[];
  readonly #sleep: (seconds: number, signal?: AbortSignal) => Promise<void>;

  constructor(pauses: readonly number[] = [0.25, 0.5, 1, 2, 4, 8], sleep = pause) {
    this.#pauses = pauses;
    this.#sleep = sleep;
  }

  /** For what gives up dearly, as transfers do: the last pause some more times, a minute in all by default. */
  longer(): Patience {
    return new Patience([...this.#pauses, ...Array<number>(MORE_PAUSES).fill(this.#pauses.at(-1) ?? 0)], this.#sleep);
  }

  /**
   * Does `action` until it doesn't raise `Unavailable`, or for the last time.
   *
   * @throws DOMException AbortError: the signal has come.
   */
  async run<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let pauses = [...this.#pauses];
    for (;;) {
      signal?.throwIfAborted();
      const started = performance.now();
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof Unavailable)) {
          throw error;
        }
        if (performance.now() - started >= LONG_LIVED * 1000) {
          pauses = [...this.#pauses];
        }
        const next = pauses.shift();
        if (next === undefined) {
          throw error;
        }
        await this.#sleep(Math.max(next, Math.min(error.retryAfter, LONGEST_PAUSE)), signal);
      }
    }
  }
}

function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
