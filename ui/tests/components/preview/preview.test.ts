import { expect, test } from "vitest";

import { MOST, shownAs } from "../../../src/components/preview/kinds";
import { cellsOf, MOST_COLUMNS, MOST_LETTERS, MOST_ROWS } from "../../../src/components/preview/table";
import { columnNames } from "../../../src/components/preview/types";
import { type Bytes, fromHex, utf8 } from "../../../src/core/encoding";

function png(width: number, height: number): Bytes {
  const bytes = new Uint8Array(40);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  new DataView(bytes.buffer).setUint32(16, width);
  new DataView(bytes.buffer).setUint32(20, height);
  return bytes;
}

/** With a segment of text before the frame, as cameras write it. */
function jpeg(width: number, height: number): Bytes {
  const bytes = new Uint8Array(40);
  bytes.set([0xff, 0xd8, 0xff, 0xe1, 0, 6, 1, 2, 3, 4, 0xff, 0xff, 0xc2, 0, 11, 8]);
  new DataView(bytes.buffer).setUint16(16, height);
  new DataView(bytes.buffer).setUint16(18, width);
  return bytes;
}

test("pictures are what their first bytes say, and have their size", () => {
  expect(shownAs("a/b.PNG", png(640, 480), 40)).toEqual({ as: "picture", type: "image/png", width: 640, height: 480 });
  expect(shownAs("b.jpg", jpeg(64, 48), 40)).toEqual({ as: "picture", type: "image/jpeg", width: 64, height: 48 });
  expect(shownAs("b.png", utf8("<svg onload='alert(1)'/>"), 40).as).toBe("nothing");
  expect(shownAs("b.jpeg", jpeg(64, 48).slice(0, 10), 10).as).toBe("nothing");
  expect(shownAs("b.jpeg", new Uint8Array([0xff, 0xd8, 0xff, 0xda, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 13).as).toBe("nothing");
});

test("a picture of too many pixels is not opened, however small its file is", () => {
  expect(shownAs("bomb.png", png(50_000, 50_000), 74)).toEqual({
    as: "nothing",
    why: "This picture of 50,000 x 50,000 pixels is too large to be shown here.",
  });
});

test("what is large is not held whole, but for the beginning of texts and tables", () => {
  expect(shownAs("a.png", png(1, 1), MOST + 1).as).toBe("nothing");
  expect(shownAs("a.pdf", utf8("%PDF-1.7"), MOST + 1).as).toBe("nothing");
  expect(shownAs("a.csv", utf8("a,b"), MOST + 1)).toEqual({ as: "table", separator: "," });
  expect(shownAs("a.log", utf8("a"), MOST + 1)).toEqual({ as: "text" });
});

test("all other text is text, HTML too; what isn't is not shown", () => {
  for (const name of ["page.html", "page.xhtml", "script.js", "no ending", "a.json", ".csv.txt", "a.constructor"]) {
    expect(shownAs(name, utf8("<script>alert(1)</script>"), 30)).toEqual({ as: "text" });
  }
  expect(shownAs("a.svg", utf8("<svg/>"), 6)).toEqual({ as: "drawing" });
  expect(shownAs("a.svg", new Uint8Array([0x1f, 0x8b, 8]), 3).as).toBe("nothing");
  expect(shownAs("a.pdf", utf8("no"), 2).as).toBe("nothing");
  expect(shownAs("a.txt", new Uint8Array([65, 0, 66]), 3).as).toBe("nothing");
  expect(shownAs("a.txt", new Uint8Array([65, 0xff, 66]), 3).as).toBe("nothing");
  expect(shownAs("a.csv", new Uint8Array([0xff, 0xfe]), 2).as).toBe("nothing");
  // A letter that the end of what was read cuts through.
  expect(shownAs("a.txt", utf8("é").slice(0, 1), 2)).toEqual({ as: "text" });
  expect(shownAs("empty", new Uint8Array(0), 0)).toEqual({ as: "text" });
});

test("cells are text: formulas, quotes, tags", () => {
  const { rows, width, cut } = cellsOf('=1+1,"a ""b"", c"\n<b>x</b>\n\n@SUM(1),"two\nlines"', ",", true);
  expect(rows).toEqual([["=1+1", 'a "b", c'], ["<b>x</b>"], ["@SUM(1)", "two\nlines"]]);
  expect([width, cut]).toEqual([2, []]);
  expect(cellsOf("", ",", true)).toEqual({ rows: [], width: 0, cut: [] });
});

test("of a part the last line is not shown: it may be cut off", () => {
  expect(cellsOf("a,b\nc,", ",", false)).toEqual({
    rows: [["a", "b"]],
    width: 2,
    cut: ["These are the first 1 rows."],
  });
});

test("no more is shown than can be read, and that is said", () => {
  const rows = cellsOf("x\n".repeat(MOST_ROWS + 5), ",", true);
  expect([rows.rows.length, rows.cut]).toEqual([MOST_ROWS, ["These are the first 10,000 rows."]]);
  expect(cellsOf("x\n".repeat(MOST_ROWS), ",", true).cut).toEqual([]);
  const columns = cellsOf("x\t".repeat(1_000), "\t", true);
  expect([columns.width, columns.cut]).toEqual([MOST_COLUMNS, ["These are the first 200 of 1,001 columns."]]);
  expect(cellsOf("x".repeat(5_000), ",", true).rows[0]?.[0]?.length).toBe(MOST_LETTERS + 1);
});

test("names of columns from the file beside a table", () => {
  const file = fromHex("1d0a050a01611200" + "0a090a0162120408011001" + "0a090a0165120408011001");
  expect(columnNames(file)).toEqual(["a", "b", "e"]);
  expect(columnNames(fromHex("040a021200"))).toEqual(["V1"]);
  expect(columnNames(fromHex("00"))).toEqual([]);
  for (const damaged of ["", "1d0a", "ff", "ffffffffffffffffffff", "020a7f"]) {
    expect(columnNames(fromHex(damaged))).toBeNull();
  }
});
