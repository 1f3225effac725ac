/** The page's side of transfers: what is done in a worker, as promises. */

import { CloisterError } from "../core/errors";
import type { Manifest } from "../core/records";
import { type Fetch, type Order, type Port, packed, type Report, type Upload, unpacked } from "../worker/messages";
import type { TransferProgress } from "./progress";

/** What a transfer may be told besides. */
export interface MoveOptions {
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Breaks it off. What has arrived of a resumable upload is kept for some days. */
  signal?: AbortSignal | undefined;
}

/** Encrypts and decrypts in a worker; several transfers at once if asked to. */
export class Mover {
  readonly #port: Port;
  readonly #waiting = new Map<number, (report: Report) => void>();
  #last = 0;

  /** @param port The worker, or whatever `serve` listens at. */
  constructor(port: Port) {
    this.#port = port;
    port.addEventListener("message", ({ data }) => {
      const report = data as Report;
      this.#waiting.get(report.id)?.(report);
    });
  }

  /** The worker is gone: whoever waits for it hears of it. */
  lost(): void {
    const ended = new CloisterError(
      "The browser has ended the transfer, most likely for want of memory. Reload the page.",
    );
    this.#waiting.forEach((report, id) => report({ type: "failed", id, ...packed(ended) }));
  }

  /**
   * Encrypts a file and stores it with the hub.
   *
   * @throws ApiError, BadRequestError: as `transfers.upload`.
   * @throws DOMException AbortError: the signal has come.
   */
  async upload(job: Upload, options: MoveOptions = {}): Promise<Manifest> {
    return (await this.#moved((id) => ({ type: "upload", id, job }), "uploaded", options)).manifest;
  }

  /** Fetches a result whose receipt was checked. As `results.fetchResult`, and as `upload`. */
  async fetch(job: Fetch, options: MoveOptions = {}): Promise<Blob> {
    return (await this.#moved((id) => ({ type: "fetch", id, job }), "fetched", options)).content;
  }

  async #moved<T extends Report["type"]>(
    order: (id: number) => Order,
    last: T,
    { onProgress, signal }: MoveOptions,
  ): Promise<Extract<Report, { type: T }>> {
    signal?.throwIfAborted();
    const id = ++this.#last;
    const send = (message: Order): void => this.#port.postMessage(message);
    const stop = (): void => send({ type: "cancel", id });
    signal?.addEventListener("abort", stop);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, (report) => {
          if (report.type === "progress") {
            onProgress?.(report.progress);
          } else if (report.type === last) {
            resolve(report as Extract<Report, { type: T }>);
          } else if (report.type === "failed") {
            reject(unpacked(report));
          }
        });
        send(order(id));
      });
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#waiting.delete(id);
    }
  }
}

/** A mover with a worker of its own, in browsers. */
export function startMover(): Mover {
  const worker = new Worker(new URL("../worker/transfers.ts", import.meta.url), { type: "module" });
  const mover = new Mover(worker);
  worker.addEventListener("error", () => mover.lost());
  return mover;
}
