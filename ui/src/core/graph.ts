/** What holds of a room's nodes together: names, references, order. As `cloister.rooms.graph`. */

import { DefinitionInvalid } from "./errors";
import { dependencies } from "./nodes";
import type { Node } from "./records";

const NAME = /^[A-Za-z](?:[A-Za-z0-9_ -]{0,126}[A-Za-z0-9])?$/;
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9_. -]{0,126}[A-Za-z0-9])?$/;

/**
 * Checks names, references and that computations can be ordered. What each kind may hold is left to the enclave, which
 * publishes no room that breaks a rule.
 *
 * @throws DefinitionInvalid Naming the node and what is wrong with it.
 */
export function checkNodes(nodes: readonly Node[]): void {
  const names = new Set<string>();
  const ids = new Set<string>();
  for (const node of nodes) {
    if (!NAME.test(node.name)) {
      throw new DefinitionInvalid(
        `The name ${shown(node.name)} is not allowed: a node's name starts with an ASCII letter, ends with a letter ` +
          "or digit, and has letters, digits, '_', '-' and spaces between (128 characters at most).",
      );
    }
    if (!ID.test(node.id)) {
      throw new DefinitionInvalid(
        `The id ${shown(node.id)} is not allowed: use letters, digits, '_', '-', '.' and spaces.`,
      );
    }
    if (ids.has(node.id)) {
      throw new DefinitionInvalid(`Two nodes have the id ${shown(node.id)}. Give each its own.`);
    }
    if (names.has(node.name)) {
      throw new DefinitionInvalid(`Two nodes are called ${shown(node.name)}. Give each its own name.`);
    }
    ids.add(node.id);
    names.add(node.name);
  }
  for (const node of nodes) {
    const wanted = dependencies(node);
    const missing = wanted.find((id) => !ids.has(id));
    if (missing !== undefined) {
      throw new DefinitionInvalid(`The node ${shown(node.id)} depends on ${shown(missing)}, which is not in the room.`);
    }
    if (new Set(wanted).size !== wanted.length) {
      throw new DefinitionInvalid(`The node ${shown(node.id)} lists a dependency twice.`);
    }
  }
  topologicalOrder(nodes);
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

/** A name from outside, fit for a message: quoted, and not at any length. */
export function shown(value: string): string {
  return JSON.stringify(value.length <= 64 ? value : `${value.slice(0, 64)}...`);
}
