/**
 * Keys of uploads that aren't finished: in the vault from before the first byte, so that they outlive their page. As
 * `cloister.sdk.pending`.
 *
 * The vault has the key as an item of a random name; this browser remembers which file it is for. Neither tells what
 * the file holds, and the key is never on this machine's disk.
 */

import { KEY_SIZE } from "../core/dataset";
import { type Bytes, pack, randomBytes, randomHex, sha256, toHex, utf8 } from "../core/encoding";
import { ApiError, BadRequestError } from "../core/errors";
import type { Content } from "../tables/recipe";
import type { Locks } from "./locks";
import { fingerprint, KEPT } from "./resume";
import type { Store } from "./store";
import { itemValue, type Vault } from "./vault";

const PREFIX = "pending/";

/** What this browser remembers of one unfinished upload. */
interface Pending {
  version: 1;
  /** The vault that has the key. */
  vault: string;
  /** By which id. */
  item: string;
  /** Milliseconds since 1970. */
  begun: number;
}

/** The keys of one user's unfinished uploads from this browser. */
export class PendingKeys {
  readonly #hub: string;
  readonly #vault: Vault;
  readonly #store: Store;
  readonly #locks: Locks;

  /** @param hub Its URL. */
  constructor(hub: string, vault: Vault, store: Store, locks: Locks) {
    this.#hub = hub;
    this.#vault = vault;
    this.#store = store;
    this.#locks = locks;
  }

  /**
   * Uploads a file with the key of the upload of it that was broken off, else with a fresh one. It is given up when the
   * work has ended well, or can't.
   *
   * @param work Does all of it, until the vault has the dataset. With undefined, where this file is on its way already,
   *   from this page or another one: two that shared a key would take each other's parts for their own.
   */
  async during<T>(file: Content, work: (key: Bytes | undefined) => Promise<T>): Promise<T> {
    const vault = await this.#vault.id();
    await this.#sweep(vault);
    const mine = pack("cloister/pending-file/v1", utf8(this.#hub), utf8(vault), utf8(fingerprint(file)));
    const place = `${PREFIX}${toHex(sha256(mine))}`;
    return await this.#locks.request(lockOf(place), { ifAvailable: true }, async (lock) => {
      if (lock === null) {
        return await work(undefined);
      }
      const { key, pending } = await this.#keyAt(place, vault);
      let done: T;
      try {
        done = await work(key);
      } catch (error) {
        if (error instanceof BadRequestError) {
          // Trying again would not help: nothing is left that it opens.
          await this.#giveUp(place, pending);
        }
        throw error;
      }
      await this.#giveUp(place, pending);
      return done;
    });
  }

  async #keyAt(place: string, vault: string): Promise<{ key: Bytes; pending: Pending }> {
    const known = await this.#store.get("vaults", place);
    if (isPending(known) && known.vault === vault) {
      const kept = await this.#vault.read(`key/${known.item}`);
      if (kept !== undefined) {
        return { key: itemValue(kept), pending: known };
      }
    }
    const fresh: Pending = { version: 1, vault, item: randomHex(), begun: Date.now() };
    const key = randomBytes(KEY_SIZE);
    // Noted first: a note without a key does no harm, a key that nobody knows of would stay for good.
    await this.#store.update("vaults", place, () => fresh);
    await this.#vault.put(`key/${fresh.item}`, key);
    return { key, pending: fresh };
  }

  async #giveUp(place: string, { item }: Pending): Promise<void> {
    try {
      const kept = await this.#vault.read(`key/${item}`);
      if (kept !== undefined) {
        await this.#vault.remove(kept);
      }
      await this.#store.remove("vaults", place);
    } catch (error) {
      // What can't be tidied up now is when its time has come.
      if (!(error instanceof ApiError)) {
        throw error;
      }
    }
  }

  /** Gives up what nobody came back for. */
  async #sweep(vault: string): Promise<void> {
    for (const [place, value] of await this.#store.entries("vaults", PREFIX)) {
      if (isPending(value) && value.vault === vault && value.begun < Date.now() - KEPT) {
        await this.#locks.request(lockOf(place), { ifAvailable: true }, async (lock) => {
          if (lock !== null) {
            await this.#giveUp(place, value);
          }
        });
      }
    }
  }
}

function lockOf(place: string): string {
  return `cloister-upload/${place}`;
}

function isPending(value: unknown): value is Pending {
  const { version, vault, item, begun } = (value ?? {}) as Record<string, unknown>;
  return version === 1 && typeof vault === "string" && typeof item === "string" && typeof begun === "number";
}
