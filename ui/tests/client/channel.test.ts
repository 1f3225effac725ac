import { afterEach, beforeEach, expect, test } from "vitest";

import { Channel, type ChannelOptions } from "../../src/client/channel";
import { Patience } from "../../src/client/patience";
import { concat, fromBase64, toHex } from "../../src/core/encoding";
import {
  AuthorizationError,
  BadRequestError,
  DecryptionFailed,
  EnclaveError,
  EvidenceRejected,
  NotFoundError,
  ServerError,
  Unanswered,
  Unavailable,
  VerificationError,
} from "../../src/core/errors";
import type { EnclaveEvidence, Progress, Refusal, Request } from "../../src/core/records";
import { TYPE } from "../../src/core/software";
import { freshSigner, SealingKey, sealFrame, signedKeys } from "../enclave";
import { done, refusal, TestHub } from "../hub";

const REQUEST: Request = { version: 1, body: { type: "describe" }, room: null, user: null, token: null, seen: 0 };
const PROGRESS: Progress = { frame: "progress", body: null, node: "n", status: "running" };

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
});
afterEach(() => hub.stop());

function channel(more: Partial<ChannelOptions> = {}): Channel {
  const patience = new Patience([0, 0], async () => undefined);
  return new Channel(hub.client, { allowSoftware: true, patience, ...more });
}

test("an enclave is proven, asked and understood", async () => {
  const said: Progress[] = [];
  let seen: Request | undefined;
  hub.enclave = (request) => {
    seen = request;
    return [PROGRESS, PROGRESS, done()];
  };
  const { answer, trusted } = await channel().ask(REQUEST, await freshSigner(), {
    onProgress: (each) => said.push(each),
  });
  expect(answer).toEqual(done());
  expect(said).toEqual([PROGRESS, PROGRESS]);
  expect(seen).toEqual(REQUEST);
  expect(trusted.attested.evidence).toBe(TYPE);
});

test("what proves nothing is refused, and gets nothing", async () => {
  await expect(channel({ allowSoftware: false }).ask(REQUEST, null)).rejects.toThrow(EvidenceRejected);
  await expect(channel({ references: [] }).ask(REQUEST, null)).rejects.toThrow(EvidenceRejected);
  expect(hub.messages).toEqual([]);
});

test("evidence that is replayed, or about the keys of others, is refused", async () => {
  let first: EnclaveEvidence | undefined;
  hub.shown = (evidence) => (first ??= evidence);
  await channel().trusted();
  await expect(channel().trusted()).rejects.toThrow("stale");
  const theirs = await signedKeys(await freshSigner(), new SealingKey(), 1);
  hub.shown = (evidence) => ({ ...evidence, keys: theirs });
  await expect(channel().trusted()).rejects.toThrow("vouches for other keys");
  const { keys } = theirs;
  hub.shown = (evidence) => ({
    ...evidence,
    keys: { ...evidence.keys, keys: { ...evidence.keys.keys, sealing: keys.sealing } },
  });
  await expect(channel().trusted()).rejects.toThrow(VerificationError);
  expect(hub.messages).toEqual([]);
});

test("an enclave that the room doesn't name gets nothing", async () => {
  const enclaves = [{ evidence: TYPE, measurement: "ab".repeat(32) }];
  await expect(channel().ask(REQUEST, null, { enclaves })).rejects.toThrow("Nothing was sent to it");
  const signing = Buffer.from((await freshSigner()).publicKey).toString("base64");
  await expect(channel().ask(REQUEST, null, { signing })).rejects.toThrow("Nothing was sent to it");
  expect(hub.messages).toEqual([]);
});

test.each<[string, TestHub["onTheWay"]]>([
  ["its frames in another order", (sealed) => sealed.toReversed()],
  ["a frame left out", (sealed) => sealed.slice(1)],
  ["a frame twice", (sealed) => [...sealed.slice(0, 1), ...sealed]],
  [
    "a byte changed",
    ([first, ...rest]) => [(first as Uint8Array).map((byte, at) => (at === 80 ? byte ^ 1 : byte)), ...rest],
  ],
  ["something behind its end", (sealed) => [...sealed, ...sealed.slice(-1)]],
  ["bytes behind its end", (sealed) => [...sealed, new Uint8Array(3)]],
  ["a frame of any length", () => [Uint8Array.of(255, 255, 255, 255)]],
])("an answer with %s is refused", async (_, change) => {
  hub.enclave = () => [PROGRESS, done()];
  hub.onTheWay = (sealed) => change(sealed, undefined as never, undefined as never) as Uint8Array<ArrayBuffer>[];
  await expect(channel().ask(REQUEST, null)).rejects.toThrow(VerificationError);
});

test("the answer to another request is refused", async () => {
  let kept: Uint8Array<ArrayBuffer>[] | undefined;
  hub.onTheWay = (sealed) => (kept ??= sealed);
  const one = channel();
  await one.ask(REQUEST, null);
  await expect(one.ask(REQUEST, null)).rejects.toThrow(DecryptionFailed);
});

test("progress can't be the last frame, nor an answer any other", async () => {
  hub.enclave = () => [done(), done()];
  await expect(channel().ask(REQUEST, null)).rejects.toThrow("ends where it can't end");
  hub.onTheWay = async (_, opened, message) => [await sealFrame(opened, message, 0, PROGRESS, true)];
  await expect(channel().ask(REQUEST, null)).rejects.toThrow("ends where it can't end");
});

test("an answer that is cut off is asked for again, and not for ever", async () => {
  hub.enclave = () => [PROGRESS, done()];
  hub.onTheWay = (sealed) => (hub.messages.length < 3 ? sealed.slice(0, 1) : sealed);
  await expect(channel().ask(REQUEST, null)).resolves.toMatchObject({ answer: done() });
  expect(new Set(hub.messages.map((message) => toHex(message))).size).toBe(3);
  hub.onTheWay = ([first]) => [(first as Uint8Array<ArrayBuffer>).slice(0, 20)];
  await expect(channel().ask(REQUEST, null)).rejects.toThrow(Unavailable);
});

test("new keys are followed, older and foreign ones are not", async () => {
  const one = channel();
  await one.ask(REQUEST, null);
  await hub.renew(2000);
  await one.ask(REQUEST, null);
  expect(hub.asked.filter((each) => each.endsWith("/evidence")).length).toBe(1);
  await hub.renew(1500);
  await expect(one.ask(REQUEST, null)).rejects.toThrow("older");
  // With another signing key the enclave has to prove itself again.
  hub.signer = await freshSigner();
  await hub.renew(500);
  const { trusted } = await one.ask(REQUEST, null);
  expect(fromBase64(trusted.keys.signing)).toEqual(hub.signer.publicKey);
  expect(hub.asked.filter((each) => each.endsWith("/evidence")).length).toBe(2);
});

test.each<[Refusal["code"], Partial<Refusal>, unknown]>([
  ["not_found", {}, NotFoundError],
  ["forbidden", {}, AuthorizationError],
  ["rejected", {}, AuthorizationError],
  ["bad_request", {}, BadRequestError],
  ["conflict", {}, BadRequestError],
  ["failed", {}, EnclaveError],
  ["busy", {}, ServerError],
  ["busy", { retry_seconds: 1000 }, ServerError],
  ["busy", { retry_seconds: 1 }, Unavailable],
])("a refusal with %s %o", async (code, more, kind) => {
  hub.enclave = () => [{ frame: "refusal", code, message: "Because.", ...more }];
  await expect(channel().ask(REQUEST, null)).rejects.toThrow(kind as typeof Error);
  await expect(channel().ask(REQUEST, null)).rejects.toThrow("Because.");
});

test.each<[number, unknown]>([
  [400, Unanswered],
  [401, AuthorizationError],
  [404, Unanswered],
  [409, Unanswered],
  [413, Unanswered],
  [429, Unavailable],
  [503, Unavailable],
])("a hub that answers %i", async (status, kind) => {
  const one = channel();
  await one.trusted();
  hub.instead = () => refusal(status, "code", { "Retry-After": "7" });
  await expect(one.ask(REQUEST, null)).rejects.toThrow(kind as typeof Error);
  await expect(one.ask(REQUEST, null)).rejects.toThrow("It says code.");
  hub.instead = () => ({ status, body: concat(Uint8Array.of(0xff)) });
  await expect(one.ask(REQUEST, null)).rejects.toThrow(`status ${status} and no explanation`);
});

test.each([400, 404])(
  "a hub that answers %i to what comes before a message does not speak for the enclave",
  async (status) => {
    const before = ["/v1/me", "/v1/identity", "/v1/enclave/evidence", "/v1/enclave/keys"];
    hub.instead = (_, path) => (before.includes(path) ? refusal(status, "not_found") : undefined);
    const { client } = hub;
    const nothing = new Uint8Array(32);
    await expect(client.account()).rejects.toThrow(Unanswered);
    await expect(client.identity(nothing)).rejects.toThrow(Unanswered);
    await expect(client.evidence(nothing)).rejects.toThrow(Unanswered);
    await expect(client.enclaveKeys()).rejects.toThrow(Unanswered);
    await expect(channel().ask(REQUEST, null)).rejects.toThrow("The hub itself says");
  },
);

test("a hub that can't vouch for anybody says so itself", async () => {
  hub.instead = () => refusal(409, "conflict");
  await expect(hub.client.identity(new Uint8Array(32))).rejects.toThrow(BadRequestError);
});

test("a hub that leads elsewhere is not followed", async () => {
  hub.instead = () => ({ status: 307, body: {}, headers: { Location: "http://127.0.0.1:9/" } });
  await expect(channel().trusted()).rejects.toThrow("could not be reached");
});

test("waiting can be ended", async () => {
  const one = channel();
  await one.trusted();
  hub.enclave = () => new Promise(() => undefined);
  const ending = new AbortController();
  const asked = one.ask(REQUEST, null, { signal: ending.signal });
  ending.abort();
  await expect(asked).rejects.toMatchObject({ name: "AbortError" });
});

test("nobody is there", async () => {
  const one = channel();
  await hub.stop();
  await expect(one.trusted()).rejects.toThrow(Unavailable);
});
