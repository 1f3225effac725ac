/** Which column of a file is which of the table, and how its cells are written: a proposal that people can change. */

import type { Column } from "../core/records";
import { check, type Format } from "./cells";
import { fold } from "./detect";
import { FORMS, type Form } from "./forms";
import { inferType, type Start } from "./infer";
import { made } from "./preparation";
import type { ColumnRecipe } from "./recipe";

/** Proposes how each column of a table is made from a file that begins so. */
export function proposeColumns(columns: readonly Column[], start: Start): ColumnRecipe[] {
  const sources = proposeSources(columns, start);
  return columns.map((column, index) => proposeColumn(column, sources[index] ?? null, start));
}

/** By name where the file has names; else by place. What doesn't fit by name is left for people to say. */
export function proposeSources(columns: readonly Column[], { header, width }: Start): (number | null)[] {
  if (header === null) {
    return columns.map((_, place) => (place < width ? place : null));
  }
  const free = new Map(header.map((name, place) => [place, name]));
  const found = columns.map<number | null>(() => null);
  // What is the very same comes before what is nearly so.
  for (const same of [(name: string) => name, fold]) {
    for (const [index, column] of columns.entries()) {
      if (found[index] === null) {
        const place = [...free].find(([, name]) => same(name) === same(column.name))?.[0] ?? null;
        found[index] = place;
        free.delete(place ?? -1);
      }
    }
  }
  return found;
}

/** Proposes how the cells of one column are made. */
export function proposeColumn(column: Column, source: number | null, { records }: Start): ColumnRecipe {
  const cells = records.map((record) => (source === null ? "" : (record[source] ?? "").trim()));
  const there = cells.filter((cell) => cell !== "");
  const trim = column.type !== "STRING";
  const plaintext = column.type === "HASH_SHA256_HEX" && there.length > 0 && inferType(there) !== "HASH_SHA256_HEX";
  if (plaintext) {
    return { source, trim, form: "plain", hashAs: hashableType(inferType(there)), replaced: [] };
  }
  return { source, trim, form: proposeForm(column.type, there), hashAs: null, replaced: [] };
}

/** Formats that cells can be hashed as. FLOAT isn't one: the same number could be written in other ways. */
export const HASHABLE = ["STRING", "EMAIL", "PHONE_NUMBER_E164", "INTEGER", "DATE_ISO8601"] as const satisfies Format[];

function hashableType(type: Format): Format {
  return HASHABLE.find((each) => each === type) ?? "STRING";
}

/** The one form in which most cells are valid. Where there are several, nobody but people can say. */
export function proposeForm(type: Format, cells: readonly string[]): Form {
  const column = { type, nullable: false };
  const counts = FORMS[type].map(({ form }) => {
    const valid = cells.filter((cell) => check(column, made(cell, { trim: true, form })).code === undefined);
    return { form, count: valid.length };
  });
  const most = Math.max(...counts.map(({ count }) => count));
  const best = counts.filter(({ count }) => count === most).map(({ form }) => form);
  return best.length === 1 ? (best[0] ?? "plain") : "plain";
}
