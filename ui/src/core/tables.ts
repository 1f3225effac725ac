/** What the columns of tables hold, and what may be asked of them. As `cloister.rooms.tables`. */

import type { Column, Range, SyntheticColumn } from "./records";
import { folded, hasHidden, isBlank, isLonger, shown } from "./texts";

export const MAX_COLUMNS = 2000;
/** Combinations of columns that have to be unique. */
export const MAX_UNIQUE = 64;
export const MAX_COLUMN_NAME = 256;
/** That the groups of a query can be asked to have. */
export const MAX_ROWS = 2 ** 31;
/** Below that nothing but noise comes out. */
export const MIN_EPSILON = 1e-6;
/** Beyond that nothing is kept private, whatever the number says. */
export const MAX_EPSILON = 1000;

/** What is wrong with the columns of a table. */
export function* columnProblems(columns: readonly Column[], unique: readonly (readonly number[])[]): Generator<string> {
  if (columns.length < 1 || columns.length > MAX_COLUMNS) {
    yield `A table must have 1 to ${MAX_COLUMNS} columns; it has ${columns.length}.`;
  }
  yield* nameProblems(columns.slice(0, MAX_COLUMNS).map((column) => column.name));
  for (const column of columns.slice(0, MAX_COLUMNS)) {
    if (column.range !== undefined) {
      yield* rangeProblems(column, column.range);
    }
  }
  if (unique.length > MAX_UNIQUE) {
    yield `There are ${unique.length} unique combinations; ${MAX_UNIQUE} are the most.`;
  }
  for (const combination of unique.slice(0, MAX_UNIQUE)) {
    if (combination.length === 0 || new Set(combination).size !== combination.length) {
      yield "A unique combination is empty, or names a column twice.";
    }
    if (!combination.every((index) => index >= 0 && index < columns.length)) {
      yield "A unique combination names a column that isn't there: columns count from 0.";
    }
  }
}

/**
 * What is wrong with the columns that synthetic data is made of.
 *
 * @param width How many columns its table has, where the definition says so.
 */
export function* syntheticProblems(columns: readonly SyntheticColumn[], width?: number): Generator<string> {
  if (columns.length === 0) {
    yield "Choose at least one column.";
  } else if (columns.length > MAX_COLUMNS) {
    yield `Synthetic data must have 1 to ${MAX_COLUMNS} columns.`;
  }
  if (new Set(columns.map((column) => column.index)).size !== columns.length) {
    yield "A column of the table is named twice.";
  }
  const outside = columns.find((column) => width !== undefined && column.index >= width);
  if (outside !== undefined) {
    yield `It names the column ${outside.index} of a table that has ${width}: columns count from 0.`;
  }
  yield* nameProblems(columns.slice(0, MAX_COLUMNS).flatMap((column) => column.name ?? []));
}

/** Whether that is a loss of privacy that can be accounted for. */
export function* epsilonProblems(what: string, epsilon: number): Generator<string> {
  // Not a number isn't either.
  if (!(epsilon >= MIN_EPSILON && epsilon <= MAX_EPSILON)) {
    yield `${what} must be a number above 0: 0.000001 at least and ${MAX_EPSILON} at most; 1 is a usual choice.`;
  }
}

function* nameProblems(names: readonly string[]): Generator<string> {
  const seen = new Set<string>();
  for (const name of names) {
    if (isBlank(name) || isLonger(name, MAX_COLUMN_NAME) || hasHidden(name)) {
      yield `The column ${shown(name)} has an empty name, or one with over ${MAX_COLUMN_NAME} characters, or with some ` +
        "that can't be seen. Give it another.";
    }
    // Queries don't tell upper from lower case.
    const plain = folded(name);
    if (seen.has(plain)) {
      yield `Two columns are called ${shown(name)}.`;
    }
    seen.add(plain);
  }
}

function* rangeProblems(column: Column, bounds: Range): Generator<string> {
  const name = shown(column.name);
  if (column.type !== "INTEGER" && column.type !== "FLOAT") {
    yield `The column ${name} has a range, and isn't one of numbers.`;
    return;
  }
  if (!Object.values(bounds).every(Number.isFinite)) {
    yield `The range of the column ${name} has a bound that is no number.`;
    return;
  }
  const { greater_than, greater_than_equals, less_than, less_than_equals } = bounds;
  const least = Math.max(greater_than ?? -Infinity, greater_than_equals ?? -Infinity);
  const most = Math.min(less_than ?? Infinity, less_than_equals ?? Infinity);
  if (least > most || (least === most && (greater_than === least || less_than === most))) {
    yield `The range of the column ${name} lets no number in.`;
  }
}
