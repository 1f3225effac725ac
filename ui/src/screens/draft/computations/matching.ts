/**
 * The query of a match as a form: alternatives, in each of which columns of both tables are equal. Anything else that
 * JSON logic can say is written by hand.
 */

/** A column of each table, and what is done to both before they are compared. */
export interface Pair {
  left: string;
  right: string;
  lower: boolean;
  trim: boolean;
}

/** One of them has to hold, with all of its pairs. */
export type Alternatives = Pair[][];

export const EMPTY_PAIR: Readonly<Pair> = { left: "", right: "", lower: false, trim: false };

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The query that a form says. Tables are called by their places: so they can be renamed. */
export function writeQuery(alternatives: Alternatives): string {
  const all = alternatives.map((pairs) => combined("and", pairs.map(written)));
  return JSON.stringify(combined("or", all), null, 2);
}

function combined(word: "and" | "or", parts: Json[]): Json {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { [word]: parts };
}

function written({ left, right, lower, trim }: Pair): Json {
  const side = (place: 0 | 1, column: string): Json => {
    const value = { var: `${place}.${column}` };
    const trimmed = trim ? { trim: value } : value;
    return lower ? { lower: trimmed } : trimmed;
  };
  return { "==": [side(0, left), side(1, right)] };
}

/**
 * The form that says the same as a query; undefined where none does.
 *
 * @param tables The names of the two tables, in order.
 */
export function readQuery(query: string, tables: readonly string[]): Alternatives | undefined {
  if (query.trim() === "") {
    return [[{ ...EMPTY_PAIR }]];
  }
  let parsed: Json;
  try {
    parsed = JSON.parse(query) as Json;
  } catch {
    return undefined;
  }
  const [only] = Array.isArray(parsed) && parsed.length === 1 ? parsed : [parsed];
  const found = (argumentsOf(only, "or") ?? [only]).map((each) =>
    (argumentsOf(each, "and") ?? [each]).map((pair) => read(pair, tables)),
  );
  const complete =
    found.length > 0 && found.every((pairs) => pairs.length > 0 && pairs.every((pair) => pair !== undefined));
  return complete ? (found as Alternatives) : undefined;
}

function read(value: Json | undefined, tables: readonly string[]): Pair | undefined {
  const [one, other, ...more] = argumentsOf(value, "==") ?? [];
  const sides = [sideOf(one, tables), sideOf(other, tables)];
  const [left, right] = sides[0]?.place === 1 ? [sides[1], sides[0]] : sides;
  if (more.length > 0 || left?.place !== 0 || right?.place !== 1) {
    return undefined;
  }
  const { lower, trim } = left;
  return lower === right.lower && trim === right.trim
    ? { left: left.column, right: right.column, lower, trim }
    : undefined;
}

interface Side {
  place: number;
  column: string;
  lower: boolean;
  trim: boolean;
}

function sideOf(value: Json | undefined, tables: readonly string[]): Side | undefined {
  for (const word of ["lower", "trim"] as const) {
    const given = argumentsOf(value, word);
    if (given !== undefined) {
      const inner = given.length === 1 ? sideOf(given[0], tables) : undefined;
      return inner === undefined || inner[word] ? undefined : { ...inner, [word]: true };
    }
  }
  const [name, ...more] = argumentsOf(value, "var") ?? [];
  if (typeof name !== "string" || more.length > 0 || !name.includes(".")) {
    return undefined;
  }
  const [table = ""] = name.split(".", 1);
  const place = tables.includes(table) ? tables.indexOf(table) : ["0", "1"].indexOf(table);
  return place < 0 ? undefined : { place, column: name.slice(table.length + 1), lower: false, trim: false };
}

/** What an operation is given, if the value is that operation and nothing else. */
function argumentsOf(value: Json | undefined, operation: string): Json[] | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return undefined;
  }
  const given = Object.keys(value).length === 1 && Object.hasOwn(value, operation) ? value[operation] : undefined;
  return given === undefined ? undefined : Array.isArray(given) ? given : [given];
}

/** The places below /input of the two tables of a match, in order. */
export function matchPaths(names: readonly string[]): string[] {
  return names.map((name) => `${name}/dataset.csv`);
}

/** The names in such places. */
export function pathNames(paths: readonly string[]): string[] {
  return paths.map((path) => path.replace(/^\/input\//, "").replace(/\/dataset\.csv$/, ""));
}
