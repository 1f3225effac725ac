/** The worker's side: encrypts, decrypts and moves what the page asks for, beside it. */

import { Hub } from "../client/hub";
import { type Access, type Order, type Port, packed, type Report, type Upload } from "../client/messages";
import { Patience } from "../client/patience";
import { Meter } from "../client/progress";
import { fetchResult } from "../client/results";
import { UploadRecord } from "../client/resume";
import type { Store } from "../client/store";
import { type TransferOptions, upload } from "../client/transfers";
import { randomHex } from "../core/encoding";
import { BadRequestError } from "../core/errors";
import type { Manifest } from "../core/records";

/**
 * Does transfers for whoever is at the other end of the port.
 *
 * @param store Where it remembers what has arrived.
 */
export function serve(port: Port, store: Promise<Store>, patience = new Patience()): void {
  // Whoever needs it hears of what is wrong with it.
  store.catch(() => undefined);
  const running = new Map<number, AbortController>();
  const report = (message: Report): void => port.postMessage(message);

  const run = async (id: number, hub: Access, size: number, work: (options: Options) => Promise<Report>) => {
    const ending = new AbortController();
    running.set(id, ending);
    const meter = new Meter(size);
    const told = (bytes: number): void => report({ type: "progress", id, progress: meter.add(bytes) });
    try {
      report(await work({ hub: new Hub(hub.url, hub.token), patience, told, signal: ending.signal }));
    } catch (error) {
      report({ type: "failed", id, ...packed(error) });
    } finally {
      running.delete(id);
    }
  };

  port.addEventListener("message", ({ data }) => {
    const order = data as Order;
    const { id } = order;
    switch (order.type) {
      case "upload": {
        const { hub, file } = order.job;
        void run(id, hub, file.size, async (options) => {
          return { type: "uploaded", id, manifest: await uploaded(order.job, options, store) };
        });
        break;
      }
      case "fetch": {
        const { hub, result } = order.job;
        void run(id, hub, result.manifest.size, async (options) => {
          return { type: "fetched", id, content: await fetchResult(result, options) };
        });
        break;
      }
      case "cancel":
        running.get(id)?.abort();
    }
  });
}

type Options = TransferOptions & { hub: Hub };

async function uploaded(job: Upload, options: Options, store: Promise<Store>): Promise<Manifest> {
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
      await deleteUnfinished(options.hub, record.dataset).catch(() => undefined);
      await record.forget();
    }
    throw error;
  }
}

/** What is complete may be a dataset by now. What can't be deleted the hub throws away some day. */
async function deleteUnfinished(hub: Hub, dataset: string): Promise<void> {
  const { complete } = await hub.blob(dataset);
  if (!complete) {
    await hub.deleteBlob(dataset);
  }
}
