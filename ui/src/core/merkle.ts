/**
 * The Merkle tree of RFC 6962, section 2: roots, and the verification of consistency proofs (RFC 9162, section
 * 2.1.4.2). As `cloister.formats.merkle`, but for proofs of inclusion: pages read logs whole.
 */

import { type Bytes, concat, equal, sha256 } from "./encoding";
import { LogTampered } from "./errors";

const HASH_SIZE = 32;

/** The root of a tree without entries. */
export const EMPTY_ROOT = sha256(new Uint8Array());

/** MTH of a list of one entry. */
export function leafHash(entry: Uint8Array): Bytes {
  return sha256(concat(Uint8Array.of(0), entry));
}

/** MTH of two subtrees. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** A tree that grows and knows its root; of its entries it keeps only the roots of the complete subtrees. */
export class MerkleRoot {
  #size = 0;
  #peaks: Bytes[] = [];

  get size(): number {
    return this.#size;
  }

  append(entry: Uint8Array): void {
    let node = leafHash(entry);
    for (let index = this.#size; index % 2 === 1; index = Math.floor(index / 2)) {
      node = nodeHash(this.#peaks.pop() as Bytes, node);
    }
    this.#peaks.push(node);
    this.#size += 1;
  }

  root(): Bytes {
    return this.#size === 0 ? EMPTY_ROOT : this.#peaks.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** @throws LogTampered The newer tree is not an extension of the older one. */
export function verifyConsistency(
  oldSize: number,
  oldRoot: Uint8Array,
  size: number,
  root: Uint8Array,
  proof: Uint8Array[],
): void {
  const check = (holds: boolean): void => {
    if (!holds) {
      throw new LogTampered("The log was changed: what it shows now does not extend what it showed before.");
    }
  };
  check(isSize(oldSize) && isSize(size) && oldSize <= size && proof.every((step) => step.length === HASH_SIZE));
  if (oldSize === size || oldSize === 0) {
    check(proof.length === 0 && equal(oldRoot, oldSize === 0 ? EMPTY_ROOT : root));
    return;
  }
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof];
  const first = path.shift();
  check(first !== undefined && proof.length > 0);
  let [fn, sn] = [oldSize - 1, size - 1];
  while (isOdd(fn)) {
    [fn, sn] = [half(fn), half(sn)];
  }
  let [fr, sr] = [first as Uint8Array, first as Uint8Array];
  for (const step of path) {
    check(sn !== 0);
    if (isOdd(fn) || fn === sn) {
      [fr, sr] = [nodeHash(step, fr), nodeHash(step, sr)];
      while (!isOdd(fn) && fn !== 0) {
        [fn, sn] = [half(fn), half(sn)];
      }
    } else {
      sr = nodeHash(sr, step);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  check(sn === 0 && equal(fr, oldRoot) && equal(sr, root));
}

// Bit operations of JavaScript know 32 bits; sizes have up to 53.

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isOdd(value: number): boolean {
  return value % 2 === 1;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && 2 ** Math.log2(value) === value;
}
