/** What is wrong with a table that was looked through: all of it is counted, some of it listed. */

import type { CellCode } from "./cells";
import { writeHarmlessLine } from "./csv";
import type { Target } from "./recipe";

export type RowCode = "NOT_ENOUGH_COLUMNS_PROVIDED" | "TOO_MANY_COLUMNS_PROVIDED" | "DUPLICATE_VALUES";
export type Code = CellCode | RowCode;

/** As the enclave's reports say it. */
export const MESSAGES: Readonly<Record<Code, string>> = {
  INVALID_INTEGER_FORMAT: "Not a whole number of 64 bits: digits, with a sign at most, and no spaces",
  INVALID_FLOAT_FORMAT: "Not a finite number, as 12, -0.5 or 1e3",
  INVALID_EMAIL_FORMAT: "Not an e-mail address",
  INVALID_DATE_ISO8601_FORMAT: "Not a date of the form YYYY-MM-DD",
  INVALID_PHONE_NUMBER_E164_FORMAT: "Not a phone number of the form +41791234567",
  INVALID_HASH_SHA256_HEX_FORMAT: "Not a SHA-256 as 64 hexadecimal digits",
  INVALID_NUMERIC_RANGE: "Not in the column's range",
  EMPTY_CELL: "Empty, which the column doesn't allow",
  NOT_ENOUGH_COLUMNS_PROVIDED: "Fewer cells than the file has columns",
  TOO_MANY_COLUMNS_PROVIDED: "More cells than the file has columns",
  DUPLICATE_VALUES: "The same as in an earlier row",
};

/** So many rows, and so many different values, are listed of each kind of problem; of tables of many columns fewer. */
const MOST_LISTED = 500;
const FEWEST_LISTED = 10;
const LISTED_OF_ALL_COLUMNS = 50_000;
/** Longer texts are listed by their beginning, and can't be replaced everywhere. */
export const LONGEST_LISTED = 1000;

/** A value that is wrong in many places at once. */
export interface WrongValue {
  /** As it stands in the file, but for spaces around it where those are left out. */
  text: string;
  count: number;
  /** The first rows that have it. */
  rows: number[];
  /** Whether the text is only the beginning. */
  cut: boolean;
}

/** One kind of problem, in one column. */
export interface Kind {
  code: Code;
  /** Of the table, from 0; of a duplicate the first of its combination; null: the row as a whole. */
  column: number | null;
  /** Of a duplicate: which combination. */
  combination: number | null;
  count: number;
  /** The first rows with it, as the file counts them. */
  rows: number[];
  /** The different values, of cells; the first of them. */
  values: WrongValue[];
}

/** All that was found, to be shown. */
export interface Found {
  rows: number;
  invalidRows: number;
  kinds: Kind[];
}

/** Collects them. */
export class Problems {
  rows = 0;
  invalidRows = 0;
  readonly #target: Target;
  readonly #most: number;
  readonly #kinds = new Map<string, Kind>();
  readonly #values = new Map<Kind, Map<string, WrongValue>>();

  constructor(target: Target) {
    this.#target = target;
    const most = Math.floor(LISTED_OF_ALL_COLUMNS / target.columns.length);
    this.#most = Math.max(FEWEST_LISTED, Math.min(MOST_LISTED, most));
  }

  /** In the table's order. */
  found(): Found {
    const kinds = [...this.#kinds.values()].sort(
      (one, other) => (one.column ?? -1) - (other.column ?? -1) || one.code.localeCompare(other.code),
    );
    return { rows: this.rows, invalidRows: this.invalidRows, kinds };
  }

  addRow(row: number, code: RowCode): void {
    this.invalidRows += 1;
    this.#add(row, code, null, null);
  }

  /** One of several things in a row that may be wrong; whoever calls counts the row. */
  addCell(row: number, column: number, code: CellCode, text: string): void {
    const kind = this.#add(row, code, column, null);
    const values = this.#values.get(kind) ?? new Map<string, WrongValue>();
    this.#values.set(kind, values);
    const listed = text.slice(0, LONGEST_LISTED);
    const known = values.get(listed);
    if (known !== undefined) {
      known.count += 1;
      if (known.rows.length < this.#most) {
        known.rows.push(row);
      }
    } else if (values.size < this.#most) {
      const value = { text: listed, count: 1, rows: [row], cut: listed.length < text.length };
      values.set(listed, value);
      kind.values.push(value);
    }
  }

  /** One of several combinations that a row may repeat; whoever calls counts the row. */
  addDuplicate(row: number, combination: number): void {
    this.#add(row, "DUPLICATE_VALUES", this.#target.unique[combination]?.[0] ?? null, combination);
  }

  #add(row: number, code: Code, column: number | null, combination: number | null): Kind {
    const name = `${code} ${column} ${combination}`;
    const kind = this.#kinds.get(name) ?? { code, column, combination, count: 0, rows: [], values: [] };
    this.#kinds.set(name, kind);
    kind.count += 1;
    if (kind.rows.length < this.#most) {
      kind.rows.push(row);
    }
    return kind;
  }
}

/** What is listed, as CSV for a spreadsheet. It has values of the data in it. */
export function problemList(found: Found, target: Target): string {
  const lines = found.kinds.flatMap(({ code, column, combination, rows, values }) => {
    const names = combination === null ? [column] : (target.unique[combination] ?? []);
    const name = names.map((index) => (index === null ? "" : (target.columns[index]?.name ?? ""))).join(", ");
    const line = (row: number, text: string): string =>
      writeHarmlessLine([String(row), name, code, MESSAGES[code], text]);
    const listed = values.flatMap((value) => value.rows.map((row) => ({ row, text: value.text })));
    return listed.length > 0
      ? listed.sort((one, other) => one.row - other.row).map(({ row, text }) => line(row, text))
      : rows.map((row) => line(row, ""));
  });
  return `${writeLineOfNames()}${lines.join("")}`;
}

function writeLineOfNames(): string {
  return writeHarmlessLine(["row", "column", "code", "problem", "value"]);
}
