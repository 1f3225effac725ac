/**
 * Where the nodes of a room stand in its picture, and what is said of each. Pure.
 *
 * Drafts are pictured too, whatever is wrong with them: what is referred to and isn't there has no line, of nodes with
 * the same id the first is shown, and what depends on itself is put somewhere.
 */

import { Graph, layout } from "@dagrejs/dagre";

import { topologicalOrder } from "../../core/graph";
import { dependencies, isDataNode } from "../../core/nodes";
import type { Configuration, Node } from "../../core/records";
import { KINDS } from "../kinds";

/** Pixels of one node. */
export const WIDTH = 230;
export const HEIGHT = 106;
const GAPS = { nodesep: 28, ranksep: 72 };
/** Lines, counted once for each column of nodes that they cross: with more, nobody sees anything, after seconds. */
const MOST_LINES = 5000;

/** What a picture is made of: of drafts and of published rooms. */
export type Pictured = Pick<Configuration, "nodes" | "participants">;

export interface GraphNode {
  node: Node;
  /** Who provides the data, of a data node; else who may run it and have its result. */
  people: string[];
  /** Names of what it needs, and of what needs it. */
  needs: string[];
  neededBy: string[];
}

export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  /** Whether it is packages that a script brings along, instead of something that it reads. */
  environment: boolean;
}

export interface RoomGraph {
  /** Each after what it needs. */
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** The upper left corner of a node. */
export interface Place {
  x: number;
  y: number;
}

export function graphOf({ nodes, participants }: Pictured): RoomGraph {
  const byId = new Map<string, Node>();
  for (const node of nodes) {
    if (!byId.has(node.id)) {
      byId.set(node.id, node);
    }
  }
  const shown = ordered([...byId.values()]);
  const edges = shown.flatMap((node) => edgesTo(node, byId));
  const [needs, neededBy] = [new Map<string, string[]>(), new Map<string, string[]>()];
  for (const { from, to } of edges) {
    append(needs, to, byId.get(from)?.name);
    append(neededBy, from, byId.get(to)?.name);
  }
  return {
    nodes: shown.map((node) => {
      const role = isDataNode(node) ? "data_owner_of" : "analyst_of";
      return {
        node,
        people: participants.filter((entry) => entry[role].includes(node.id)).map((entry) => entry.user),
        needs: needs.get(node.id) ?? [],
        neededBy: neededBy.get(node.id) ?? [],
      };
    }),
    edges,
  };
}

/** Where each node stands, in their order; undefined where there are more lines than can be drawn in time. */
export function places({ nodes, edges }: RoomGraph): Place[] | undefined {
  if (lines(nodes, edges) > MOST_LINES) {
    return undefined;
  }
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", ranker: "tight-tree", ...GAPS });
  graph.setDefaultEdgeLabel(() => ({}));
  // By numbers: ids may be anything, `__proto__` too.
  const numbers = new Map(nodes.map(({ node }, at) => [node.id, String(at)]));
  for (const number of numbers.values()) {
    graph.setNode(number, { width: WIDTH, height: HEIGHT });
  }
  for (const { from, to } of edges) {
    graph.setEdge(numbers.get(from) ?? "", numbers.get(to) ?? "");
  }
  layout(graph);
  return nodes.map((_, at) => {
    const { x, y } = graph.node(String(at)) as Place;
    return { x: x - WIDTH / 2, y: y - HEIGHT / 2 };
  });
}

/** All that the picture says of a node, as a sentence: for people who don't see it. */
export function described({ node, people, needs, neededBy }: GraphNode, state?: string): string {
  const who = isDataNode(node)
    ? `data from ${listed(people, "nobody yet")}`
    : node.kind === "python_environment"
      ? ""
      : `may be run by ${listed(people, "nobody yet")}`;
  return [
    `${node.name}, ${KINDS[node.kind].label}`,
    who,
    needs.length === 0 ? "" : `needs ${listed(needs)}`,
    neededBy.length === 0 ? "" : `needed by ${listed(neededBy)}`,
    state ?? "",
  ]
    .filter((part) => part !== "")
    .join("; ");
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[], none = ""): string {
  const last = words.at(-1);
  if (last === undefined) {
    return none;
  }
  return words.length === 1 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}

function edgesTo(node: Node, known: ReadonlyMap<string, Node>): GraphEdge[] {
  const environment = node.kind === "python" ? node.environment : undefined;
  return [...new Set(dependencies(node))]
    .filter((id) => known.has(id) && id !== node.id)
    .map((id) => ({ id: `${id}\n${node.id}`, from: id, to: node.id, environment: id === environment }));
}

function append(to: Map<string, string[]>, id: string, name = ""): void {
  const there = to.get(id);
  if (there === undefined) {
    to.set(id, [name]);
  } else {
    there.push(name);
  }
}

/** As `topologicalOrder`; as they stand, where there is none. */
function ordered(nodes: readonly Node[]): Node[] {
  try {
    return topologicalOrder(nodes);
  } catch {
    return [...nodes];
  }
}

/** Every line, as often as there are columns that it crosses: what drawing costs. */
function lines(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): number {
  const columns = new Map<string, number>();
  const column = (id: string): number => columns.get(id) ?? 0;
  // In order: all that leads to a node comes before what leads away from it.
  for (const { from, to } of edges) {
    columns.set(to, Math.max(column(to), column(from) + 1));
  }
  return edges.reduce((count, { from, to }) => count + Math.abs(column(to) - column(from)), nodes.length);
}
