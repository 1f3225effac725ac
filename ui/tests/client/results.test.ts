import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as algorithm } from "@noble/hashes/sha2.js";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { Trusted } from "../../src/client/channel";
import { Patience } from "../../src/client/patience";
import { type Context, checkInputs, checkReceipt, fetchResult } from "../../src/client/results";
import { upload } from "../../src/client/transfers";
import { manifestDigest } from "../../src/core/dataset";
import { readDefinition } from "../../src/core/definition";
import { canonical, randomBytes, randomHex, sha256, toBase64, toHex, utf8 } from "../../src/core/encoding";
import { DecryptionFailed, ReceiptInvalid } from "../../src/core/errors";
import { EMPTY_ROOT, leafHash } from "../../src/core/merkle";
import { nodeDigest, nodeOf, type RunNode } from "../../src/core/nodes";
import { PAYLOAD_TYPE, preAuthenticationEncoding } from "../../src/core/receipt";
import type { Event, ReceiptBody, Result } from "../../src/core/records";
import type { Signer } from "../../src/core/signatures";
import { freshSigner } from "../enclave";
import { note, TestHub } from "../hub";
import { load } from "../vectors";

const vectors = load("rooms");
const DEFINITION = readDefinition(utf8(vectors.definition), vectors.id);
const NODE = nodeOf(DEFINITION, "joined") as RunNode & { image: string };
const KEY = randomBytes(32);
const DATA = utf8("the result");

let hub: TestHub;
let signer: Signer;
let result: Result;
let body: ReceiptBody;
let context: Context;

beforeAll(async () => {
  hub = await TestHub.start();
  signer = await freshSigner();
  const options = { hub: hub.client, patience: new Patience([]) };
  const manifest = await upload(new Blob([DATA]), KEY, randomHex(), options);
  const [enclave, worker] = [DEFINITION.enclaves[0], DEFINITION.workers[0]];
  const image = DEFINITION.images.find((each) => each.name === NODE.image);
  const root = leafHash(utf8("an event"));
  body = {
    room: vectors.id,
    node: NODE.id,
    definition: nodeDigest(NODE),
    run: randomHex(),
    inputs: [
      { node: "patients", manifest: randomHex() },
      { node: "lab", manifest: null },
    ],
    image: NODE.image,
    image_measurement: image?.measurement ?? "",
    enclave: enclave as NonNullable<typeof enclave>,
    worker: worker as NonNullable<typeof worker>,
    log_index: 4,
    checkpoint: await note(signer, vectors.id, 5, root),
    finished: 1,
  };
  const commitment = toBase64(hmac(algorithm, KEY, sha256(DATA)));
  result = { type: "result", manifest, key: toBase64(KEY), name: "joined.zip", receipt: "", commitment };
  const keys = { version: 1 as const, made: 1, signing: toBase64(signer.publicKey), sealing: "" };
  const trusted: Trusted = { keys, attested: body.enclave, proven: 0 };
  context = { definition: DEFINITION, room: vectors.id, node: NODE, trusted, log: { room: vectors.id, size: 5, root } };
});
afterAll(() => hub.stop());

/** The result with a receipt that says so. */
async function saying(change: Partial<ReceiptBody>, by = signer): Promise<Result> {
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "joined.zip.manifest", digest: { sha256: manifestDigest(result.manifest) } }],
    predicateType: "urn:cloister:receipt:v1",
    predicate: { ...body, ...change },
  };
  const payload = canonical(statement);
  const sig = toBase64(await by.sign(preAuthenticationEncoding(PAYLOAD_TYPE, payload)));
  const signatures = [{ keyid: toHex(sha256(by.publicKey)), sig }];
  const receipt = canonical({ payload: toBase64(payload), payloadType: PAYLOAD_TYPE, signatures });
  return { ...result, receipt: toBase64(receipt) };
}

test("a receipt that keeps what the room promises", async () => {
  expect(DEFINITION.nodes.find((node) => node.id === "lab")).toMatchObject({ required: false });
  await expect(checkReceipt(await saying({}), context)).resolves.toEqual(body);
});

test.each<[string, () => Partial<ReceiptBody> | Promise<Partial<ReceiptBody>>]>([
  ["another room", () => ({ room: randomHex() })],
  ["another computation", () => ({ node: "report" })],
  ["another script", () => ({ definition: randomHex() })],
  ["another image", () => ({ image_measurement: randomHex() })],
  ["another enclave", () => ({ enclave: { ...body.enclave, measurement: randomHex() } })],
  ["another worker", () => ({ worker: { ...body.worker, measurement: randomHex() } })],
  ["fewer inputs", () => ({ inputs: body.inputs.slice(1) })],
  ["more inputs", () => ({ inputs: [...body.inputs, { node: "lab", manifest: null }] })],
  ["inputs in another order", () => ({ inputs: body.inputs.toReversed() })],
  ["an input that must not be absent", () => ({ inputs: body.inputs.map((each) => ({ ...each, manifest: null })) })],
  ["a place behind the checkpoint", () => ({ log_index: 5 })],
  ["another log of the same length", async () => ({ checkpoint: await note(signer, vectors.id, 5, EMPTY_ROOT) })],
  ["a longer log", async () => ({ checkpoint: await note(signer, vectors.id, 6, EMPTY_ROOT) })],
  ["the log of another room", async () => ({ checkpoint: await note(signer, randomHex(), 5, EMPTY_ROOT) })],
  ["a log by another key", async () => ({ checkpoint: await note(await freshSigner(), vectors.id, 5, EMPTY_ROOT) })],
])("a receipt about %s is refused", async (_, change) => {
  await expect(checkReceipt(await saying(await change()), context)).rejects.toThrow(ReceiptInvalid);
});

test("what a receipt says was read is what the log tells of", () => {
  const [data, old, made, rows] = [randomHex(), randomHex(), randomHex(), randomHex()];
  const other = randomHex();
  const started = { type: "run_started" as const, node: "joined", cache_key: other };
  const finished = { type: "run_finished" as const, worker: body.worker };
  const bodies: Event["body"][] = [
    { ...finished, run: other, node: "pairs", manifest: made, withheld: rows },
    { ...started, run: other, inputs: [{ node: "patients", manifest: old }] },
    {
      ...started,
      run: body.run,
      inputs: [
        { node: "patients", manifest: data },
        { node: "lab", manifest: null },
      ],
    },
    { ...finished, run: other, node: "later", manifest: other },
  ];
  const events = bodies.map((each): Event => ({ version: 1, time: 0, actor: "", body: each }));
  const check = (node: string, manifest: string | null) => () =>
    checkInputs({ ...body, log_index: 3, inputs: [{ node, manifest }] }, events);
  for (const [node, manifest] of [["patients", data] as const, ["lab", null] as const, ["pairs", made] as const]) {
    expect(check(node, manifest)).not.toThrow();
  }
  expect(check("pairs", rows)).not.toThrow();
  expect(check("patients", old)).toThrow(ReceiptInvalid);
  expect(check("patients", null)).toThrow(ReceiptInvalid);
  expect(check("lab", data)).toThrow(ReceiptInvalid);
  expect(check("later", other)).toThrow(ReceiptInvalid);
});

test("a receipt of another result, or by another key, is refused", async () => {
  const other = { ...(await saying({})), manifest: { ...result.manifest, dataset: randomHex() } };
  await expect(checkReceipt(other, context)).rejects.toThrow("about another result");
  await expect(checkReceipt(await saying({}, await freshSigner()), context)).rejects.toThrow(ReceiptInvalid);
});

test("a result is fetched, and is what the worker committed to", async () => {
  const options = { hub: hub.client, patience: new Patience([]) };
  expect(new Uint8Array(await (await fetchResult(result, options)).arrayBuffer())).toEqual(DATA);
  const other = { ...result, commitment: toBase64(randomBytes(32)) };
  await expect(fetchResult(other, options)).rejects.toThrow(DecryptionFailed);
});
