/** What holds of each node of a room at the moment, in the words of the person who looks. Pure. */

import { topologicalOrder } from "../../../core/graph";
import { type ComputeNode, type DataNode, isDataNode, isRunNode, nodeOf, type RunNode } from "../../../core/nodes";
import { leaves, missing } from "../../../core/planning";
import type { Definition, RoomStatus } from "../../../core/records";
import type { Job } from "./jobs";

/** Data nodes by id, with the digest of what is attached. */
export type AttachedData = ReadonlyMap<string, string>;

export function attachedData(status: RoomStatus): AttachedData {
  return new Map(status.attached.map(({ node, manifest }) => [node, manifest]));
}

/** Who may provide the data of a node. */
export function providers(definition: Definition, node: string): string[] {
  return definition.participants.filter((entry) => entry.data_owner_of.includes(node)).map((entry) => entry.user);
}

/** Who may run a computation and fetch its result. */
export function analysts(definition: Definition, node: string): string[] {
  return definition.participants.filter((entry) => entry.analyst_of.includes(node)).map((entry) => entry.user);
}

/** A room's nodes, by what one participant is to them. */
export interface MyNodes {
  /** Data that they provide. */
  data: DataNode[];
  /** Computations that they may run. */
  computations: ComputeNode[];
  others: { data: DataNode[]; computations: ComputeNode[] };
}

export function nodesOf(definition: Definition, user: string): MyNodes {
  const me = definition.participants.find((entry) => entry.user === user);
  const mine: MyNodes = { data: [], computations: [], others: { data: [], computations: [] } };
  for (const node of definition.nodes) {
    if (isDataNode(node)) {
      (me?.data_owner_of.includes(node.id) ? mine.data : mine.others.data).push(node);
    } else {
      (me?.analyst_of.includes(node.id) ? mine.computations : mine.others.computations).push(node);
    }
  }
  return mine;
}

/** What a computation waits for. */
export interface Wanted {
  node: DataNode;
  /** Who can provide it. */
  by: string[];
  /** Whether there is some, but not valid. */
  invalid: boolean;
}

/** @param invalid See `invalidTables`. */
export function waitsFor(
  definition: Definition,
  target: string,
  attached: AttachedData,
  invalid: ReadonlySet<string>,
): Wanted[] {
  const wanted = [
    ...missing(definition, target, attached),
    ...leaves(definition, target).filter((node) => invalid.has(node.id)),
  ];
  return wanted.map((node) => ({ node, by: providers(definition, node.id), invalid: invalid.has(node.id) }));
}

/** What the enclave says of a run that has met one. */
const NOT_VALID = /^The computation '[^']+' failed\. The table '([^']+)' is not valid/;

/**
 * Tables that this browser knows not to be valid, by their validation or by a run that has failed over them: whatever
 * reads them fails.
 *
 * @param jobs About the data of now.
 */
export function invalidTables(definition: Definition, jobs: ReadonlyMap<string, Job>): ReadonlySet<string> {
  const all = [...jobs.values()];
  const named = new Set(
    all.map(
      ({ state, error }) => (state === "failed" && error instanceof Error ? NOT_VALID.exec(error.message) : null)?.[1],
    ),
  );
  const tables = definition.nodes.filter((node) => node.kind === "table_data");
  return new Set(
    tables.filter(({ id, name }) => jobs.get(id)?.passed === false || named.has(name)).map(({ id }) => id),
  );
}

/** What a run computes or validates, itself last; less of it where something was computed before. */
export function stepsOf(definition: Definition, target: string, attached: AttachedData): RunNode[] {
  const node = nodeOf(definition, target);
  const order = node === undefined ? [] : topologicalOrder(definition.nodes, [node]);
  return order.filter(isRunNode).filter((each) => !isDataNode(each) || attached.has(each.id));
}

/** What a run may cost the privacy of one data node. */
export interface Cost {
  node: DataNode;
  /** Of this run, where nothing of it was computed before over the same data. */
  epsilon: number;
  spent: number;
  /** Null where the room sets no budget. */
  left: number | null;
}

/**
 * What running a computation costs the privacy of the data that is attached, at most: what was computed before over the
 * same data isn't computed, and isn't paid for, again.
 */
export function costs(definition: Definition, target: string, status: RoomStatus): Cost[] {
  const attached = attachedData(status);
  const spent = new Map((status.privacy ?? []).map(({ node, epsilon }) => [node, epsilon]));
  const total = new Map<string, number>();
  const nodes = new Map<string, DataNode>();
  if (missing(definition, target, attached).length > 0) {
    return [];
  }
  for (const node of stepsOf(definition, target, attached)) {
    if (node.kind !== "synthetic" && node.kind !== "match") {
      continue;
    }
    for (const leaf of leaves(definition, node.id).filter((each) => attached.has(each.id))) {
      nodes.set(leaf.id, leaf);
      total.set(leaf.id, (total.get(leaf.id) ?? 0) + node.epsilon);
    }
  }
  return [...nodes.values()].map((node) => {
    const before = spent.get(node.id) ?? 0;
    const budget = definition.privacy_budget;
    const left = budget === undefined ? null : Math.max(0, budget - before);
    return { node, epsilon: total.get(node.id) ?? 0, spent: before, left };
  });
}

/** Whether a run may be refused because it would cost more than is left. */
export function beyondBudget(all: readonly Cost[]): boolean {
  return all.some(({ epsilon, left }) => left !== null && epsilon > left);
}

/**
 * What a run of a node goes by: the data that is attached to all that it reads. A run over other data is another one.
 */
export function inputsOf(definition: Definition, target: string, attached: AttachedData): string {
  return leaves(definition, target)
    .map((node) => `${node.id}=${attached.get(node.id) ?? ""}`)
    .join();
}
