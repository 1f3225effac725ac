/**
 * Datasets on their way: encrypted while uploading, decrypted while downloading, several parts at once.
 * As `cloister.wire.transfers`.
 */

import { checkKey, checkManifest, decryptPart, encryptPart, makeManifest, partCount } from "../core/dataset";
import type { Bytes } from "../core/encoding";
import { ApiError } from "../core/errors";
import type { Manifest, Part } from "../core/records";
import type { Content } from "../tables/recipe";
import type { Hub } from "./hub";
import type { Patience } from "./patience";
import { type Source, sourceOf } from "./sources";

/** Parts on their way at once: each is up to 16 MiB of memory. Browsers open six connections to a server. */
export const PARALLEL = 4;

/** What has arrived of an upload: kept by whoever wants to take it up again after a reload. */
export interface Ledger {
  /** The part that has arrived before with this very content, if it has. */
  known(index: number, plaintext: Bytes): Promise<Part | undefined>;
  /** The part with this content has arrived now. */
  arrived(index: number, part: Part, plaintext: Bytes): Promise<void>;
}

/** How a transfer is done. */
export interface TransferOptions {
  hub: Hub;
  patience: Patience;
  /** Is told of bytes of plaintext that have arrived, since it was told last. */
  told?: (bytes: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Encrypts a file, or what is made of one, and stores it with the hub; holds `PARALLEL` parts, however much there is.
 *
 * If it fails altogether, what was stored is deleted again as far as possible, unless there is a ledger.
 *
 * @param dataset The fresh random id that it is stored under, or that of the upload which the ledger knows.
 * @param ledger Parts that it knows are not sent again.
 * @throws ApiError The hub refused, or stayed away.
 * @throws BadRequestError The file was changed while it was read.
 */
export async function upload(
  content: Content,
  key: Bytes,
  dataset: string,
  options: TransferOptions,
  ledger?: Ledger,
): Promise<Manifest> {
  try {
    return await sent(sourceOf(content), key, dataset, options, ledger);
  } catch (error) {
    // Nobody will ask for a dataset without a manifest; the hub throws it away sooner or later anyhow.
    if (ledger === undefined) {
      await options.hub.deleteBlob(dataset).catch(ignoreRefusals);
    }
    throw error;
  }
}

async function sent(
  source: Source,
  key: Bytes,
  dataset: string,
  { hub, patience, told, signal }: TransferOptions,
  ledger: Ledger | undefined,
): Promise<Manifest> {
  const count = partCount(source.size);
  const parts = Array<Part | undefined>(count);
  const failing = new AbortController();
  const ending = signal === undefined ? failing.signal : AbortSignal.any([signal, failing.signal]);
  const longer = patience.longer();
  let closed = false;

  const send = async (index: number): Promise<void> => {
    const plaintext = await source.part(index);
    const known = await ledger?.known(index, plaintext);
    if (known === undefined) {
      const { ciphertext, part } = await encryptPart(key, dataset, index, index === count - 1, plaintext);
      // One part alone says that it is: that saves a request.
      const closing = count === 1 ? 1 : undefined;
      await longer.run(() => hub.putPart(dataset, index, ciphertext, part, { closing, signal }), ending);
      closed ||= closing !== undefined;
      parts[index] = part;
      await ledger?.arrived(index, part, plaintext);
    } else {
      parts[index] = known;
    }
    told?.(plaintext.length);
  };

  let next = 0;
  const lane = async (): Promise<void> => {
    try {
      while (next < count) {
        ending.throwIfAborted();
        await send(next++);
      }
    } catch (error) {
      // The others begin nothing more. What is on its way arrives first: it might else arrive after it was deleted.
      failing.abort();
      throw error;
    }
  };
  // Whatever happens, nothing is on its way any more afterwards.
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(PARALLEL, count) }, lane));
  const reasons = lanes.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  if (reasons.length > 0) {
    signal?.throwIfAborted();
    throw reasons.find((reason) => reason !== failing.signal.reason);
  }
  const manifest = makeManifest(key, dataset, source.size, parts as Part[]);
  if (!closed) {
    await longer.run(() => hub.completeBlob(dataset, count), signal);
  }
  return manifest;
}

/**
 * Fetches, checks and decrypts a dataset part by part, the next ones on their way already. Nothing is fetched before
 * the first part is asked for. What came before an error is genuine, but not whole.
 *
 * @throws DecryptionFailed, VerificationError: as `checkManifest`, `checkKey`, `decryptPart`.
 * @throws ApiError The hub refused, or stayed away.
 */
export async function* download(
  manifest: Manifest,
  key: Bytes,
  { hub, patience, told, signal }: TransferOptions,
): AsyncGenerator<Bytes> {
  checkManifest(manifest);
  checkKey(key, manifest);
  const ending = new AbortController();
  const either = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
  const longer = patience.longer();
  const get = async (index: number): Promise<Bytes> => {
    const ciphertext = await longer.run(() => hub.getPart(manifest.dataset, index, either), either);
    return await decryptPart(key, manifest, index, ciphertext);
  };
  const coming: Promise<Bytes>[] = [];
  try {
    for (let index = 0; index < manifest.parts.length || coming.length > 0; index++) {
      if (index < manifest.parts.length) {
        const part = get(index);
        // Whoever waits for it hears of what went wrong; until then it is not lost.
        part.catch(() => undefined);
        coming.push(part);
      }
      if (coming.length >= PARALLEL || index >= manifest.parts.length - 1) {
        const plaintext = (await coming.shift()) as Bytes;
        told?.(plaintext.length);
        yield plaintext;
      }
    }
  } finally {
    ending.abort();
  }
}

function ignoreRefusals(error: unknown): void {
  if (!(error instanceof ApiError)) {
    throw error;
  }
}
