/**
 * Datasets of a user: uploaded once, kept in mind in the user's vault, attached to rooms as often as wanted.
 * As `cloister.sdk.datasets`: the items `dataset/<hash>`, `manifest/<hash>` and `key/<hash>`.
 */

import { checkKey, KEY_SIZE, manifestDigest, PART_SIZE } from "../core/dataset";
import { decode } from "../core/decode";
import { type Bytes, canonical, randomBytes } from "../core/encoding";
import { BadRequestError, NotFoundError, VerificationError } from "../core/errors";
import type { Attachment, DatasetRecord, Item, Manifest } from "../core/records";
import type { Content } from "../tables/recipe";
import { type Hub, unlessGone } from "./hub";
import type { Identity } from "./identity";
import type { Locks } from "./locks";
import type { MoveOptions, Mover } from "./mover";
import type { Patience } from "./patience";
import { PendingKeys } from "./pending";
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

/** How a dataset is uploaded. */
export interface UploadOptions extends MoveOptions {
  /** Where it is about to be attached, as `note` would remember it. */
  attaching?: Attachment[];
}

/** What datasets are moved with. */
export interface DatasetsOptions {
  hub: Hub;
  identity: Identity;
  store: Store;
  vault: Vault;
  mover: Mover;
  patience: Patience;
  locks: Locks;
}

export class Datasets {
  readonly #options: DatasetsOptions;
  readonly #pending: PendingKeys;

  constructor(options: DatasetsOptions) {
    this.#options = options;
    this.#pending = new PendingKeys(options.hub.url, options.vault, options.store, options.locks);
  }

  /**
   * Encrypts a file, or the table that is made of one, in a worker, stores it with the hub and keeps it in mind in the
   * vault, with its key.
   *
   * After a reload the same file goes on where it was broken off, where the vault is surely the user's own: the key
   * waits in it from before the first byte. A file that is on its way already is another dataset, which doesn't.
   *
   * @throws AuthorizationError Somebody else has signed in meanwhile: it would be stored as theirs.
   * @throws BadRequestError The label can't be used, or the vault is full.
   * @throws ApiError The hub refused, or stayed away.
   */
  async upload(file: Content, { name, description = "" }: Label, options: UploadOptions = {}): Promise<Uploaded> {
    if (name.length < 1 || name.length > MAX_TEXT || description.length > MAX_TEXT) {
      throw new BadRequestError(`A dataset needs a name; it and the description have at most ${MAX_TEXT} letters.`);
    }
    const label = { name, description };
    // Nothing of the data is sent, not even encrypted, before the enclave has proven itself.
    if ((await this.#options.vault.trusted()) && file.size > PART_SIZE) {
      return await this.#pending.during(file, async (key) => await this.#stored(file, key, label, options));
    }
    return await this.#stored(file, undefined, label, options);
  }

  /** @param pending The key that the upload is taken up with again; it isn't, without. */
  async #stored(
    file: Content,
    pending: Bytes | undefined,
    { name, description }: Required<Label>,
    { attaching = [], ...options }: UploadOptions,
  ): Promise<Uploaded> {
    const { hub, identity, mover, vault } = this.#options;
    await identity.confirm();
    const key = pending ?? randomBytes(KEY_SIZE);
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
    if (await vault.trusted()) {
      values[`key/${digest}`] = key;
    }
    // Together: what is listed is whole.
    await vault.putNew(values, { [`manifest/${digest}`]: manifest.dataset });
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
    return manifestOf(item, digest);
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
    const manifest = await vault.read(`manifest/${digest}`);
    const key = await vault.read(`key/${digest}`);
    const blob = manifest === undefined ? undefined : manifestOf(manifest, digest).dataset;
    // The key first: whatever comes after may fail, and be done again. What says where the rest lies goes after it.
    if (key !== undefined) {
      await vault.remove(key);
    }
    if (manifest !== undefined && blob !== undefined) {
      await patience.run(() => hub.deleteBlob(blob)).catch(unlessGone);
      await vault.remove(manifest);
    }
    await vault.remove(item);
  }

  async #item(digest: string): Promise<Item> {
    const item = await this.#options.vault.read(`dataset/${digest}`);
    if (item === undefined) {
      throw noDataset(digest);
    }
    return item;
  }
}

/** @throws VerificationError It is another one. */
function manifestOf(item: Item, digest: string): Manifest {
  const manifest = decode(itemValue(item), "Manifest", "a dataset's manifest");
  if (manifestDigest(manifest) !== digest) {
    throw new VerificationError("The vault shows another dataset than was asked for. Ask the operator why.");
  }
  return manifest;
}

function recordOf(item: Item): DatasetRecord {
  return decode(itemValue(item), "DatasetRecord", "what is kept of a dataset");
}

function noDataset(digest: string): NotFoundError {
  return new NotFoundError(`You have no dataset ${digest}.`);
}
