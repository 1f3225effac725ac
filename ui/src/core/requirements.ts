/** Python packages that a computation may bring along. As `cloister.rooms.environments`. */

import type { Configuration } from "./records";

// As Python's `str.splitlines` splits.
const LINES = /\r\n|[\n\r\v\f\u001c-\u001e\u0085\u2028\u2029]/;
const COMMENT = /(?:^|\s)#.*/s;

/** The lines of a `requirements.txt` that ask for something, without comments. */
export function wantedLines(requirements: string): { number: number; wanted: string }[] {
  return requirements
    .split(LINES)
    .map((line, at) => ({ number: at + 1, wanted: line.replace(COMMENT, "").trim() }))
    .filter(({ wanted }) => wanted !== "");
}

/** Ids of the environments whose requirements are not locked yet: the newest packages that fit are looked up. */
export function environmentsWithoutLock(configuration: Configuration): ReadonlySet<string> {
  return new Set(
    configuration.nodes.flatMap((node) =>
      node.kind === "python_environment" && node.lock.length === 0 && wantedLines(node.requirements).length > 0
        ? [node.id]
        : [],
    ),
  );
}
