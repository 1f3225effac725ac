/**
 * A result, from the enclave's answer to the file: nothing is handed out that the receipt doesn't vouch for.
 * As `cloister.sdk.results`.
 */

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as algorithm } from "@noble/hashes/sha2.js";

import { type Checkpoint, verifyCheckpoint } from "../core/checkpoint";
import { manifestDigest } from "../core/dataset";
import { equal, fromBase64 } from "../core/encoding";
import { DecryptionFailed, LogTampered, ReceiptInvalid } from "../core/errors";
import { isReference } from "../core/evidence";
import { nodeDigest, nodeOf, type RunNode, sources } from "../core/nodes";
import { verifyReceipt } from "../core/receipt";
import type { Definition, Event, ReceiptBody, Result } from "../core/records";
import { signingKey, type Trusted } from "./channel";
import { download, type TransferOptions } from "./transfers";

/** What a receipt is compared with. */
export interface Context {
  definition: Definition;
  room: string;
  node: RunNode;
  /** The enclave that answered. */
  trusted: Trusted;
  /** The checkpoint that the answer came with, verified. */
  log: Checkpoint;
}

/**
 * Checks that a result is what the room's definition promises.
 *
 * @throws ReceiptInvalid Naming what does not hold.
 */
export async function checkReceipt(result: Result, context: Context): Promise<ReceiptBody> {
  // The enclave has signed it, for this result.
  const receipt = fromBase64(result.receipt);
  const body = await verifyReceipt(receipt, signingKey(context.trusted), manifestDigest(result.manifest));
  await checkBody(body, context);
  return body;
}

/** Checks what a receipt of the enclave's vouches for. As `checkReceipt`. */
export async function checkBody(body: ReceiptBody, { definition, room, node, trusted, log }: Context): Promise<void> {
  // 1. It was computed in this room, by this very computation, in the image that was agreed to.
  const image = definition.images.find((each) => each.name === node.image);
  const agreed =
    body.room === room &&
    body.node === node.id &&
    body.definition === nodeDigest(node) &&
    body.image === node.image &&
    body.image_measurement === image?.measurement;
  check(agreed, "The receipt is about another computation than the one that was asked for.");
  // 2. By the enclave that has proven itself, and a worker as the room demands it.
  const proven =
    isReference(body.enclave, trusted.attested) && definition.workers.some((each) => isReference(each, body.worker));
  check(proven, "The result was computed by other software than the room's definition names.");
  // 3. From the inputs that the computation has; only an optional data node may have been empty.
  const wanted = sources(node);
  const named = body.inputs.length === wanted.length && body.inputs.every((each, at) => each.node === wanted[at]);
  check(named, "The result was computed from other inputs than the room's definition names.");
  for (const input of body.inputs) {
    const source = nodeOf(definition, input.node);
    const optional = source !== undefined && "required" in source && !source.required;
    check(input.manifest !== null || optional, `The result was computed without ${input.node}, which it needs.`);
  }
  // 4. The room's log tells of it.
  let then: Checkpoint;
  try {
    then = await verifyCheckpoint(body.checkpoint, signingKey(trusted), room);
  } catch (error) {
    throw error instanceof LogTampered ? new ReceiptInvalid(error.message) : error;
  }
  const told =
    body.log_index < then.size && then.size <= log.size && (then.size < log.size || equal(then.root, log.root));
  check(told, "The receipt speaks of another log than the one that the room has.");
}

/**
 * Checks that what a receipt says was read is what the room's log says was attached, or made, before. Whoever fetches a
 * result holds the log's checkpoint and not the log, so this is for who has read it.
 *
 * @param events The log from its beginning, verified.
 * @throws ReceiptInvalid It is not.
 */
export function checkInputs(body: ReceiptBody, events: readonly Event[]): void {
  let attached: string[] = [];
  const made: string[] = [];
  const named = (node: string, manifest: string | null): string => `${manifest} ${node}`;
  for (const { body: said } of events.slice(0, body.log_index)) {
    if (said.type === "run_started" && said.run === body.run) {
      attached = said.inputs.map((each) => named(each.node, each.manifest));
    } else if (said.type === "run_finished") {
      const digests = said.withheld === undefined ? [said.manifest] : [said.manifest, said.withheld];
      made.push(...digests.map((each) => named(said.node, each)));
    }
  }
  const known = new Set([...attached, ...made]);
  const told = body.inputs.every((each) => known.has(named(each.node, each.manifest)));
  check(told, "The result was computed from other inputs than the room's log tells of.");
}

/**
 * Downloads and decrypts a result whose receipt was checked. The browser keeps large ones on disk, as it does with
 * files.
 *
 * @throws DecryptionFailed What the hub has is not this result.
 * @throws ApiError The hub refused, or stayed away.
 */
export async function fetchResult(result: Result, options: TransferOptions): Promise<Blob> {
  const key = fromBase64(result.key);
  const digest = algorithm.create();
  const pieces: Blob[] = [];
  for await (const plaintext of download(result.manifest, key, options)) {
    digest.update(plaintext);
    pieces.push(new Blob([plaintext]));
  }
  // The enclave had this from the worker: proof for the analyst alone that both mean the same plaintext.
  if (!equal(hmac(algorithm, key, digest.digest()), fromBase64(result.commitment))) {
    throw new DecryptionFailed("The result is not the one that the worker committed to. Run the computation again.");
  }
  return new Blob(pieces);
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) {
    throw new ReceiptInvalid(otherwise);
  }
}
