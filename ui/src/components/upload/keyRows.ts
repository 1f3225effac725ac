/** What people are shown of the device keys in a room before their data goes there. As `cloister.sdk.bound_keys`. */

import type { BoundKey, Definition } from "../../core/records";

/** A line: a participant with one of their keys, or without any. */
export interface KeyRow {
  user: string;
  key: string | null;
  /** The key as the room tells it; null where it doesn't. */
  bound: BoundKey | null;
  /** Whether the device may fetch the data later: `asked` where that is the user's to say. */
  reads: "this" | "pinned" | "asked" | "no";
}

/** All participants in the room's order, data owners of the node first. */
export function keyRows(
  definition: Pick<Definition, "participants">,
  node: string,
  keys: readonly BoundKey[],
  device: string,
): KeyRow[] {
  const [owners, others] = [true, false].map((owns) =>
    definition.participants.filter((entry) => entry.data_owner_of.includes(node) === owns),
  ) as [Definition["participants"], Definition["participants"]];
  return [...owners, ...others].flatMap((entry) => {
    const theirs = keys.filter((each) => each.user === entry.user);
    const pinned = entry.keys.filter((key) => !theirs.some((each) => each.key === key));
    const owns = owners.includes(entry);
    const reads = (key: string): KeyRow["reads"] =>
      key === device ? "this" : !owns ? "no" : entry.keys.includes(key) ? "pinned" : "asked";
    const rows: KeyRow[] = [
      ...theirs.map((bound) => ({ user: entry.user, key: bound.key, bound, reads: reads(bound.key) })),
      ...pinned.map((key) => ({ user: entry.user, key, bound: null, reads: reads(key) })),
    ];
    return rows.length > 0 ? rows : [{ user: entry.user, key: null, bound: null, reads: "no" as const }];
  });
}
