/** Which data a computation needs. As `cloister.rooms.planning`. */

import { topologicalOrder } from "./graph";
import { type DataNode, isDataNode, nodeOf } from "./nodes";
import type { Definition } from "./records";

/** The data nodes that a run of `target` reads, directly or not; of a table itself. */
export function leaves(definition: Definition, target: string): DataNode[] {
  const node = nodeOf(definition, target);
  return node === undefined ? [] : topologicalOrder(definition.nodes, [node]).filter(isDataNode);
}

/** Data nodes that have to have data before `target` can run. */
export function missing(definition: Definition, target: string, attached: ReadonlyMap<string, string>): DataNode[] {
  return leaves(definition, target).filter((node) => (node.required || node.id === target) && !attached.has(node.id));
}
