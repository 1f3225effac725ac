/** Texts as Python sees them, where the rules of rooms speak of them: its lengths, white space, and letters. */

const SPACE = /[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const HIDDEN = /(?! )[\p{C}\p{Z}]/u;
const EACH_HIDDEN = new RegExp(HIDDEN, "gu");

/** Whether there is nothing in it but white space. */
export function isBlank(text: string): boolean {
  return stripped(text) === "";
}

/** The text without the white space around it. */
export function stripped(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && SPACE.test(text.charAt(start))) {
    start++;
  }
  while (end > start && SPACE.test(text.charAt(end - 1))) {
    end--;
  }
  return text.slice(start, end);
}

/** Whether it has more characters than that. */
export function isLonger(text: string, most: number): boolean {
  // A character takes one or two places of a string.
  return text.length > most && (text.length > 2 * most || [...text].length > most);
}

/** Whether there is anything in it that can't be seen, or turns what follows around; a space can. */
export function hasHidden(text: string): boolean {
  return HIDDEN.test(text);
}

/** The form in which texts are compared that differ in upper and lower case alone. */
export function folded(text: string): string {
  // Small letters that are several large ones, and the other way round. A dotless i is no i.
  return text.replaceAll("ı", "\u{f0131}").toLowerCase().toUpperCase().toLowerCase();
}

/** A name from outside, fit for a message: quoted, nothing in it hidden, and not at any length. */
export function shown(value: string): string {
  const short = value.length <= 64 ? value : `${value.slice(0, 64)}...`;
  return JSON.stringify(short).replace(EACH_HIDDEN, (each) => `\\u{${each.codePointAt(0)?.toString(16)}}`);
}
