/** How a file is written, told by how it begins. A guess: people see what comes of it, and can say otherwise. */

import Papa from "papaparse";

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
 * @throws BadRequestError It looks like an Excel file, and is none that can be read.
 */
export async function detect(file: Blob, names: readonly string[] = []): Promise<Reading> {
  const start = new Uint8Array(await file.slice(0, SAMPLE).arrayBuffer());
  if (PACKED.some((magic) => magic.every((byte, place) => start[place] === byte))) {
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
    const below = others.map((record) => record[place] ?? "").filter((each) => each !== "");
    const shape = SHAPES.find((each) => below.filter((text) => each.test(text)).length > MOSTLY * below.length);
    return shape === undefined || below.length === 0 ? 0 : shape.test(cell) ? -1 : 1;
  });
  return votes.reduce<number>((sum, vote) => sum + vote, 0) > 0;
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
