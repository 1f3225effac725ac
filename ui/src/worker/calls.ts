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

export class Calls<Order, Report extends Reported> {
  readonly #port: Port;
  readonly #waiting = new Map<number, (report: Report | Failed) => void>();
  #last = 0;

  /** @param port The worker, or whatever listens in its place. */
  constructor(port: Port) {
    this.#port = port;
    port.addEventListener("message", ({ data }) => {
      const report = data as Report;
      this.#waiting.get(report.id)?.(report);
    });
  }

  /** The worker is gone: whoever waits for it hears of it, in these words. */
  lost(words: string): void {
    const ended = packed(new CloisterError(words));
    this.#waiting.forEach((report, id) => report({ type: "failed", id, ...ended }));
  }

  /**
   * Gives an order, and waits for the report that ends it.
   *
   * @param last The type of that report.
   * @param onStop The order that breaks it off, where the signal comes.
   * @throws Error What has failed there.
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
    const id = ++this.#last;
    const stop = (): void => {
      if (onStop !== undefined) {
        this.#port.postMessage(onStop(id));
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
        this.#port.postMessage(order(id));
      });
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#waiting.delete(id);
    }
  }
}
