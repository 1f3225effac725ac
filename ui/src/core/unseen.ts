/** Characters that nobody sees, or that turn around what is beside them: shown by their codes to whoever has to read. Pure. */

/**
 * Any one of them, but for control characters, as the source of a regular expression with the flag `u`. Whole texts can
 * be written in them. Variation selectors are among those that may be ignored; the blank of Braille is just a blank.
 */
export const UNSEEN = /[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u.source;

// What makes one picture of several is seen by the picture.
const PICTURE = /\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\ufe0f)?/u.source;
const EACH = new RegExp(`${PICTURE}(?:\u200d${PICTURE})*|(${UNSEEN}|[\\p{Cc}\\p{Cs}])`, "gu");

/** The text with each of them, and each control character, in words. */
export function withUnseen(text: string, words: (letter: string) => string = code): string {
  return text.replace(EACH, (whole, unseen: string | undefined) => (unseen === undefined ? whole : words(unseen)));
}

/** The code of a character, as in a JavaScript string. */
export function code(letter: string): string {
  return `\\u{${letter.codePointAt(0)?.toString(16)}}`;
}
