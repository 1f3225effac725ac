/**
 * Uploads that outlive their page: what has arrived of a file is written down, so that only the rest is sent.
 *
 * A record holds no secret and tells nothing about the content: its name and its seals are keyed by the dataset's key.
 * Whoever chooses the same file again, with the same key, goes on. As `cloister.sdk.resume`.
 */

import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as algorithm } from "@noble/hashes/sha2.js";

import { type Bytes, fromHex, number, pack, randomHex, sha256Bulk, toHex, utf8 } from "../core/encoding";
import { NotFoundError } from "../core/errors";
import type { Part } from "../core/records";
import type { Content } from "../tables/recipe";
import type { Hub } from "./hub";
import type { Patience } from "./patience";
import type { Store } from "./store";
import type { Ledger } from "./transfers";

/** Milliseconds after which a record that nobody came back for is deleted. */
export const KEPT = 14 * 24 * 3600 * 1000;

interface Header {
  version: 1;
  dataset: string;
  begun: number;
}

interface Arrived {
  part: Part;
  seal: string;
}

/**
 * What a file is known by: browsers tell no more of it. A table that is made of one is known by its size too; whether
 * it is the same, its parts say.
 */
export function fingerprint(content: Content): string {
  if (!(content instanceof Blob)) {
    return `${content.size} of ${fingerprint(content.file)}`;
  }
  const file: Blob & Partial<File> = content;
  const { name = "", lastModified = 0 } = file;
  return `${file.size}/${lastModified}/${name}`;
}

/** What has arrived of one file, under one key. Whoever opens it sees to it that nobody else does: see `PendingKeys`. */
export class UploadRecord implements Ledger {
  /** The id that the upload is stored under. */
  readonly dataset: string;
  readonly #store: Store;
  readonly #name: string;
  readonly #secret: Uint8Array;
  readonly #before: ReadonlyMap<number, Arrived>;

  private constructor(store: Store, name: string, secret: Uint8Array, header: Header, before: Map<number, Arrived>) {
    this.#store = store;
    this.#name = name;
    this.#secret = secret;
    this.dataset = header.dataset;
    this.#before = before;
  }

  /** The record of a file under a key, with what the hub really has: all else is sent again. */
  static async open(store: Store, hub: Hub, patience: Patience, file: Content, key: Bytes): Promise<UploadRecord> {
    await sweep(store);
    const secret = hkdf(algorithm, key, undefined, pack("cloister/upload-record/v1", utf8(hub.url)), 32);
    const name = toHex(hmac(algorithm, secret, pack("file", utf8(fingerprint(file)))));
    const fresh: Header = { version: 1, dataset: randomHex(), begun: Date.now() };
    const header = await store.update("uploads", name, (before) => (isHeader(before) ? before : fresh));
    const before = new Map<number, Arrived>();
    if (header.dataset !== fresh.dataset) {
      const stored = new Map((await partsOf(hub, patience, header.dataset)).map((part) => [part.index, part.sha256]));
      for (const [key, value] of await store.entries("uploads", `${name}/`)) {
        const index = Number(key.slice(name.length + 1));
        const arrived = value as Arrived;
        if (stored.get(index) === arrived.part.sha256) {
          before.set(index, arrived);
        }
      }
    }
    return new UploadRecord(store, name, secret, header, before);
  }

  async known(index: number, plaintext: Bytes): Promise<Part | undefined> {
    const arrived = this.#before.get(index);
    const same = arrived !== undefined && arrived.seal === (await this.#seal(index, arrived.part, plaintext));
    return same ? arrived.part : undefined;
  }

  async arrived(index: number, part: Part, plaintext: Bytes): Promise<void> {
    const line: Arrived = { part, seal: await this.#seal(index, part, plaintext) };
    await this.#store.update("uploads", `${this.#name}/${index}`, () => line);
  }

  /** There is nothing left to take up. */
  async forget(): Promise<void> {
    await this.#store.remove("uploads", this.#name);
  }

  /** Binds a part's ciphertext to its content, for those who have the key; to others it tells nothing. */
  async #seal(index: number, part: Part, plaintext: Bytes): Promise<string> {
    const fields = [fromHex(this.dataset), number(index), fromHex(part.sha256), await sha256Bulk(plaintext)];
    return toHex(hmac(algorithm, this.#secret, pack("part", ...fields)));
  }
}

async function sweep(store: Store): Promise<void> {
  for (const [name, value] of await store.entries("uploads", "")) {
    // Of whatever version.
    const { begun } = (value ?? {}) as Partial<Header>;
    if (typeof begun === "number" && begun < Date.now() - KEPT) {
      await store.remove("uploads", name);
    }
  }
}

async function partsOf(hub: Hub, patience: Patience, dataset: string): Promise<{ index: number; sha256: string }[]> {
  try {
    return (await patience.run(() => hub.blob(dataset))).parts;
  } catch (error) {
    if (error instanceof NotFoundError) {
      return [];
    }
    throw error;
  }
}

function isHeader(value: unknown): value is Header {
  const { version, dataset, begun } = (value ?? {}) as Partial<Record<keyof Header, unknown>>;
  return version === 1 && typeof dataset === "string" && typeof begun === "number";
}
