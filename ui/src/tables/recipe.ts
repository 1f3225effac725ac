/**
 * How a file that somebody has becomes what a table takes: said once, and done each time that the file is read. So the
 * table that comes out need not lie anywhere: it is made while it is encrypted, and made the same when an upload goes on.
 */

import type { Column, TableDataNode } from "../core/records";
import type { Format } from "./cells";
import type { Form } from "./forms";
import type { Reading } from "./reading";

/** What a table takes. */
export type Target = Pick<TableDataNode, "columns" | "unique">;

/** How the cells of one column are made. */
export interface ColumnRecipe {
  /** The file's column, from 0; null: the cells are empty. */
  source: number | null;
  /** Whether spaces around a cell are left out. */
  trim: boolean;
  form: Form;
  /** Where cells are hashed here: what they are before that. */
  hashAs: Format | null;
  /** Values that become others everywhere: as they stand in the file, and what is to stand there. */
  replaced: readonly (readonly [string, string])[];
}

/** A cell that is to hold something else than it does. */
export interface Correction {
  /** As `Batch` numbers them. */
  row: number;
  /** Of the table, from 0. */
  column: number;
  text: string;
}

export interface Recipe {
  reading: Reading;
  /** So many cells each row of the file has. */
  width: number;
  columns: readonly ColumnRecipe[];
  corrections: readonly Correction[];
  /** Whether invalid rows are left out. */
  drop: boolean;
}

/** A file and what is to be made of it; checked. */
export interface PreparedTable {
  file: Blob;
  target: Target;
  recipe: Recipe;
  /** Bytes that it comes to. */
  size: number;
  rows: number;
}

/** What is uploaded: a file as it is, or what is made of one. */
export type Content = Blob | PreparedTable;

/** What the cells of a column have to be before they are hashed here, if they are. */
export function asked(column: Column, { hashAs }: ColumnRecipe): Pick<Column, "type" | "nullable" | "range"> {
  return hashAs === null ? column : { type: hashAs, nullable: column.nullable };
}
