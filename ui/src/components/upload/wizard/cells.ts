/** Cells for people: text, whatever is in it. Pure. */

import { code, withUnseen } from "../../../core/unseen";

const NAMES: Readonly<Record<string, string>> = { "\n": "\u21b5", "\r": "\u240d", "\t": "\u21e5" };
const LONGEST = 200;

/** A cell in one line: what can't be seen, or turns letters around, is shown as a sign; the end of a long one left out. */
export function shownCell(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}\u2026` : text;
  return withUnseen(cut, (letter) => NAMES[letter] ?? code(letter));
}

/** The same with its spaces, and words for one that is empty. */
export function namedCell(text: string): string {
  if (text === "") {
    return "(empty)";
  }
  return shownCell(text.replace(/^ +| +$/g, (spaces) => "\u2423".repeat(spaces.length)));
}

/** Rows by their numbers: the first ones, and how many more. */
export function rowNames(rows: readonly number[], count: number, most = 5): string {
  const listed = rows.slice(0, most).map((row) => row.toLocaleString("en"));
  const more = count - listed.length;
  const words = `${count === 1 ? "row" : "rows"} ${listed.join(", ")}`;
  return more > 0 ? `${words} and ${more.toLocaleString("en")} more` : words;
}
