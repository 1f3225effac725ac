/**
 * Cobblestone-256: messages in chunks of 16 KiB under AES-256-GCM, with a commitment to the key.
 *
 * The same bytes as Python's `cryptography.cobblestone`. All cryptography is the browser's own and @noble/hashes's;
 * this is the arrangement that c2sp.org/chunked-encryption describes:
 *
 *     salt (24) | commitment (32) | chunk, tag (16) | chunk, tag | ... | last chunk, always shorter, tag
 */

import { hmac } from "@noble/hashes/hmac.js";
import { sha512 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, equal, own, randomBytes, utf8 } from "./encoding";
import { DecryptionFailed } from "./errors";

const PREFIX = concat(utf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"), new Uint8Array(1));
const CHUNK = 16 * 1024;
const TAG = 16;
const SALT = 24;
const COMMITMENT = 32;
const HEADER = SALT + COMMITMENT;
const KEY = 32;
const NONCE = 12;

/** Bytes of one message that holds `plaintext` bytes: a header, and a tag for each chunk, the last one short. */
export function ciphertextSize(plaintext: number): number {
  return plaintext + HEADER + TAG * (Math.floor(plaintext / CHUNK) + 1);
}

/** Encrypts a message. The same call never gives the same bytes twice. */
export async function encrypt(key: Bytes, context: Uint8Array, plaintext: Bytes): Promise<Bytes> {
  const salt = randomBytes(SALT);
  const derived = await derive(key, salt, context);
  const message = new Uint8Array(ciphertextSize(plaintext.length));
  message.set(salt);
  message.set(derived.commitment, SALT);
  // All chunks at once: the browser has threads for them.
  const sealed = chunks(plaintext, CHUNK).map(async (chunk, index) => {
    const bytes = await crypto.subtle.encrypt({ name: "AES-GCM", iv: derived.nonce(index) }, derived.key, chunk);
    message.set(new Uint8Array(bytes), HEADER + index * (CHUNK + TAG));
  });
  await Promise.all(sealed);
  return message;
}

/**
 * Checks and decrypts a message.
 *
 * @throws DecryptionFailed It was made under another key or for another context, or was changed or cut off.
 */
export async function decrypt(key: Bytes, context: Uint8Array, message: Bytes): Promise<Bytes> {
  // 1. It has a length that messages can have: the last chunk is there, and shorter than the others.
  const body = message.length - HEADER;
  const last = body % (CHUNK + TAG);
  if (body < TAG || last < TAG) {
    throw failed();
  }
  // 2. It was made under this key, for this context.
  const derived = await derive(key, message.subarray(0, SALT), context);
  if (!equal(derived.commitment, message.subarray(SALT, HEADER))) {
    throw failed();
  }
  // 3. Each chunk is the one that was encrypted for its place.
  const count = Math.floor(body / (CHUNK + TAG)) + 1;
  const plaintext = new Uint8Array(body - count * TAG);
  const opened = chunks(message.subarray(HEADER), CHUNK + TAG).map(async (chunk, index) => {
    const bytes = await crypto.subtle.decrypt({ name: "AES-GCM", iv: derived.nonce(index) }, derived.key, chunk);
    plaintext.set(new Uint8Array(bytes), index * CHUNK);
  });
  try {
    await Promise.all(opened);
  } catch {
    throw failed();
  }
  return plaintext;
}

interface Derived {
  key: CryptoKey;
  commitment: Bytes;
  nonce(index: number): Bytes;
}

/** HKDF-Expand with SHA-512 (RFC 5869, section 2.3), of a key that is shorter than HKDF libraries take. */
async function derive(key: Bytes, salt: Uint8Array, context: Uint8Array): Promise<Derived> {
  if (key.length !== KEY) {
    throw failed();
  }
  const info = concat(PREFIX, salt, context);
  const first = hmac(sha512, key, concat(info, Uint8Array.of(1)));
  const second = hmac(sha512, key, concat(first, info, Uint8Array.of(2)));
  const material = concat(first, second);
  const base = material.slice(KEY, KEY + NONCE);
  return {
    key: await crypto.subtle.importKey("raw", material.slice(0, KEY), "AES-GCM", false, ["encrypt", "decrypt"]),
    commitment: material.slice(KEY + NONCE, KEY + NONCE + COMMITMENT),
    nonce(index) {
      const nonce = own(base.slice());
      const counter = new DataView(nonce.buffer);
      // Parts are small: 32 of the 38 bits of the counter are more than they need.
      counter.setUint32(NONCE - 4, (counter.getUint32(NONCE - 4) ^ index) >>> 0);
      return nonce;
    },
  };
}

/** Pieces of `size` bytes, and always one behind them that is shorter. */
function chunks(bytes: Bytes, size: number): Bytes[] {
  const count = Math.floor(bytes.length / size) + 1;
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

function failed(): DecryptionFailed {
  return new DecryptionFailed("This can't be decrypted: wrong key, or not what was encrypted for this place.");
}
