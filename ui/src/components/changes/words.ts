/** What differs between two rooms, as people read it. Pure. */

import type { Change } from "../../core/difference";

/** A place where something differs: the room itself, a person, a node. */
export interface Place {
  title: string;
  changes: Change[];
}

/** @param nameOf The name of a node, of either room. */
export function placesOf(found: readonly Change[], nameOf: (id: string) => string): Place[] {
  const places = new Map<string, Place>();
  for (const change of found) {
    const key = `${change.of}\n${change.id}`;
    const place = places.get(key) ?? { title: titleOf(change, nameOf), changes: [] };
    place.changes.push(change);
    places.set(key, place);
  }
  return [...places.values()];
}

/** What a field is called. */
export function fieldLabel({ field }: Change): string {
  const words = FIELDS[field] ?? field.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whether it is to be shown as texts, line by line. */
export function isText({ before, after }: Change): boolean {
  return isLines(before) || isLines(after);
}

/** A value that is no text of several lines, in one. Roles and dependencies by the names of nodes. */
export function valueWords({ field }: Change, value: unknown, nameOf: (id: string) => string): string {
  if (value === undefined || value === null) {
    return "none";
  }
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  if (typeof value === "string" || typeof value === "number") {
    return REFERENCES.has(field) ? nameOf(String(value)) : value === "" ? "nothing" : String(value);
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? "none" : value.map((each) => valueWords({ field } as Change, each, nameOf)).join(", ");
  }
  return JSON.stringify(value);
}

const FIELDS: Readonly<Record<string, string>> = {
  data_owner_of: "provides",
  analyst_of: "may run",
  keys: "pinned device keys",
  pins_required: "only with pinned device keys",
  statement: "query",
  logs_on_error: "shows its console where it fails",
  logs_on_success: "shows its console where it succeeds",
  dependencies: "reads",
  dependency: "reads",
};
const REFERENCES: ReadonlySet<string> = new Set([
  "data_owner_of",
  "analyst_of",
  "dependencies",
  "dependency",
  "environment",
  "order of nodes",
]);

function titleOf({ of, id }: Change, nameOf: (id: string) => string): string {
  return of === "room" ? "The room" : of === "node" ? nameOf(id) : id;
}

function isLines(value: unknown): boolean {
  return typeof value === "string" && (value.includes("\n") || value.length > 120);
}
