import { expect, test } from "vitest";

import { BadRequestError } from "../../src/core/errors";
import { writeHarmlessLine, writeLine } from "../../src/tables/csv";
import { detect, detectCsv, hasHeader, maybeHeader } from "../../src/tables/detect";
import { type CsvReading, type Reading, readRecords } from "../../src/tables/reading";
import { pick, random } from "./random";

const PLAIN: CsvReading = { kind: "csv", encoding: "utf-8", delimiter: ",", quote: '"', newline: "\n", header: false };
const MIB = 1024 * 1024;

async function recordsOf(content: BlobPart | BlobPart[], reading: Reading = PLAIN): Promise<string[][]> {
  const all: string[][] = [];
  for await (const { first, records } of readRecords(new Blob([content].flat()), reading)) {
    expect(first).toBe(all.length + 1);
    all.push(...records);
  }
  return all;
}

const CELLS = [
  "",
  "a",
  "1",
  "two words",
  "a,b",
  "a;b",
  'say "hello"',
  '"',
  "line\nbreak",
  "\u00e9",
  "\u6f22",
  "=1+1",
  "'",
];
const CELL_ENDS = [" padded ", "tab\there", "\u{1f600}", "a\r\nb", "-", "|"];

test("what is written is read, whatever stands in it and however it is written", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const next = random(seed);
    const [width, delimiter] = [2 + Math.floor(next() * 5), pick(next, [",", ";", "\t", "|"])];
    const [end, last] = [pick(next, ["\n", "\r\n"]), next() < 0.5];
    const table = Array.from({ length: 30 }, () =>
      Array.from({ length: width }, () => pick(next, [...CELLS, ...CELL_ENDS])),
    );
    // CRLF: in the cells too it might stand, where a lone LF ends lines as well.
    const lines = table.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(delimiter));
    const content = lines.join(end) + (last ? end : "");
    const reading = await detect(new Blob([content]));
    expect(reading).toMatchObject({ kind: "csv", delimiter, quote: '"', newline: "\n", encoding: "utf-8" });
    expect(await recordsOf(content, reading)).toEqual(table);
    // And as it is sent to a room.
    const sent = table.map(writeLine).join("");
    expect(await recordsOf(sent)).toEqual(table);
  }
});

test("a line of one empty cell is a row, a blank line is none", async () => {
  expect(writeLine([""])).toBe('""\n');
  expect(writeLine(["", ""])).toBe(",\n");
  expect(await recordsOf("a,b\n\n1,2\n\n")).toEqual([["a", "b"], [], ["1", "2"], []]);
  expect(await recordsOf("")).toEqual([]);
  expect(await recordsOf("\n")).toEqual([[]]);
});

test("cells that lie across the pieces of a file are whole", async () => {
  const cell = "\u{1f600}".repeat(20_000);
  const row = `1,"${cell}\n""x"""\r\n`;
  const count = Math.ceil((5 * MIB) / new Blob([row]).size);
  const records = await recordsOf(row.repeat(count));
  expect(records.length).toBe(count);
  expect(records.every((record) => record.length === 2 && record[1] === `${cell}\n"x"`)).toBe(true);
});

test.each([
  ["utf-8", new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0x2c, 0xc3, 0xa9, 0x0a])],
  ["windows-1252", new Uint8Array([0x61, 0x2c, 0xe9, 0x0a])],
  ["utf-16le", new Uint8Array([0xff, 0xfe, 0x61, 0, 0x2c, 0, 0xe9, 0, 0x0a, 0])],
  ["utf-16be", new Uint8Array([0xfe, 0xff, 0, 0x61, 0, 0x2c, 0, 0xe9, 0, 0x0a])],
])("%s is told and read", async (encoding, bytes) => {
  const reading = await detect(new Blob([bytes]));
  expect(reading).toMatchObject({ encoding, delimiter: "," });
  expect(await recordsOf(bytes, reading)).toEqual([["a", "\u00e9"]]);
});

test("lines that end with a lone CR, and quotes that are single ones", async () => {
  const mac = await detect(new Blob(["a;b\r1;2\r"]));
  expect(mac).toMatchObject({ newline: "\r", delimiter: ";" });
  expect(await recordsOf("a;b\r1;2\r", mac)).toEqual([
    ["a", "b"],
    ["1", "2"],
  ]);
  const single = detectCsv(new TextEncoder().encode("'a','it''s, so'\n'b','c'\n"), false);
  expect(single).toMatchObject({ quote: "'", delimiter: "," });
  expect(await recordsOf("'a','it''s, so'\n", single)).toEqual([["a", "it's, so"]]);
});

test("where quotes mean nothing they are letters", async () => {
  expect(await recordsOf('5" pipe,a"b\n', { ...PLAIN, quote: "" })).toEqual([['5" pipe', 'a"b']]);
  expect(await recordsOf('5" pipe,a"b\n')).toEqual([['5" pipe', 'a"b']]);
});

test.each([
  ["a quote that isn't closed", 'a,"b\nc,d\n', "quotes in row 1"],
  ["something behind a closing quote", 'x,y\na,"b"c\n', "quotes in row 2"],
  ["NUL", "a,\0\n", "NUL character"],
  ["other bytes", new Uint8Array([0x61, 0xe9, 0x0a]), "not text in UTF-8"],
  ["a row without end", `a,"${"x".repeat(9 * MIB)}`, "never closed"],
])("%s is said", async (_, content, message) => {
  const reading = recordsOf(content as BlobPart);
  await expect(reading).rejects.toThrow(BadRequestError);
  await expect(reading).rejects.toThrow(message);
});

test("bytes that windows-1252 doesn't know are refused, as in the enclave", async () => {
  const reading = recordsOf(new Uint8Array([0x61, 0x81, 0x0a]), { ...PLAIN, encoding: "windows-1252" });
  await expect(reading).rejects.toThrow("neither in UTF-8 nor in windows-1252");
});

test.each<[boolean, string[][], string[]?]>([
  [
    true,
    [
      ["name", "age"],
      ["ann", "7"],
    ],
  ],
  [true, [["Mail"], ["ann@example.com"]]],
  [
    false,
    [
      ["ann", "7"],
      ["bob", "8"],
    ],
  ],
  [
    false,
    [
      ["a", "a"],
      ["1", "2"],
    ],
  ],
  [
    false,
    [
      ["1", "2"],
      ["3", "4"],
    ],
  ],
  [
    false,
    [
      ["ann", "lee"],
      ["bob", "may"],
    ],
  ],
  [
    true,
    [
      ["First Name", "b"],
      ["bob", "may"],
    ],
    ["first_name"],
  ],
  [false, []],
  [
    true,
    [
      ["<b>", "ID"],
      ["x", "1"],
      ["y", "2"],
    ],
  ],
  [
    true,
    [
      ["day", "who"],
      ["31.12.2024", "x"],
      ["1.2.2024", "y"],
    ],
  ],
  [
    false,
    [
      ["31.12.2024", "x"],
      ["1.2.2024", "y"],
    ],
  ],
])("header %s: %j", (expected, records, names) => {
  expect(hasHeader(records, names)).toBe(expected);
});

test.each<[readonly string[] | null, string[][]]>([
  [
    ["Name", "City"],
    [
      ["Name", "City"],
      ["ann", "york"],
      ["bob", "york"],
    ],
  ],
  [
    null,
    [
      ["ann", "york"],
      ["bob", "york"],
    ],
  ],
  [
    null,
    [
      ["Name", ""],
      ["ann", "york"],
    ],
  ],
  [
    null,
    [
      ["Name", "Age"],
      ["ann", "7"],
    ],
  ],
  [null, [["Name", "City"]]],
  [null, []],
])("may be a header: %j", (expected, records) => {
  expect(maybeHeader(records)).toEqual(expected);
});

test.each([
  ["gzip", [0x1f, 0x8b, 8, 0], "packed by gzip"],
  ["an old Excel file", [0xd0, 0xcf, 0x11, 0xe0, 0xa1], "old kind (.xls)"],
])("%s is called what it is", async (_, bytes, message) => {
  await expect(detect(new Blob([new Uint8Array(bytes)]))).rejects.toThrow(message);
});

test("a header is found whatever ends its line", async () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const file = new Blob([["who;born", "ann;1.2.1990", "bob;3.4.1991", ""].join(end)]);
    expect(await detect(file)).toMatchObject({ delimiter: ";", header: true });
  }
});

test("formulas are kept in data, and harmless in lists for people", () => {
  expect(writeLine(["=1+1", "+41", "@x"])).toBe("=1+1,+41,@x\n");
  expect(writeHarmlessLine(["=1+1", "+41", "@x", "-1", "\t=1", "a"])).toBe("'=1+1,'+41,'@x,'-1,'\t=1,a\n");
});
