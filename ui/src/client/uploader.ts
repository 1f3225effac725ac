/** The page's side of uploads: what is done in a worker, as a promise. */

import { CloisterError } from "../core/errors";
import type { Manifest } from "../core/records";
import { type Job, type Order, type Port, packed, type Report, unpacked } from "../worker/messages";
import type { TransferProgress } from "./progress";

/** What an upload may be told besides. */
export interface UploadOptions {
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Breaks it off. What has arrived of a resumable one is kept for some days. */
  signal?: AbortSignal | undefined;
}

/** Uploads in a worker; several at once if asked to. */
export class Uploader {
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
      "The browser has ended the upload, most likely for want of memory. Reload the page.",
    );
    this.#waiting.forEach((report, id) => report({ type: "failed", id, ...packed(ended) }));
  }

  /**
   * Encrypts a file and stores it with the hub.
   *
   * @throws ApiError, BadRequestError: as `transfers.upload`.
   * @throws DOMException AbortError: the signal has come.
   */
  async upload(job: Job, { onProgress, signal }: UploadOptions = {}): Promise<Manifest> {
    signal?.throwIfAborted();
    const id = ++this.#last;
    const order = (message: Order): void => this.#port.postMessage(message);
    const stop = (): void => order({ type: "cancel", id });
    signal?.addEventListener("abort", stop);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, (report) => {
          if (report.type === "progress") {
            onProgress?.(report.progress);
          } else if (report.type === "done") {
            resolve(report.manifest);
          } else {
            reject(unpacked(report));
          }
        });
        order({ type: "upload", id, job });
      });
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#waiting.delete(id);
    }
  }
}

/** An uploader with a worker of its own, in browsers. */
export function startUploader(): Uploader {
  const worker = new Worker(new URL("../worker/upload.ts", import.meta.url), { type: "module" });
  const uploader = new Uploader(worker);
  worker.addEventListener("error", () => uploader.lost());
  return uploader;
}
