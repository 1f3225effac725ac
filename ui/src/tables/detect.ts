/** How a file is written, told by how it begins. A guess: people see what comes of it, and can say otherwise. */

import Papa from "papaparse";

import { BadRequestError } from "../core/errors";
import { type CsvReading, type Encoding, type Reading, tidy } from "./reading";

/** Bytes that are looked at. */
export const SAMPLE = 512 * 1024;
/** Records that are looked at. */
const RECORDS = 200;
const DELIMITERS = [",", ";", "\t", "|"] as const;
const PACKED = [
  [0x50, 0x4b, 0x03, 0x04],
  [0x50, 0x4b, 0x05, 0x06],
];
/** What is no table, told by its first bytes; and what to do then. */
const OTHERS: readonly [readonly number[], string][] = [
  [[0x1f, 0x8b], "This file is packed by gzip (.gz): unpack it, and choose the CSV file in it."],
  [
    [0xd0, 0xcf, 0x11, 0xe0],
    "This is an Excel file of the old kind (.xls), or one with a password. Open it in Excel and save it as .xlsx without " +
      "a password, or as CSV UTF-8.",
  ],
];
const LONGEST_NAME = 100;
/** Numbers, dates, times, telephones: digits, and what stands between them. */
const NUMERIC = /^[\d\s.,:/+()'%-]+$/;
/** What names don't look like. */
const SHAPES = [NUMERIC, /^[^@\s]+@[^@\s]+$/, /^[0-9a-fA-F]{32,}$/, /^(?:true|false|yes|no)$/i];
/** Of cells, that tell what a column holds. */
const MOSTLY = 0.9;

/**
 * How a file is written.
 *
 * @param names Of the columns that are wanted, where they are known.
 * @throws BadRequestError It is none that can be read; the message says what it is.
 */
export async function detect(file: Blob, names: readonly string[] = []): Promise<Reading> {
  const start = new Uint8Array(await file.slice(0, SAMPLE).arrayBuffer());
  const begins = (magic: readonly number[]): boolean => magic.every((byte, place) => start[place] === byte);
  const other = OTHERS.find(([magic]) => begins(magic));
  if (other !== undefined) {
    throw new BadRequestError(other[1]);
  }
  if (PACKED.some(begins)) {
    const { readSheets } = await import("./excel");
    const sheets = await readSheets(file);
    // The first one that has anything in it.
    const sheet = Math.max(
      0,
      sheets.findIndex(({ rows }) => rows.length > 0),
    );
    return { kind: "excel", sheet, header: hasHeader(sheets[sheet]?.rows.slice(0, RECORDS) ?? [], names) };
  }
  return detectCsv(start, start.length < file.size, names);
}

/**
 * How a CSV file is written.
 *
 * @param start How it begins.
 * @param cut Whether there is more of it.
 */
export function detectCsv(start: Uint8Array, cut: boolean, names: readonly string[] = []): CsvReading {
  const encoding = encodingOf(start, cut);
  const text = new TextDecoder(encoding).decode(start, { stream: cut });
  const quote = quoteOf(text);
  const newline = /\n/.test(text) || !/\r/.test(text) ? "\n" : "\r";
  const base = { kind: "csv", encoding, quote, newline, header: false } as const;
  const delimiter = delimiterOf(text, base);
  const records = sampleOf(text, { ...base, delimiter }, cut);
  return { ...base, delimiter, header: hasHeader(records, names) };
}

function encodingOf(start: Uint8Array, cut: boolean): Encoding {
  const [one, two] = start;
  if (one === 0xff && two === 0xfe) {
    return "utf-16le";
  }
  if (one === 0xfe && two === 0xff) {
    return "utf-16be";
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(start, { stream: cut });
    return "utf-8";
  } catch {
    return "windows-1252";
  }
}

/** Double quotes, unless cells stand in single ones. */
function quoteOf(text: string): string {
  const single = text.match(/(?:^|[,;\t|\n])'[^'\n]*'(?=[,;\t|\r\n]|$)/g)?.length ?? 0;
  const double = text.match(/(?:^|[,;\t|\n])"/g)?.length ?? 0;
  return single > 0 && double === 0 ? "'" : '"';
}

/** What cuts the most lines into the same number of cells, more than one. */
function delimiterOf(text: string, base: Omit<CsvReading, "delimiter">): string {
  const scores = DELIMITERS.map((delimiter) => {
    const widths = sampleOf(text, { ...base, delimiter }, true).map((record) => record.length);
    const counts = new Map<number, number>();
    for (const width of widths) {
      counts.set(width, (counts.get(width) ?? 0) + 1);
    }
    const [width, count] = [...counts].sort((one, other) => other[1] - one[1])[0] ?? [1, 0];
    return { delimiter, width, fit: width > 1 ? count / widths.length : 0 };
  });
  const [best] = scores.sort((one, other) => other.fit - one.fit || other.width - one.width);
  return best !== undefined && best.fit > 0 ? best.delimiter : ",";
}

/** The first records that aren't blank, as far as they can be told apart. */
function sampleOf(text: string, { delimiter, quote, newline }: CsvReading, cut: boolean): string[][] {
  const config = { delimiter, newline, quoteChar: quote, preview: RECORDS };
  const { data } = new Papa.Parser(config).parse(text, 0, cut) as Papa.ParseResult<string[]>;
  const records = data.length === 0 && cut ? (new Papa.Parser(config).parse(text, 0, false).data as string[][]) : data;
  return records.map((record) => tidy(record, newline)).filter((record) => record.length > 0);
}

/** Whether the first of some records names the columns. */
export function hasHeader(records: readonly (readonly string[])[], names: readonly string[] = []): boolean {
  const [first, ...others] = records.filter((record) => record.length > 0);
  if (first === undefined) {
    return false;
  }
  // 1. It says what is wanted.
  const folded = new Set(names.map(fold));
  if (first.some((cell) => folded.has(fold(cell)))) {
    return true;
  }
  // 2. Names are texts, and no two are the same.
  if (!first.every(isName) || new Set(first.map(fold)).size < first.length) {
    return false;
  }
  // 3. Below them is something else, in more columns than not.
  const votes = first.map((cell, place) => {
    const shape = shapeOf(below(others, place));
    return shape === undefined ? 0 : shape.test(cell) ? -1 : 1;
  });
  return votes.reduce<number>((sum, vote) => sum + vote, 0) > 0;
}

/**
 * The first of some records, where `hasHeader` can't tell and people may: all columns are texts, and what stands in the
 * first row stands nowhere below.
 */
export function maybeHeader(records: readonly (readonly string[])[]): readonly string[] | null {
  const [first, ...others] = records;
  if (first === undefined || others.length === 0 || !first.every(isName)) {
    return null;
  }
  const alone = first.every((cell, place) => {
    const cells = below(others, place);
    return shapeOf(cells) === undefined && !cells.some((each) => fold(each) === fold(cell));
  });
  return alone && new Set(first.map(fold)).size === first.length ? first : null;
}

function below(records: readonly (readonly string[])[], place: number): string[] {
  return records.map((record) => record[place] ?? "").filter((cell) => cell !== "");
}

/** What nearly all of some cells look like, if it is anything but text. */
function shapeOf(cells: readonly string[]): RegExp | undefined {
  const most = (shape: RegExp): boolean => cells.filter((text) => shape.test(text)).length > MOSTLY * cells.length;
  return SHAPES.find((shape) => cells.length > 0 && most(shape));
}

function isName(cell: string): boolean {
  return cell.trim() !== "" && cell.length <= LONGEST_NAME && !/[\n\r]/.test(cell) && !NUMERIC.test(cell);
}

/** Names that people take for the same. */
export function fold(name: string): string {
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\s_.-]+/g, " ")
    .trim();
}
