/** What computations cost a room's data nodes in privacy. */

import { isDataNode, sources } from "../../../core/nodes";
import type { Configuration, Node } from "../../../core/records";
import { byId } from "./columns";

/** What a data node loses if every computation is run once; asking the same again costs nothing. */
export interface Cost {
  id: string;
  name: string;
  epsilon: number;
}

/** The costs of the data nodes that a computation reads, by way of others too: its own, and those of all others. */
export function costs(configuration: Configuration, computation: string): Cost[] {
  const nodes = byId(configuration.nodes);
  const reached = new Map<string, ReadonlySet<string>>();
  for (const node of configuration.nodes) {
    if (node.kind === "synthetic" || node.kind === "match") {
      reached.set(node.id, dataOf(nodes, node.id));
    }
  }
  return [...(reached.get(computation) ?? [])].map((id) => {
    const readers = [...reached].filter(([, data]) => data.has(id)).map(([reader]) => nodes.get(reader));
    const epsilon = readers.reduce(
      (sum, each) => sum + (each !== undefined && "epsilon" in each ? each.epsilon : 0),
      0,
    );
    // What adding up binary fractions has left behind is nothing that anybody has written.
    return { id, name: nodes.get(id)?.name ?? id, epsilon: Number(epsilon.toPrecision(12)) };
  });
}

/** Ids of the data nodes that a node is made from. */
function dataOf(nodes: ReadonlyMap<string, Node>, id: string): ReadonlySet<string> {
  const found = new Set<string>();
  const seen = new Set<string>();
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = nodes.get(next);
    if (node !== undefined && !seen.has(next)) {
      seen.add(next);
      if (isDataNode(node)) {
        found.add(next);
      } else {
        open.push(...sources(node));
      }
    }
  }
  return found;
}
