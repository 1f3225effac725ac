/** Two texts, line by line: what went, what came, and a little of what stands around it. Pure. */

import { Chunk } from "@codemirror/merge";
import { Text } from "@codemirror/state";

export interface Line {
  kind: "same" | "gone" | "new" | "left out";
  text: string;
}

/** Lines around a change that are shown. */
const AROUND = 2;
/** Milliseconds after which a rough answer will do. */
const TIMEOUT = 500;

/** The lines of both; stretches that are the same are left out but for some around what isn't. */
export function lineChanges(before: string, after: string): Line[] {
  const [ours, theirs] = [split(before), split(after)];
  // With an end to the last line, too: otherwise another line behind it would change it.
  const chunks = Chunk.build(Text.of([...ours, ""]), Text.of([...theirs, ""]), { scanLimit: 10_000, timeout: TIMEOUT });
  const starts = [lineStarts(ours), lineStarts(theirs)] as const;
  const lines: Line[] = [];
  let [at, other] = [0, 0];
  for (const chunk of chunks) {
    const [from, to] = [lineAt(starts[0], chunk.fromA), lineAt(starts[0], chunk.toA)];
    const [fromOther, toOther] = [lineAt(starts[1], chunk.fromB), lineAt(starts[1], chunk.toB)];
    lines.push(...between(theirs.slice(other, fromOther), at === 0 && other === 0, false));
    lines.push(...ours.slice(from, to).map((text) => ({ kind: "gone" as const, text })));
    lines.push(...theirs.slice(fromOther, toOther).map((text) => ({ kind: "new" as const, text })));
    [at, other] = [to, toOther];
  }
  if (chunks.length > 0) {
    lines.push(...between(theirs.slice(other), false, true));
  }
  return lines;
}

/** What is the same between two changes, or before the first, or behind the last. */
function between(lines: readonly string[], first: boolean, last: boolean): Line[] {
  const head = first ? 0 : AROUND;
  const tail = last ? 0 : AROUND;
  const left = lines.length - head - tail;
  const same = (some: readonly string[]): Line[] => some.map((text) => ({ kind: "same", text }));
  if (left <= 1) {
    return same(lines);
  }
  const out: Line = { kind: "left out", text: `${left} lines that are the same` };
  return [...same(lines.slice(0, head)), out, ...same(lines.slice(lines.length - tail))];
}

function split(text: string): string[] {
  return text.split(/\r\n|\r|\n/);
}

/** Where each line begins, and behind the last one where another would. */
function lineStarts(lines: readonly string[]): number[] {
  const starts = [0];
  for (const line of lines) {
    starts.push((starts.at(-1) ?? 0) + line.length + 1);
  }
  return starts;
}

/** The line that begins there; chunks begin and end with lines. */
function lineAt(starts: readonly number[], position: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) < position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
