/** Row by row: what a file's cells become in the table, and what is wrong with them. */

import { check, hashed } from "./cells";
import { writeLine } from "./csv";
import { Seen } from "./duplicates";
import { plain } from "./forms";
import { Problems } from "./problems";
import { asked, type ColumnRecipe, type Recipe, type Target } from "./recipe";

const SPACES = /^[\s\u200b\ufeff]+|[\s\u200b\ufeff]+$/g;

/** A text of the file as the table is to have it, before it is hashed, if it is. */
export function made(text: string, { trim, form }: Pick<ColumnRecipe, "trim" | "form">): string {
  return plain(trim ? trimmed(text) : text, form);
}

function trimmed(text: string): string {
  return text.replace(SPACES, "");
}

/** Makes rows; one at a time, all of them in their order. */
export class Preparation {
  readonly problems: Problems;
  /** Rows of the table that comes out. */
  written = 0;
  /** Lines that were blank, which are no rows. */
  blank = 0;
  readonly #target: Target;
  readonly #recipe: Recipe;
  readonly #replaced: readonly ReadonlyMap<string, string>[];
  readonly #corrected = new Map<number, Map<number, string>>();
  readonly #seen: readonly Seen[];

  constructor(target: Target, recipe: Recipe) {
    this.#target = target;
    this.#recipe = recipe;
    this.#replaced = recipe.columns.map((column) => new Map(column.replaced));
    for (const { row, column, text } of recipe.corrections) {
      const cells = this.#corrected.get(row) ?? new Map<number, string>();
      this.#corrected.set(row, cells.set(column, text));
    }
    this.#seen = target.unique.map(() => new Seen());
    this.problems = new Problems(target);
  }

  /** Whether duplicates were looked for in all rows. */
  get comparedAll(): boolean {
    return !this.#seen.some((each) => each.full);
  }

  /** The line of a record, with that number in the file; null where it is no row, or an invalid one. */
  take(record: readonly string[], row: number): string | null {
    if (record.length === 0) {
      this.blank += 1;
      return null;
    }
    this.problems.rows += 1;
    const { width, columns } = this.#recipe;
    if (record.length !== width) {
      this.problems.addRow(row, record.length < width ? "NOT_ENOUGH_COLUMNS_PROVIDED" : "TOO_MANY_COLUMNS_PROVIDED");
      return null;
    }
    const corrected = this.#corrected.get(row);
    const cells: string[] = [];
    const values: string[] = [];
    let valid = true;
    for (const [index, recipe] of columns.entries()) {
      const there = recipe.source === null ? "" : (record[recipe.source] ?? "");
      const original = recipe.trim ? trimmed(there) : there;
      const text = made(corrected?.get(index) ?? this.#replaced[index]?.get(original) ?? original, recipe);
      const column = this.#target.columns[index];
      if (column === undefined) {
        throw new RangeError("The recipe is of another table.");
      }
      const { code, value } = check(asked(column, recipe), text);
      if (code !== undefined) {
        this.problems.addCell(row, index, code, original);
        valid = false;
      } else {
        const local = recipe.hashAs === null ? undefined : hashed(value);
        cells.push(local ?? text);
        values.push(local ?? value);
      }
    }
    if (!valid) {
      this.problems.invalidRows += 1;
      return null;
    }
    if (this.#repeats(values, row)) {
      return null;
    }
    this.written += 1;
    return writeLine(cells);
  }

  /** Whether the row has the same as one before, in some combination of columns. */
  #repeats(values: readonly string[], row: number): boolean {
    let found = false;
    for (const [index, combination] of this.#target.unique.entries()) {
      const key = JSON.stringify(combination.map((column) => values[column]));
      if (this.#seen[index]?.has(key)) {
        this.problems.addDuplicate(row, index);
        found = true;
      }
    }
    this.problems.invalidRows += found ? 1 : 0;
    return found;
  }
}
