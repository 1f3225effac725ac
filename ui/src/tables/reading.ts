/**
 * The records of a file that somebody has: CSV in the ways that programs write it, or a sheet of an Excel file. CSV is
 * read in pieces: memory doesn't grow with the file.
 */

import Papa from "papaparse";

import { BadRequestError } from "../core/errors";

/** Encodings that files of tables come in. */
export type Encoding = "utf-8" | "windows-1252" | "utf-16le" | "utf-16be";

/** How a CSV file is written. */
export interface CsvReading {
  kind: "csv";
  encoding: Encoding;
  /** One character. */
  delimiter: string;
  /** One character, which is doubled inside; empty where quotes mean nothing. */
  quote: string;
  /** What ends lines: LF, or CRLF, or both; or a lone CR. */
  newline: "\n" | "\r";
  header: boolean;
}

/** Which sheet of an Excel file is meant. */
export interface ExcelReading {
  kind: "excel";
  /** By its place. */
  sheet: number;
  header: boolean;
}

export type Reading = CsvReading | ExcelReading;

/** Some records of a file. Blank lines are records, of no cells. */
export interface Batch {
  /** The number of the first one; those of a file count from 1, its header among them, as spreadsheets count. */
  first: number;
  records: string[][];
  /** Bytes of the file that were read so far. */
  bytes: number;
}

/** Bytes that are read at once. */
const PIECE = 2 * 1024 * 1024;
/** Of one record, in characters: what the enclave takes. */
const MOST_RECORD = 4 * 1024 * 1024;
const UNKNOWN_IN_1252 = /[\u0081\u008d\u008f\u0090\u009d]/;
/** Records that are handed out at once of what lies in memory anyhow. */
const ROWS = 4096;

/**
 * The records of a file, its header too.
 *
 * @throws BadRequestError It can't be read so; the message says why and what may help.
 */
export async function* readRecords(file: Blob, reading: Reading): AsyncGenerator<Batch> {
  if (reading.kind === "csv") {
    yield* csvRecords(file, reading);
    return;
  }
  // Loaded where it is needed alone.
  const { readSheets } = await import("./excel");
  const { rows } = (await readSheets(file))[reading.sheet] ?? { rows: [] };
  for (let first = 0; first < rows.length; first += ROWS) {
    yield { first: first + 1, records: rows.slice(first, first + ROWS), bytes: file.size };
  }
}

async function* csvRecords(file: Blob, reading: CsvReading): AsyncGenerator<Batch> {
  const decode = decoder(reading.encoding);
  const parse = parser(reading);
  let [pending, number] = ["", 1];
  for (let at = 0; ; at += PIECE) {
    const last = at + PIECE >= file.size;
    const piece = decode(await bytesOf(file, at), last);
    pending = pending === "" ? piece : pending + piece;
    const { records, rest } = parse(pending, last, number);
    if (records.length > 0) {
      yield { first: number, records, bytes: Math.min(at + PIECE, file.size) };
    }
    number += records.length;
    pending = rest;
    if (pending.length > MOST_RECORD) {
      throw new BadRequestError(
        `Row ${number} has more than ${MOST_RECORD / 1024 / 1024} million characters. Is there a quote that is never ` +
          "closed? If quotes are nothing special in this file, choose that they aren't.",
      );
    }
    if (last) {
      return;
    }
  }
}

/** Parses text that may end within a record, the beginning of which is handed back as `rest`. */
function parser({ delimiter, quote, newline }: CsvReading) {
  const config = {
    delimiter,
    newline,
    ...(quote === "" ? { fastMode: true } : { quoteChar: quote, escapeChar: quote }),
  };
  return (text: string, last: boolean, number: number): { records: string[][]; rest: string } => {
    const parsed = new Papa.Parser(config).parse(text, 0, !last) as Papa.ParseResult<string[]>;
    const records = parsed.data;
    // What is wrong with the last record, when it isn't whole, is looked at again.
    const wrong = parsed.errors.find((error) => last || (error.row ?? 0) < records.length);
    if (wrong !== undefined) {
      throw new BadRequestError(
        `The quotes in row ${number + (wrong.row ?? 0)} don't fit: one is never closed, or something stands behind a ` +
          "closing one. If quotes are nothing special in this file, choose that they aren't.",
      );
    }
    const clean = records.map((record) => tidy(record, newline));
    if (last && clean.at(-1)?.length === 0) {
      // What comes behind the end of the last line.
      clean.pop();
    }
    return { records: clean, rest: last ? "" : text.slice(parsed.meta.cursor) };
  };
}

/** A record as the parser has cut it: without a CR of its end; without cells where the line is blank. */
export function tidy(record: string[], newline: string): string[] {
  const end = record.length - 1;
  const cell = record[end] ?? "";
  if (newline === "\n" && cell.endsWith("\r")) {
    record[end] = cell.slice(0, -1);
  }
  return end === 0 && record[0] === "" ? [] : record;
}

/** Decodes pieces of a file, one after the other. */
function decoder(encoding: Encoding): (piece: Uint8Array, last: boolean) => string {
  const decoding = new TextDecoder(encoding, { fatal: true });
  return (piece, last) => {
    let text: string;
    try {
      text = decoding.decode(piece, { stream: !last });
    } catch {
      throw new BadRequestError(
        `The file is not text in ${NAMES[encoding]}. Choose another encoding: ` +
          `${encoding === "utf-8" ? "older programs of Windows write windows-1252" : "most write UTF-8"}.`,
      );
    }
    if (text.includes("\0")) {
      throw new BadRequestError(
        "The file has a NUL character in it: it is no text, or in another encoding. Save it as CSV in UTF-8.",
      );
    }
    if (encoding === "windows-1252" && UNKNOWN_IN_1252.test(text)) {
      throw new BadRequestError("The file is neither in UTF-8 nor in windows-1252. Save it as CSV in UTF-8.");
    }
    return text;
  };
}

/** What encodings are called for people. */
export const NAMES: Readonly<Record<Encoding, string>> = {
  "utf-8": "UTF-8",
  "windows-1252": "windows-1252 (Western European)",
  "utf-16le": "UTF-16 (little-endian)",
  "utf-16be": "UTF-16 (big-endian)",
};

async function bytesOf(file: Blob, at: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
  } catch {
    throw new BadRequestError("The file can't be read any more: it was moved or changed. Choose it again.");
  }
}
