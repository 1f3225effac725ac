/** What a list says of a room: who may do what, how it stands, and what waits for the reader. Pure. */

import { participantOf } from "../../core/definition";
import { isDataNode } from "../../core/nodes";
import type { Definition, RoomStatus } from "../../core/records";

/** A state in a few words; `open`: something waits for the reader. */
export interface Standing {
  tone: "ended" | "open" | "waiting" | "ready";
  label: string;
}

/** What the reader may do there. */
export function rolesOf(definition: Definition, user: string): string[] {
  const entry = participantOf(definition, user);
  const provides = entry?.data_owner_of.length ?? 0;
  const runs = entry?.analyst_of.length ?? 0;
  return [
    ...(definition.owner === user ? ["Owner"] : []),
    ...(provides > 0 ? [`Provides ${counted(provides, "dataset")}`] : []),
    ...(runs > 0 ? [`Runs ${counted(runs, "computation")}`] : []),
    ...(definition.owner !== user && provides === 0 && runs === 0 ? ["May look at it"] : []),
  ];
}

export function standing(definition: Definition, status: RoomStatus, user: string): Standing {
  if (status.stopped) {
    return { tone: "ended", label: "Stopped" };
  }
  const there = new Set(status.attached.map(({ node }) => node));
  const wanted = definition.nodes.filter((node) => isDataNode(node) && node.required);
  const missing = wanted.filter((node) => !there.has(node.id));
  const entry = participantOf(definition, user);
  const mine = missing.filter((node) => entry?.data_owner_of.includes(node.id));
  const [first] = mine;
  if (first !== undefined) {
    const label = mine.length === 1 ? `Your data is missing: ${first.name}` : `${mine.length} of your datasets missing`;
    return { tone: "open", label };
  }
  if (missing.length > 0) {
    return {
      tone: "waiting",
      label: `Waits for others: ${wanted.length - missing.length} of ${wanted.length} datasets there`,
    };
  }
  return { tone: "ready", label: (entry?.analyst_of.length ?? 0) > 0 ? "Ready for you to run" : "All data is there" };
}

/** Whether all words of a search are in these texts, however they are written. */
export function matches(search: string, ...texts: string[]): boolean {
  const text = texts.join("\n").toLocaleLowerCase();
  return search
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Whether a search is for that id: by the beginning of it, as the pages show it. */
export function isIdOf(search: string, id: string): boolean {
  const wanted = search.trim().replace(/…$/, "").toLowerCase();
  return wanted.length >= 8 && id.startsWith(wanted);
}

/** A number of things, in words. */
export function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}
