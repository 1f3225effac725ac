/** Whose device keys speak for whom in a room: those that are bound by now, and those that the definition pins. */

import type { BoundKey, Definition } from "../../../core/records";

export interface KeyRow {
  user: string;
  /** Hex; empty for a participant who has none yet. */
  key: string;
  bound: boolean;
  pinned: boolean;
  /** This browser's own. */
  mine: boolean;
  /** Whether whoever looks may end it: their own, on another device. */
  endable: boolean;
}

/** A row for each key, by participant in the definition's order; participants without any have a row, too. */
export function keyRows(
  definition: Pick<Definition, "participants">,
  bound: readonly BoundKey[],
  self: { user: string; key: string },
): KeyRow[] {
  return definition.participants.flatMap(({ user, keys: pinned }) => {
    const theirs = bound.filter((each) => each.user === user).map((each) => each.key);
    const all = [...new Set([...theirs, ...pinned])];
    const rows = (all.length === 0 ? [""] : all).map((key) => ({
      user,
      key,
      bound: theirs.includes(key),
      pinned: pinned.includes(key),
      mine: user === self.user && key === self.key,
      endable: user === self.user && key !== "" && key !== self.key,
    }));
    return rows;
  });
}
