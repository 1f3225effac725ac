/**
 * Which computations a request needs, in which order, and what makes a question the same. As `cloister.rooms.planning`.
 */

import { type Bytes, fromHex, pack, sha256, toHex, utf8 } from "./encoding";
import { topologicalOrder } from "./graph";
import { type DataNode, isDataNode, isRunNode, nodeDigest, nodeOf, type RunNode, sources } from "./nodes";
import type { Definition, Node } from "./records";

/** One computation of a plan, or the validation of a table. */
export interface Step {
  node: RunNode;
  /** Digest of room, node definition, input digests or absence, and image measurement. */
  cacheKey: string;
}

/** The data nodes that a run of `target` reads, directly or not; of a table itself. */
export function leaves(definition: Definition, target: string): DataNode[] {
  return order(definition, target).filter(isDataNode);
}

/** Data nodes that have to have data before `target` can run. */
export function missing(definition: Definition, target: string, attached: ReadonlyMap<string, string>): DataNode[] {
  return leaves(definition, target).filter((node) => (node.required || node.id === target) && !attached.has(node.id));
}

/**
 * What is run for `target`, itself last, each after what it depends on. Nothing may be `missing`.
 *
 * @param attached Data node id to the manifest digest of its dataset.
 */
export function plan(
  definition: Definition,
  room: string,
  target: string,
  attached: ReadonlyMap<string, string>,
): Step[] {
  const digests = new Map<string, Bytes>();
  const steps: Step[] = [];
  for (const node of order(definition, target)) {
    if (isDataNode(node)) {
      digests.set(node.id, fromHex(attached.get(node.id) ?? ""));
      if (!attached.has(node.id)) {
        continue;
      }
    }
    if (isRunNode(node)) {
      const key = cacheKey(definition, room, node, digests);
      digests.set(node.id, key);
      steps.push({ node, cacheKey: toHex(key) });
    }
  }
  return steps;
}

function order(definition: Definition, target: string): Node[] {
  const node = nodeOf(definition, target);
  return node === undefined ? [] : topologicalOrder(definition.nodes, [node]);
}

function cacheKey(definition: Definition, room: string, node: RunNode, digests: ReadonlyMap<string, Bytes>): Bytes {
  const image = definition.images.find((each) => each.name === node.image);
  const measurement = fromHex(image?.measurement ?? "");
  const inputs = sources(node).flatMap((id) => [utf8(id), digests.get(id) ?? new Uint8Array()]);
  return sha256(pack("cloister/cache-key/v1", fromHex(room), fromHex(nodeDigest(node)), measurement, ...inputs));
}
