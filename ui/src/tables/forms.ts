/**
 * Ways in which files write what a room takes in one form: dates, numbers, phone numbers. What a text isn't in that
 * form stays as it is, and is found invalid where it is checked.
 */

import type { Format } from "./cells";

/** How the cells of a column are written in a file. */
export type Form = "plain" | "day-first" | "month-first" | "year-first" | "decimal-comma" | "grouped" | "spaced";

/** The forms that make sense for each format, as people are shown them; the first is the room's own. */
export const FORMS: Readonly<Record<Format, readonly { form: Form; label: string }[]>> = {
  STRING: [{ form: "plain", label: "Any text" }],
  EMAIL: [{ form: "plain", label: "name@example.com" }],
  HASH_SHA256_HEX: [{ form: "plain", label: "64 hexadecimal digits" }],
  INTEGER: [
    { form: "plain", label: "1234" },
    { form: "decimal-comma", label: "1.234 or 1 234" },
    { form: "grouped", label: "1,234" },
  ],
  FLOAT: [
    { form: "plain", label: "1234.5" },
    { form: "decimal-comma", label: "1.234,5 or 1234,5" },
    { form: "grouped", label: "1,234.5" },
  ],
  DATE_ISO8601: [
    { form: "plain", label: "2024-12-31" },
    { form: "day-first", label: "31.12.2024 or 31/12/2024" },
    { form: "month-first", label: "12/31/2024" },
    { form: "year-first", label: "2024/12/31, 20241231, 2024-12-31 10:15" },
  ],
  PHONE_NUMBER_E164: [
    { form: "plain", label: "+41791234567" },
    { form: "spaced", label: "+41 (79) 123-45-67 or 0041 79 123 45 67" },
  ],
};

const TIME = /[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[APap]\.?[Mm]\.?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$/;
const YEAR_LAST = /^([0-9]{1,2})[./ -]([0-9]{1,2})[./ -]([0-9]{4})$/;
const YEAR_FIRST = /^([0-9]{4})[./ -]?([0-9]{1,2})[./ -]?([0-9]{1,2})$/;
const TOGETHER = /^([0-9]{4})([0-9]{2})([0-9]{2})$/;
const COMMA = /^[+-]?(?:[0-9]{1,3}(?:[. '\u00a0\u202f\u2019][0-9]{3})+|[0-9]*)(?:,[0-9]*)?$/;
const GROUPED = /^[+-]?(?:[0-9]{1,3}(?:[, '\u00a0\u202f\u2019][0-9]{3})+|[0-9]*)(?:\.[0-9]*)?$/;
const PHONE = /^(?:\+|00)?[0-9 ()./\u00a0-]+$/;

/** A text in the form that the room takes. */
export function plain(text: string, form: Form): string {
  switch (form) {
    case "plain":
      return text;
    case "day-first":
    case "month-first": {
      const [, one, other, year] = YEAR_LAST.exec(text.replace(TIME, "")) ?? [];
      return year === undefined ? text : form === "day-first" ? date(year, other, one) : date(year, one, other);
    }
    case "year-first": {
      const day = text.replace(TIME, "");
      const [, year, month, rest] = TOGETHER.exec(day) ?? YEAR_FIRST.exec(day) ?? [];
      return year === undefined ? text : date(year, month, rest);
    }
    case "decimal-comma":
      return COMMA.test(text) ? text.replace(/[. '\u00a0\u202f\u2019]/g, "").replace(",", ".") : text;
    case "grouped":
      return GROUPED.test(text) ? text.replace(/[, '\u00a0\u202f\u2019]/g, "") : text;
    case "spaced": {
      const digits = text.replace(/[ ()./\u00a0-]/g, "");
      return PHONE.test(text) ? digits.replace(/^00/, "+") : text;
    }
  }
}

function date(year: string, month = "", day = ""): string {
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}
