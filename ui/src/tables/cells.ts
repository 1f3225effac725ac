/**
 * What each format of a column accepts, and what it becomes. As `cloister_tables.validation.cells`, which has the last
 * word in the enclave: shared vectors hold the two together.
 */

import { sha256, toHex, utf8 } from "../core/encoding";
import type { Column } from "../core/records";

/** What a cell has to look like. */
export type Format = Column["type"];

/** What may be wrong with a cell. */
export type CellCode = "EMPTY_CELL" | "INVALID_NUMERIC_RANGE" | `INVALID_${Exclude<Format, "STRING">}_FORMAT`;

/** A value, in the one form that is the same for all that are equal; empty where the cell is. Or what is wrong. */
export type Checked = { value: string; code?: never } | { code: CellCode; value?: never };

const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const EMAIL = new RegExp(`^[a-zA-Z0-9.!#$%&'*+/=?^_\`{|}~-]+@${LABEL}(?:\\.${LABEL})+$`);
const EMAIL_LENGTH = 254;
const INTEGER = /^[+-]?[0-9]+$/;
const FLOAT = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const DATE = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/;
const PHONE = /^\+?([1-9][0-9]{1,14})$/;
const HASH = /^[0-9a-fA-F]{64}$/;
/** Digits that surely fit into 53 bits. */
const FEW_DIGITS = 15;
const [LEAST, MOST] = [-(2n ** 63n), 2n ** 63n - 1n];
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The value that a text stands for; null where it doesn't. The text is not empty. */
const VALUES: Readonly<Record<Format, (text: string) => string | null>> = {
  STRING: (text) => text,
  INTEGER: integer,
  FLOAT: (text) => {
    const found = FLOAT.test(text) ? Number(text) : Number.NaN;
    // + 0: there is one zero.
    return Number.isFinite(found) ? String(found + 0) : null;
  },
  EMAIL: (text) => (text.length <= EMAIL_LENGTH && EMAIL.test(text) ? text.toLowerCase() : null),
  DATE_ISO8601: (text) => (isDate(text) ? text : null),
  PHONE_NUMBER_E164: (text) => {
    const digits = PHONE.exec(text)?.[1];
    return digits === undefined ? null : `+${digits}`;
  },
  HASH_SHA256_HEX: (text) => (HASH.test(text) ? text.toLowerCase() : null),
};

/** What a text is in a column. What is hashed by the enclave is told as it is before that. */
export function check(column: Pick<Column, "type" | "nullable" | "range">, text: string): Checked {
  const { type } = column;
  if (text === "" || (type === "FLOAT" && text.length === 3 && text.toLowerCase() === "nan")) {
    return column.nullable ? { value: "" } : { code: "EMPTY_CELL" };
  }
  const value = VALUES[type](text);
  if (value === null) {
    // Every text is a STRING.
    return { code: `INVALID_${type as Exclude<Format, "STRING">}_FORMAT` };
  }
  return column.range !== undefined && !isWithin(column, value) ? { code: "INVALID_NUMERIC_RANGE" } : { value };
}

/** Whether a text has this format. */
export function isOf(type: Format, text: string): boolean {
  return VALUES[type](text) !== null;
}

/** What the enclave would write for a value that it is to hash: SHA-256 as hex, of its UTF-8; nothing for nothing. */
export function hashed(value: string): string {
  return value === "" ? "" : toHex(sha256(utf8(value)));
}

function integer(text: string): string | null {
  if (!INTEGER.test(text)) {
    return null;
  }
  if (text.length <= FEW_DIGITS) {
    return String(Number(text) + 0);
  }
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return value >= LEAST && value <= MOST ? value.toString() : null;
}

function isDate(text: string): boolean {
  const found = DATE.exec(text);
  if (found === null) {
    return false;
  }
  const [year, month, day] = found.slice(1).map(Number) as [number, number, number];
  return year >= 1 && day >= 1 && day <= daysOf(year, month);
}

/** Days of a month, from 1; none of one that there isn't. */
function daysOf(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && leap ? 29 : (DAYS[month - 1] ?? 0);
}

function isWithin({ type, range = {} }: Pick<Column, "type" | "range">, value: string): boolean {
  // Comparing a BigInt with a number is exact, as it is in the enclave.
  const number = type === "INTEGER" ? BigInt(value) : Number(value);
  const { greater_than, greater_than_equals, less_than, less_than_equals } = range;
  return (
    (greater_than === undefined || number > greater_than) &&
    (greater_than_equals === undefined || number >= greater_than_equals) &&
    (less_than === undefined || number < less_than) &&
    (less_than_equals === undefined || number <= less_than_equals)
  );
}
