/**
 * A room's definition: everything that its participants agree to. Immutable; its SHA-256 is the room's id.
 * As `cloister.rooms.definition`.
 */

import { decodeCanonical } from "./decode";
import { type Bytes, canonical, normalEmail, sha256, toHex } from "./encoding";
import { DefinitionInvalid, VerificationError } from "./errors";
import type { Problem } from "./graph";
import { isTitle, MAX_BYTES, MAX_KEYS, twice, writtenProblems } from "./problems";
import type { Definition, Issuer, Participant } from "./records";
import { wantedLines } from "./requirements";
import { isBlank, shown } from "./texts";

const MAX_ISSUERS = 16;
const MAX_REFERENCES = 16;

/** The room's id: SHA-256 of the canonical definition, as hex. */
export function roomId(definition: Definition): string {
  return toHex(sha256(canonical(definition)));
}

/** The entry of that user. */
export function participantOf(definition: Definition, user: string): Participant | undefined {
  return definition.participants.find((entry) => entry.user === normalEmail(user));
}

/**
 * Reads and checks a published definition.
 *
 * @throws DefinitionInvalid It is not canonical, breaks a rule, or is not that of `room`.
 */
export function readDefinition(data: Bytes, room: string): Definition {
  // 1. Of a size that can be served.
  if (data.length > MAX_BYTES) {
    throw new DefinitionInvalid("The definition is larger than 16 MiB. Move data out of it.");
  }
  // 2. The room's id is its own digest.
  if (toHex(sha256(data)) !== room) {
    throw new DefinitionInvalid("The definition is not the one that this room's id stands for.");
  }
  // 3. Known fields only, in canonical form.
  let definition: Definition;
  try {
    definition = decodeCanonical(data, "Definition", "a room's definition");
  } catch (error) {
    throw error instanceof VerificationError ? new DefinitionInvalid(error.message) : error;
  }
  // 4. The rules.
  checkDefinition(definition);
  return definition;
}

/**
 * Checks every rule that a definition must keep.
 *
 * @throws DefinitionInvalid Naming the first rule that is broken, and where.
 */
export function checkDefinition(definition: Definition): void {
  for (const { message } of definitionProblems(definition)) {
    throw new DefinitionInvalid(message);
  }
}

function* definitionProblems(definition: Definition): Generator<Problem> {
  yield* writtenProblems(definition);
  for (const accepted of [definition.enclaves, definition.workers]) {
    if (accepted.length < 1 || accepted.length > MAX_REFERENCES) {
      yield { message: `The room must name 1 to ${MAX_REFERENCES} enclaves and as many workers.` };
    }
  }
  const images = new Set(definition.images.map((image) => image.name));
  yield* twice(
    definition.images.map((image) => image.name),
    "image",
  );
  for (const node of definition.nodes) {
    if (node.kind !== "raw_data" && !images.has(node.image)) {
      yield { node: node.id, message: `The node ${shown(node.name)} runs in an image that the room doesn't list.` };
    }
    if (node.kind === "python_environment" && node.lock.length === 0 && wantedLines(node.requirements).length > 0) {
      const message = `The requirements of ${shown(node.name)} are not resolved: publish the room with a client that does.`;
      yield { node: node.id, message };
    }
  }
  yield* issuerProblems(definition.issuers, definition.pins_required);
}

function* issuerProblems(issuers: readonly Issuer[], pinsRequired: boolean): Generator<Problem> {
  if (!pinsRequired && issuers.length === 0) {
    const message = "The room names no issuer of identities and requires no pinned keys: nobody could enter.";
    yield { message };
  }
  yield* twice(
    issuers.map((issuer) => issuer.name),
    "issuer",
  );
  if (issuers.length > MAX_ISSUERS) {
    yield { message: `The room names over ${MAX_ISSUERS} issuers.` };
  }
  for (const issuer of issuers) {
    if (isBlank(issuer.name) || !isTitle(issuer.name)) {
      yield { message: "An issuer's name is empty, too long, or has control characters." };
    }
    if (issuer.keys.length < 1 || issuer.keys.length > MAX_KEYS) {
      yield { message: `The issuer ${shown(issuer.name)} needs 1 to ${MAX_KEYS} keys.` };
    }
  }
  // A token names one issuer; a key that two share would leave open whose word it is.
  yield* twice(
    issuers.flatMap((issuer) => issuer.keys),
    "issuers' key",
  );
}
