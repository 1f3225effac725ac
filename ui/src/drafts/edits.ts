/** What can be changed in a configuration. Pure: each makes a new one, and keeps what refers to what in order. */

import { nodeOf } from "../core/nodes";
import type { Configuration, Definition, Node } from "../core/records";

export type Edit = (before: Configuration) => Configuration;

/** Says what the room is called, and what it is for. */
export function describe(title: string, description: string): Edit {
  return (before) => ({ ...before, title, description });
}

/** Adds a node at the end, or puts it in the place of the one with its id. Matches find it by its new name. */
export function putNode(node: Node): Edit {
  return (before) => {
    const old = before.nodes.find((each) => each.id === node.id);
    if (old === undefined) {
      return { ...before, nodes: [...before.nodes, node] };
    }
    const nodes = before.nodes.map((each) => (each.id === node.id ? node : each));
    return { ...before, nodes: old.name === node.name ? nodes : nodes.map((each) => renamed(each, old, node.name)) };
  };
}

/** Takes a node out, with every reference to it and every role on it. */
export function removeNode(id: string): Edit {
  return (before) => ({
    ...before,
    nodes: before.nodes.filter((node) => node.id !== id).map((node) => withoutReference(node, id)),
    participants: before.participants.map((entry) => ({
      ...entry,
      data_owner_of: entry.data_owner_of.filter((each) => each !== id),
      analyst_of: entry.analyst_of.filter((each) => each !== id),
    })),
  });
}

/** Takes a participant out. The owner stays. */
export function removeParticipant(user: string): Edit {
  return (before) => ({
    ...before,
    participants: before.participants.filter((each) => each.user !== user || user === before.owner),
  });
}

/** Gives or takes a role on a node. */
export function setRole(user: string, role: "data_owner_of" | "analyst_of", node: string, has: boolean): Edit {
  return (before) => ({
    ...before,
    participants: before.participants.map((entry) => {
      if (entry.user !== user) {
        return entry;
      }
      const others = entry[role].filter((each) => each !== node);
      return { ...entry, [role]: has ? [...others, node] : others };
    }),
  });
}

/** A name for a new node that no other has: the given one, or with a number behind it. */
export function freeName(configuration: Configuration, wanted: string): string {
  const names = new Set(configuration.nodes.map((node) => node.name));
  let name = wanted;
  for (let number = 2; names.has(name); number += 1) {
    name = `${wanted}_${number}`;
  }
  return name;
}

/** The names of what depends on a node. */
export function dependents(configuration: Configuration, id: string): string[] {
  return configuration.nodes.filter((node) => references(node).includes(id)).map((node) => node.name);
}

/** The node of that id in a configuration. */
export function nodeIn(configuration: Configuration, id: string): Node | undefined {
  return nodeOf(configuration as Pick<Definition, "nodes"> as Definition, id);
}

/** Dependencies are ids, which stay; the paths of a match have names in them. */
function renamed(node: Node, old: Node, name: string): Node {
  if (node.kind !== "match" || !node.dependencies.includes(old.id)) {
    return node;
  }
  const was = new Set([`${old.name}/dataset.csv`, `/input/${old.name}/dataset.csv`]);
  return { ...node, paths: node.paths.map((path) => (was.has(path) ? `${name}/dataset.csv` : path)) };
}

function references(node: Node): string[] {
  const list = "dependencies" in node ? node.dependencies : [];
  const one = "dependency" in node ? [node.dependency] : [];
  const environment = node.kind === "python" && node.environment !== undefined ? [node.environment] : [];
  return [...list, ...one, ...environment];
}

function withoutReference(node: Node, id: string): Node {
  if ("dependency" in node) {
    return node.dependency === id ? { ...node, dependency: "" } : node;
  }
  if (!("dependencies" in node)) {
    return node;
  }
  const kept = { ...node, dependencies: node.dependencies.filter((each) => each !== id) };
  if (kept.kind === "python" && kept.environment === id) {
    const { environment: _gone, ...plain } = kept;
    return plain;
  }
  return kept;
}
