/** What the validation of a table has found, in rows for people. The report is a container's: nothing in it is trusted. Pure. */

/** One thing that is wrong. */
export interface Finding {
  code: string;
  message: string;
  /** Counted from 1, as editors and spreadsheets do. */
  row?: number;
  /** The name of the column, where the table has one. */
  column?: string;
}

export interface Findings {
  passed: boolean;
  rows?: number;
  invalidRows?: number;
  droppedRows?: number;
  /** Those that the report lists. */
  found: Finding[];
  /** All of them, also those that the report doesn't list. */
  total: number;
}

/**
 * @param validation `NodeReport.validation`, or undefined where there was none.
 * @param columns Names of the table's columns.
 */
export function findings(validation: unknown, columns: readonly string[]): Findings | undefined {
  const report = field(validation, "report");
  const outcome = field(report, "outcome");
  if (typeof outcome !== "string") {
    return undefined;
  }
  const parts = [field(report, "table"), field(report, "schema"), field(report, "uniqueness")];
  const all = [...parts, ...list(field(report, "columns"))];
  const totals = all.map((part) => number(field(part, "numErrorsTotal")) ?? 0);
  const rows = number(field(report, "numRowsTotal"));
  const invalidRows = number(field(report, "numInvalidRowsTotal"));
  const droppedRows = number(field(field(report, "dropInvalidRows"), "numInvalidRowsDropped"));
  return {
    passed: outcome === "PASSED",
    ...(rows === undefined ? {} : { rows }),
    ...(invalidRows === undefined ? {} : { invalidRows }),
    ...(droppedRows === undefined ? {} : { droppedRows }),
    found: all.flatMap((part) => list(field(part, "recordedErrors")).map((each) => finding(each, columns))),
    total: totals.reduce((sum, each) => sum + each, 0),
  };
}

function finding(error: unknown, columns: readonly string[]): Finding {
  const place = field(error, "location");
  const [row, column] = [number(field(place, "row")), number(field(place, "column"))];
  return {
    code: text(field(error, "code")),
    message: text(field(error, "message")),
    ...(row === undefined ? {} : { row: row + 1 }),
    ...(column === undefined ? {} : { column: columns[column] ?? `column ${column + 1}` }),
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
