/** The kinds of computations, as people choose them, and what a new one is made of. */

import type { ComputeNode } from "../../../core/nodes";
import type { Configuration, Limits } from "../../../core/records";
import { freeName } from "../../../drafts/edits";

export type Kind = ComputeNode["kind"];

/** What each is for, in a line. */
export const KINDS_ABOUT: Readonly<Record<Kind, string>> = {
  python: "A script with pandas and more. Its result is a zip of what it writes.",
  r: "A script with the tidyverse and more. Its result is a zip of what it writes.",
  sql: "A query over tables, which can leave out small groups. Its result is a table.",
  sqlite: "A query in SQLite's dialect, without that filter. Its result is a table.",
  synthetic: "A table like another with nobody's rows in it, made with differential privacy.",
  match: "Which rows of two tables belong together: noisy counts for analysts, rows for later computations.",
  preview: "What another node holds: so many bytes of it for each analyst, and no more.",
  python_environment: "Packages that Python scripts bring along, beside those of the image.",
};

/** In the order that they are offered in. */
export const KINDS_OFFERED = Object.keys(KINDS_ABOUT) as Kind[];

/** As `cloister.rooms.limits` has them. */
export const LIMITS: Readonly<Limits> = {
  memory_bytes: 4 * 1024 ** 3,
  pids: 512,
  cpus: 2,
  wall_seconds: 3600,
  output_bytes: 4 * 1024 ** 3,
  output_files: 100_000,
  scratch_bytes: 2 * 1024 ** 3,
  log_bytes: 1024 ** 2,
};

/** What a preview shows unless its author says otherwise: a look, and not all of it. */
const QUOTA = 1024 ** 2;

/** A name to begin with. */
export function suggestedName(configuration: Configuration, kind: Kind): string {
  const wanted = { python_environment: "packages", match: "matching", sql: "query", sqlite: "query" }[kind as string];
  return freeName(configuration, wanted ?? kind);
}

/** A new computation, with nothing in it but what the SDK would put there. */
export function newComputation(configuration: Configuration, kind: Kind, name: string): ComputeNode {
  const common = { id: freeId(configuration, name), name, limits: { ...LIMITS } };
  const silent = { logs_on_error: false, logs_on_success: false };
  switch (kind) {
    case "python":
    case "r":
      return { kind, ...common, script: "", files: [], dependencies: [], ...silent, image: kind };
    case "python_environment":
      return { kind, ...common, requirements: "", lock: [], image: "python" };
    case "sql":
      return { kind, ...common, statement: "", dependencies: [], image: "python" };
    case "sqlite":
      return { kind, ...common, statement: "", dependencies: [], ...silent, image: "python" };
    case "synthetic":
      return {
        kind,
        ...common,
        columns: [],
        dependency: "",
        epsilon: 1,
        statistics: false,
        ...silent,
        image: "synthetic",
      };
    case "match":
      return {
        kind,
        ...common,
        query: "",
        round: 10,
        epsilon: 1,
        sensitivity: 1,
        paths: [],
        dependencies: [],
        ...silent,
        image: "synthetic",
      };
    case "preview":
      return { kind, ...common, dependency: "", quota_bytes: QUOTA, image: "python" };
  }
}

/** By which roles and dependencies refer to it: its name, unless another node has that for an id. */
export function freeId(configuration: Configuration, name: string): string {
  const ids = new Set(configuration.nodes.map((node) => node.id));
  let id = name;
  for (let number = 2; ids.has(id); number += 1) {
    id = `${name}_${number}`;
  }
  return id;
}
