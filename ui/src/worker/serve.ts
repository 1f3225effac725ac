/** The worker's side: encrypts and uploads what the page asks for, beside it. */

import { Hub } from "../client/hub";
import { Patience } from "../client/patience";
import { Meter } from "../client/progress";
import { UploadRecord } from "../client/resume";
import type { Store } from "../client/store";
import { type TransferOptions, upload } from "../client/transfers";
import { randomHex } from "../core/encoding";
import { BadRequestError } from "../core/errors";
import type { Manifest } from "../core/records";
import { type Job, type Order, type Port, packed, type Report } from "./messages";

/**
 * Does uploads for whoever is at the other end of the port.
 *
 * @param store Where it remembers what has arrived.
 */
export function serve(port: Port, store: Promise<Store>, patience = new Patience()): void {
  // Whoever needs it hears of what is wrong with it.
  store.catch(() => undefined);
  const running = new Map<number, AbortController>();
  const report = (message: Report): void => port.postMessage(message);

  const run = async (id: number, job: Job): Promise<void> => {
    const ending = new AbortController();
    running.set(id, ending);
    const meter = new Meter(job.file.size);
    const told = (bytes: number): void => report({ type: "progress", id, progress: meter.add(bytes) });
    const { url, token } = job.hub;
    try {
      const options = { hub: new Hub(url, token), patience, told, signal: ending.signal };
      report({ type: "done", id, manifest: await uploaded(job, options, store) });
    } catch (error) {
      report({ type: "failed", id, ...packed(error) });
    } finally {
      running.delete(id);
    }
  };

  port.addEventListener("message", ({ data }) => {
    const order = data as Order;
    if (order.type === "upload") {
      void run(order.id, order.job);
    } else {
      running.get(order.id)?.abort();
    }
  });
}

async function uploaded(job: Job, options: TransferOptions & { hub: Hub }, store: Promise<Store>): Promise<Manifest> {
  if (!job.resumable) {
    return await upload(job.file, job.key, randomHex(), options);
  }
  const record = await UploadRecord.open(await store, options.hub, options.patience, job.file, job.key);
  try {
    const manifest = await upload(job.file, job.key, record.dataset, options, record);
    await record.forget();
    return manifest;
  } catch (error) {
    if (error instanceof BadRequestError) {
      // Trying again would not help, and what is there counts as this user's.
      await options.hub.deleteBlob(record.dataset).catch(() => undefined);
      await record.forget();
    }
    throw error;
  }
}
