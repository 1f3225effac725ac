import { afterEach, beforeEach, expect, test } from "vitest";

import { Channel } from "../../src/client/channel";
import { CheckpointMemory } from "../../src/client/checkpoints";
import { openDeviceKey } from "../../src/client/device";
import { Identity } from "../../src/client/identity";
import { RoomLink } from "../../src/client/link";
import { Patience } from "../../src/client/patience";
import { readLog } from "../../src/client/roomLog";
import { MemoryStore } from "../../src/client/store";
import { canonical, randomHex, toBase64 } from "../../src/core/encoding";
import {
  BadRequestError,
  LogTampered,
  NotFoundError,
  RollbackDetected,
  VerificationError,
} from "../../src/core/errors";
import { leafHash, MerkleRoot, nodeHash } from "../../src/core/merkle";
import type { Answer, Event, Restored } from "../../src/core/records";
import { freshSigner } from "../enclave";
import { done, note, refusal, TestHub } from "../hub";

const ROOM = "ab".repeat(32);
const EVENTS: Event[] = ["a", "b", "c", "d"].map((actor, time) => {
  return { version: 1, time, actor: `${actor}@b.example`, body: { type: "log_read", size: time } };
});
const LEAVES = EVENTS.map((event) => canonical(event));
const HASHES = LEAVES.map(leafHash) as [Hash, Hash, Hash, Hash];
type Hash = ReturnType<typeof leafHash>;

let hub: TestHub;
let store: MemoryStore;
beforeEach(async () => {
  hub = await TestHub.start();
  store = new MemoryStore();
});
afterEach(() => hub.stop());

async function link(): Promise<RoomLink> {
  const patience = new Patience([], async () => undefined);
  const channel = new Channel(hub.client, { allowSoftware: true, patience });
  const device = await openDeviceKey(store, hub.client.url, "a@b.example");
  const identity = new Identity(hub.client, "a@b.example", device, patience);
  return new RoomLink(channel, identity, new CheckpointMemory(store), ROOM);
}

function rootOf(size: number): Hash {
  const tree = new MerkleRoot();
  LEAVES.slice(0, size).forEach((leaf) => tree.append(leaf));
  return tree.root();
}

/** The proofs between the sizes that these tests go through. */
const PROOFS: Record<string, Hash[]> = {
  "2 to 4": [nodeHash(HASHES[2], HASHES[3])],
  "2 to 3": [HASHES[2]],
  "3 to 4": [HASHES[2], HASHES[3], nodeHash(HASHES[0], HASHES[1])],
};

/** An answer from a log of that size. */
async function from(size: number, seen: number, more: Partial<Answer> = {}): Promise<Answer> {
  const consistency = (PROOFS[`${seen} to ${size}`] ?? []).map(toBase64);
  return done({ checkpoint: await note(hub.signer, ROOM, size, rootOf(size)), consistency, ...more });
}

const stop = async (of: RoomLink): Promise<unknown> => await of.ask({ type: "stop_room" }, "done");

test("a log that grows is followed, also by the next page", async () => {
  for (const size of [2, 2, 3, 4]) {
    hub.enclave = async ({ seen }) => [await from(size, seen)];
    await stop(await link());
  }
  expect((await new CheckpointMemory(store).newest(ROOM)).size).toBe(4);
});

test("a log that was put back is noticed", async () => {
  hub.enclave = async ({ seen }) => [await from(3, seen)];
  await stop(await link());
  hub.enclave = async ({ seen }) => [await from(2, seen)];
  await expect(stop(await link())).rejects.toThrow(RollbackDetected);
  // Also by an enclave with another key, and one that shows other events.
  hub.signer = await freshSigner();
  await hub.renew(1);
  await expect(stop(await link())).rejects.toThrow(RollbackDetected);
  const other = await note(hub.signer, ROOM, 3, rootOf(4));
  hub.enclave = () => [done({ checkpoint: other })];
  await expect(stop(await link())).rejects.toThrow(RollbackDetected);
  hub.enclave = async () => [await from(4, 0)];
  await expect(stop(await link())).rejects.toThrow(RollbackDetected);
  expect((await new CheckpointMemory(store).newest(ROOM)).size).toBe(3);
});

test("two pages that are shown different logs of one size notice it", async () => {
  const one = await link();
  hub.enclave = async () => {
    // The other page's answer comes first.
    hub.enclave = async () => [done({ checkpoint: await note(hub.signer, ROOM, 3, rootOf(4)) })];
    await stop(await link());
    return [await from(3, 0)];
  };
  await expect(stop(one)).rejects.toThrow(RollbackDetected);
});

test("a restore that the operator has declared can be accepted, knowingly and once", async () => {
  hub.enclave = async ({ seen }) => [await from(3, seen)];
  await stop(await link());
  hub.enclave = async ({ seen }) => [await from(2, seen)];
  const one = await link();
  await expect(one.acceptRestoredLog()).rejects.toThrow(BadRequestError);
  const restored: Restored = { type: "restored", restore: randomHex(), declared: Date.UTC(2026, 0, 2, 3, 4) };
  hub.enclave = async ({ seen }) => [await from(2, seen, { restored })];
  await expect(stop(one)).rejects.toThrow("restored on 2026-01-02 at 03:04 UTC");
  await one.acceptRestoredLog();
  await stop(one);
  expect((await new CheckpointMemory(store).newest(ROOM)).size).toBe(2);
  const [, lost] = await store.entries("checkpoints", ROOM);
  expect(lost).toMatchObject([`${ROOM}.lost-3`, { size: 3 }]);
  // The same restore explains nothing a second time.
  hub.enclave = async () => [await from(0, 0, { restored })];
  await expect(one.acceptRestoredLog()).rejects.toThrow(BadRequestError);
});

test("answers without a checkpoint, and of another kind, are refused", async () => {
  hub.enclave = () => [done()];
  await expect(stop(await link())).rejects.toThrow(LogTampered);
  hub.enclave = async ({ seen }) => [await from(2, seen)];
  await expect((await link()).ask({ type: "read_status" }, "room_status")).rejects.toThrow(VerificationError);
});

test("what is remembered and damaged is not trusted", async () => {
  await store.update("checkpoints", ROOM, () => ({ version: 1, note: "x", signing: "AAAA", size: 9, root: "" }));
  await expect(stop(await link())).rejects.toThrow("is damaged");
  await store.update("checkpoints", ROOM, () => "nonsense");
  await expect(stop(await link())).rejects.toThrow("is damaged");
});

test("a token is shown at first, and again where the room doesn't know the asker", async () => {
  const tokens: (string | null)[] = [];
  hub.enclave = async ({ seen, token }) => {
    tokens.push(token);
    const unknown = tokens.length === 3;
    return [unknown ? { frame: "refusal", code: "not_found", message: "Nobody." } : await from(2, seen)];
  };
  const one = await link();
  await stop(one);
  await stop(one);
  await stop(one);
  expect(tokens).toEqual(["a token", null, null, "a token"]);
});

test("a device that the room knows needs no token", async () => {
  hub.instead = (_, path) => (path === "/v1/identity" ? refusal(409, "conflict") : undefined);
  hub.enclave = async ({ seen }) => [await from(2, seen)];
  await stop(await link());
  hub.enclave = () => [{ frame: "refusal", code: "not_found", message: "Nobody." }];
  await expect(stop(await link())).rejects.toThrow("It says conflict.");
});

test("a token of somebody else's is noticed", async () => {
  hub.instead = (_, path) => (path === "/v1/me" ? { status: 200, body: { email: "c@d.example" } } : undefined);
  await expect(stop(await link())).rejects.toThrow("You are logged in as c@d.example");
  hub.instead = (_, path) => (path === "/v1/me" ? { status: 200, body: {} } : undefined);
  await expect(stop(await link())).rejects.toThrow("not an answer of a hub");
});

/** The log, in pages of so many events, while it grows by one with each reading. */
function paged(length: number, leaves = LEAVES): TestHub["enclave"] {
  let size = 1;
  return async ({ body, seen }) => {
    const start = body.type === "read_log" ? body.start : 0;
    size += 1;
    const events = leaves.slice(start, Math.min(size, start + length)).map(toBase64);
    return [await from(size, seen, { body: { type: "log", events } })];
  };
}

test("the log is read page by page, to where it was when that began", async () => {
  hub.enclave = paged(1);
  const counts: [number, number][] = [];
  const { events } = await readLog(await link(), (...count) => counts.push(count));
  expect(events).toEqual(EVENTS.slice(0, 2));
  expect(counts).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

test.each<[string, typeof LEAVES]>([
  ["changed", [LEAVES[1], ...LEAVES.slice(1)] as typeof LEAVES],
  ["missing", []],
  ["more than there are", [...LEAVES.slice(0, 2), ...LEAVES]],
])("a log whose events are %s is refused", async (_, leaves) => {
  hub.enclave = paged(9, leaves);
  const size = leaves.length > 4 ? 9 : 0;
  if (size > 0) {
    hub.enclave = async ({ seen }) => [await from(2, seen, { body: { type: "log", events: leaves.map(toBase64) } })];
  }
  await expect(readLog(await link())).rejects.toThrow(LogTampered);
});

test("a room that nobody knows", async () => {
  hub.enclave = () => [{ frame: "refusal", code: "not_found", message: "Nobody." }];
  await expect(stop(await link())).rejects.toThrow(NotFoundError);
});
