/** What nodes and static files may be called. */

import { nodeProblems } from "../../../core/graph";
import type { Configuration, TextFile } from "../../../core/records";

/** What is wrong with a name for a node, if anything. */
export function nameProblem(configuration: Configuration, name: string, id?: string): string | undefined {
  const [wrong] = nodeProblems([{ kind: "raw_data", id: "node", name, required: true }]);
  if (wrong !== undefined) {
    return "Start with a letter, end with a letter or digit; between them letters, digits, spaces, _ and -.";
  }
  const taken = configuration.nodes.some((node) => node.name === name && node.id !== id);
  return taken ? "Another node has that name." : undefined;
}

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9_. -]{0,126}$/;
const MOST_SEGMENTS = 16;

/** What is wrong with a name for a static file beside the others, if anything. */
export function fileProblem(others: readonly TextFile[], name: string): string | undefined {
  const segments = name.split("/");
  if (segments.length > MOST_SEGMENTS || !segments.every((each) => SEGMENT.test(each))) {
    return "Use letters, digits, spaces, _ . and -, and / for folders, as in lib/helpers.py.";
  }
  if (others.some((each) => each.name === name)) {
    return "There is a file of that name.";
  }
  if (others.some((each) => each.name.startsWith(`${name}/`) || name.startsWith(`${each.name}/`))) {
    return "A file can't be a folder of others.";
  }
  return undefined;
}
