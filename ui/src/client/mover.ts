/** The page's side of transfers: what is done in a worker, as promises. */

import type { Manifest } from "../core/records";
import { Calls } from "../worker/calls";
import type { Fetch, Order, Port, Report, Upload } from "../worker/messages";
import type { TransferProgress } from "./progress";

/** What a transfer may be told besides. */
export interface MoveOptions {
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Breaks it off. What has arrived of a resumable upload is kept for some days. */
  signal?: AbortSignal | undefined;
}

/** Encrypts and decrypts in a worker; several transfers at once if asked to. */
export class Mover {
  readonly #calls: Calls<Order, Report>;

  /** @param port The worker, or whatever `serve` listens at. */
  constructor(port: Port) {
    this.#calls = new Calls(port);
  }

  /** The worker is gone: whoever waits for it hears of it. */
  lost(): void {
    this.#calls.lost("The browser has ended the transfer, most likely for want of memory. Reload the page.");
  }

  /**
   * Encrypts a file and stores it with the hub.
   *
   * @throws ApiError, BadRequestError: as `transfers.upload`.
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
  const worker = new Worker(new URL("../worker/transfers.ts", import.meta.url), { type: "module" });
  const mover = new Mover(worker);
  worker.addEventListener("error", () => mover.lost());
  return mover;
}
