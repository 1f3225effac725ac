import { expect, test } from "vitest";

import { printable, shortened } from "../../src/components/printable";
import { shownCell } from "../../src/components/upload/wizard/cells";
import { findings } from "../../src/components/validation/findings";
import { UNSEEN } from "../../src/core/unseen";

test("what programs print gives no orders and hides nothing", () => {
  expect(printable("\u001b[31mred\u001b[0m \u001b]0;title\u0007plain")).toBe("red plain");
  expect(printable("one\r\ntwo\tthree")).toBe("one\ntwo\tthree");
  expect(printable("10 %\r50 %\r100 %\r\nover")).toBe("100 %\nover");
  expect(printable("invoice\u202efdp.exe \u0000 \u200b \u2028 \u0085")).toBe(
    "invoice\\u{202e}fdp.exe \\u{0} \\u{200b} \\u{2028} \\u{85}",
  );
  expect(printable("<script>alert(1)</script> été 日本 🎈")).toBe("<script>alert(1)</script> été 日本 🎈");
});

// What is written in these looks like nothing, or like something else.
const LETTERS = [
  ..."\u00ad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u200b\u200c\u200d\u200e\u202a\u202b\u202c\u202d\u202e\u2028\u2029",
  ..."\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3164\ufe00\ufe0f\ufeff\uffa0\ufff9",
  ..."\u{1d173}\u{e0001}\u{e0020}\u{e0061}\u{e007f}\u{e0100}\u{e01ef}",
];

test.each(LETTERS.map((letter) => [letter.codePointAt(0)?.toString(16), letter]))(
  "nobody sees U+%s",
  (name, letter) => {
    const shown = `a\\u{${name}}b`;
    expect(printable(`a${letter}b`)).toBe(shown);
    expect(shownCell(`a${letter}b`)).toBe(shown);
    // Editors look for each of them by itself.
    expect(`${letter}${letter}`.match(new RegExp(UNSEEN, "gu"))).toEqual([letter, letter]);
  },
);

test("pictures of several characters stay whole, and nothing hides in them", () => {
  const family = "\u{1f469}\u{1f3fd}\u200d\u2764\ufe0f\u200d\u{1f469}";
  expect(printable(`${family}!`)).toBe(`${family}!`);
  expect(printable(`${family}\u200d\u200d${family}\ufe0f\u200d1`)).toBe(
    `${family}\\u{200d}\\u{200d}${family}\ufe0f\\u{200d}1`,
  );
  expect(printable("\u2764\ufe0f\ufe0f")).toBe("\u2764\ufe0f\\u{fe0f}");
});

test("of what is too long the beginning and the end are shown", () => {
  expect(shortened("abcdef", 6)).toEqual({ head: "abcdef", left: 0, tail: "" });
  expect(shortened("abcdefghij", 4)).toEqual({ head: "ab", left: 6, tail: "ij" });
});

test("what a validation has found", () => {
  const errors = (...recordedErrors: unknown[]) => ({ recordedErrors, numErrorsTotal: recordedErrors.length });
  const validation = {
    version: "v0",
    report: {
      outcome: "FAILED",
      numRowsTotal: 3,
      numInvalidRowsTotal: 2,
      table: errors(),
      schema: {
        ...errors({ code: "TOO_MANY", message: "two cells too many", location: { row: 0 } }),
        numErrorsTotal: 9,
      },
      columns: [{ column: 1, ...errors({ code: "INVALID", message: "no number", location: { row: 2, column: 1 } }) }],
    },
  };
  expect(findings(validation, ["id", "age"])).toEqual({
    passed: false,
    rows: 3,
    invalidRows: 2,
    found: [
      { code: "TOO_MANY", message: "two cells too many", row: 1 },
      { code: "INVALID", message: "no number", row: 3, column: "age" },
    ],
    total: 10,
  });
});

test.each([undefined, null, 1, "x", {}, { report: 1 }, { report: { outcome: 1 } }])("no report: %j", (validation) => {
  expect(findings(validation, [])).toBeUndefined();
});

test("a report that lies about its own shape harms nobody", () => {
  const strange = {
    report: { outcome: "PASSED", columns: "x", table: null, schema: { recordedErrors: [null, 1, {}] } },
  };
  const nothing = { code: "", message: "" };
  expect(findings(strange, [])).toEqual({ passed: true, found: [nothing, nothing, nothing], total: 0 });
});
