/**
 * Rows that repeat another one. Of what was seen, 96 bits of its SHA-256 are kept: a million rows take some 30 MB.
 * Beyond a number of rows it is left to the enclave.
 */

import { sha256, utf8 } from "../core/encoding";

/** What is remembered of each combination of columns, in rows. */
export const MOST_REMEMBERED = 4_000_000;
const WORDS = 3;

/** What was seen of one combination of columns. */
export class Seen {
  #slots = new Uint32Array(WORDS * 1024);
  #size = 0;

  /** Whether it remembers no more. */
  get full(): boolean {
    return this.#size >= MOST_REMEMBERED;
  }

  /** Whether this is there already. From now on it is, unless it is full. */
  has(text: string): boolean {
    const digest = new Uint32Array(sha256(utf8(text)).slice(0, WORDS * 4).buffer);
    const at = slotOf(this.#slots, digest);
    if (isTaken(this.#slots, at)) {
      return true;
    }
    if (!this.full) {
      this.#slots.set(digest, at);
      this.#size += 1;
      if (this.#size * WORDS * 2 > this.#slots.length) {
        this.#slots = grown(this.#slots);
      }
    }
    return false;
  }
}

/** Where a digest is, or would be. */
function slotOf(slots: Uint32Array, digest: Uint32Array): number {
  for (let at = ((digest[0] ?? 0) * WORDS) % slots.length; ; at = (at + WORDS) % slots.length) {
    const same = slots[at] === digest[0] && slots[at + 1] === digest[1] && slots[at + 2] === digest[2];
    if (same || !isTaken(slots, at)) {
      return at;
    }
  }
}

/** No digest is all zeros. */
function isTaken(slots: Uint32Array, at: number): boolean {
  return slots[at] !== 0 || slots[at + 1] !== 0 || slots[at + 2] !== 0;
}

function grown(before: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const after = new Uint32Array(before.length * 2);
  for (let at = 0; at < before.length; at += WORDS) {
    if (isTaken(before, at)) {
      const digest = before.subarray(at, at + WORDS);
      after.set(digest, slotOf(after, digest));
    }
  }
  return after;
}
