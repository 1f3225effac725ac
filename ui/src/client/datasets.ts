/**
 * Datasets of a user: uploaded once, kept in mind in the user's vault, attached to rooms as often as wanted.
 * As `cloister.sdk.datasets`: the items `dataset/<hash>`, `manifest/<hash>` and `key/<hash>`.
 */

import { checkKey, KEY_SIZE, manifestDigest, PART_SIZE } from "../core/dataset";
import { decode } from "../core/decode";
import { type Bytes, canonical, pack, randomBytes, randomHex, sha256, toHex, utf8 } from "../core/encoding";
import { BadRequestError, NotFoundError, VerificationError } from "../core/errors";
import type { Attachment, DatasetRecord, Item, Manifest } from "../core/records";
import type { Content } from "../tables/recipe";
import { type Hub, unlessGone } from "./hub";
import type { MoveOptions, Mover } from "./mover";
import type { Patience } from "./patience";
import { fingerprint } from "./resume";
import type { Store } from "./store";
import { download } from "./transfers";
import { itemValue, type Vault } from "./vault";

const MAX_TEXT = 4096;

/** What a dataset is called, for its owner alone: the vault has it. */
export interface Label {
  name: string;
  description?: string;
}

/** A dataset as its owner sees it. */
export interface OwnDataset extends DatasetRecord {
  /** The hash of its manifest. */
  id: string;
}

/** What is attached: where the ciphertext lies, and what opens it. */
export interface Uploaded {
  manifest: Manifest;
  key: Bytes;
}

/** What datasets are moved with. */
export interface DatasetsOptions {
  hub: Hub;
  store: Store;
  vault: Vault;
  mover: Mover;
  patience: Patience;
}

export class Datasets {
  readonly #options: DatasetsOptions;

  constructor(options: DatasetsOptions) {
    this.#options = options;
  }

  /**
   * Encrypts a file, or the table that is made of one, in a worker, stores it with the hub and keeps it in mind in the vault, with its key.
   *
   * After a reload the same file goes on where it was broken off, where the vault is surely the user's own: the key
   * waits in it from before the first byte.
   *
   * @param attaching Where it is about to be attached, as `note` would remember it.
   * @throws BadRequestError The label can't be used, or the vault is full.
   * @throws ApiError The hub refused, or stayed away.
   */
  async upload(
    file: Content,
    { name, description = "" }: Label,
    { attaching = [], ...options }: MoveOptions & { attaching?: Attachment[] } = {},
  ): Promise<Uploaded> {
    if (name.length < 1 || name.length > MAX_TEXT || description.length > MAX_TEXT) {
      throw new BadRequestError(`A dataset needs a name; it and the description have at most ${MAX_TEXT} letters.`);
    }
    const { hub, mover, vault } = this.#options;
    // Nothing of the data is sent, not even encrypted, before the enclave has proven itself.
    const trusted = await vault.trusted();
    const pending = trusted && file.size > PART_SIZE ? await this.#pendingKey(file) : undefined;
    const key = pending?.key ?? randomBytes(KEY_SIZE);
    const resumable = pending !== undefined;
    const manifest = await mover.upload({ hub: hub.access, file, key, resumable }, options);
    checkKey(key, manifest);
    const record: DatasetRecord = {
      version: 1,
      name,
      description,
      size: manifest.size,
      created: Date.now(),
      attached: attaching,
    };
    const digest = manifestDigest(manifest);
    const values = { [`manifest/${digest}`]: canonical(manifest), [`dataset/${digest}`]: canonical(record) };
    if (trusted) {
      values[`key/${digest}`] = key;
    }
    // Together: what is listed is whole.
    await vault.putNew(values, { [`manifest/${digest}`]: manifest.dataset });
    await pending?.giveUp();
    return { manifest, key };
  }

  /** All of them, the newest first. */
  async all(): Promise<OwnDataset[]> {
    const found: OwnDataset[] = [];
    for await (const item of this.#options.vault.list("dataset")) {
      found.push({ id: item.item.slice("dataset/".length), ...recordOf(item) });
    }
    return found.sort((one, other) => other.created - one.created);
  }

  /**
   * Its manifest and key.
   *
   * @throws NotFoundError There is no such dataset, or its key isn't kept.
   * @throws AuthorizationError This device may not see the key yet.
   */
  async get(digest: string): Promise<Uploaded> {
    const manifest = await this.manifest(digest);
    const item = await this.#options.vault.read(`key/${digest}`);
    if (item === undefined) {
      throw new NotFoundError("The key of this dataset is not kept in your vault. Upload the dataset again.");
    }
    const key = itemValue(item);
    checkKey(key, manifest);
    return { manifest, key };
  }

  /** @throws NotFoundError There is no such dataset. */
  async manifest(digest: string): Promise<Manifest> {
    const item = await this.#options.vault.read(`manifest/${digest}`);
    if (item === undefined) {
      throw noDataset(digest);
    }
    const manifest = decode(itemValue(item), "Manifest", "a dataset's manifest");
    if (manifestDigest(manifest) !== digest) {
      throw new VerificationError("The vault shows another dataset than was asked for. Ask the operator why.");
    }
    return manifest;
  }

  /** The plaintext, part by part, each checked before any of it is handed out. */
  download({ manifest, key }: Uploaded, options: MoveOptions = {}): AsyncGenerator<Bytes> {
    const { hub, patience } = this.#options;
    return download(manifest, key, { hub, patience, signal: options.signal });
  }

  /** Remembers that a dataset is about to be attached there. */
  async note(digest: string, where: Attachment): Promise<void> {
    for (;;) {
      const item = await this.#item(digest);
      const record = recordOf(item);
      if (record.attached.some((each) => each.room === where.room && each.node === where.node)) {
        return;
      }
      const changed = canonical({ ...record, attached: [...record.attached, where] });
      try {
        await this.#options.vault.put(item.item, changed, item.revision);
        return;
      } catch (error) {
        // Another device of the user's may have changed it meanwhile: then once more.
        if (!(error instanceof BadRequestError) || (await this.#item(digest)).revision === item.revision) {
          throw error;
        }
      }
    }
  }

  /**
   * Deletes a dataset: its key, its manifest, its ciphertext, and that there was one. Rooms that it is attached to
   * can't compute with it any more: whoever calls has looked at `attached`.
   */
  async delete(digest: string): Promise<void> {
    const { hub, patience, vault } = this.#options;
    const item = await this.#item(digest);
    const manifest = await this.manifest(digest);
    // The key first: whatever comes after may fail, and be done again.
    for (const name of [`key/${digest}`, `manifest/${digest}`]) {
      const secret = await vault.read(name);
      if (secret !== undefined) {
        await vault.remove(secret);
      }
    }
    await patience.run(() => hub.deleteBlob(manifest.dataset)).catch(unlessGone);
    await vault.remove(item);
  }

  async #item(digest: string): Promise<Item> {
    const item = await this.#options.vault.read(`dataset/${digest}`);
    if (item === undefined) {
      throw noDataset(digest);
    }
    return item;
  }

  /**
   * The key that a file is to be uploaded with: that of an upload that was broken off, else a fresh one. The vault has
   * it under a random name, which alone this browser remembers; so the key is never on this machine's disk.
   */
  async #pendingKey(file: Content): Promise<{ key: Bytes; giveUp: () => Promise<void> }> {
    const { hub, store, vault } = this.#options;
    const mine = pack("cloister/pending-file/v1", utf8(hub.url), utf8(await vault.id()), utf8(fingerprint(file)));
    const place = `pending/${toHex(sha256(mine))}`;
    const id = await store.update("vaults", place, (before) => (typeof before === "string" ? before : randomHex()));
    const kept = await vault.read(`key/${id}`);
    const key = kept === undefined ? randomBytes(KEY_SIZE) : itemValue(kept);
    if (kept === undefined) {
      await vault.put(`key/${id}`, key);
    }
    const giveUp = async (): Promise<void> => {
      const item = await vault.read(`key/${id}`);
      if (item !== undefined) {
        await vault.remove(item);
      }
      await store.remove("vaults", place);
    };
    return { key, giveUp };
  }
}

function recordOf(item: Item): DatasetRecord {
  return decode(itemValue(item), "DatasetRecord", "what is kept of a dataset");
}

function noDataset(digest: string): NotFoundError {
  return new NotFoundError(`You have no dataset ${digest}.`);
}
