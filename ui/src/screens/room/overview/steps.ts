/** What one participant can do next in a room, the most pressing first. Pure. */

import type { ComputeNode, DataNode } from "../../../core/nodes";
import type { Definition, RoomStatus } from "../../../core/records";
import type { Job } from "./jobs";
import { attachedData, invalidTables, nodesOf, type Wanted, waitsFor } from "./states";

/** One thing that can be done, or waited for. */
export type NextStep =
  | { do: "provide"; node: DataNode }
  | { do: "replace"; node: DataNode }
  | { do: "look"; node: ComputeNode }
  | { do: "run"; node: ComputeNode }
  | { do: "run again"; node: ComputeNode }
  | { do: "watch"; node: ComputeNode }
  | { do: "wait"; nodes: ComputeNode[]; for: Wanted[] };

const ORDER: readonly NextStep["do"][] = ["provide", "replace", "look", "run again", "run", "watch", "wait"];

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
  const invalid = invalidTables(definition, jobs);
  const steps = data.flatMap((node): NextStep[] => {
    if (invalid.has(node.id)) {
      return [{ do: "replace", node }];
    }
    return node.required && !attached.has(node.id) ? [{ do: "provide", node }] : [];
  });
  const waiting = new Map<string, { do: "wait"; nodes: ComputeNode[]; for: Wanted[] }>();
  for (const node of computations) {
    const { state, seen } = jobs.get(node.id) ?? {};
    const wanted = waitsFor(definition, node.id, attached, invalid);
    if (wanted.length > 0) {
      const what = wanted.map((each) => each.node.id).join();
      const step = waiting.get(what) ?? { do: "wait", nodes: [], for: wanted };
      step.nodes.push(node);
      waiting.set(what, step);
    } else if (state === "waiting") {
      steps.push({ do: "watch", node });
    } else if (state === "finished") {
      if (seen !== true) {
        steps.push({ do: "look", node });
      }
    } else {
      steps.push({ do: state === undefined ? "run" : "run again", node });
    }
  }
  return [...steps, ...waiting.values()].sort((one, other) => ORDER.indexOf(one.do) - ORDER.indexOf(other.do));
}

/** A step in words, for `user`. */
export function words(step: NextStep, user: string): string {
  switch (step.do) {
    case "provide":
      return `Provide data for ${step.node.name}`;
    case "replace":
      return `Replace the data of ${step.node.name}: it is not valid`;
    case "look":
      return `The result of ${step.node.name} is ready`;
    case "run":
      return `Run ${step.node.name}`;
    case "run again":
      return `${step.node.name} has ended without a result: run it again`;
    case "watch":
      return `${step.node.name} is being computed`;
    case "wait": {
      const names = listed(
        step.nodes.map((node) => node.name),
        "and",
      );
      const wanted = step.for.map((each) => waitedFor(each, user));
      return `${names} ${step.nodes.length === 1 ? "waits" : "wait"} for ${listed(wanted, "and")}`;
    }
  }
}

function waitedFor({ node, by, invalid }: Wanted, user: string): string {
  const who = by.map((each) => (each === user ? "you" : each));
  const what = `${invalid ? "valid data" : "data"} of ${node.name}`;
  return who.length === 0 ? what : `${what} from ${listed(who, "or")}`;
}

/** `a, b and c`. */
export function listed(names: readonly string[], and: "and" | "or"): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} ${and} ${names.at(-1)}`;
}
