/** What a test shows of each node, and of the whole, in words. Pure. */

import type { NodeProgress } from "../../../client/testing";
import { topologicalOrder } from "../../../core/graph";
import { isRunNode, type RunNode } from "../../../core/nodes";
import type { Configuration, NodeReport, RoomReport } from "../../../core/records";

export type Standing = NodeProgress["status"] | "waiting" | "ended";

export interface Row {
  node: RunNode;
  standing: Standing;
  words: string;
  report?: NodeReport;
}

/** Tables and computations, each after what it needs. */
export function tested(configuration: Configuration): RunNode[] {
  try {
    return topologicalOrder(configuration.nodes).filter(isRunNode);
  } catch {
    // What is wrong with it, the test says.
    return configuration.nodes.filter(isRunNode);
  }
}

/** Of a test that is running, or was broken off. */
export function progressRows(
  configuration: Configuration,
  progress: ReadonlyMap<string, NodeProgress>,
  running: boolean,
): Row[] {
  return tested(configuration).map((node) => {
    const told = progress.get(node.id);
    if (told?.report !== undefined) {
      return reportRow(node, told.report);
    }
    const standing = running ? (told?.status ?? "waiting") : "ended";
    return { node, standing, words: wordsFor(standing, told?.waitingFor ?? "") };
  });
}

/** Of a test that has come to its end. */
export function reportRows(configuration: Configuration, report: RoomReport): Row[] {
  const reports = new Map(report.nodes.map((each) => [each.node, each]));
  return tested(configuration).flatMap((node) => {
    const found = reports.get(node.id);
    return found === undefined ? [] : [reportRow(node, found)];
  });
}

/** `5 passed, 1 failed, 2 skipped`. */
export function counted(rows: readonly Row[]): string {
  const kinds = (["passed", "failed", "skipped"] as const).map((kind) => {
    const count = rows.filter((row) => row.standing === kind).length;
    return count === 0 ? "" : `${count} ${kind}`;
  });
  return kinds.filter((part) => part !== "").join(", ") || "nothing to run";
}

/** How many have come to their end. */
export function over(rows: readonly Row[]): number {
  return rows.filter((row) => row.report !== undefined).length;
}

function reportRow(node: RunNode, report: NodeReport): Row {
  return { node, standing: report.outcome, words: outcome(report), report };
}

function outcome({ outcome: what, seconds, needs, error }: NodeReport): string {
  switch (what) {
    case "passed":
      return seconds === undefined ? "passed" : `passed in ${seconds.toFixed(1)} s`;
    case "skipped":
      return `skipped: it needs ${needs}, which failed`;
    case "failed":
      return `failed: ${firstLine(error)}`;
  }
}

function firstLine(text: string): string {
  const [first = ""] = text.trim().split("\n", 1);
  return first.length > 160 ? `${first.slice(0, 160)}…` : first;
}

function wordsFor(standing: Standing, waitingFor: string): string {
  switch (standing) {
    case "uploading":
      return "its test data is being encrypted and stored";
    case "queued":
      return waitingFor === "" ? "waits for its turn" : `waits for ${waitingFor}`;
    case "running":
      return "runs";
    case "ended":
      return "was not run to its end";
    default:
      return "waits for what it needs";
  }
}
