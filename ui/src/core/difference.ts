/** How two rooms differ, by what their authors have written. As `cloister.sdk.files.difference`. */

import { canonical, text } from "./encoding";
import type { Configuration, Node, Participant } from "./records";

/** One thing that differs. */
export interface Change {
  /** What it is of. */
  of: "room" | "participant" | "node";
  /** The email or the id; empty for the room itself. */
  id: string;
  /** Empty where the whole of it is there on one side alone. */
  field: string;
  /** Undefined where there was none. */
  before: unknown;
  /** Undefined where there is none any more. */
  after: unknown;
}

type Fields = ReadonlyMap<string, unknown>;

/** All that differs. A lock that one side has not got yet is no difference. */
export function changes(before: Configuration, after: Configuration): Change[] {
  const participants = [byKey(before.participants, user), byKey(after.participants, user)] as const;
  const nodes = [byKey(before.nodes, id), byKey(after.nodes, id)] as const;
  return [
    ...compared("room", "", roomFields(before), roomFields(after)),
    ...each("participant", ...participants),
    ...each("node", ...nodes),
    ...order("participants", ...participants),
    ...order("nodes", ...nodes),
  ];
}

function user(entry: Participant): string {
  return entry.user;
}

function id(node: Node): string {
  return node.id;
}

function byKey<T extends object>(values: readonly T[], key: (value: T) => string): Map<string, T> {
  return new Map(values.map((value) => [key(value), value]));
}

function each(of: "participant" | "node", before: Map<string, object>, after: Map<string, object>): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [ours, theirs] = [before.get(key), after.get(key)];
    if (ours === undefined || theirs === undefined) {
      return [{ of, id: key, field: "", before: ours, after: theirs }];
    }
    const [mine, others] = [fields(ours), fields(theirs)];
    if (!isLocked(mine) || !isLocked(others)) {
      mine.delete("lock");
      others.delete("lock");
    }
    return compared(of, key, mine, others);
  });
}

function order(what: string, before: ReadonlyMap<string, object>, after: ReadonlyMap<string, object>): Change[] {
  const ours = [...before.keys()].filter((key) => after.has(key));
  const theirs = [...after.keys()].filter((key) => before.has(key));
  return same(ours, theirs) ? [] : [{ of: "room", id: "", field: `order of ${what}`, before: ours, after: theirs }];
}

function compared(of: Change["of"], key: string, before: Fields, after: Fields): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => !same(before.get(field), after.get(field)))
    .map((field) => ({ of, id: key, field, before: before.get(field), after: after.get(field) }));
}

function roomFields({ title, description, owner, pins_required, privacy_budget }: Configuration): Fields {
  return new Map(Object.entries({ title, description, owner, pins_required, privacy_budget }));
}

/** A record as fields that can be compared one by one: of a script, also each of its files. */
function fields(record: object): Map<string, unknown> {
  const found = new Map<string, unknown>(Object.entries(record));
  const { files } = record as { files?: { name: string; content: string }[] };
  if (files !== undefined) {
    found.delete("files");
    for (const { name, content } of files) {
      found.set(`file ${name}`, content);
    }
  }
  return found;
}

function isLocked(record: Fields): boolean {
  const lock = record.get("lock");
  return Array.isArray(lock) && lock.length > 0;
}

function same(one: unknown, other: unknown): boolean {
  return written(one) === written(other);
}

/** A value's one form; what isn't there has none. */
function written(value: unknown): string | undefined {
  return value === undefined ? undefined : text(canonical([value] as unknown as object));
}
