import { BlobWriter, TextReader, ZipWriter } from "@zip.js/zip.js/lib/zip-core-custom.js";
import { expect, test } from "vitest";

import { detect } from "../../src/tables/detect";
import { readSheets, textOf } from "../../src/tables/excel";
import { inferColumns, readStart } from "../../src/tables/infer";
import { readRecords } from "../../src/tables/reading";

const NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"';
const REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships";

/** An Excel file of one sheet, whose rows are given as XML. */
async function workbook(rows: string, more: Record<string, string> = {}): Promise<Blob> {
  const files: Record<string, string> = {
    "xl/workbook.xml": `<workbook ${NS} xmlns:r="${REL}"><sheets><sheet name="People" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": `<Relationships xmlns="${PACKAGE}"><Relationship Id="rId1" Type="${REL}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="${REL}/styles" Target="styles.xml"/></Relationships>`,
    "xl/styles.xml": `<styleSheet ${NS}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>`,
    "xl/worksheets/sheet1.xml": `<worksheet ${NS}><sheetData>${rows}</sheetData></worksheet>`,
    ...more,
  };
  const zip = new ZipWriter(new BlobWriter(), { useWebWorkers: false });
  for (const [name, content] of Object.entries(files)) {
    await zip.add(name, new TextReader(content));
  }
  return await zip.close();
}

function text(place: string, value: string): string {
  return `<c r="${place}" t="inlineStr"><is><t>${value}</t></is></c>`;
}

const PEOPLE = [
  `<row r="1">${text("A1", "Name")}${text("B1", "Born")}${text("C1", "Score")}</row>`,
  `<row r="2">${text("A2", "Ann")}<c r="B2" s="1"><v>45658</v></c><c r="C2"><v>1.5</v></c></row>`,
  `<row r="4">${text("A4", "=cmd|&apos; /C calc&apos;!A0")}<c r="C4"><v>9007199254740991</v></c></row>`,
].join("");

async function recordsOf(file: Blob): Promise<string[][]> {
  const all: string[][] = [];
  for await (const { records } of readRecords(file, await detect(file))) {
    all.push(...records);
  }
  return all;
}

test("a sheet is read as a table, its dates as dates", async () => {
  const file = await workbook(PEOPLE);
  expect(await detect(file)).toEqual({ kind: "excel", sheet: 0, header: true });
  expect(await recordsOf(file)).toEqual([
    ["Name", "Born", "Score"],
    ["Ann", "2025-01-01", "1.5"],
    [],
    ["=cmd|' /C calc'!A0", "", "9007199254740991"],
  ]);
  expect((await readSheets(file)).map(({ name }) => name)).toEqual(["People"]);
});

test("columns are inferred of it", async () => {
  const file = await workbook(PEOPLE.replace(/<row r="4">.*/, ""));
  const columns = inferColumns(await readStart(file, await detect(file)));
  expect(columns.map(({ name, type }) => [name, type])).toEqual([
    ["Name", "STRING"],
    ["Born", "DATE_ISO8601"],
    ["Score", "FLOAT"],
  ]);
});

test("sheets of many rows", async () => {
  const row = (number: number): string => `<row r="${number}">${text(`A${number}`, `name ${number}`)}</row>`;
  const rows = Array.from({ length: 20_000 }, (_, place) => row(place + 1)).join("");
  const file = await workbook(rows);
  expect((await recordsOf(file)).length).toBe(20_000);
});

test.each([
  ["what is no zip behind its first bytes", new Blob([new Uint8Array([0x50, 0x4b, 3, 4, 0, 0])])],
  ["a zip without a workbook", new Blob([])],
])("%s is no Excel file", async (_, file) => {
  await expect(readSheets(file)).rejects.toThrow("no Excel file");
});

test("an archive of other files is called one", async () => {
  const zip = new ZipWriter(new BlobWriter(), { useWebWorkers: false });
  await zip.add("people.csv", new TextReader("id\n1\n"));
  await expect(detect(await zip.close())).rejects.toThrow("This is a zip archive");
});

test("an entity that stands for itself many times is no reason to grow", async () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "${"a".repeat(1000)}"><!ENTITY b "${"&a;".repeat(1000)}">]>`;
  const sheet = `${bomb}<worksheet ${NS}><sheetData><row r="1">${text("A1", "&b;&b;&b;")}</row></sheetData></worksheet>`;
  const file = await workbook("", { "xl/worksheets/sheet1.xml": sheet });
  const sheets = await readSheets(file).catch(() => []);
  expect(JSON.stringify(sheets).length).toBeLessThan(10_000);
});

test("cells are what Excel would write", () => {
  const cells = [null, true, false, 0.1, 1e21, new Date("2024-01-01T10:15:00Z"), new Date(Number.NaN), "x"];
  expect(cells.map(textOf)).toEqual(["", "TRUE", "FALSE", "0.1", "1e+21", "2024-01-01 10:15:00", "", "x"]);
});
