/** What a published room's picture shows beside what was agreed: how far it has come. Pure. */

import { type DataNode, isDataNode } from "../../core/nodes";
import { leaves } from "../../core/planning";
import type { Attached, Definition, Event } from "../../core/records";

/** How a node stands. In words; the tone chooses colour and icon. */
export interface NodeState {
  tone: "good" | "busy" | "bad" | "open";
  label: string;
}

/** A run that somebody follows, by the computation that was asked for. */
export interface FollowedRun {
  state: "waiting" | "finished" | "failed" | "cancelled";
  /** What was told of the computations that it needs, itself among them. */
  steps: ReadonlyMap<string, { status: string; waitingFor: string }>;
}

const NO_RUNS: ReadonlyMap<string, FollowedRun> = new Map();
const RESULT: NodeState = { tone: "good", label: "has a result" };
const FAILED: NodeState = { tone: "bad", label: "failed" };
const RUNNING: NodeState = { tone: "busy", label: "running" };

/**
 * How the nodes of a room stand.
 *
 * @param attached Data nodes that have data, as the room's status says.
 * @param events What has happened, as far as it was read: without it, nothing is said of what others have run.
 * @param runs Those that are followed, over the data of now.
 */
export function statesOf(
  definition: Definition,
  attached: readonly Attached[],
  events: readonly Event[] = [],
  runs: ReadonlyMap<string, FollowedRun> = NO_RUNS,
): ReadonlyMap<string, NodeState> {
  const states = afterEvents(definition, events);
  for (const [node, run] of runs) {
    follow(states, node, run);
  }
  const there = new Set(attached.map((each) => each.node));
  for (const node of definition.nodes.filter(isDataNode)) {
    states.set(node.id, dataState(node, there.has(node.id), states.get(node.id)));
  }
  return states;
}

function afterEvents(definition: Definition, events: readonly Event[]): Map<string, NodeState> {
  const states = new Map<string, NodeState>();
  if (events.length === 0) {
    return states;
  }
  const needs = definition.nodes.map(({ id }) => ({ id, data: leaves(definition, id).map((leaf) => leaf.id) }));
  for (const { body } of events) {
    switch (body.type) {
      case "run_started":
        states.set(body.node, RUNNING);
        break;
      case "run_finished":
        states.set(body.node, RESULT);
        break;
      case "run_failed":
        states.set(body.node, FAILED);
        break;
      case "run_voided":
        states.set(body.node, { tone: "open", label: `ended: ${body.reason}` });
        break;
      case "result_lost":
        states.set(body.node, { tone: "open", label: "result is gone" });
        break;
      case "dataset_attached":
      case "dataset_removed":
        // What was computed from other data counts for nothing any more.
        for (const { id } of needs.filter(({ data }) => data.includes(body.node))) {
          states.delete(id);
        }
        break;
    }
  }
  return states;
}

function follow(states: Map<string, NodeState>, node: string, { state, steps }: FollowedRun): void {
  if (state === "finished") {
    states.set(node, RESULT);
  } else if (state === "failed") {
    states.set(node, FAILED);
  } else if (state === "waiting") {
    for (const [id, { status, waitingFor }] of steps) {
      const queued = waitingFor === "" ? "is queued" : `waits for ${waitingFor}`;
      states.set(id, status === "finished" ? RESULT : status === "running" ? RUNNING : { tone: "busy", label: queued });
    }
  }
}

/** Of tables, what has come of their validation says more than that there is data. */
function dataState(node: DataNode, there: boolean, run: NodeState | undefined): NodeState {
  if (!there) {
    return { tone: "open", label: node.required ? "waits for data" : "has no data (needs none)" };
  }
  if (run?.tone === "bad") {
    return { tone: "bad", label: "has data; its validation failed" };
  }
  return run?.tone === "busy"
    ? { tone: "busy", label: "has data; is being validated" }
    : { tone: "good", label: "has data" };
}
