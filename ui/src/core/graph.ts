/** What holds of a room's nodes together: names, references, order. As `cloister.rooms.graph`. */

import { DefinitionInvalid } from "./errors";
import { kindProblems } from "./kinds";
import { dependencies, isRunNode } from "./nodes";
import type { Node } from "./records";
import { shown } from "./texts";

const NAME = /^[A-Za-z](?:[A-Za-z0-9_ -]{0,126}[A-Za-z0-9])?$/;
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9_. -]{0,126}[A-Za-z0-9])?$/;
/** Of all computations together. */
const MAX_DEPENDENCIES = 10_000;

/** Something that is wrong with a room, and where. */
export interface Problem {
  /** The id of the node that it is about, where it is about one. */
  node?: string;
  /** The field that it is about, as records call it, where it is about one. */
  field?: string;
  message: string;
}

/** All that is wrong with the nodes of a room: names, references, what each holds, and that they can't be ordered. */
export function* nodeProblems(nodes: readonly Node[]): Generator<Problem> {
  const byId = new Map<string, Node>();
  const names = new Set<string>();
  for (const node of nodes) {
    const about = { node: node.id };
    if (!NAME.test(node.name)) {
      const message =
        `The name ${shown(node.name)} is not allowed: a node's name starts with an ASCII letter, ends with a letter ` +
        "or digit, and has letters, digits, '_', '-' and spaces between (128 characters at most).";
      yield { ...about, field: "name", message };
    }
    if (!ID.test(node.id)) {
      const message = `The id ${shown(node.id)} is not allowed: use letters, digits, '_', '-', '.' and spaces.`;
      yield { ...about, field: "id", message };
    }
    if (byId.has(node.id)) {
      yield { ...about, field: "id", message: `Two nodes have the id ${shown(node.id)}. Give each its own.` };
    }
    if (names.has(node.name)) {
      yield { ...about, field: "name", message: `Two nodes are called ${shown(node.name)}. Give each its own name.` };
    }
    byId.set(node.id, node);
    names.add(node.name);
  }
  const edges = nodes.reduce((sum, node) => sum + dependencies(node).length, 0);
  if (edges > MAX_DEPENDENCIES) {
    yield { message: `The computations list ${edges} dependencies; ${MAX_DEPENDENCIES} are the most.` };
    return;
  }
  for (const node of nodes) {
    yield* referenceProblems(node, byId);
    if (isRunNode(node)) {
      for (const [field, message] of kindProblems(node, byId)) {
        yield { node: node.id, field, message: `${shown(node.name)}: ${message}` };
      }
    }
  }
  for (const node of inCircles(nodes)) {
    const message = `The node ${shown(node.name)} depends on itself, directly or by way of others.`;
    yield { node: node.id, field: "dependencies", message };
  }
}

/**
 * All nodes, or the targets and all they depend on, each after what it depends on.
 *
 * @throws DefinitionInvalid There is a cycle; the message names a node on it.
 */
export function topologicalOrder(nodes: readonly Node[], targets: readonly Node[] = nodes): Node[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const order: Node[] = [];
  const done = new Set<Node>();
  const onPath = new Set<Node>();
  // Not recursive: how deep it goes is the author's choice.
  const stack = [...targets].reverse().map((node) => ({ node, returning: false }));
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    const { node, returning } = step;
    if (returning) {
      onPath.delete(node);
      done.add(node);
      order.push(node);
    } else if (!done.has(node)) {
      const needed = dependencies(node).flatMap((id) => byId.get(id) ?? []);
      onPath.add(node);
      const again = needed.find((each) => onPath.has(each));
      if (again !== undefined) {
        throw new DefinitionInvalid(`The node ${shown(again.id)} depends on itself, directly or by way of others.`);
      }
      stack.push({ node, returning: true });
      stack.push(
        ...needed
          .filter((each) => !done.has(each))
          .reverse()
          .map((each) => ({ node: each, returning: false })),
      );
    }
  }
  return order;
}

function* referenceProblems(node: Node, byId: ReadonlyMap<string, Node>): Generator<Problem> {
  const wanted = dependencies(node);
  const about = { node: node.id, field: "dependencies" };
  for (const id of new Set(wanted)) {
    if (!byId.has(id)) {
      const message = `The node ${shown(node.name)} depends on ${shown(id)}, which is not in the room.`;
      yield { ...about, message };
    }
  }
  if (new Set(wanted).size !== wanted.length) {
    yield { ...about, message: `The node ${shown(node.name)} lists a dependency twice.` };
  }
}

/** The nodes that depend on themselves. */
function inCircles(nodes: readonly Node[]): Node[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  // What depends on nothing that is left is in no circle, again and again.
  const left = new Map(
    [...byId.values()].map((node) => [node.id, new Set(dependencies(node).filter((id) => byId.has(id)))]),
  );
  const readers = new Map<string, string[]>();
  left.forEach((needed, id) => needed.forEach((each) => readers.set(each, [...(readers.get(each) ?? []), id])));
  const free = [...left].filter(([, needed]) => needed.size === 0).map(([id]) => id);
  for (let id = free.pop(); id !== undefined; id = free.pop()) {
    left.delete(id);
    for (const reader of readers.get(id) ?? []) {
      const needed = left.get(reader);
      needed?.delete(id);
      if (needed?.size === 0) {
        free.push(reader);
      }
    }
  }
  return [...left.keys()].filter((id) => reaches(id, left)).flatMap((id) => byId.get(id) ?? []);
}

/** Whether what a node needs leads back to it. */
function reaches(target: string, needs: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const seen = new Set<string>();
  const next = [...(needs.get(target) ?? [])];
  for (let id = next.pop(); id !== undefined; id = next.pop()) {
    if (id === target) {
      return true;
    }
    if (!seen.has(id)) {
      seen.add(id);
      next.push(...(needs.get(id) ?? []));
    }
  }
  return false;
}
