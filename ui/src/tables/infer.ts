/** The columns of a table, told by a file of the kind that it is to take. */

import type { Column } from "../core/records";
import { type Format, isOf } from "./cells";
import { FORMS, type Form, plain } from "./forms";
import { type Reading, readRecords } from "./reading";

/** Records that are looked at. */
const RECORDS = 10_000;
/** In which order formats are tried: whatever nothing else fits is text. */
const FORMATS = ["INTEGER", "FLOAT", "DATE_ISO8601", "EMAIL", "HASH_SHA256_HEX", "PHONE_NUMBER_E164"] as const;
/** Numbers that aren't quantities: codes that begin with a zero. */
const CODE = /^[+-]?0[0-9]/;
const LONGEST_NAME = 256;
/** Of cells, that tell what a column is meant to hold: the others are wrong. */
const MOSTLY = 0.95;

/** Some records of a file, and what it calls its columns, if it does. */
export interface Start {
  header: string[] | null;
  /** Without the header; none of them blank. */
  records: string[][];
  /** The numbers of the records in the file. */
  rows: number[];
  /** Cells of a row: of most rows. */
  width: number;
}

/**
 * How a file begins.
 *
 * @throws BadRequestError It can't be read so.
 */
export async function readStart(file: Blob, reading: Reading, most = RECORDS): Promise<Start> {
  let header: string[] | null = null;
  const [records, rows]: [string[][], number[]] = [[], []];
  for await (const { first, records: some } of readRecords(file, reading)) {
    for (const [place, record] of some.entries()) {
      if (record.length === 0) {
        continue;
      }
      if (reading.header && header === null) {
        header = record;
      } else if (records.length < most) {
        records.push(record);
        rows.push(first + place);
      }
    }
    if (records.length >= most) {
      break;
    }
  }
  return { header, records, rows, width: header?.length ?? widthOf(records) };
}

/** Columns that take what was seen. */
export function inferColumns({ header, records, width }: Start): Column[] {
  const names = distinct(Array.from({ length: width }, (_, place) => header?.[place] ?? ""));
  return names.map((name, place) => {
    const cells = records.map((record) => (record[place] ?? "").trim());
    return { name, type: inferType(cells), nullable: cells.includes(""), hashed: false };
  });
}

/** The format that nearly all of some cells have which aren't empty, in whatever way they are written. */
export function inferType(cells: readonly string[]): Format {
  const there = cells.filter((cell) => cell !== "");
  if (there.length === 0) {
    return "STRING";
  }
  const isCode = there.some((cell) => CODE.test(cell) || isTelephone(cell));
  // Without a plus a telephone might be any number.
  const telephones = there.every((cell) => cell.startsWith("+"));
  const possible = FORMATS.filter((type) =>
    type === "INTEGER" || type === "FLOAT" ? !isCode : type !== "PHONE_NUMBER_E164" || telephones,
  );
  const isMostly = (type: Format, form: Form): boolean =>
    there.filter((cell) => isOf(type, plain(cell, form))).length >= MOSTLY * there.length;
  return (
    possible.find((type) => isMostly(type, "plain")) ??
    possible.find((type) => FORMS[type].some(({ form }) => isMostly(type, form))) ??
    "STRING"
  );
}

/** A plus and many digits: nobody writes quantities so. */
function isTelephone(cell: string): boolean {
  return cell.startsWith("+") && cell.length > 7 && isOf("PHONE_NUMBER_E164", plain(cell, "spaced"));
}

function widthOf(records: readonly string[][]): number {
  const counts = new Map<number, number>();
  for (const { length } of records) {
    counts.set(length, (counts.get(length) ?? 0) + 1);
  }
  return [...counts].sort((one, other) => other[1] - one[1])[0]?.[0] ?? 0;
}

/** Names that a table can have: none empty, none twice, nothing in them that can't be seen. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((given, place) => {
    const clean = [...given.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, " ").trim()]
      .slice(0, LONGEST_NAME - 5)
      .join("");
    const wanted = clean === "" ? `column_${place + 1}` : clean;
    let name = wanted;
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) {
      name = `${wanted}_${number}`;
    }
    taken.add(name.toLowerCase());
    return name;
  });
}
