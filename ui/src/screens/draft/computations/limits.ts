/** Limits of computations as people write them: "4 GiB", "1 h 30 min". */

import type { Limits } from "../../../core/records";

type Unit = "bytes" | "seconds" | "count";

export interface LimitField {
  name: keyof Limits;
  label: string;
  about: string;
  unit: Unit;
}

export const LIMIT_FIELDS: readonly LimitField[] = [
  { name: "memory_bytes", label: "Memory", about: "Of all its processes together, as 4 GiB.", unit: "bytes" },
  { name: "wall_seconds", label: "Time", about: "From start to end, as 45 min or 2 h.", unit: "seconds" },
  { name: "cpus", label: "Processor cores", about: "As a share over time: 0.5 is half a core.", unit: "count" },
  { name: "output_bytes", label: "Result", about: "All files in /output together.", unit: "bytes" },
  { name: "output_files", label: "Files in the result", about: "Files and folders in /output.", unit: "count" },
  { name: "scratch_bytes", label: "Scratch", about: "All files in /tmp and /scratch together.", unit: "bytes" },
  { name: "pids", label: "Processes", about: "Processes and threads alive at once.", unit: "count" },
  { name: "log_bytes", label: "Console", about: "What is kept of it: the head, then the tail.", unit: "bytes" },
];

const BINARY = 1024;
const BYTES: readonly [string, number][] = [
  ["TiB", BINARY ** 4],
  ["GiB", BINARY ** 3],
  ["MiB", BINARY ** 2],
  ["KiB", BINARY],
  ["bytes", 1],
];
const SECONDS: readonly [string, number][] = [
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];
/** Other ways to write them. A GB is a thousand MB, as disks are sold. */
const MORE: Readonly<Record<Unit, Readonly<Record<string, number>>>> = {
  bytes: { b: 1, byte: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, k: BINARY, m: BINARY ** 2, g: BINARY ** 3 },
  seconds: { sec: 1, second: 1, seconds: 1, m: 60, minute: 60, minutes: 60, hour: 3600, hours: 3600, d: 86_400 },
  count: {},
};
const PART = /^\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)/;

/** A limit as text that `readLimit` reads as the same number. */
export function writeLimit(value: number, unit: Unit): string {
  if (unit === "count") {
    return String(value);
  }
  if (unit === "bytes") {
    // The largest unit that says it exactly, with few digits.
    const [name, size] = BYTES.find(([, each]) => value >= each && /^\d+(\.\d{1,2})?$/.test(String(value / each))) ?? [
      "bytes",
      1,
    ];
    return `${value / size} ${name}`;
  }
  if (!Number.isInteger(value) || value <= 0) {
    return `${value} s`;
  }
  let rest = value;
  const parts: string[] = [];
  for (const [name, size] of SECONDS) {
    if (rest >= size) {
      parts.push(`${Math.floor(rest / size)} ${name}`);
      rest %= size;
    }
  }
  return parts.join(" ");
}

/** The number that somebody has written; undefined where it is none. Sizes and times are whole. */
export function readLimit(text: string, unit: Unit): number | undefined {
  const known = { ...MORE[unit], ...units(unit) };
  let [rest, total, parts] = [text.trim(), 0, 0];
  while (rest !== "") {
    const [all = "", digits = "", name = ""] = PART.exec(rest) ?? [];
    const factor = name === "" ? 1 : Object.hasOwn(known, name.toLowerCase()) ? known[name.toLowerCase()] : undefined;
    if (all === "" || factor === undefined || (name === "" && (parts > 0 || all.length < rest.length))) {
      return undefined;
    }
    total += Number(digits) * factor;
    rest = rest.slice(all.length).trim();
    parts += 1;
  }
  const value = unit === "count" ? total : Math.round(total);
  return parts === 0 || !Number.isSafeInteger(Math.ceil(value)) ? undefined : value;
}

function units(unit: Unit): Record<string, number> {
  const table = unit === "bytes" ? BYTES : unit === "seconds" ? SECONDS : [];
  return Object.fromEntries(table.map(([name, size]) => [name.toLowerCase(), size]));
}
