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
/** Of the nodes on a way, in a message. */
const MOST_NAMED = 4;

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
  for (const [node, ...others] of circles(nodes)) {
    if (node !== undefined) {
      const way = others.length === 0 ? "directly" : `by way of ${named(others)}`;
      const message = `The node ${shown(node.name)} depends on itself, ${way}.`;
      yield { node: node.id, field: "dependencies", message };
    }
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
    if (id === "") {
      // What nobody has chosen yet.
      const wanting = node.kind === "preview" ? "Choose what it shows." : "Choose the source table.";
      yield { ...about, message: `${shown(node.name)}: ${wanting}` };
    } else if (!byId.has(id)) {
      const message = `The node ${shown(node.name)} depends on ${shown(id)}, which is not in the room.`;
      yield { ...about, message };
    }
  }
  if (new Set(wanted).size !== wanted.length) {
    yield { ...about, message: `The node ${shown(node.name)} lists a dependency twice.` };
  }
}

function named(nodes: readonly Node[]): string {
  const names = nodes.slice(0, MOST_NAMED).map((node) => shown(node.name));
  return [...names, ...(nodes.length > MOST_NAMED ? [`${nodes.length - MOST_NAMED} more`] : [])].join(", ");
}

/** Ways on which nodes depend on themselves: as many as have to be broken, so that there is an order. */
function* circles(nodes: readonly Node[]): Generator<Node[]> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const [onWay, done] = [new Set<Node>(), new Set<Node>()];
  for (const start of byId.values()) {
    const way = done.has(start) ? [] : [{ node: start, needed: dependencies(start).values() }];
    // Not recursive: how deep it goes is the author's choice.
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      onWay.add(last.node);
      const step = last.needed.next();
      const next = step.done ? undefined : byId.get(step.value);
      if (step.done) {
        way.pop();
        onWay.delete(last.node);
        done.add(last.node);
      } else if (next !== undefined && onWay.has(next)) {
        const nodes = way.map((each) => each.node);
        yield nodes.slice(nodes.indexOf(next));
      } else if (next !== undefined && !done.has(next)) {
        way.push({ node: next, needed: dependencies(next).values() });
      }
    }
  }
}
