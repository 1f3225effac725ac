import { expect, test } from "vitest";

import { checkpointBody, keyHash, verifyCheckpoint } from "../../src/core/checkpoint";
import { concat, randomBytes, toBase64, toHex, utf8 } from "../../src/core/encoding";
import { LogTampered } from "../../src/core/errors";
import { EMPTY_ROOT, leafHash, MerkleRoot, verifyConsistency } from "../../src/core/merkle";
import { freshSigner } from "../enclave";
import { load, unhex } from "../vectors";

const vectors = load("log");
const LEAVES = vectors.leaves.map(unhex);
const ROOTS = vectors.roots.map(unhex);
const CHECKPOINT = vectors.checkpoint;

test("leaves and roots", () => {
  expect(LEAVES.map((leaf: Uint8Array) => toHex(leafHash(leaf)))).toEqual(vectors.leaf_hashes);
  const tree = new MerkleRoot();
  expect(toHex(tree.root())).toBe(toHex(EMPTY_ROOT));
  for (const leaf of LEAVES) {
    expect(toHex(tree.root())).toBe(vectors.roots[tree.size]);
    tree.append(leaf);
  }
  expect(toHex(tree.root())).toBe(vectors.roots[tree.size]);
});

test("consistency", () => {
  for (const { old, size, proof } of vectors.consistency) {
    const steps = proof.map(unhex);
    verifyConsistency(old, ROOTS[old], size, ROOTS[size], steps);
    const bad = (...args: Parameters<typeof verifyConsistency>) =>
      expect(() => verifyConsistency(...args), `${old} to ${size}`).toThrow(LogTampered);
    bad(old, randomBytes(32), size, ROOTS[size], steps);
    bad(old, ROOTS[old], size, ROOTS[size], [...steps, randomBytes(32)]);
    if (old > 0) {
      bad(old, ROOTS[old], size, randomBytes(32), steps);
    }
    if (steps.length > 0) {
      bad(old, ROOTS[old], size, ROOTS[size], steps.slice(1));
      bad(old, ROOTS[old], size, ROOTS[size], []);
      bad(old, ROOTS[old], size, ROOTS[size], [utf8("short"), ...steps.slice(1)]);
    }
    if (old !== size) {
      bad(size, ROOTS[size], old, ROOTS[old], steps);
    }
  }
});

test("a checkpoint of Python's is read", async () => {
  const checkpoint = await verifyCheckpoint(CHECKPOINT.note, unhex(CHECKPOINT.public), CHECKPOINT.room);
  expect(checkpoint).toEqual({ room: CHECKPOINT.room, size: CHECKPOINT.size, root: unhex(CHECKPOINT.root) });
  expect(toHex(keyHash(unhex(CHECKPOINT.public), CHECKPOINT.room))).toBe(CHECKPOINT.key_hash);
});

test("checkpoints that were changed are refused", async () => {
  const { note, room, size } = CHECKPOINT;
  const [key, other] = [unhex(CHECKPOINT.public), await freshSigner()];
  const read = (text: string, publicKey = key, of = room) => verifyCheckpoint(text, publicKey, of);
  for (const bad of [
    "",
    `${note}\n`,
    note.slice(0, -1),
    note.replace(`\n${size}\n`, `\n0${size}\n`),
    note.replace(`\n${size}\n`, `\n${size + 1}\n`),
    note.replace(`\n${size}\n`, "\n9999999999999999\n"),
    note.replace("\n\n", "\nextension\n\n"),
    note.replace(/(?<=\n— \S+ ).{8}/, "AAAAAAAA"),
    note.slice(0, note.indexOf("—")),
  ]) {
    await expect(read(bad), bad).rejects.toThrow(LogTampered);
  }
  await expect(read(note, other.publicKey)).rejects.toThrow("signed by another key");
  await expect(read(note, key, "ab".repeat(32))).rejects.toThrow("belongs to another room");
});

test("signatures of others beside it say nothing, and none of ours may be wrong", async () => {
  const { note, room } = CHECKPOINT;
  const key = unhex(CHECKPOINT.public);
  const witness = `— witness.example ${toBase64(randomBytes(68))}\n`;
  await expect(verifyCheckpoint(note + witness, key, room)).resolves.toMatchObject({ size: CHECKPOINT.size });
  const forged = `— cloister/room/${room} ${toBase64(concat(keyHash(key, room), randomBytes(64)))}\n`;
  await expect(verifyCheckpoint(note + forged, key, room)).rejects.toThrow("does not hold");
});

test("what a fresh key signs is read", async () => {
  const signer = await freshSigner();
  const room = "cd".repeat(32);
  const body = checkpointBody({ room, size: 0, root: EMPTY_ROOT });
  const signature = concat(keyHash(signer.publicKey, room), await signer.sign(utf8(body)));
  const note = `${body}\n— cloister/room/${room} ${toBase64(signature)}\n`;
  await expect(verifyCheckpoint(note, signer.publicKey, room)).resolves.toMatchObject({ size: 0 });
});
