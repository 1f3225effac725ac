/** What a published room's picture shows beside what was agreed: how far it has come. Pure. */

import { type DataNode, isDataNode } from "../../core/nodes";
import type { Attached, Definition, Event } from "../../core/records";

/** How a node stands. In words; the tone chooses colour and icon. */
export interface NodeState {
  tone: "good" | "busy" | "bad" | "open";
  label: string;
}

/**
 * How the nodes of a room stand.
 *
 * @param attached Data nodes that have data, as the room's status says.
 * @param events What has happened, as far as it was read: without it, nothing is said of computations.
 */
export function statesOf(
  definition: Definition,
  attached: readonly Attached[],
  events: readonly Event[] = [],
): ReadonlyMap<string, NodeState> {
  const states = new Map<string, NodeState>();
  for (const { body } of events) {
    switch (body.type) {
      case "run_started":
        states.set(body.node, { tone: "busy", label: "running" });
        break;
      case "run_finished":
        states.set(body.node, { tone: "good", label: "has a result" });
        break;
      case "run_failed":
        states.set(body.node, { tone: "bad", label: "failed" });
        break;
      case "run_voided":
        states.set(body.node, { tone: "open", label: `ended: ${body.reason}` });
        break;
      case "result_lost":
        states.set(body.node, { tone: "open", label: "result is gone" });
        break;
    }
  }
  const there = new Set(attached.map((each) => each.node));
  for (const node of definition.nodes.filter(isDataNode)) {
    states.set(node.id, dataState(node, there.has(node.id), states.get(node.id)));
  }
  return states;
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
