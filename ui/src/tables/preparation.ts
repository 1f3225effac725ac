/** Row by row: what a file's cells become in the table, and what is wrong with them. */

import { check, hashed } from "./cells";
import { writeLine } from "./csv";
import { Seen } from "./duplicates";
import { plain } from "./forms";
import { Problems } from "./problems";
import { asked, type ColumnRecipe, type Recipe, type Target } from "./recipe";

const SPACE = /[\s\u200b\ufeff]/;

/** A text of the file as the table is to have it, before it is hashed, if it is. */
export function made(text: string, { trim, form }: Pick<ColumnRecipe, "trim" | "form">): string {
  return plain(trim ? trimmed(text) : text, form);
}

/** Also without spaces that have no width. Most cells have none, which is seen at once. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text, start)) {
    start += 1;
  }
  while (end > start && isSpace(text, end - 1)) {
    end -= 1;
  }
  return end - start === text.length ? text : text.slice(start, end);
}

function isSpace(text: string, place: number): boolean {
  const code = text.charCodeAt(place);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0x80 && SPACE.test(text.charAt(place)));
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
  readonly #replaced: readonly (ReadonlyMap<string, string> | undefined)[];
  readonly #corrected = new Map<number, Map<number, string>>();
  readonly #seen: readonly Seen[];

  constructor(target: Target, recipe: Recipe) {
    this.#target = target;
    this.#recipe = recipe;
    this.#replaced = recipe.columns.map(({ replaced }) => (replaced.length === 0 ? undefined : new Map(replaced)));
    for (const { row, column, text } of recipe.corrections) {
      const cells = this.#corrected.get(row) ?? new Map<number, string>();
      this.#corrected.set(row, cells.set(column, text));
    }
    this.#seen = target.unique.map(() => new Seen(target.unique.length));
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
    // All that is done here is done for every cell of gigabytes.
    for (let index = 0; index < columns.length; index++) {
      const recipe = columns[index] as ColumnRecipe;
      const there = recipe.source === null ? "" : (record[recipe.source] ?? "");
      const original = recipe.trim ? trimmed(there) : there;
      const other = corrected?.get(index) ?? this.#replaced[index]?.get(original);
      const text = other === undefined ? plain(original, recipe.form) : made(other, recipe);
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
      const [first, ...others] = combination.map((column) => values[column] ?? "");
      const key = others.length === 0 ? (first ?? "") : JSON.stringify([first, ...others]);
      if (this.#seen[index]?.has(key)) {
        this.problems.addDuplicate(row, index);
        found = true;
      }
    }
    this.problems.invalidRows += found ? 1 : 0;
    return found;
  }
}
