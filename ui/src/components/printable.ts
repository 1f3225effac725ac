/** What programs have printed, for people: nothing in it gives orders, or looks like something else. Pure. */

import { code, withUnseen } from "../core/unseen";

// ECMA-48: colours, movements of a cursor, titles of windows.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-_])/g;

/**
 * A text of several lines without what moves a cursor. What else can't be seen, or turns letters around, is shown as its
 * code. Of a line that was written over again and again, as progress bars do, the last state is kept.
 */
export function printable(text: string): string {
  return text
    .replace(ESCAPES, "")
    .replace(/\r+\n/g, "\n")
    .split("\n")
    .map((line) => withUnseen(line.slice(line.replace(/\r+$/, "").lastIndexOf("\r") + 1), shown))
    .join("\n");
}

function shown(letter: string): string {
  return letter === "\t" ? letter : letter === "\r" ? "" : code(letter);
}

/** The beginning and the end of a text that is too long to be shown, and how many letters are left out between. */
export function shortened(text: string, most: number): { head: string; left: number; tail: string } {
  if (text.length <= most) {
    return { head: text, left: 0, tail: "" };
  }
  const half = Math.floor(most / 2);
  return { head: text.slice(0, half), left: text.length - 2 * half, tail: text.slice(-half) };
}
