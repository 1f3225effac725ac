import { expect, test } from "vitest";

import { ciphertextSize, decrypt, encrypt } from "../../src/core/cobblestone";
import {
  checkKey,
  checkManifest,
  commitKey,
  decryptPart,
  encryptPart,
  makeManifest,
  manifestDigest,
  PART_CIPHERTEXT_SIZE,
  PART_SIZE,
  partCount,
  readPart,
} from "../../src/core/dataset";
import { decodeCanonical } from "../../src/core/decode";
import {
  type Bytes,
  concat,
  equal,
  number,
  pack,
  randomBytes,
  randomHex,
  sha256,
  toHex,
  utf8,
} from "../../src/core/encoding";
import { DecryptionFailed, VerificationError } from "../../src/core/errors";
import type { Manifest } from "../../src/core/records";
import { load, unhex, type Vectors } from "../vectors";

const vectors = load("dataset");
const sealed = load("sealed");
const KEY = unhex(vectors.key);

test("sizes", () => {
  expect(PART_SIZE).toBe(vectors.part_size);
  for (const [plaintext, ciphertext] of Object.entries(vectors.ciphertext_sizes)) {
    expect(ciphertextSize(Number(plaintext))).toBe(ciphertext);
  }
});

test("commitment to a key", () => {
  expect(commitKey(KEY, vectors.dataset)).toBe(vectors.commitment);
});

test.each<Vectors>([...vectors.one_part, vectors.two_parts])("Python's parts are read: $digest", async (vector) => {
  const manifest = decodeCanonical(utf8(vector.manifest), "Manifest", "a manifest");
  checkManifest(manifest);
  checkKey(KEY, manifest);
  expect(manifestDigest(manifest)).toBe(vector.digest);
  const plaintext = await decryptPart(KEY, manifest, vector.index ?? 0, unhex(vector.part));
  expect(toHex(plaintext)).toBe(vector.plaintext);
});

test("Python's rows, secrets and reports are read", async () => {
  const { row, secret, report, task } = sealed;
  const room = utf8(row.room);
  const place = pack("cloister/row/v1", room, number(row.index), unhex(row.previous_root));
  expect(toHex(await decrypt(unhex(row.key), place, unhex(row.row)))).toBe(row.event);
  const named = pack("cloister/secret/v1", utf8(secret.room), utf8(secret.name));
  expect(toHex(await decrypt(unhex(secret.key), named, unhex(secret.sealed)))).toBe(secret.value);
  const about = pack("cloister/report/v1", unhex(report.task_id), sha256(unhex(task.sealed)));
  expect(toHex(about)).toBe(report.context);
  const body = unhex(report.message).slice(33);
  expect(toHex(await decrypt(unhex(report.report_key), about, body))).toBe(report.payload);
});

const CHUNK = 16 * 1024;

test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 77])("messages of %i bytes", async (size) => {
  const [key, context, plaintext] = [randomBytes(32), utf8("context"), filled(size)];
  const message = await encrypt(key, context, plaintext);
  expect(message.length).toBe(ciphertextSize(size));
  expect(equal(await decrypt(key, context, message), plaintext)).toBe(true);
});

test("messages that were cut, lengthened, reordered or changed are refused", async () => {
  const [key, context] = [randomBytes(32), utf8("context")];
  const message = await encrypt(key, context, filled(3 * CHUNK + 5));
  const step = CHUNK + 16;
  const cut = (size: number) => message.slice(0, size);
  const swapped = new Uint8Array([
    ...message.subarray(0, 56),
    ...message.subarray(56 + step, 56 + 2 * step),
    ...message.subarray(56, 56 + step),
    ...message.subarray(56 + 2 * step),
  ]);
  const longer = new Uint8Array([...message, 0]);
  const broken = [0, 55, 56, 57, 71, 56 + step, 56 + step + 1, 56 + 2 * step + 16, message.length - 1].map(cut);
  const changed = [0, 30, 60, 56 + step, message.length - 1].map((place) => flipped(message, place));
  for (const bad of [...broken, ...changed, swapped, longer]) {
    await expect(decrypt(key, context, bad)).rejects.toThrow(DecryptionFailed);
  }
});

test("another key and another context open nothing", async () => {
  const [key, context] = [randomBytes(32), utf8("context")];
  const message = await encrypt(key, context, utf8("secret"));
  await expect(decrypt(randomBytes(32), context, message)).rejects.toThrow(DecryptionFailed);
  await expect(decrypt(key.slice(0, 31), context, message)).rejects.toThrow(DecryptionFailed);
  await expect(decrypt(key, utf8("contexts"), message)).rejects.toThrow(DecryptionFailed);
});

interface Dataset {
  key: Bytes;
  manifest: Manifest;
  parts: Bytes[];
  plaintext: Bytes;
}

async function dataset(size: number): Promise<Dataset> {
  const [key, id, plaintext, count] = [randomBytes(32), randomHex(), filled(size), partCount(size)];
  const file = new Blob([plaintext]);
  const parts = [];
  for (let index = 0; index < count; index++) {
    parts.push(await encryptPart(key, id, index, index === count - 1, await readPart(file, index)));
  }
  const manifest = makeManifest(
    key,
    id,
    size,
    parts.map((each) => each.part),
  );
  return { key, manifest, parts: parts.map((each) => each.ciphertext), plaintext };
}

test.each([0, 1, PART_SIZE, PART_SIZE + 1])("datasets of %i bytes come back", async (size) => {
  const { key, manifest, parts, plaintext } = await dataset(size);
  checkManifest(manifest);
  checkKey(key, manifest);
  const back = await Promise.all(parts.map((part, index) => decryptPart(key, manifest, index, part)));
  expect(equal(concat(...back), plaintext)).toBe(true);
  expect(parts.slice(0, -1).every((part) => part.length === PART_CIPHERTEXT_SIZE)).toBe(true);
});

test("parts that were swapped, changed, cut off or moved are refused", async () => {
  const { key, manifest, parts } = await dataset(PART_SIZE + 3);
  const [first, second] = parts as [Bytes, Bytes];
  for (const [index, part] of [
    [0, second],
    [1, first],
    [1, flipped(second, 70)],
    [1, second.slice(0, -1)],
    [2, second],
  ] as [number, Bytes][]) {
    await expect(decryptPart(key, manifest, index, part)).rejects.toThrow(DecryptionFailed);
  }
  // Even where the manifest itself was changed to fit.
  const [one, other] = manifest.parts as [Manifest["parts"][0], Manifest["parts"][0]];
  const reordered = { ...manifest, parts: [other, one] };
  await expect(decryptPart(key, reordered, 0, second)).rejects.toThrow(DecryptionFailed);
  const truncated = { ...manifest, size: PART_SIZE, parts: [one] };
  await expect(decryptPart(key, truncated, 0, first)).rejects.toThrow(DecryptionFailed);
  const moved = { ...manifest, dataset: randomHex() };
  await expect(decryptPart(key, moved, 0, first)).rejects.toThrow(DecryptionFailed);
});

test("a wrong key is noticed by the manifest alone", async () => {
  const { manifest } = await dataset(10);
  expect(() => checkKey(randomBytes(32), manifest)).toThrow("Use the key of its upload");
});

test("manifests that contradict themselves are refused", async () => {
  const { manifest } = await dataset(10);
  const [part] = manifest.parts as [Manifest["parts"][0]];
  for (const bad of [
    { ...manifest, size: 11 },
    { ...manifest, parts: [] },
    { ...manifest, parts: [part, part] },
    { ...manifest, parts: [{ ...part, size: part.size + 1 }] },
  ]) {
    expect(() => checkManifest(bad)).toThrow(VerificationError);
  }
});

function filled(size: number): Bytes {
  return new Uint8Array(size).map((_, place) => (place * 31) % 251);
}

function flipped(bytes: Bytes, place: number): Bytes {
  const changed = bytes.slice();
  changed[place] = (changed[place] ?? 0) ^ 1;
  return changed;
}
