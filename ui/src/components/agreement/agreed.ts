/** What everybody in a room agrees to, in words. Pure. */

import { type ComputeNode, type DataNode, isDataNode } from "../../core/nodes";
import type { Column, Configuration, Definition, Description, Limits, Node } from "../../core/records";
import { duration } from "../format";

const UNITS: readonly [string, number][] = [
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
];

/** A room's definition; of a draft, as it would be published now. */
export type Agreed = Omit<Configuration, "format" | "version"> &
  Pick<Definition, "enclaves" | "workers" | "images"> & {
    /** Undefined where it isn't known yet: the hub says it when the room is published. */
    issuers: Definition["issuers"] | undefined;
  };

/** What would be published now. */
export function agreedNow(configuration: Configuration, { enclaves, workers, images }: Description): Agreed {
  const names = new Set(configuration.nodes.flatMap((node) => (node.kind === "raw_data" ? [] : [node.image])));
  // Of several with the same name the first is the one for new rooms.
  const first = [...names].flatMap((name) => images.find((image) => image.name === name) ?? []);
  return { ...configuration, enclaves, workers, images: first, issuers: configuration.pins_required ? [] : undefined };
}

/** Who has which role on a node. */
export function peopleOf(agreed: Pick<Agreed, "participants">, node: Node): string[] {
  const role = isDataNode(node) ? "data_owner_of" : "analyst_of";
  return agreed.participants.filter((entry) => entry[role].includes(node.id)).map((entry) => entry.user);
}

export function dataNodes({ nodes }: Pick<Agreed, "nodes">): DataNode[] {
  return nodes.filter(isDataNode);
}

export function computations({ nodes }: Pick<Agreed, "nodes">): ComputeNode[] {
  return nodes.filter((node): node is ComputeNode => !isDataNode(node));
}

/** Upper bounds of one run. */
export function limitWords(limits: Limits): string {
  return [
    `${binary(limits.memory_bytes)} of memory`,
    `${limits.cpus} processor core${limits.cpus === 1 ? "" : "s"}`,
    `${duration(limits.wall_seconds)} of time`,
    `${limits.pids.toLocaleString("en")} processes`,
    `a result of ${binary(limits.output_bytes)} in ${limits.output_files.toLocaleString("en")} files`,
    `${binary(limits.scratch_bytes)} of scratch space`,
    `${binary(limits.log_bytes)} of console`,
  ].join(", ");
}

/** What cells of a column have to be. */
export function columnWords({ nullable, hashed, range }: Column): string {
  const parts = [nullable ? "may be empty" : "is never empty"];
  if (hashed) {
    parts.push("is replaced by its SHA-256");
  }
  if (range?.greater_than !== undefined) {
    parts.push(`is greater than ${range.greater_than}`);
  }
  if (range?.greater_than_equals !== undefined) {
    parts.push(`is at least ${range.greater_than_equals}`);
  }
  if (range?.less_than !== undefined) {
    parts.push(`is less than ${range.less_than}`);
  }
  if (range?.less_than_equals !== undefined) {
    parts.push(`is at most ${range.less_than_equals}`);
  }
  return parts.join(", ");
}

/** What holds of a computation besides its script, each in a sentence. */
export function termsOf(node: ComputeNode, nameOf: (id: string) => string): string[] {
  const terms: string[] = [];
  const reads = "dependencies" in node ? node.dependencies : "dependency" in node ? [node.dependency] : [];
  if (node.kind !== "python_environment") {
    terms.push(reads.length === 0 ? "It reads nothing." : `It reads ${reads.map(nameOf).join(", ")}.`);
  }
  switch (node.kind) {
    case "python":
      if (node.environment !== undefined) {
        terms.push(`It brings along the packages of ${nameOf(node.environment)}.`);
      }
      break;
    case "sql":
      if (node.minimum_rows !== undefined) {
        terms.push(`Groups of fewer than ${node.minimum_rows} rows are left out.`);
      }
      break;
    case "synthetic":
      terms.push(`Each run costs the privacy of its data epsilon ${node.epsilon}.`);
      terms.push(
        node.statistics
          ? "Its report on quality shows statistics of the original data."
          : "Its report on quality shows no statistics of the original data.",
      );
      break;
    case "match":
      terms.push(
        `Each run costs the privacy of its data epsilon ${node.epsilon}, at a sensitivity of ${node.sensitivity}.`,
      );
      terms.push(`Counts are rounded to ${node.round}.`);
      break;
    case "preview":
      terms.push(`Each of its analysts may see ${binary(node.quota_bytes)} of it, and no more.`);
      break;
    case "python_environment":
      terms.push(
        node.lock.length === 0
          ? "Which packages fit is looked up when the room is published, and then fixed by their digests."
          : `${node.lock.length} packages are fixed by their digests.`,
      );
      break;
  }
  if ("logs_on_success" in node) {
    terms.push(consoleWords(node.logs_on_error, node.logs_on_success));
  }
  return terms;
}

/** Texts of a computation that can be read in full: names, and what stands in them. */
export function textsOf(node: ComputeNode): { name: string; text: string; main: boolean }[] {
  switch (node.kind) {
    case "python":
    case "r":
      return [
        { name: node.kind === "python" ? "main.py" : "main.R", text: node.script, main: true },
        ...node.files.map(({ name, content }) => ({ name, text: content, main: false })),
      ];
    case "sql":
    case "sqlite":
      return [{ name: "query.sql", text: node.statement, main: true }];
    case "match":
      return [{ name: "query", text: node.query, main: true }];
    case "python_environment": {
      const lock = node.lock.map(({ name, version, sha256 }) =>
        [`${name}==${version}`, ...sha256.map((digest) => `--hash=sha256:${digest}`)].join(" \\\n    "),
      );
      const locked = lock.length === 0 ? [] : [{ name: "locked packages", text: lock.join("\n"), main: false }];
      return [{ name: "requirements.txt", text: node.requirements, main: true }, ...locked];
    }
    default:
      return [];
  }
}

/** A limit, exactly: in the largest unit that says it with few digits. */
function binary(size: number): string {
  const [name, unit] = UNITS.find(([, each]) => size >= each && /^\d+(\.\d{1,2})?$/.test(String(size / each))) ?? [
    "bytes",
    1,
  ];
  return `${(size / unit).toLocaleString("en")} ${name}`;
}

function consoleWords(onError: boolean, onSuccess: boolean): string {
  if (onError) {
    return onSuccess
      ? "Its analysts see its console, whether it succeeds or fails."
      : "Its analysts see its console where it fails.";
  }
  return onSuccess ? "Its analysts see its console where it succeeds." : "Nobody sees its console.";
}
