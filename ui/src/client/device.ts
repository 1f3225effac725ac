/** The device key: what this browser signs requests with, one for each hub and user. It can be used, never read. */

import { normalEmail, pack, sha256, toHex, utf8 } from "../core/encoding";
import { generateKeyPair, type Signer, signerOf } from "../core/signatures";
import type { Store } from "./store";

/**
 * This browser's key for that hub and user, made at the first call.
 *
 * @throws BrowserUnsuitable It can't make such keys.
 */
export async function openDeviceKey(store: Store, hub: string, email: string): Promise<Signer> {
  const name = toHex(sha256(pack("cloister/device-file/v1", utf8(hub), utf8(normalEmail(email)))));
  const stored = await store.get("devices", name);
  if (isKeyPair(stored)) {
    return await signerOf(stored);
  }
  const fresh = await generateKeyPair();
  // Another page may have been faster: then its key is the one.
  return await signerOf(await store.update("devices", name, (before) => (isKeyPair(before) ? before : fresh)));
}

function isKeyPair(value: unknown): value is CryptoKeyPair {
  const pair = value as Partial<CryptoKeyPair> | undefined;
  return pair?.privateKey instanceof CryptoKey && pair.publicKey instanceof CryptoKey;
}
