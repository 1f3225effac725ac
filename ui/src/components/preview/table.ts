/** The beginning of a file as a table. Cells are text and nothing else, formulas too. Pure. */

import Papa from "papaparse";

/** Rows and columns that are shown, and letters of a cell. */
export const MOST_ROWS = 10_000;
export const MOST_COLUMNS = 200;
export const MOST_LETTERS = 1_000;

/** What is shown of a file. */
export interface Cells {
  rows: string[][];
  /** Columns of the widest row, shown ones. */
  width: number;
  /** What is not shown of it, in words; nothing where all is. */
  cut: string[];
}

/**
 * @param text The beginning of the file.
 * @param whole Whether it is all of it: otherwise the last line may be cut off, and isn't shown.
 */
export function cellsOf(text: string, separator: string, whole: boolean): Cells {
  const { data, meta } = Papa.parse<string[]>(text, {
    delimiter: separator,
    preview: MOST_ROWS + 1,
    skipEmptyLines: true,
    worker: false,
    header: false,
  });
  const ended = !whole && !meta.truncated;
  const there = ended ? data.slice(0, -1) : data;
  const more = !whole || there.length > MOST_ROWS;
  const rows = there.slice(0, MOST_ROWS);
  const widest = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const cut = [];
  if (more) {
    cut.push(`These are the first ${rows.length.toLocaleString("en")} rows.`);
  }
  if (widest > MOST_COLUMNS) {
    cut.push(`These are the first ${MOST_COLUMNS} of ${widest.toLocaleString("en")} columns.`);
  }
  const width = Math.min(widest, MOST_COLUMNS);
  return { rows: rows.map((row) => row.slice(0, width).map(short)), width, cut };
}

function short(cell: string): string {
  return cell.length > MOST_LETTERS ? `${cell.slice(0, MOST_LETTERS)}…` : cell;
}
