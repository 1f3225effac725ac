/** Python packages that a computation may bring along. As `cloister.rooms.environments`. */

import type { Configuration, LockedPackage } from "./records";
import { hasHidden, isLonger, shown, stripped } from "./texts";

export const MAX_REQUIREMENTS = 500;
/** Characters. */
export const MAX_REQUIREMENTS_LENGTH = 64 * 1024;
/** To which brackets of a marker may be nested. */
const MAX_DEPTH = 100;

// As Python's `str.splitlines` splits.
const LINES = /\r\n|[\n\r\v\f\u001c-\u001e\u0085\u2028\u2029]/;
const COMMENT = /(?:^|\s)#.*/s;

// PEP 508 and PEP 440, as Python's `packaging` reads them.
const NAME = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?";
const EXTRAS = `\\[[ \\t]*(?:${NAME}[ \\t]*(?:,[ \\t]*${NAME}[ \\t]*)*)?\\]`;
const [RELEASE, PARTS] = ["v?(?:[0-9]+!)?[0-9]+", "(?:\\.[0-9]+)"];
const PRE = "(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?";
const POST = "(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?";
const DEV = "(?:[-_.]?dev[-_.]?[0-9]*)?";
const LOCAL = "(?:\\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?";
const SPECIFIER =
  `(?:===\\s*[^\\s;)]*|(?:==|!=)\\s*${RELEASE}${PARTS}*(?:\\.\\*|${PRE}${POST}${DEV}${LOCAL})|` +
  `~=\\s*${RELEASE}${PARTS}+${PRE}${POST}${DEV}|[<>]=?\\s*${RELEASE}${PARTS}*${PRE}${POST}${DEV})`;
const VERSIONS = `${SPECIFIER}(?:[ \\t]*,[ \\t]*${SPECIFIER})*(?:[ \\t]*,)?`;
const REQUIREMENT = new RegExp(
  `^${NAME}[ \\t]*(?:${EXTRAS})?[ \\t]*(?:\\([ \\t]*(?:${VERSIONS})?[ \\t]*\\)|(?:${VERSIONS})?)[ \\t]*(?:;(?<marker>.*))?$`,
  "is",
);

const VARIABLE =
  "(?:python_(?:full_)?version|os[._]name|sys[._]platform|platform_(?:release|system)|" +
  "platform[._](?:version|machine|python_implementation)|python_implementation|implementation_(?:name|version)|" +
  "extras?|dependency_groups)";
const TEXT = `(?:'[^'\\t]*'|"[^"\\t]*")`;
const TERM = new RegExp(
  `(?:\\b${VARIABLE}\\b|${TEXT})[ \\t]*(?:===|==|~=|!=|<=|>=|<|>|\\bin\\b|\\bnot[ \\t]+in\\b)[ \\t]*` +
    `(?:\\b${VARIABLE}\\b|${TEXT})`,
  "g",
);
/** Stands for a term, or several in brackets: a character that no requirement has. */
const HOLDS = "\u0001";
const GROUP = new RegExp(`\\([ \\t]*${HOLDS}[ \\t]*(?:\\b(?:and|or)\\b[ \\t]*${HOLDS}[ \\t]*)*\\)`, "g");
const MARKER = new RegExp(`^[ \\t]*${HOLDS}[ \\t]*(?:(?:and|or)\\b[ \\t]*${HOLDS}[ \\t]*)*$`);

/** The lines of a `requirements.txt` that ask for something, without comments. */
export function wantedLines(requirements: string): { number: number; wanted: string }[] {
  return requirements
    .split(LINES)
    .map((line, at) => ({ number: at + 1, wanted: stripped(line.replace(COMMENT, "")) }))
    .filter(({ wanted }) => wanted !== "");
}

/** What is wrong with requirements that are written as a `requirements.txt`. */
export function* requirementProblems(requirements: string): Generator<string> {
  if (isLonger(requirements, MAX_REQUIREMENTS_LENGTH)) {
    yield `The requirements have more than ${MAX_REQUIREMENTS_LENGTH} characters.`;
    return;
  }
  const lines = wantedLines(requirements);
  for (const { number, wanted } of lines) {
    if (!isPlain(wanted)) {
      yield `Line ${number} of the requirements, ${shown(wanted)}, is not a plain requirement such as 'pandas>=2.1': ` +
        "options, addresses, files and line continuations are not allowed.";
    }
  }
  if (lines.length > MAX_REQUIREMENTS) {
    yield `There are ${lines.length} requirements; ${MAX_REQUIREMENTS} are the most.`;
  }
}

/** What is wrong with a lock that belongs to them. One that isn't there yet is looked up at publishing. */
export function* lockProblems(requirements: string, lock: readonly LockedPackage[]): Generator<string> {
  if (lock.length > 0 && wantedLines(requirements).length === 0) {
    yield "There is a lock of packages, and no requirements that it could come from.";
  }
  if (new Set(lock.map((each) => each.name)).size !== lock.length) {
    yield "The lock names a package twice.";
  }
}

/** Ids of the environments whose requirements are not locked yet: the newest packages that fit are looked up. */
export function environmentsWithoutLock({ nodes }: Pick<Configuration, "nodes">): ReadonlySet<string> {
  return new Set(
    nodes.flatMap((node) =>
      node.kind === "python_environment" && node.lock.length === 0 && wantedLines(node.requirements).length > 0
        ? [node.id]
        : [],
    ),
  );
}

/** Whether a line asks for a package by name and version, and says nothing else. */
function isPlain(wanted: string): boolean {
  // In a marker a backslash may stand for any character: also for a new line, and what follows would be an option.
  const found = wanted.includes("\\") || hasHidden(wanted.replaceAll("\t", " ")) ? null : REQUIREMENT.exec(wanted);
  const marker = found?.groups?.["marker"];
  if (found === null || marker === undefined) {
    return found !== null;
  }
  // Terms first, for what stands between quotation marks is nobody's; then brackets, from the inside out.
  let left = marker.replace(TERM, HOLDS);
  for (let depth = 0; depth < MAX_DEPTH && left.includes("("); depth++) {
    left = left.replace(GROUP, HOLDS);
  }
  return MARKER.test(left);
}
