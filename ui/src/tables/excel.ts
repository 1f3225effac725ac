/**
 * Excel files (.xlsx): a zip of XML, which has to be in memory as a whole. So it may have some size and no more, packed
 * and unpacked.
 */

import { BlobReader, BlobWriter, ZipReader, ZipWriter } from "@zip.js/zip.js/lib/zip-core-custom.js";
import readXlsxFile, { type CellValue } from "read-excel-file/universal";

import { BadRequestError } from "../core/errors";

/** One sheet, all cells as text. */
export interface Sheet {
  name: string;
  /** Rows without anything in them have no cells. */
  rows: string[][];
}

const MIB = 1024 * 1024;
/** Bytes of a file. */
export const MOST_EXCEL = 64 * MIB;
const MOST_UNPACKED = 512 * MIB;
const MOST_ENTRIES = 10_000;

/** What was read of files that are in use. */
const READ = new WeakMap<Blob, Promise<Sheet[]>>();

/**
 * All sheets of an Excel file.
 *
 * @throws BadRequestError It is none, or too large.
 */
export function readSheets(file: Blob): Promise<Sheet[]> {
  const sheets = READ.get(file) ?? readFile(file);
  READ.set(file, sheets);
  return sheets;
}

async function readFile(file: Blob): Promise<Sheet[]> {
  if (file.size > MOST_EXCEL) {
    throw new BadRequestError(
      `Excel files are read up to ${MOST_EXCEL / MIB} MiB, and this one is larger. Save it as CSV UTF-8 in Excel: CSV ` +
        "files may be of any size.",
    );
  }
  const plain = await unpacked(file);
  try {
    const sheets = await readXlsxFile(plain);
    return sheets.map(({ sheet, data }) => ({ name: sheet, rows: data.map((row) => rowOf(row as Cell[])) }));
  } catch {
    throw noExcel();
  }
}

type Cell = Exclude<CellValue, typeof Date> | Date | null;

/**
 * The same zip, its XML not packed: the reader would start threads to unpack it, from texts, which the pages' policy
 * forbids; and nobody would see how large it gets.
 */
async function unpacked(file: Blob): Promise<Blob> {
  const plain = new ZipWriter(new BlobWriter(), { level: 0, useWebWorkers: false, extendedTimestamp: false });
  let left = MOST_UNPACKED;
  try {
    const entries = await new ZipReader(new BlobReader(file), { useWebWorkers: false }).getEntries();
    if (entries.length > MOST_ENTRIES) {
      throw noExcel();
    }
    if (!entries.some(({ filename }) => filename.startsWith("xl/"))) {
      throw new BadRequestError(
        "This is a zip archive, and no Excel file (.xlsx): unpack it, and choose the CSV file in it.",
      );
    }
    for (const entry of entries) {
      if (!entry.directory && /\.xml(\.rels)?$/.test(entry.filename)) {
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
          transform(piece, controller) {
            // What a file says of its size is not believed.
            left -= piece.length;
            if (left < 0) {
              throw tooLarge();
            }
            controller.enqueue(piece);
          },
        });
        await Promise.all([entry.getData(writable), plain.add(entry.filename, readable)]);
      }
    }
    return await plain.close();
  } catch (error) {
    throw error instanceof BadRequestError ? error : noExcel();
  }
}

function rowOf(row: readonly Cell[]): string[] {
  return row.every((cell) => cell === null) ? [] : row.map(textOf);
}

/** A cell as Excel would write it into a CSV file, but for dates: those as ISO 8601 has them. */
export function textOf(cell: Cell): string {
  if (cell === null) {
    return "";
  }
  if (cell instanceof Date) {
    if (Number.isNaN(cell.getTime())) {
      return "";
    }
    // Dates of a spreadsheet are of no time zone; they are read as if they were UTC.
    const [day, time] = cell.toISOString().slice(0, 19).split("T");
    return time === "00:00:00" ? `${day}` : `${day} ${time}`;
  }
  return typeof cell === "boolean" ? String(cell).toUpperCase() : String(cell);
}

function tooLarge(): BadRequestError {
  return new BadRequestError(
    `Unpacked, this Excel file has more than ${MOST_UNPACKED / MIB} MiB. Save it as CSV UTF-8 in Excel: CSV files may be ` +
      "of any size.",
  );
}

function noExcel(): BadRequestError {
  return new BadRequestError(
    "This is no Excel file (.xlsx) that can be read. Open it in Excel and save it as CSV UTF-8.",
  );
}
