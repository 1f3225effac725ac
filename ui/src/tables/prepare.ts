/** A file, looked through as a whole, and the table that is made of it: both in pieces, in the same way. */

import { type Bytes, utf8 } from "../core/encoding";
import { BadRequestError } from "../core/errors";
import { Preparation } from "./preparation";
import type { Found } from "./problems";
import { readRecords } from "./reading";
import type { PreparedTable, Recipe, Target } from "./recipe";

/** How far a check has come. */
export interface CheckProgress {
  /** Bytes of the file that were read. */
  bytes: number;
  rows: number;
  invalidRows: number;
}

/** What a check has found. */
export interface CheckResult extends Found {
  /** Bytes of the table that is made: of valid rows alone. */
  size: number;
  /** Its rows. */
  written: number;
  blank: number;
  /** Whether duplicates were looked for in all rows; else the enclave does that. */
  comparedAll: boolean;
}

/**
 * Checks every row of a file.
 *
 * @param told Is told now and then how far it has come.
 * @throws BadRequestError The file can't be read so.
 */
export async function checkTable(
  file: Blob,
  target: Target,
  recipe: Recipe,
  told?: (progress: CheckProgress) => void,
): Promise<CheckResult> {
  const preparation = new Preparation(target, recipe);
  let size = 0;
  for await (const { piece, bytes } of pieces(file, recipe, preparation)) {
    size += piece.length;
    const { rows, invalidRows } = preparation.problems;
    told?.({ bytes, rows, invalidRows });
  }
  const { written, blank, comparedAll, problems } = preparation;
  return { ...problems.found(), size, written, blank, comparedAll };
}

/**
 * The table that is made of a file, piece by piece; the same each time. It is what was checked, or an error.
 *
 * @throws BadRequestError The file isn't the one that was checked.
 */
export async function* preparedBytes({ file, target, recipe, size, rows }: PreparedTable): AsyncGenerator<Bytes> {
  const preparation = new Preparation(target, recipe);
  let left = size;
  for await (const { piece } of pieces(file, recipe, preparation)) {
    left -= piece.length;
    const unchecked = !recipe.drop && preparation.problems.invalidRows > 0;
    if (left < 0 || unchecked) {
      throw changed();
    }
    yield piece;
  }
  if (left !== 0 || preparation.written !== rows) {
    throw changed();
  }
}

async function* pieces(
  file: Blob,
  { reading }: Recipe,
  preparation: Preparation,
): AsyncGenerator<{ piece: Bytes; bytes: number }> {
  let header = reading.header;
  for await (const { first, records, bytes } of readRecords(file, reading)) {
    const lines: string[] = [];
    for (const [place, record] of records.entries()) {
      if (header && record.length > 0) {
        header = false;
        continue;
      }
      const line = preparation.take(record, first + place);
      if (line !== null) {
        lines.push(line);
      }
    }
    yield { piece: utf8(lines.join("")), bytes };
  }
}

function changed(): BadRequestError {
  return new BadRequestError("The file was changed since it was checked. Choose it again.");
}
