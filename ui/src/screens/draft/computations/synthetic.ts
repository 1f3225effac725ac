/** The columns that synthetic data is made of, as their form changes them. */

import type { SyntheticColumn } from "../../../core/records";
import type { KnownColumn } from "./columns";

export const TYPES: readonly { value: SyntheticColumn["type"]; label: string }[] = [
  { value: "STRING", label: "Text" },
  { value: "INTEGER", label: "Whole number" },
  { value: "FLOAT", label: "Number" },
  { value: "EMAIL", label: "E-mail" },
  { value: "DATE_ISO8601", label: "Date" },
  { value: "PHONE_NUMBER_E164", label: "Phone number" },
  { value: "HASH_SHA256_HEX", label: "SHA-256" },
];

export const MASKS: readonly { value: SyntheticColumn["mask_type"]; label: string }[] = [
  { value: "genericString", label: "text" },
  { value: "genericNumber", label: "number" },
  { value: "name", label: "name" },
  { value: "address", label: "address" },
  { value: "postcode", label: "postcode" },
  { value: "phoneNumber", label: "phone number" },
  { value: "socialSecurityNumber", label: "social security number" },
  { value: "email", label: "e-mail" },
  { value: "date", label: "date" },
  { value: "timestamp", label: "timestamp" },
  { value: "iban", label: "IBAN" },
];

/** What a column is made as where nothing else is said. */
export function usual(index: number, known?: KnownColumn): SyntheticColumn {
  return {
    index,
    type: known?.type ?? "STRING",
    mask_type: "genericString",
    mask: false,
    nullable: known?.nullable ?? true,
  };
}

/** All columns of a table. */
export function allColumns(known: readonly KnownColumn[]): SyntheticColumn[] {
  return known.map((column, index) => usual(index, column));
}

/** Puts a column in its place, or takes it out. */
export function putColumn(
  columns: readonly SyntheticColumn[],
  index: number,
  column: SyntheticColumn | undefined,
): SyntheticColumn[] {
  const others = columns.filter((each) => each.index !== index);
  return (column === undefined ? others : [...others, column]).sort((one, other) => one.index - other.index);
}

/** Replaces the values of a column as a mask says, or learns them. */
export function masked(column: SyntheticColumn, mask: string): SyntheticColumn {
  const known = MASKS.find((each) => each.value === mask);
  return known === undefined ? { ...column, mask: false } : { ...column, mask: true, mask_type: known.value };
}
