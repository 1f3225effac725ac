/** What one participant can do next in a room, the most pressing first. Pure. */

import type { ComputeNode, DataNode } from "../../../core/nodes";
import type { Definition, RoomStatus } from "../../../core/records";
import type { Job } from "./jobs";
import { attachedData, nodesOf, type Wanted, waitsFor } from "./states";

/** One thing that can be done, or waited for. */
export type NextStep =
  | { do: "provide"; node: DataNode }
  | { do: "look"; node: ComputeNode }
  | { do: "run"; node: ComputeNode }
  | { do: "run again"; node: ComputeNode }
  | { do: "watch"; node: ComputeNode }
  | { do: "wait"; node: ComputeNode; for: Wanted[] };

const ORDER: readonly NextStep["do"][] = ["provide", "look", "run again", "run", "watch", "wait"];

/**
 * What `user` can do next, and what they wait for.
 *
 * @param jobs What this browser knows of runs, by node.
 */
export function nextSteps(
  definition: Definition,
  user: string,
  status: RoomStatus,
  jobs: ReadonlyMap<string, Job>,
): NextStep[] {
  if (status.stopped) {
    return [];
  }
  const { data, computations } = nodesOf(definition, user);
  const attached = attachedData(status);
  const steps: NextStep[] = data
    .filter((node) => node.required && !attached.has(node.id))
    .map((node) => ({ do: "provide", node }));
  for (const node of computations) {
    const state = jobs.get(node.id)?.state;
    const wanted = waitsFor(definition, node.id, attached);
    if (wanted.length > 0) {
      steps.push({ do: "wait", node, for: wanted });
    } else if (state === "waiting") {
      steps.push({ do: "watch", node });
    } else if (state === "finished") {
      steps.push({ do: "look", node });
    } else {
      steps.push({ do: state === undefined ? "run" : "run again", node });
    }
  }
  return steps.sort((one, other) => ORDER.indexOf(one.do) - ORDER.indexOf(other.do));
}

/** A step in words. */
export function words(step: NextStep): string {
  const { name } = step.node;
  switch (step.do) {
    case "provide":
      return `Provide data for ${name}`;
    case "look":
      return `The result of ${name} is ready`;
    case "run":
      return `Run ${name}`;
    case "run again":
      return `${name} has ended without a result: run it again`;
    case "watch":
      return `${name} is being computed`;
    case "wait":
      return `${name} waits for ${step.for.map(waitedFor).join(", ")}`;
  }
}

function waitedFor({ node, by }: Wanted): string {
  return by.length === 0 ? `data of ${node.name}` : `data of ${node.name} (by ${by.join(" or ")})`;
}
