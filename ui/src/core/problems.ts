/**
 * Everything that is wrong with a room as its author writes it, so that it shows at once and not at publishing. As the
 * rules of `cloister.rooms.definition`, which the enclave checks again.
 */

import { checked } from "./decode";
import { normalEmail } from "./encoding";
import { DefinitionInvalid, VerificationError } from "./errors";
import { nodeProblems, type Problem } from "./graph";
import { isDataNode } from "./nodes";
import type { Configuration, Definition, Node, Participant, Records } from "./records";
import { epsilonProblems } from "./tables";
import { isBlank, isLonger, shown } from "./texts";

export type { Problem } from "./graph";

export const MAX_BYTES = 16 * 1024 * 1024;
/** Of one issuer, and pinned for one participant. */
export const MAX_KEYS = 64;
const MAX_NODES = 1000;
const MAX_PARTICIPANTS = 1000;
/** Of all participants together, on data nodes and on computations. */
const MAX_ROLES = 100_000;
const MAX_TITLE = 256;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const EMAIL = /^[!-+\--?A-~]{1,128}@[!-+\--?A-~]{1,126}$/;
const KEY = /^[0-9a-f]{64}$/;
/** Half of a character that takes two places: no text in UTF-8 has it. As JSON writes it. */
const HALF = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** Of each kind: to try all of them would take ten times as long. */
const RECORDS = {
  raw_data: "RawDataNode",
  table_data: "TableDataNode",
  python: "PythonNode",
  r: "RNode",
  python_environment: "PythonEnvironmentNode",
  sql: "SqlNode",
  sqlite: "SqliteNode",
  synthetic: "SyntheticNode",
  match: "MatchNode",
  preview: "PreviewNode",
} as const satisfies Record<Node["kind"], keyof Records>;

/** What the author of a room has written, published or not. */
type Written = Pick<Configuration, keyof Configuration & keyof Definition>;

/**
 * All that is wrong with a configuration; empty where it can be published. Pure, and quick for as many nodes as there
 * may be: what was looked at before is not looked at again while its object stays the same.
 */
export function problems(configuration: Configuration): Problem[] {
  const found = [...writtenProblems(configuration)];
  const at = new Set(found.map((problem) => problem.node));
  const sizes = configuration.nodes.slice(0, MAX_NODES).map((node) => {
    const { size, problem } = formOf(node);
    // What has no better words; they come of fields that hold what no field of theirs can.
    if (problem !== undefined && !at.has(node.id)) {
      found.push({ node: node.id, message: problem });
    }
    return size;
  });
  // Characters, of which each is a byte or more: what is between, publishing says.
  if (sizes.reduce((sum, size) => sum + size, 0) > MAX_BYTES) {
    found.push({ message: "The room is larger than 16 MiB. Move data out of it." });
  }
  return found;
}

/**
 * Checks all of it, as `problems` does.
 *
 * @throws DefinitionInvalid Naming the first rule that is broken.
 */
export function checkConfiguration(configuration: Configuration): void {
  const [first] = problems(configuration);
  if (first !== undefined) {
    throw new DefinitionInvalid(first.message);
  }
}

/** What is wrong with what the author has written, published or not. */
export function* writtenProblems(written: Written): Generator<Problem> {
  if (isBlank(written.title)) {
    yield { field: "title", message: "The room has no name. Give it one." };
  } else if (!isTitle(written.title)) {
    const message = `The room's name has control characters or is longer than ${MAX_TITLE} characters.`;
    yield { field: "title", message };
  }
  // What is too much is not looked at any further.
  const many = [...countProblems(written)];
  if (many.length > 0) {
    yield* many;
    return;
  }
  yield* nodeProblems(written.nodes);
  if (written.privacy_budget !== undefined) {
    yield* budgetProblems(written.nodes, written.privacy_budget);
  }
  yield* participantProblems(written);
}

/** Whether it is short and plain enough for a name of a room, or of an issuer. */
export function isTitle(text: string): boolean {
  return !isLonger(text, MAX_TITLE) && !CONTROL.test(text);
}

/** What is listed twice. */
export function* twice(values: readonly string[], what: string): Generator<Problem> {
  const [seen, told] = [new Set<string>(), new Set<string>()];
  for (const value of values) {
    if (seen.has(value) && !told.has(value)) {
      told.add(value);
      yield { message: `The ${what} ${shown(value)} is listed twice.` };
    }
    seen.add(value);
  }
}

function* countProblems({ nodes, participants }: Written): Generator<Problem> {
  if (nodes.length > MAX_NODES) {
    const message = `The room has ${nodes.length} nodes; ${MAX_NODES} are the most. Publish several rooms instead.`;
    yield { message };
  }
  if (participants.length > MAX_PARTICIPANTS) {
    const message = `The room has ${participants.length} participants; ${MAX_PARTICIPANTS} are the most.`;
    yield { field: "participants", message };
  }
  const roles = participants.reduce((sum, each) => sum + each.data_owner_of.length + each.analyst_of.length, 0);
  if (roles > MAX_ROLES) {
    const message = `The participants have ${roles} roles together; ${MAX_ROLES} are the most.`;
    yield { field: "participants", message };
  }
}

function* budgetProblems(nodes: readonly Node[], budget: number): Generator<Problem> {
  for (const message of epsilonProblems("The room's privacy budget", budget)) {
    yield { field: "privacy_budget", message };
  }
  for (const node of nodes) {
    if ((node.kind === "synthetic" || node.kind === "match") && node.epsilon > budget) {
      const message =
        `The computation ${shown(node.name)} costs epsilon ${node.epsilon}, and the room's privacy budget is ` +
        `${budget}: it could never be run. Give it less, or the room more.`;
      yield { node: node.id, field: "epsilon", message };
    }
  }
}

function* participantProblems(written: Written): Generator<Problem> {
  const byId = new Map(written.nodes.map((node) => [node.id, node]));
  const field = "participants";
  const users = written.participants.map((entry) => entry.user);
  for (const { message } of twice(users, "participant")) {
    yield { field, message };
  }
  for (const entry of written.participants) {
    for (const message of entryProblems(entry, byId, written.pins_required)) {
      yield { field, message };
    }
  }
  if (!users.includes(written.owner) || written.owner !== normalEmail(written.owner)) {
    yield { field: "owner", message: `The owner ${shown(written.owner)} is not among the participants.` };
  }
}

function* entryProblems(entry: Participant, byId: ReadonlyMap<string, Node>, pinsRequired: boolean): Generator<string> {
  const user = shown(entry.user);
  if (!EMAIL.test(entry.user)) {
    yield `${user} is not an email address.`;
  } else if (entry.user !== normalEmail(entry.user)) {
    yield `The address ${user} must be written in lower case.`;
  }
  for (const { message } of twice(entry.data_owner_of, `data node of ${user}`)) {
    yield message;
  }
  for (const { message } of twice(entry.analyst_of, `computation of ${user}`)) {
    yield message;
  }
  for (const id of new Set([...entry.data_owner_of, ...entry.analyst_of])) {
    if (!byId.has(id)) {
      yield `${user} has a role on ${shown(id)}, which is not in the room.`;
    }
  }
  const named = (id: string): string => shown(byId.get(id)?.name ?? id);
  const is = (id: string, data: boolean): boolean => {
    const node = byId.get(id);
    return node !== undefined && isDataNode(node) === data;
  };
  for (const id of entry.data_owner_of.filter((each) => is(each, false))) {
    yield `${user} can't be data owner of ${named(id)}: it is a computation.`;
  }
  for (const id of entry.analyst_of.filter((each) => is(each, true))) {
    yield `${user} can't be analyst of ${named(id)}: it is a data node.`;
  }
  for (const { message } of twice(entry.keys, `key of ${user}`)) {
    yield message;
  }
  if (!entry.keys.every((key) => KEY.test(key))) {
    yield `A device key of ${user} is not 64 hexadecimal digits, as their browser or client shows them.`;
  }
  if (entry.keys.length > MAX_KEYS) {
    yield `${user} has more than ${MAX_KEYS} pinned keys.`;
  }
  if (pinsRequired && entry.keys.length === 0) {
    yield `The room requires pinned keys, and ${user} has none.`;
  }
}

interface Form {
  /** Characters of its JSON. */
  size: number;
  problem: string | undefined;
}

const forms = new WeakMap<Node, Form>();

/** Whether a node is what the schema of records says: whole numbers where there must be such, and nothing unknown. */
function formOf(node: Node): Form {
  let form = forms.get(node);
  if (form === undefined) {
    const json = JSON.stringify(node);
    form = { size: json.length, problem: HALF.test(json) ? "A text of it has half a character." : undefined };
    try {
      checked(node, RECORDS[node.kind], "a node");
    } catch (error) {
      if (!(error instanceof VerificationError)) {
        throw error;
      }
      form.problem = `A field of ${shown(node.name)} holds what it can't: ${error.message}`;
    }
    forms.set(node, form);
  }
  return form;
}
