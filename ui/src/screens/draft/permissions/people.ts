/** Who takes part in a draft: addresses and keys as they are typed, and who may do what. Pure. */

import { isEmail } from "../../../client/identity";
import { normalEmail } from "../../../core/encoding";
import { isDataNode } from "../../../core/nodes";
import type { Configuration, Node, Participant } from "../../../core/records";
import type { Edit } from "../../../drafts/edits";

export type Role = "data_owner_of" | "analyst_of";

/** What was typed, sorted out. */
export interface Typed {
  /** In their normal form, each once. */
  fine: string[];
  /** What isn't one, as it was typed. */
  wrong: string[];
}

/** Addresses, separated by spaces, commas, semicolons or lines; also `Name <address>`. */
export function typedEmails(text: string): Typed {
  const bracketed = [...text.matchAll(/<([^<>]*)>/g)].map(([, address = ""]) => address);
  const words = bracketed.length > 0 ? bracketed : text.split(/[\s,;]+/);
  return sorted(words.map(normalEmail), isEmail);
}

/** Device keys, one a line or separated otherwise. */
export function typedKeys(text: string): Typed {
  return sorted(text.toLowerCase().split(/[\s,;]+/), (key) => /^[0-9a-f]{64}$/.test(key));
}

function sorted(words: readonly string[], fine: (word: string) => boolean): Typed {
  const unique = [...new Set(words)].filter((word) => word !== "");
  return { fine: unique.filter(fine), wrong: unique.filter((word) => !fine(word)) };
}

/** Adds people without roles; those who are there stay as they are. */
export function addPeople(emails: readonly string[]): Edit {
  return (before) => {
    const there = new Set(before.participants.map(({ user }) => user));
    const fresh = emails.filter((user) => !there.has(user));
    const entries = fresh.map((user) => ({ user, data_owner_of: [], analyst_of: [], keys: [] }));
    return { ...before, participants: [...before.participants, ...entries] };
  };
}

/** Sets which nodes somebody has a role on. */
export function setNodes(user: string, role: Role, nodes: readonly string[]): Edit {
  return (before) => ({
    ...before,
    participants: before.participants.map((entry) => (entry.user === user ? { ...entry, [role]: [...nodes] } : entry)),
  });
}

/** Sets who has a role on a node. */
export function setPeople(node: string, role: Role, users: readonly string[]): Edit {
  return (before) => ({
    ...before,
    participants: before.participants.map((entry) => {
      const others = entry[role].filter((each) => each !== node);
      return { ...entry, [role]: users.includes(entry.user) ? [...others, node] : others };
    }),
  });
}

/** Sets somebody's pinned keys. */
export function setKeys(user: string, keys: readonly string[]): Edit {
  return (before) => ({
    ...before,
    participants: before.participants.map((entry) => (entry.user === user ? { ...entry, keys: [...keys] } : entry)),
  });
}

export function setPinsRequired(required: boolean): Edit {
  return (before) => ({ ...before, pins_required: required });
}

/** The role that there is on a node. Nobody runs an environment by itself: it is made for what needs it. */
export function roleOn(node: Node): Role | null {
  return isDataNode(node) ? "data_owner_of" : node.kind === "python_environment" ? null : "analyst_of";
}

/** Those who have a role on a node. */
export function peopleOf(configuration: Configuration, node: string, role: Role): string[] {
  return configuration.participants.filter((entry) => entry[role].includes(node)).map(({ user }) => user);
}

/** The names of the nodes that somebody has a role on. */
export function namesOf({ nodes }: Configuration, entry: Participant, role: Role): string[] {
  return nodes.filter(({ id }) => entry[role].includes(id)).map(({ name }) => name);
}

/** What is most likely forgotten, in sentences. None of it keeps a room from being published. */
export function gaps(configuration: Configuration): string[] {
  const without = (role: Role): string[] =>
    configuration.nodes
      .filter((node) => roleOn(node) === role && peopleOf(configuration, node.id, role).length === 0)
      .map(({ name }) => name);
  const idle = configuration.participants.filter(
    ({ user, data_owner_of, analyst_of }) =>
      user !== configuration.owner && data_owner_of.length === 0 && analyst_of.length === 0,
  );
  return [
    sentence(without("data_owner_of"), "Nobody may provide data for"),
    sentence(without("analyst_of"), "Nobody may run"),
    sentence(
      idle.map(({ user }) => user),
      "These may look, but have nothing to do:",
    ),
  ].filter((each) => each !== "");
}

const SHOWN = 5;

function sentence(names: readonly string[], begin: string): string {
  if (names.length === 0) {
    return "";
  }
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return `${begin} ${names.slice(0, SHOWN).join(", ")}${more}.`;
}
