/** The page's side of transfers: what is done in a worker, as promises. */

import type { Manifest } from "../core/records";
import { Calls, type StartThread, threadOf } from "./calls";
import type { Fetch, Order, Report, Upload } from "./messages";
import type { TransferProgress } from "./progress";

/** What a transfer may be told besides. */
export interface MoveOptions {
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Breaks it off. What has arrived of a resumable upload is kept for some days. */
  signal?: AbortSignal | undefined;
}

const LOST =
  "The browser has ended the transfer, most likely for want of memory. Close what else is open, and try again. If that " +
  "doesn't help, reload the page.";

/** Encrypts and decrypts in a worker; several transfers at once if asked to. */
export class Mover {
  readonly #calls: Calls<Order, Report>;

  /** @param start Starts a worker, or whatever `serve` listens at; another one, after one was lost. */
  constructor(start: StartThread) {
    this.#calls = new Calls(start, LOST);
  }

  /**
   * Encrypts a file and stores it with the hub.
   *
   * @throws ApiError, BadRequestError: as `transfers.upload`.
   * @throws CloisterError The worker is lost. The next transfer has another one.
   * @throws DOMException AbortError: the signal has come.
   */
  async upload(job: Upload, options: MoveOptions = {}): Promise<Manifest> {
    return (await this.#calls.ask((id) => ({ type: "upload", id, job }), "uploaded", { ...options, onStop })).manifest;
  }

  /** Fetches a result whose receipt was checked. As `results.fetchResult`, and as `upload`. */
  async fetch(job: Fetch, options: MoveOptions = {}): Promise<Blob> {
    return (await this.#calls.ask((id) => ({ type: "fetch", id, job }), "fetched", { ...options, onStop })).content;
  }
}

function onStop(id: number): Order {
  return { type: "cancel", id };
}

/** A mover with a worker of its own, in browsers. */
export function startMover(): Mover {
  return new Mover((lost) => {
    const worker = new Worker(new URL("../worker/transfers.ts", import.meta.url), { type: "module" });
    return threadOf(worker, lost);
  });
}
