/**
 * Bulk data at rest: datasets and results. As `cloister.formats.dataset`.
 *
 * A dataset is cut into parts of `PART_SIZE` plaintext bytes; each is one Cobblestone-256 message whose context names
 * the dataset, the part's index and whether it is the last. The manifest lists sizes and ciphertext digests.
 */

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 as algorithm } from "@noble/hashes/sha2.js";

import { ciphertextSize, decrypt, encrypt } from "./cobblestone";
import { type Bytes, canonical, equal, fromHex, number, pack, sha256, sha256Bulk, toHex } from "./encoding";
import { DecryptionFailed, VerificationError } from "./errors";
import type { Manifest, Part } from "./records";

/** Plaintext bytes in every part but the last. */
export const PART_SIZE = 8 * 1024 * 1024;
/** Bytes of a dataset's key. */
export const KEY_SIZE = 32;
/** Bytes of a full part as it is stored. */
export const PART_CIPHERTEXT_SIZE = ciphertextSize(PART_SIZE);

/** One part, ready to be sent. */
export interface EncryptedPart {
  ciphertext: Bytes;
  part: Part;
}

/** The dataset's public name: SHA-256 of the canonical manifest, as hex. */
export function manifestDigest(manifest: Manifest): string {
  return toHex(sha256(canonical(manifest)));
}

/** Parts of a dataset of `size` plaintext bytes; an empty one has one, empty, part. */
export function partCount(size: number): number {
  return Math.max(1, Math.ceil(size / PART_SIZE));
}

/**
 * Checks that the sizes and the number of parts are the only ones possible for the plaintext's size.
 *
 * @throws VerificationError They contradict each other.
 */
export function checkManifest(manifest: Manifest): void {
  const count = partCount(manifest.size);
  if (manifest.parts.length !== count) {
    throw new VerificationError(`The manifest lists ${manifest.parts.length} parts where ${count} are needed.`);
  }
  manifest.parts.forEach((part, index) => {
    if (part.size !== ciphertextSize(plaintextSize(manifest, index))) {
      throw new VerificationError(`The manifest gives part ${index} a size that can't be.`);
    }
  });
}

/** A value that only this key gives for this dataset, and that tells nothing about the key (hex). */
export function commitKey(key: Uint8Array, dataset: string): string {
  const info = pack("cloister/key-commitment/v1", fromHex(dataset));
  return toHex(hkdf(algorithm, key, undefined, info, 32));
}

/**
 * Checks that `key` is the one that the dataset was encrypted with, without its ciphertext.
 *
 * @throws DecryptionFailed It is another one.
 */
export function checkKey(key: Uint8Array, manifest: Manifest): void {
  const fits =
    key.length === KEY_SIZE && equal(fromHex(commitKey(key, manifest.dataset)), fromHex(manifest.commitment));
  if (!fits) {
    throw new DecryptionFailed("This is not the key that the dataset was encrypted with. Use the key of its upload.");
  }
}

/** Encrypts one part. The same call never gives the same bytes twice. */
export async function encryptPart(
  key: Bytes,
  dataset: string,
  index: number,
  last: boolean,
  plaintext: Bytes,
): Promise<EncryptedPart> {
  const ciphertext = await encrypt(key, context(dataset, index, last), plaintext);
  return { ciphertext, part: { size: ciphertext.length, sha256: toHex(await sha256Bulk(ciphertext)) } };
}

/**
 * Checks and decrypts one part.
 *
 * @throws DecryptionFailed It is not that part of that dataset, or not under that key.
 */
export async function decryptPart(key: Bytes, manifest: Manifest, index: number, ciphertext: Bytes): Promise<Bytes> {
  // 1. The blob is the one that the manifest names.
  const part = manifest.parts[index];
  if (part === undefined || ciphertext.length !== part.size || toHex(await sha256Bulk(ciphertext)) !== part.sha256) {
    throw new DecryptionFailed(`Part ${index} is not the one that was uploaded: the stored bytes were changed.`);
  }
  // 2. It was made under this key, for this place.
  const last = index === manifest.parts.length - 1;
  let plaintext: Bytes;
  try {
    plaintext = await decrypt(key, context(manifest.dataset, index, last), ciphertext);
  } catch {
    throw new DecryptionFailed(`Part ${index} can't be decrypted: wrong key, or a part from another place.`);
  }
  // 3. It has the length that the manifest promises.
  if (plaintext.length !== plaintextSize(manifest, index)) {
    throw new DecryptionFailed(`Part ${index} is not as long as its manifest says.`);
  }
  return plaintext;
}

/** What one part holds of a file. Nothing is read before it is asked for. */
export async function readPart(source: Blob, index: number): Promise<Bytes> {
  return new Uint8Array(await source.slice(index * PART_SIZE, (index + 1) * PART_SIZE).arrayBuffer());
}

/** The manifest of a dataset whose parts are all made. */
export function makeManifest(key: Uint8Array, dataset: string, size: number, parts: Part[]): Manifest {
  const manifest: Manifest = { version: 1, dataset, size, parts, commitment: commitKey(key, dataset) };
  checkManifest(manifest);
  return manifest;
}

function plaintextSize(manifest: Manifest, index: number): number {
  return index < manifest.parts.length - 1 ? PART_SIZE : manifest.size - PART_SIZE * index;
}

function context(dataset: string, index: number, last: boolean): Bytes {
  return pack("cloister/dataset-part/v1", fromHex(dataset), number(index), Uint8Array.of(last ? 1 : 0));
}
