/**
 * The two ways bytes are made from values: canonical JSON (RFC 8785), and length-delimited packing.
 *
 * As `cloister.formats.encoding`. Records stay as they are in JSON: bytes in them are base64, digests are hex.
 */

import { sha256 as digest } from "@noble/hashes/sha2.js";
import { hex as base16, base64 as rfc4648 } from "@scure/base";
import canonicalize from "canonicalize";

import { VerificationError } from "./errors";

/** Bytes of our own: not of memory that somebody else might share. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
// A byte order mark is no part of JSON: it is left where it is, and refused.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** RFC 8785 bytes of plain JSON values. */
export function canonical(value: object): Bytes {
  const text = canonicalize(value);
  if (text === undefined) {
    throw new TypeError("There is no JSON for that.");
  }
  return utf8(text);
}

/** Joins a label and fields, each behind its length as eight big-endian bytes. */
export function pack(label: string, ...fields: Uint8Array[]): Bytes {
  return concat(...[utf8(label), ...fields].flatMap((field) => [number(field.length), field]));
}

/** A non-negative integer as the eight big-endian bytes that `pack` fields use. */
export function number(value: number): Bytes {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError("That is no number of anything.");
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** SHA-256 as 32 bytes. For megabytes there is `sha256Bulk`. */
export function sha256(data: Uint8Array): Bytes {
  return own(digest(data));
}

/** The same, by the browser's own code: ten times as fast, and not at once. */
export async function sha256Bulk(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

/** So many fresh random bytes, as hexadecimal digits: 32 for ids. */
export function randomHex(length = 32): string {
  return toHex(randomBytes(length));
}

/** Random bytes, fit for keys. */
export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The form in which addresses are stored and compared. */
export function normalEmail(email: string): string {
  return email.trim().toLowerCase();
}

/** Text as UTF-8. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/**
 * UTF-8 as text.
 *
 * @throws TypeError It is none.
 */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  return base16.encode(bytes);
}

/**
 * Bytes of lower-case hexadecimal digits.
 *
 * @throws VerificationError They are none.
 */
export function fromHex(digits: string): Bytes {
  if (!/^(?:[0-9a-f]{2})*$/.test(digits)) {
    throw new VerificationError("These are not lower-case hexadecimal digits.");
  }
  return own(base16.decode(digits));
}

/** Base64 with padding (RFC 4648, section 4), as bytes stand in JSON. */
export function toBase64(bytes: Uint8Array): string {
  return rfc4648.encode(bytes);
}

/**
 * Bytes of base64.
 *
 * @throws VerificationError It is none, or not in its only form.
 */
export function fromBase64(encoded: string): Bytes {
  try {
    return own(rfc4648.decode(encoded));
  } catch {
    throw new VerificationError("This is not base64.");
  }
}

/** All of them, one after the other. */
export function concat(...pieces: Uint8Array[]): Bytes {
  const joined = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let position = 0;
  for (const piece of pieces) {
    joined.set(piece, position);
    position += piece.length;
  }
  return joined;
}

/** Whether two byte strings are the same, in a time that doesn't tell where they differ. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.reduce((differ, byte, at) => differ | (byte ^ (other[at] ?? 0)), 0) === 0;
}

/** The same bytes, in memory that nobody else has. */
export function own(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Bytes) : new Uint8Array(bytes);
}
