/**
 * The tests that pages of this browser are running: what a page leaves behind that is closed meanwhile, another one
 * ends.
 */

import { pack, sha256, toHex, utf8 } from "../core/encoding";
import type { Locks } from "./locks";
import type { Store } from "./store";

/** What is left of a test. */
export interface Remains {
  room: string;
  /** Of the hub's, that were uploaded for it. */
  blobs: string[];
}

/** One user's tests at one hub. */
export class RunningTests {
  readonly #store: Store;
  readonly #locks: Locks;
  readonly #scope: string;

  constructor(store: Store, locks: Locks, hub: string, email: string) {
    this.#store = store;
    this.#locks = locks;
    this.#scope = toHex(sha256(pack("cloister/running-tests/v1", utf8(hub), utf8(email))));
  }

  /** Does what belongs to a test, which is remembered from before to `forget`. */
  async during<T>(room: string, work: () => Promise<T>): Promise<T> {
    await this.#store.update("tests", this.#key(room), () => []);
    // The browser gives the lock back when the page is gone.
    return await this.#locks.request(lockOf(room), {}, work);
  }

  /** Remembers a blob that was uploaded for a test. */
  async uploaded(room: string, blob: string): Promise<void> {
    await this.#store.update("tests", this.#key(room), (before) => [...blobsOf(before), blob]);
  }

  /** Nothing is left of it. */
  async forget(room: string): Promise<void> {
    await this.#store.remove("tests", this.#key(room));
  }

  /** Has everything ended whose page is gone, one after the other; what `end` says is not ended is tried again later. */
  async endAbandoned(end: (remains: Remains) => Promise<boolean>): Promise<void> {
    for (const [key, value] of await this.#store.entries("tests", `${this.#scope}/`)) {
      const room = key.slice(this.#scope.length + 1);
      await this.#locks.request(lockOf(room), { ifAvailable: true }, async (lock) => {
        if (lock !== null && (await end({ room, blobs: blobsOf(value) }))) {
          await this.forget(room);
        }
      });
    }
  }

  #key(room: string): string {
    return `${this.#scope}/${room}`;
  }
}

function lockOf(room: string): string {
  return `cloister-test/${room}`;
}

function blobsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
