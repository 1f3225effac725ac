/** What each kind of node may hold. As the rules of `cloister.rooms.graph` that are about one node. */

import { environmentOf, mounted, type RunNode } from "./nodes";
import type { Limits, MatchNode, Node, PythonNode, RNode, TextFile } from "./records";
import { lockProblems, requirementProblems } from "./requirements";
import { columnProblems, epsilonProblems, MAX_ROWS, syntheticProblems } from "./tables";
import { folded, isBlank, isLonger, shown } from "./texts";

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9_. -]{0,126}$/;
const MAX_SEGMENTS = 16;
const MIB = 1024 * 1024;
/** Of the console's text that is kept: it must fit into one message, where each byte may become three. */
const MAX_LOG_BYTES = 4 * MIB;
/** The folder below /input where additional files lie; no dependency may be called that beside them. */
const CODE_FOLDER = "code";
/** Characters of a query. */
const MAX_STATEMENT = 256 * 1024;
/** To which the query of a match is nested. */
const MAX_DEPTH = 64;
/** Digits of a whole number that Python reads. */
const MAX_DIGITS = 4300;
const LONG_NUMBER = new RegExp(`(?<![\\d.eE+])\\d{${MAX_DIGITS + 1},}(?![\\d.eE])`);
const STRINGS = /"(?:[^"\\]|\\.)*"/gs;
const MOST = 10 ** 9;

/** What is wrong with a node: the field that it is about, and the words for it. */
export type Finding = [field: string, message: string];

/** What is wrong with a node that is run, beside its name, its id and what it refers to. */
export function* kindProblems(node: RunNode, byId: ReadonlyMap<string, Node>): Generator<Finding> {
  const about = (field: string, messages: Iterable<string>): Finding[] => [...messages].map((each) => [field, each]);
  switch (node.kind) {
    case "python":
    case "r":
      yield* scriptProblems(node, byId);
      break;
    case "python_environment":
      yield* about("requirements", requirementProblems(node.requirements));
      yield* about("lock", lockProblems(node.requirements, node.lock));
      break;
    case "table_data":
      yield* about("columns", columnProblems(node.columns, node.unique));
      break;
    case "sql":
    case "sqlite":
      if (isBlank(node.statement)) {
        yield ["statement", "The query is empty."];
      } else if (isLonger(node.statement, MAX_STATEMENT)) {
        yield ["statement", `The query has over ${MAX_STATEMENT} characters.`];
      }
      if (node.kind === "sql" && node.minimum_rows !== undefined && !within(node.minimum_rows, 1, MAX_ROWS)) {
        yield ["minimum_rows", `The minimum of rows must be 1 to ${MAX_ROWS}.`];
      }
      break;
    case "synthetic": {
      const table = byId.get(node.dependency);
      const width = table?.kind === "table_data" ? table.columns.length : undefined;
      yield* about("columns", syntheticProblems(node.columns, width));
      yield* about("epsilon", epsilonProblems("The epsilon", node.epsilon));
      break;
    }
    case "match":
      yield* matchProblems(node, byId);
      break;
    case "preview":
      break;
  }
  if (node.kind === "sql" || node.kind === "sqlite" || node.kind === "synthetic" || node.kind === "match") {
    yield* tableProblems(node, byId);
  }
  yield* limitProblems(node.limits);
}

/** Queries know tables by their names, and don't tell upper from lower case. */
function* tableProblems(node: RunNode, byId: ReadonlyMap<string, Node>): Generator<Finding> {
  const read = mounted(node).flatMap((id) => byId.get(id) ?? []);
  if (new Set(read.map((each) => folded(each.name))).size !== new Set(read.map((each) => each.name)).size) {
    yield ["dependencies", "Two dependencies of the query differ in upper and lower case alone."];
  }
  for (const each of read) {
    if (each.kind === "raw_data" || each.kind === "python_environment") {
      yield ["dependencies", `It can't read ${shown(each.name)}: that isn't a table. Make it a table data node.`];
    }
  }
}

function* matchProblems(node: MatchNode, byId: ReadonlyMap<string, Node>): Generator<Finding> {
  for (const message of epsilonProblems("The epsilon", node.epsilon)) {
    yield ["epsilon", message];
  }
  if (isBlank(node.query)) {
    yield ["query", "Say which rows belong together: the query is empty."];
  } else if (!isQuery(node.query)) {
    yield [
      "query",
      `The query is not JSON logic: JSON of at most ${MAX_STATEMENT} characters, an object or a list, not empty and ` +
        `not nested more than ${MAX_DEPTH} deep.`,
    ];
  }
  if (!within(node.round, 1, MOST)) {
    yield ["round", "The rounding must be 1 to 10^9."];
  }
  if (!(node.sensitivity > 0 && node.sensitivity <= MOST)) {
    yield ["sensitivity", "The sensitivity must be above 0, and 10^9 at most."];
  }
  if (node.dependencies.length !== 2) {
    yield ["dependencies", "Choose two tables."];
  }
  const names = node.dependencies.flatMap((id) => byId.get(id)?.name ?? []);
  const tables = node.paths.map((path) => path.replace(/^\/input\//, "").replace(/\/dataset\.csv$/, ""));
  if (tables.length !== names.length || tables.sort().some((each, at) => each !== names.sort()[at])) {
    yield ["paths", "The paths of a match must name its two dependencies, each as '<name>/dataset.csv'."];
  }
}

/** Whether that is JSON logic: whoever reads it goes down by as many calls as it is nested. */
function isQuery(text: string): boolean {
  if (isLonger(text, MAX_STATEMENT)) {
    return false;
  }
  let query: unknown;
  try {
    query = JSON.parse(text);
  } catch {
    return false;
  }
  let level = [query];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    level = level.flatMap((each) => (isNested(each) ? Object.values(each) : []));
  }
  const deep = level.length > 0;
  return isNested(query) && Object.keys(query).length > 0 && !deep && !LONG_NUMBER.test(text.replace(STRINGS, '""'));
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function* scriptProblems(node: PythonNode | RNode, byId: ReadonlyMap<string, Node>): Generator<Finding> {
  if (isBlank(node.script)) {
    yield ["script", "The script is empty."];
  }
  const names = node.dependencies.map((id) => byId.get(id)?.name);
  if (node.files.length > 0 && names.includes(CODE_FOLDER)) {
    yield [
      "dependencies",
      `It has additional files, which are mounted at /input/${CODE_FOLDER}: it can't depend on a node called ` +
        `"${CODE_FOLDER}". Rename that node.`,
    ];
  }
  yield* fileProblems(node.files);
  const wanted = environmentOf(node);
  const environment = wanted === undefined ? undefined : byId.get(wanted);
  if (environment !== undefined && environment.kind !== "python_environment") {
    yield ["environment", `Its environment is ${shown(environment.name)}, which is no environment.`];
  } else if (environment !== undefined && environment.image !== node.image) {
    yield [
      "environment",
      `The environment ${shown(environment.name)} is made for the image ${shown(environment.image)}, and this runs in ` +
        `${shown(node.image)}. Give both the same image.`,
    ];
  }
}

function* fileProblems(files: readonly TextFile[]): Generator<Finding> {
  const paths = new Set<string>();
  const folders = new Set<string>();
  for (const { name } of files) {
    const segments = name.split("/");
    if (segments.length > MAX_SEGMENTS || !segments.every((segment) => SEGMENT.test(segment))) {
      yield ["files", `The additional file ${shown(name)} has a name that isn't allowed.`];
      continue;
    }
    if (paths.has(name)) {
      yield ["files", `The additional file ${shown(name)} is there twice.`];
    }
    paths.add(name);
    segments.forEach((_, depth) => depth > 0 && folders.add(segments.slice(0, depth).join("/")));
  }
  for (const path of paths) {
    if (folders.has(path)) {
      yield ["files", `${shown(path)} is an additional file and a folder of others.`];
    }
  }
}

function* limitProblems(limits: Limits): Generator<Finding> {
  const { memory_bytes, pids, wall_seconds, output_files, output_bytes, scratch_bytes, log_bytes } = limits;
  if (![memory_bytes, pids, wall_seconds, output_files].every((limit) => limit >= 1)) {
    yield ["limits", "A limit is zero or less: of memory, time, processes, or files."];
  }
  if (!(limits.cpus >= 0.01 && limits.cpus <= 1024)) {
    yield ["limits", "The processor cores must be between 0.01 and 1024."];
  }
  if (![output_bytes, scratch_bytes, log_bytes].every((limit) => limit >= 0)) {
    yield ["limits", "A limit is less than zero: of the result, of scratch, or of the log."];
  }
  if (log_bytes > MAX_LOG_BYTES) {
    yield ["limits", `The log may have ${MAX_LOG_BYTES / MIB} MiB at most. Write more than that to /output.`];
  }
}

function within(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
