/** The kinds of nodes that a room is made of, and what they are made from. As `cloister.rooms.nodes`. */

import { canonical, sha256, toHex } from "./encoding";
import type { Definition, Node, RawDataNode, TableDataNode } from "./records";

/** A place for data of a participant's. */
export type DataNode = RawDataNode | TableDataNode;
/** A computation. */
export type ComputeNode = Exclude<Node, DataNode>;
/** What is run: a computation, or the validation of a table. */
export type RunNode = Exclude<Node, RawDataNode>;

export function isDataNode(node: Node): node is DataNode {
  return node.kind === "raw_data" || node.kind === "table_data";
}

export function isRunNode(node: Node): node is RunNode {
  return node.kind !== "raw_data";
}

/** Ids of the nodes whose content a run finds below /input: of a table, what was attached to itself. */
export function mounted(node: Node): string[] {
  switch (node.kind) {
    case "python":
    case "r":
    case "sql":
    case "sqlite":
    case "match":
      return node.dependencies;
    case "synthetic":
    case "preview":
      return [node.dependency];
    case "table_data":
      return [node.id];
    case "raw_data":
    case "python_environment":
      return [];
  }
}

/** Ids of the nodes that a run is made from: those that it reads, and its environment last. */
export function sources(node: Node): string[] {
  const read = mounted(node);
  const environment = environmentOf(node);
  return environment === undefined || read.includes(environment) ? read : [...read, environment];
}

/** Id of the node whose packages a node brings along, if any. */
export function environmentOf(node: Node): string | undefined {
  return node.kind === "python" ? node.environment : undefined;
}

/** Ids of the other nodes that a node needs: `sources`, but for a table's own data. */
export function dependencies(node: Node): string[] {
  return isDataNode(node) ? [] : sources(node);
}

/** SHA-256 of a node's canonical definition, as hex. */
export function nodeDigest(node: Node): string {
  return toHex(sha256(canonical(node)));
}

/** The node of that id. */
export function nodeOf(definition: Definition, id: string): Node | undefined {
  return definition.nodes.find((node) => node.id === id);
}
