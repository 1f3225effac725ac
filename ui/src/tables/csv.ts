/** CSV as it is sent to a room: RFC 4180, UTF-8, commas, lines that end with LF, no header. */

const SPECIAL = /[",\n\r]/;

/** One line. A cell is written as it is, also one that a spreadsheet would take for a formula. */
export function writeLine(cells: readonly string[]): string {
  if (cells.length === 1 && cells[0] === "") {
    // A blank line would be no row.
    return '""\n';
  }
  return `${cells.map(writeCell).join(",")}\n`;
}

function writeCell(cell: string): string {
  if (SPECIAL.test(cell) || isPadded(cell)) {
    return `"${cell.replaceAll('"', '""')}"`;
  }
  return cell;
}

/** Spaces around a cell count; some readers leave them out where there are no quotes. */
function isPadded(cell: string): boolean {
  return cell.startsWith(" ") || cell.endsWith(" ");
}

const FORMULA = /^[=+\-@\t\r]/;

/** One line of a list for people: nothing in it is a formula to the spreadsheet that they open it with. */
export function writeHarmlessLine(cells: readonly string[]): string {
  return writeLine(cells.map((cell) => (FORMULA.test(cell) ? `'${cell}` : cell)));
}
