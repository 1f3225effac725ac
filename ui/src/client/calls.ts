/** The page's side of a worker: orders, and what is reported of each, as promises. */

import { CloisterError } from "../core/errors";
import { type Port, packed, unpacked } from "./messages";

/** What each report has; the last of an order is the one that was asked for, or `failed`. */
interface Reported {
  type: string;
  id: number;
}
type Failed = { type: "failed"; id: number; name: string; message: string };
type Progressed<R> = Extract<R, { type: "progress" }> extends { progress: infer P } ? P : never;

/** A worker, or whatever listens in its place. */
export interface Thread {
  port: Port;
  /** Ends it, with whatever it is doing. */
  end: () => void;
}

/** Starts a worker, which says `lost`, some time after that, where something has ended it. */
export type StartThread = (lost: () => void) => Thread;

/** A worker of browsers, as `Calls` takes it. What it has not caught is reported as the page's own. */
export function threadOf(worker: Worker, lost: () => void): Thread {
  worker.addEventListener("error", ({ message }) => {
    // It would be told on the console of the worker, which ends now.
    reportError(new Error(message || "A worker could not be started."));
    lost();
  });
  return { port: worker, end: () => worker.terminate() };
}

export class Calls<Order, Report extends Reported> {
  readonly #start: StartThread;
  readonly #lostWords: string;
  readonly #waiting = new Map<number, (report: Report | Failed) => void>();
  #thread: Thread | undefined;
  #last = 0;

  /**
   * @param start Starts the worker now, and another one for the next order after one was lost.
   * @param lostWords What whoever waits for a worker hears when it is lost.
   */
  constructor(start: StartThread, lostWords: string) {
    this.#start = start;
    this.#lostWords = lostWords;
    this.#running();
  }

  /** Ends the worker. Whoever waits for it, or asks it for more, waits for ever. */
  end(): void {
    this.#thread?.end();
  }

  /**
   * Gives an order, and waits for the report that ends it.
   *
   * @param last The type of that report.
   * @param onStop The order that breaks it off, where the signal comes.
   * @throws Error What has failed there.
   * @throws CloisterError The worker is lost.
   * @throws DOMException AbortError: the signal has come.
   */
  async ask<T extends Report["type"]>(
    order: (id: number) => Order,
    last: T,
    {
      onProgress,
      onStop,
      signal,
    }: {
      onProgress?: ((progress: Progressed<Report>) => void) | undefined;
      onStop?: (id: number) => Order;
      signal?: AbortSignal | undefined;
    } = {},
  ): Promise<Extract<Report, { type: T }>> {
    signal?.throwIfAborted();
    const { port } = this.#running();
    const id = ++this.#last;
    const stop = (): void => {
      if (onStop !== undefined) {
        port.postMessage(onStop(id));
      }
    };
    signal?.addEventListener("abort", stop);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, (report) => {
          if (report.type === "progress") {
            onProgress?.((report as unknown as { progress: Progressed<Report> }).progress);
          } else if (report.type === last) {
            resolve(report as Extract<Report, { type: T }>);
          } else if (report.type === "failed") {
            reject(unpacked(report as Failed));
          }
        });
        port.postMessage(order(id));
      });
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#waiting.delete(id);
    }
  }

  #running(): Thread {
    if (this.#thread === undefined) {
      const thread = this.#start(() => this.#lost(thread));
      thread.port.addEventListener("message", ({ data }) => {
        const report = data as Report;
        this.#waiting.get(report.id)?.(report);
      });
      this.#thread = thread;
    }
    return this.#thread;
  }

  #lost(thread: Thread): void {
    // It may say so more than once, and others be at work by then.
    if (thread === this.#thread) {
      this.#thread = undefined;
      // Whatever of it is left does nothing more that is reported as failed here.
      thread.end();
      const ended = packed(new CloisterError(this.#lostWords));
      this.#waiting.forEach((report, id) => report({ type: "failed", id, ...ended }));
    }
  }
}
