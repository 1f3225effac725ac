/**
 * A room's definition: everything that its participants agree to. Immutable; its SHA-256 is the room's id.
 * As `cloister.rooms.definition`.
 */

import { decodeCanonical } from "./decode";
import { type Bytes, canonical, normalEmail, sha256, toHex } from "./encoding";
import { DefinitionInvalid, VerificationError } from "./errors";
import { checkNodes, shown } from "./graph";
import { isDataNode, nodeOf } from "./nodes";
import type { Definition, Issuer, Participant } from "./records";

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_NODES = 1000;
const MAX_PARTICIPANTS = 1000;
const MAX_ROLES = 100_000;
const MAX_ISSUERS = 16;
const MAX_REFERENCES = 16;
const MAX_KEYS = 64;
const MAX_TITLE = 256;

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
 * Checks the rules that those who read a definition rely on: who may do what with which node, what may hold it, and
 * that its computations have an order. See `checkNodes` for what is left to the enclave.
 *
 * @throws DefinitionInvalid Naming the first rule that is broken, and where.
 */
export function checkDefinition(definition: Definition): void {
  check(definition.title.trim() !== "", "The room has no name. Give it one.");
  check(isTitle(definition.title), `The room's name has control characters or over ${MAX_TITLE} characters.`);
  check(definition.nodes.length <= MAX_NODES, `The room has over ${MAX_NODES} nodes. Publish several rooms instead.`);
  check(definition.participants.length <= MAX_PARTICIPANTS, `The room has over ${MAX_PARTICIPANTS} participants.`);
  const roles = definition.participants.map((entry) => entry.data_owner_of.length + entry.analyst_of.length);
  check(sum(roles) <= MAX_ROLES, `The participants have over ${MAX_ROLES} roles together.`);
  for (const accepted of [definition.enclaves, definition.workers]) {
    const few = accepted.length >= 1 && accepted.length <= MAX_REFERENCES;
    check(few, `The room must name 1 to ${MAX_REFERENCES} enclaves and as many workers.`);
  }
  checkNodes(definition.nodes);
  checkUnique(
    definition.images.map((image) => image.name),
    "image",
  );
  for (const node of definition.nodes) {
    const listed = node.kind === "raw_data" || definition.images.some((image) => image.name === node.image);
    check(listed, `The node ${shown(node.id)} runs in an image that the room doesn't list.`);
  }
  checkUnique(
    definition.participants.map((entry) => entry.user),
    "participant",
  );
  definition.participants.forEach((entry) => checkParticipant(definition, entry));
  const owner = participantOf(definition, definition.owner);
  check(owner?.user === definition.owner, `The owner ${shown(definition.owner)} is not among the participants.`);
  checkIssuers(definition.issuers, definition.pins_required);
}

function checkParticipant(definition: Definition, entry: Participant): void {
  const user = shown(entry.user);
  check(entry.user === normalEmail(entry.user), `The address ${user} must be written in lower case.`);
  checkUnique(entry.data_owner_of, `data node of ${user}`);
  checkUnique(entry.analyst_of, `computation of ${user}`);
  for (const [ids, wanted] of [
    [entry.data_owner_of, true],
    [entry.analyst_of, false],
  ] as const) {
    for (const id of ids) {
      const node = nodeOf(definition, id);
      check(node !== undefined, `${user} has a role on ${shown(id)}, which is not in the room.`);
      const role = wanted ? "data owner" : "analyst";
      const kind = wanted ? "a computation" : "a data node";
      check(
        node !== undefined && isDataNode(node) === wanted,
        `${user} can't be ${role} of ${shown(id)}: it is ${kind}.`,
      );
    }
  }
  checkUnique(entry.keys, `key of ${user}`);
  check(entry.keys.length <= MAX_KEYS, `${user} has more than ${MAX_KEYS} pinned keys.`);
  const pinned = !definition.pins_required || entry.keys.length > 0;
  check(pinned, `The room requires pinned keys, and ${user} has none.`);
}

function checkIssuers(issuers: readonly Issuer[], pinsRequired: boolean): void {
  const someone = pinsRequired || issuers.length > 0;
  check(someone, "The room names no issuer of identities and requires no pinned keys: nobody could enter.");
  checkUnique(
    issuers.map((issuer) => issuer.name),
    "issuer",
  );
  check(issuers.length <= MAX_ISSUERS, `The room names over ${MAX_ISSUERS} issuers.`);
  for (const issuer of issuers) {
    const named = issuer.name.trim() !== "" && isTitle(issuer.name);
    check(named, "An issuer's name is empty, too long, or has control characters.");
    const fits = issuer.keys.length >= 1 && issuer.keys.length <= MAX_KEYS;
    check(fits, `The issuer ${shown(issuer.name)} needs 1 to ${MAX_KEYS} keys.`);
  }
  // A token names one issuer; a key that two share would leave open whose word it is.
  checkUnique(
    issuers.flatMap((issuer) => issuer.keys),
    "issuers' key",
  );
}

function checkUnique(values: readonly string[], what: string): void {
  const seen = new Set<string>();
  const twice = values.find((value) => seen.size === seen.add(value).size);
  check(twice === undefined, `The ${what} ${shown(twice ?? "")} is listed twice.`);
}

function isTitle(text: string): boolean {
  return [...text].length <= MAX_TITLE && !CONTROL.test(text);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) {
    throw new DefinitionInvalid(otherwise);
  }
}
