/**
 * The other end of the channel, for tests: opens requests and seals answers, as the enclave does.
 *
 * Its key comes in two halves, as in the vectors, which the libraries for HPKE take only as one seed: so this puts
 * together what they do inside (draft-connolly-cfrg-xwing-kem, section 5.5).
 */

import { x25519 } from "@noble/curves/ed25519.js";
import { sha3_256 } from "@noble/hashes/sha3.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { KEM_MLKEM768_X25519 } from "@panva/hpke-noble";
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, type Key } from "hpke";

import { encrypt } from "../src/core/cobblestone";
import { type Bytes, canonical, concat, pack, randomBytes, sha256, toBase64, utf8 } from "../src/core/encoding";
import type { EnclaveKeys, SignedKeys } from "../src/core/records";
import { Exchange, keysDigest } from "../src/core/sealed";
import { type Signer, signerOf } from "../src/core/signatures";

const ENCAPSULATED = 1120;
const LABEL = Uint8Array.from([0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c]);

/** A private X-Wing key. */
export class SealingKey {
  readonly publicKey: Bytes;
  readonly #suite: CipherSuite;
  readonly #key: Key = { algorithm: { name: "MLKEM768-X25519" }, extractable: false, type: "private" };

  constructor(seed: Uint8Array = randomBytes(64), scalar: Uint8Array = randomBytes(32)) {
    const mlkem = ml_kem768.keygen(seed);
    const point = x25519.getPublicKey(scalar);
    this.publicKey = concat(mlkem.publicKey, point);
    const decap = async (enc: Uint8Array): Promise<Uint8Array> => {
      const first = ml_kem768.decapsulate(enc.subarray(0, 1088), mlkem.secretKey);
      const second = x25519.getSharedSecret(scalar, enc.subarray(1088));
      return sha3_256(concat(first, second, enc.subarray(1088), point, LABEL));
    };
    this.#suite = new CipherSuite(
      () => ({ ...KEM_MLKEM768_X25519(), Decap: decap }),
      KDF_HKDF_SHA256,
      AEAD_AES_256_GCM,
    );
  }

  async open(sealed: Bytes, info: Bytes): Promise<Bytes> {
    const [enc, ciphertext] = [sealed.slice(0, ENCAPSULATED), sealed.slice(ENCAPSULATED)];
    return new Uint8Array(await this.#suite.Open(this.#key, enc, ciphertext, { info }));
  }
}

/** A request as the enclave sees it. */
export interface Opened {
  responseKey: Bytes;
  device: Bytes;
  signature: Bytes;
  payload: Bytes;
}

/** Opens a request; nothing of it is checked. */
export async function openRequest(message: Bytes, key: SealingKey, keys: EnclaveKeys): Promise<Opened> {
  const info = pack("cloister/request/v1", keysDigest(keys));
  const [, responseKey, device, signature, payload] = unpack(await key.open(message.slice(33), info)) as Bytes[];
  return { responseKey, device, signature, payload } as Opened;
}

/** One frame of an answer, behind its length. */
export async function sealFrame(
  opened: Opened,
  message: Bytes,
  index: number,
  frame: object,
  last: boolean,
): Promise<Bytes> {
  const context = new Exchange(opened.responseKey, sha256(message)).context(index, last);
  const sealed = await encrypt(opened.responseKey, context, utf8(JSON.stringify(frame)));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, sealed.length);
  return concat(length, sealed);
}

/** A key pair that signs. */
export async function freshSigner(): Promise<Signer> {
  return await signerOf((await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair);
}

/** A key pair of a known private half (32 bytes). */
export async function signerFrom(seed: Bytes, publicKey: Bytes): Promise<Signer> {
  const pkcs8 = concat(Uint8Array.from([48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32]), seed);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  return { publicKey, sign: async (text) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, text)) };
}

/** Keys as an enclave with these private halves shows them. */
export async function signedKeys(signer: Signer, sealing: SealingKey, made: number): Promise<SignedKeys> {
  const keys: EnclaveKeys = {
    version: 1,
    made,
    signing: toBase64(signer.publicKey),
    sealing: toBase64(sealing.publicKey),
  };
  const signature = await signer.sign(pack("cloister/enclave-keys/v1", canonical(keys)));
  return { keys, signature: toBase64(signature) };
}

function unpack(packed: Bytes): Bytes[] {
  const fields: Bytes[] = [];
  const view = new DataView(packed.buffer, packed.byteOffset);
  for (let at = 0; at < packed.length; ) {
    const end = at + 8 + Number(view.getBigUint64(at));
    fields.push(packed.slice(at + 8, end));
    at = end;
  }
  return fields;
}
