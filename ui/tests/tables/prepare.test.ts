import { expect, test } from "vitest";

import { text } from "../../src/core/encoding";
import type { Column } from "../../src/core/records";
import { check, type Format, hashed } from "../../src/tables/cells";
import { detect } from "../../src/tables/detect";
import { Seen } from "../../src/tables/duplicates";
import { FORMS, plain } from "../../src/tables/forms";
import { inferColumns, inferType, readStart } from "../../src/tables/infer";
import { proposeColumns, proposeForm } from "../../src/tables/mapping";
import { checkTable, preparedBytes } from "../../src/tables/prepare";
import { problemList } from "../../src/tables/problems";
import type { ColumnRecipe, PreparedTable, Recipe, Target } from "../../src/tables/recipe";
import { pick, random } from "./random";

function column(name: string, type: Format, more: Partial<Column> = {}): Column {
  return { name, type, nullable: false, hashed: false, ...more };
}

const TARGET: Target = {
  columns: [column("id", "INTEGER"), column("mail", "EMAIL"), column("day", "DATE_ISO8601", { nullable: true })],
  unique: [[0]],
};

async function recipeOf(file: Blob, target: Target = TARGET): Promise<Recipe> {
  const names = target.columns.map(({ name }) => name);
  const reading = await detect(file, names);
  const start = await readStart(file, reading);
  return { reading, width: start.width, columns: proposeColumns(target.columns, start), corrections: [], drop: false };
}

async function outcome(file: Blob, recipe: Recipe, target: Target = TARGET): Promise<string> {
  const { size, written } = await checkTable(file, target, recipe);
  return await content({ file, target, recipe, size, rows: written });
}

async function content(prepared: PreparedTable): Promise<string> {
  let all = "";
  for await (const piece of preparedBytes(prepared)) {
    all += text(piece);
  }
  return all;
}

const FILE = new Blob(["Mail; ID ;Day;other\nA@b.co;1;31.12.2024;x\n b@b.co ;2;;y\nc@b.co;3;1.2.2024;z\n"]);

test("a file in its own way becomes what the table takes", async () => {
  const recipe = await recipeOf(FILE);
  expect(recipe.columns.map(({ source, form }) => [source, form])).toEqual([
    [1, "plain"],
    [0, "plain"],
    [2, "day-first"],
  ]);
  const result = await checkTable(FILE, TARGET, recipe);
  expect(result).toMatchObject({ rows: 3, invalidRows: 0, written: 3, kinds: [], comparedAll: true });
  expect(await outcome(FILE, recipe)).toBe("1,A@b.co,2024-12-31\n2,b@b.co,\n3,c@b.co,2024-02-01\n");
});

const WRONG = new Blob([
  "id,mail,day\nx,a@b.co,\n2,nobody,2024-02-30\n\n2,b@b.co,\n2,c@b.co,\n5,nobody,\n1\n1,2,3,4\n",
]);

test("what is wrong is counted, and found again by its row in the file", async () => {
  const { kinds, ...result } = await checkTable(WRONG, TARGET, await recipeOf(WRONG));
  expect(result).toMatchObject({ rows: 7, invalidRows: 6, written: 1, blank: 1 });
  expect(kinds.map(({ code, column, rows, values }) => [code, column, rows, values.map((each) => each.text)])).toEqual([
    ["NOT_ENOUGH_COLUMNS_PROVIDED", null, [8], []],
    ["TOO_MANY_COLUMNS_PROVIDED", null, [9], []],
    ["DUPLICATE_VALUES", 0, [6], []],
    ["INVALID_INTEGER_FORMAT", 0, [2], ["x"]],
    ["INVALID_EMAIL_FORMAT", 1, [3, 7], ["nobody"]],
    ["INVALID_DATE_ISO8601_FORMAT", 2, [3], ["2024-02-30"]],
  ]);
});

test("values are mended one by one, or everywhere, and rows left out", async () => {
  const recipe = await recipeOf(WRONG);
  const columns = recipe.columns.map(
    (each, index): ColumnRecipe => (index === 1 ? { ...each, replaced: [["nobody", "somebody@b.co"]] } : each),
  );
  const corrections = [
    { row: 2, column: 0, text: "1" },
    { row: 3, column: 2, text: "" },
  ];
  const mended = { ...recipe, columns, corrections };
  expect(await checkTable(WRONG, TARGET, mended)).toMatchObject({ rows: 7, invalidRows: 4, written: 3 });
  await expect(outcome(WRONG, mended)).rejects.toThrow("changed since it was checked");
  const sent = await outcome(WRONG, { ...mended, drop: true });
  expect(sent).toBe("1,a@b.co,\n2,somebody@b.co,\n5,somebody@b.co,\n");
});

test("another file than the one that was checked is noticed", async () => {
  const recipe = await recipeOf(FILE);
  const { size, written: rows } = await checkTable(FILE, TARGET, recipe);
  const more = new Blob([FILE, "d@b.co;4;;\n"]);
  await expect(content({ file: more, target: TARGET, recipe, size, rows })).rejects.toThrow("changed");
  const less = FILE.slice(0, FILE.size - 10);
  await expect(content({ file: less, target: TARGET, recipe, size, rows })).rejects.toThrow("changed");
});

test("plain values are hashed here as the enclave would hash them", async () => {
  const target: Target = { columns: [column("mail", "HASH_SHA256_HEX")], unique: [] };
  const file = new Blob(["mail\nAnn@Example.com \nbob@example.com\n"]);
  const recipe = await recipeOf(file, target);
  expect(recipe.columns[0]).toMatchObject({ hashAs: "EMAIL" });
  expect(await outcome(file, recipe, target)).toBe(`${hashed("ann@example.com")}\n${hashed("bob@example.com")}\n`);
  const digests = new Blob([`mail\n${hashed("x").toUpperCase()}\n`]);
  expect((await recipeOf(digests, target)).columns[0]).toMatchObject({ hashAs: null });
});

test("columns that no column of the file is for are empty", async () => {
  const target: Target = {
    columns: [column("id", "INTEGER"), column("note", "STRING", { nullable: true })],
    unique: [],
  };
  const file = new Blob(["id,comment\n1,a\n"]);
  const recipe = await recipeOf(file, target);
  expect(recipe.columns.map(({ source }) => source)).toEqual([0, null]);
  expect(await outcome(file, recipe, target)).toBe("1,\n");
});

test.each<[Format, string, string, string]>([
  ["DATE_ISO8601", "day-first", "3/4/2024", "2024-04-03"],
  ["DATE_ISO8601", "day-first", "03-04-2024 10:15", "2024-04-03"],
  ["DATE_ISO8601", "day-first", "2024-04-03", "2024-04-03"],
  ["DATE_ISO8601", "month-first", "3/4/2024 1:05 PM", "2024-03-04"],
  ["DATE_ISO8601", "month-first", "31/4/2024", "2024-31-04"],
  ["DATE_ISO8601", "year-first", "20240403", "2024-04-03"],
  ["DATE_ISO8601", "year-first", "2024/4/3", "2024-04-03"],
  ["DATE_ISO8601", "year-first", "2024-04-03T10:15:00.5+02:00", "2024-04-03"],
  ["DATE_ISO8601", "day-first", "3.4.24", "3.4.24"],
  ["FLOAT", "decimal-comma", "1.234.567,8", "1234567.8"],
  ["FLOAT", "decimal-comma", "-1234,5", "-1234.5"],
  ["FLOAT", "decimal-comma", "1,234.5", "1,234.5"],
  ["FLOAT", "decimal-comma", "1.5", "1.5"],
  ["FLOAT", "grouped", "1,234,567.8", "1234567.8"],
  ["FLOAT", "grouped", "1,5", "1,5"],
  ["INTEGER", "decimal-comma", "1\u00a0234", "1234"],
  ["PHONE_NUMBER_E164", "spaced", "0041 (79) 123-45-67", "+41791234567"],
  ["PHONE_NUMBER_E164", "spaced", "call me", "call me"],
])("%s, %s: %s", (type, form, given, expected) => {
  const known = FORMS[type].find((each) => each.form === form);
  expect(plain(given, known?.form ?? "plain")).toBe(expected);
});

test("the form of dates is proposed only where there is one", () => {
  expect(proposeForm("DATE_ISO8601", ["31.12.2024", "01.02.2024", "?"])).toBe("day-first");
  expect(proposeForm("DATE_ISO8601", ["12/31/2024"])).toBe("month-first");
  expect(proposeForm("DATE_ISO8601", ["01/02/2024"])).toBe("plain");
  expect(proposeForm("FLOAT", ["1,234"])).toBe("plain");
  expect(proposeForm("FLOAT", ["1,5", "1.234,5"])).toBe("decimal-comma");
  expect(proposeForm("FLOAT", ["1.5"])).toBe("plain");
});

test.each<[Format, string[]]>([
  ["INTEGER", ["1", "-2", ""]],
  ["FLOAT", ["1", "2.5"]],
  ["STRING", ["0123", "4567"]],
  ["DATE_ISO8601", ["2024-01-01"]],
  ["EMAIL", ["a@b.co"]],
  ["PHONE_NUMBER_E164", ["+41791234567"]],
  ["HASH_SHA256_HEX", ["ab".repeat(32)]],
  ["STRING", ["", ""]],
  ["STRING", ["1", "x"]],
  ["DATE_ISO8601", ["31.12.2024", "1.2.2024"]],
  ["FLOAT", ["1,5", "2.000,25"]],
  ["INTEGER", ["1,000", "2"]],
  ["PHONE_NUMBER_E164", ["+41 79 123 45 67"]],
  ["EMAIL", [...Array.from({ length: 40 }, (_, number) => `p${number}@b.co`), "nobody"]],
])("columns are inferred: %s of %j", (type, cells) => {
  expect(inferType(cells)).toBe(type);
});

test("names from a file are made fit for a table", async () => {
  const header = ['"a"', '"A"', '""', '" x\u202ey "', '"line\nbreak"', `"${"n".repeat(300)}"`, '"<b>"'];
  const file = new Blob([`${header.join(",")}\n1,2,3,4,5,6,7\n`]);
  const start = await readStart(file, { ...(await detect(file)), header: true });
  const names = inferColumns(start).map(({ name }) => name);
  expect(names.slice(0, 5)).toEqual(["a", "A_2", "column_3", "x y", "line break"]);
  expect(names[5]?.length).toBeLessThanOrEqual(256);
  expect(names[6]).toBe("<b>");
});

test("duplicates are found among as many rows as are remembered", () => {
  const seen = new Seen(400);
  const numbers = Array.from({ length: 10_001 }, (_, number) => String(number));
  expect(numbers.filter((number) => seen.has(number))).toEqual([]);
  expect(seen.full).toBe(true);
  expect(numbers.filter((number) => !seen.has(number))).toEqual(["10000"]);
  const long = new Seen(1);
  expect(long.has("x".repeat(100_000_000))).toBe(false);
  expect(long.full).toBe(true);
});

test("rows are the same by what their cells stand for, and empty ones are", async () => {
  const columns = [column("a", "FLOAT", { nullable: true }), column("b", "EMAIL", { nullable: true })];
  const target: Target = { columns, unique: [[1, 0]] };
  const file = new Blob(["a,b\n1,A@b.co\n1.0,a@b.co\n,\nnan,\n2,a@b.co\n"]);
  const result = await checkTable(file, target, await recipeOf(file, target));
  expect(result.kinds).toMatchObject([{ code: "DUPLICATE_VALUES", column: 1, combination: 0, rows: [3, 5] }]);
});

test("whatever a file holds: each row is sent or told of, and what is sent is valid", async () => {
  const cells = ["", "1", "x", "2024-01-01", "a@b.co", "1,5", '"', "\n", "=1", " 7 ", "\u00e9", "1e5"];
  const types: Format[] = ["STRING", "INTEGER", "FLOAT", "EMAIL", "DATE_ISO8601"];
  for (let seed = 0; seed < 40; seed++) {
    const next = random(seed);
    const columns = Array.from({ length: 3 }, (_, place) =>
      column(`c${place}`, pick(next, types), { nullable: next() < 0.7 }),
    );
    const target = { columns, unique: next() < 0.5 ? [[0, 1]] : [] };
    const rows = Array.from({ length: 50 }, () =>
      columns.map(() => `"${pick(next, cells).replaceAll('"', '""')}"`).join(","),
    );
    const file = new Blob([`c0,c1,c2\n${rows.join("\n")}\n`]);
    const recipe = { ...(await recipeOf(file, target)), drop: true };
    const result = await checkTable(file, target, recipe);
    expect(result.written + result.invalidRows).toBe(50);
    const sent = new Blob([await outcome(file, recipe, target)]);
    expect(sent.size).toBe(result.size);
    const again = await checkTable(sent, target, {
      reading: { kind: "csv", encoding: "utf-8", delimiter: ",", quote: '"', newline: "\n", header: false },
      width: 3,
      columns: columns.map((_, source) => ({ source, trim: false, form: "plain", hashAs: null, replaced: [] })),
      corrections: [],
      drop: false,
    });
    expect(again).toMatchObject({ rows: result.written, invalidRows: 0, size: result.size });
    for (const kind of result.kinds.filter(({ values }) => values.length > 0)) {
      const type = columns[kind.column ?? 0] as Column;
      expect(kind.values.every(({ text: cell }) => check(type, cell).code === kind.code)).toBe(true);
    }
  }
});

test("the list of problems is a table itself, without formulas", async () => {
  const file = new Blob(['id,mail,day\n=1+1,"a,b",\n']);
  const list = problemList(await checkTable(file, TARGET, await recipeOf(file)), TARGET);
  expect(list.split("\n")).toEqual([
    "row,column,code,problem,value",
    '2,id,INVALID_INTEGER_FORMAT,"Not a whole number of 64 bits: digits, with a sign at most, and no spaces",\'=1+1',
    '2,mail,INVALID_EMAIL_FORMAT,Not an e-mail address,"a,b"',
    "",
  ]);
});
