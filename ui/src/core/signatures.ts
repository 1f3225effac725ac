/** Ed25519, by the browser's own code. */

import { type Bytes, own } from "./encoding";
import { BrowserUnsuitable } from "./errors";

/** Who signs: a key that can't be read, only used. */
export interface Signer {
  /** The public half, 32 bytes. */
  readonly publicKey: Bytes;
  sign(message: Bytes): Promise<Bytes>;
}

/** Whether the signature (64 bytes) of that key (32 bytes) holds. Whoever asks raises. */
export async function signatureHolds(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("raw", own(publicKey), "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") {
      throw tooOld();
    }
    return false;
  }
  return await crypto.subtle.verify("Ed25519", key, own(signature), own(message));
}

/** A fresh key pair whose private half never leaves the browser's keeping. */
export async function generateKeyPair(): Promise<CryptoKeyPair> {
  try {
    return (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  } catch {
    throw tooOld();
  }
}

/** A pair of keys as a signer. */
export async function signerOf(pair: CryptoKeyPair): Promise<Signer> {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return {
    publicKey,
    sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, message)),
  };
}

function tooOld(): BrowserUnsuitable {
  return new BrowserUnsuitable(
    "This browser can't make Ed25519 signatures, or the page did not come over HTTPS or from this machine. Use a " +
      "current Chromium (137), Firefox (129) or Safari (17), and an https address.",
  );
}
