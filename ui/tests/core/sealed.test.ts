import { expect, test } from "vitest";

import { decodeCanonical } from "../../src/core/decode";
import { type Bytes, concat, fromHex, pack, sha256, toBase64, toHex, utf8 } from "../../src/core/encoding";
import { DecryptionFailed, VerificationError } from "../../src/core/errors";
import type { EnclaveKeys } from "../../src/core/records";
import { Exchange, frames, keysDigest, MAX_FRAME, sealRequest, signedText, verifyKeys } from "../../src/core/sealed";
import { signatureHolds } from "../../src/core/signatures";
import { freshSigner, openRequest, SealingKey, sealFrame, signedKeys, signerFrom } from "../enclave";
import { load, unhex } from "../vectors";

const known = load("keys");
const vectors = load("sealed");
const KEYS: EnclaveKeys = decodeCanonical(utf8(known.canonical), "EnclaveKeys", "keys");
const SEALING = new SealingKey(unhex(known.mlkem768_seed), unhex(known.x25519_private));
const SIGNATURE = toBase64(fromHex(known.signature));

test("keys of Python's", async () => {
  expect(toHex(SEALING.publicKey)).toBe(known.sealing_public);
  expect(toHex(keysDigest(KEYS))).toBe(known.digest);
  await expect(verifyKeys({ keys: KEYS, signature: SIGNATURE }, KEYS.signing)).resolves.toEqual(KEYS);
});

test("other keys, older ones and those of others are refused", async () => {
  const signed = { keys: KEYS, signature: SIGNATURE };
  const [signer, sealing] = [await freshSigner(), new SealingKey()];
  await expect(verifyKeys(signed, KEYS.signing, KEYS.made + 1)).rejects.toThrow("older");
  await expect(verifyKeys(await signedKeys(signer, sealing, 1), KEYS.signing)).rejects.toThrow("another signing key");
  const mixed = { ...KEYS, sealing: (await signedKeys(signer, sealing, 1)).keys.sealing };
  await expect(verifyKeys({ ...signed, keys: mixed }, KEYS.signing)).rejects.toThrow("not signed by it");
  await expect(verifyKeys({ ...signed, signature: "" }, KEYS.signing)).rejects.toThrow("not signed by it");
});

test("requests of Python's are opened", async () => {
  const { request } = vectors;
  const opened = await openRequest(unhex(request.message), SEALING, KEYS);
  expect(toHex(opened.payload)).toBe(request.payload);
  expect(toHex(opened.responseKey)).toBe(request.response_key);
  expect(toHex(opened.device)).toBe(vectors.device);
  const text = signedText(keysDigest(KEYS), opened.responseKey, opened.payload);
  expect(toHex(text)).toBe(request.signed_text);
  expect(await signatureHolds(opened.device, text, opened.signature)).toBe(true);
  expect(toHex(pack("cloister/request/v1", keysDigest(KEYS)))).toBe(request.info);
  expect(toHex(sha256(unhex(request.message)))).toBe(request.request_digest);
  const unsigned = await openRequest(unhex(vectors.unsigned_request.message), SEALING, KEYS);
  expect([toHex(unsigned.payload), unsigned.device.length, unsigned.signature.length]).toEqual([
    vectors.unsigned_request.payload,
    0,
    0,
  ]);
});

test("a task of Python's is opened", async () => {
  const { task } = vectors;
  expect(toHex(await SEALING.open(unhex(task.sealed), unhex(task.info)))).toBe(task.plaintext);
});

test("requests that are made here can be opened, and are signed", async () => {
  const device = await signerFrom(unhex(vectors.device_seed), unhex(vectors.device));
  const { message } = await sealRequest(KEYS, utf8("hello"), device);
  expect(toHex(message.slice(0, 33))).toBe(`01${known.digest}`);
  const opened = await openRequest(message, SEALING, KEYS);
  expect(opened.payload).toEqual(utf8("hello"));
  const text = signedText(keysDigest(KEYS), opened.responseKey, opened.payload);
  expect(await signatureHolds(unhex(vectors.device), text, opened.signature)).toBe(true);
  const nobody = await openRequest((await sealRequest(KEYS, utf8("hello"), null)).message, SEALING, KEYS);
  expect([nobody.device.length, nobody.signature.length]).toEqual([0, 0]);
});

test("nothing is sealed to what is no key", async () => {
  for (const sealing of ["", "AAAA", toBase64(new Uint8Array(1215))]) {
    await expect(sealRequest({ ...KEYS, sealing }, utf8("hello"), null)).rejects.toThrow(VerificationError);
  }
  // A point of small order: well-formed, and of no use.
  const small = concat(SEALING.publicKey.slice(0, 1184), new Uint8Array(32));
  const keys = { ...KEYS, sealing: toBase64(small) };
  await expect(sealRequest(keys, utf8("hello"), null)).rejects.toThrow(VerificationError);
});

const EXCHANGE = new Exchange(unhex(vectors.request.response_key), unhex(vectors.request.request_digest));

test("frames of Python's are opened, each in its place alone", async () => {
  for (const each of vectors.response) {
    expect(toHex(EXCHANGE.context(each.index, each.last))).toBe(each.context);
    const frame = unhex(each.frame).slice(4);
    const opened = await EXCHANGE.openFrame(each.index, frame);
    expect([toHex(opened.payload), opened.last]).toEqual([each.payload, each.last]);
    await expect(EXCHANGE.openFrame(each.index + 1, frame)).rejects.toThrow(DecryptionFailed);
    await expect(EXCHANGE.openFrame(each.index, frame.slice(0, -1))).rejects.toThrow(DecryptionFailed);
    const other = new Exchange(unhex(vectors.request.response_key), sha256(utf8("another request")));
    await expect(other.openFrame(each.index, frame)).rejects.toThrow(DecryptionFailed);
  }
});

test("frames are cut from a stream, however it comes", async () => {
  const { message } = await sealRequest(KEYS, utf8("hello"), null);
  const opened = await openRequest(message, SEALING, KEYS);
  const sent = [await sealFrame(opened, message, 0, { a: 1 }, false), await sealFrame(opened, message, 1, {}, true)];
  const whole = concat(...sent, Uint8Array.of(0, 0));
  for (const size of [1, 3, 50, 1000]) {
    const read = frames(inPieces(whole, size));
    expect((await read.next()).value).toEqual(sent[0]?.slice(4));
    expect((await read.next()).value).toEqual(sent[1]?.slice(4));
    expect(await read.next()).toEqual({ done: true, value: Uint8Array.of(0, 0) });
  }
});

test("a long frame is put together from any number of pieces", async () => {
  // Whoever copied what is there already with each piece would copy two terabytes.
  const [size, piece] = [32 * 1024 * 1024, 256];
  const sent = new Uint8Array(4 + size).fill(7);
  new DataView(sent.buffer).setUint32(0, size);
  const { value } = await frames(inPieces(sent, piece)).next();
  expect(value?.length).toBe(size);
  expect(value?.every((byte) => byte === 7)).toBe(true);
});

test("what comes after the last whole frame is handed back", async () => {
  const cut = Uint8Array.of(0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 3, 8, 9);
  for (const size of [1, 2, 6, 100]) {
    const read = frames(inPieces(cut, size));
    expect(await read.next()).toEqual({ done: false, value: Uint8Array.of(7) });
    expect(await read.next()).toEqual({ done: false, value: new Uint8Array() });
    expect(await read.next()).toEqual({ done: true, value: cut.slice(9) });
  }
});

test("a frame that is longer than any can be is not read", async () => {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, MAX_FRAME + 1);
  await expect(frames(inPieces(length, 4)).next()).rejects.toThrow(VerificationError);
});

async function* inPieces(bytes: Bytes, size: number): AsyncGenerator<Bytes> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.slice(at, at + size);
  }
}
