/**
 * Messages that only the two ends can read: requests to the enclave, and its answers. As `cloister.formats.sealed`.
 *
 *     request   01 | SHA-256(enclave keys) | HPKE(pack(response key, device key, signature, payload))
 *     response  any number of: length (4 bytes) | Cobblestone-256(frame)
 *
 * HPKE (RFC 9180) in base mode: X-Wing, HKDF-SHA256, AES-256-GCM.
 */

import { KEM_MLKEM768_X25519 } from "@panva/hpke-noble";
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256 } from "hpke";

import { decrypt } from "./cobblestone";
import { type Bytes, canonical, concat, fromBase64, number, pack, randomBytes, sha256 } from "./encoding";
import { DecryptionFailed, VerificationError } from "./errors";
import type { EnclaveKeys, SignedKeys } from "./records";
import { type Signer, signatureHolds } from "./signatures";

export const SUITE = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
const REQUEST = Uint8Array.of(1);
/** Bytes; a longer frame is refused before it is read. */
export const MAX_FRAME = 64 * 1024 * 1024;

/** SHA-256 of the canonical form: what evidence binds and `info` names. */
export function keysDigest(keys: EnclaveKeys): Bytes {
  return sha256(canonical(keys));
}

/**
 * The newer keys of an enclave whose signing key (base64, as keys name it) is known.
 *
 * @param after When the newest keys that the caller has seen were made: an old sealing key may be a stolen one.
 * @throws VerificationError They are somebody else's.
 */
export async function verifyKeys(signed: SignedKeys, signing: string, after = 0): Promise<EnclaveKeys> {
  if (signed.keys.signing !== signing) {
    throw new VerificationError("The enclave shows another signing key than before. Verify its evidence anew.");
  }
  const text = pack("cloister/enclave-keys/v1", canonical(signed.keys));
  if (!(await signatureHolds(fromBase64(signing), text, fromBase64(signed.signature)))) {
    throw new VerificationError("The enclave's new keys are not signed by it.");
  }
  if (signed.keys.made < after) {
    throw new VerificationError("The enclave's keys are older than those it had before. Verify its evidence anew.");
  }
  return signed.keys;
}

/** One frame of an answer. */
export interface OpenedFrame {
  payload: Bytes;
  last: boolean;
}

/** What reads the response to one request. */
export class Exchange {
  readonly #responseKey: Bytes;
  readonly #requestDigest: Bytes;

  constructor(responseKey: Bytes, requestDigest: Bytes) {
    this.#responseKey = responseKey;
    this.#requestDigest = requestDigest;
  }

  /**
   * The payload of a frame (without its length), and whether it is the last.
   *
   * @throws DecryptionFailed It is not that frame of the response to this request.
   */
  async openFrame(index: number, frame: Bytes): Promise<OpenedFrame> {
    for (const last of [false, true]) {
      try {
        return { payload: await decrypt(this.#responseKey, this.context(index, last), frame), last };
      } catch (error) {
        if (!(error instanceof DecryptionFailed)) {
          throw error;
        }
      }
    }
    throw new DecryptionFailed(
      "The answer is not the enclave's answer to this request: something between changed, replayed or dropped it.",
    );
  }

  /** What a frame is bound to. */
  context(index: number, last: boolean): Bytes {
    return pack("cloister/response/v1", this.#requestDigest, number(index), Uint8Array.of(last ? 1 : 0));
  }
}

/** A request, ready to be sent, and what reads the answer. */
export interface SealedRequest {
  message: Bytes;
  exchange: Exchange;
}

/**
 * Seals a request to the enclave.
 *
 * @param device Signs it; null for what anyone may ask.
 * @throws VerificationError Nothing can be sealed to those keys.
 */
export async function sealRequest(keys: EnclaveKeys, payload: Bytes, device: Signer | null): Promise<SealedRequest> {
  const responseKey = randomBytes(32);
  const digest = keysDigest(keys);
  const nobody = new Uint8Array();
  const signature = (await device?.sign(signedText(digest, responseKey, payload))) ?? nobody;
  const plaintext = pack("", responseKey, device?.publicKey ?? nobody, signature, payload);
  const sealed = await seal(fromBase64(keys.sealing), pack("cloister/request/v1", digest), plaintext);
  const message = concat(REQUEST, digest, sealed);
  return { message, exchange: new Exchange(responseKey, sha256(message)) };
}

/** What a device key signs of a request: also for whom it is, so that it can't be forwarded. */
export function signedText(keysDigest: Uint8Array, responseKey: Uint8Array, payload: Uint8Array): Bytes {
  return pack("cloister/device-signature/v1", keysDigest, responseKey, payload);
}

async function seal(publicKey: Bytes, info: Bytes, plaintext: Bytes): Promise<Bytes> {
  try {
    const recipient = await SUITE.DeserializePublicKey(publicKey);
    const { encapsulatedSecret, ciphertext } = await SUITE.Seal(recipient, plaintext, { info });
    return concat(encapsulatedSecret, ciphertext);
  } catch {
    throw new VerificationError("This is not a public X-Wing key.");
  }
}

/**
 * Cuts a stream into frames: four bytes of length (big-endian), then the frame.
 *
 * @throws VerificationError A frame is longer than any can be.
 * @returns What came after the last whole frame.
 */
export async function* frames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Bytes, Bytes> {
  const length = new Uint8Array(4);
  // What is being filled: the length, then as much as it says. So each byte is copied once, however small the pieces.
  let place: Bytes = length;
  let filled = 0;
  for await (const chunk of chunks) {
    for (let rest = chunk; rest.length > 0; ) {
      const fitting = rest.subarray(0, place.length - filled);
      place.set(fitting, filled);
      filled += fitting.length;
      rest = rest.subarray(fitting.length);
      if (filled === place.length && place === length) {
        place = new Uint8Array(announced(length));
        filled = 0;
      }
      if (filled === place.length) {
        yield place;
        place = length;
        filled = 0;
      }
    }
  }
  return place === length ? length.slice(0, filled) : concat(length, place.subarray(0, filled));
}

function announced(length: Bytes): number {
  const size = new DataView(length.buffer).getUint32(0);
  if (size > MAX_FRAME) {
    throw new VerificationError("The enclave's answer has a frame that is longer than any can be.");
  }
  return size;
}
