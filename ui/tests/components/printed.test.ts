import { expect, test } from "vitest";

import { printable, shortened } from "../../src/components/printable";
import { findings } from "../../src/components/validation/findings";

test("what programs print gives no orders and hides nothing", () => {
  expect(printable("\u001b[31mred\u001b[0m \u001b]0;title\u0007plain")).toBe("red plain");
  expect(printable("one\r\ntwo\tthree")).toBe("one\ntwo\tthree");
  expect(printable("10 %\r50 %\r100 %\r\nover")).toBe("100 %\nover");
  expect(printable("invoice\u202efdp.exe \u0000 \u200b \u2028 \u0085")).toBe(
    "invoice\\u{202e}fdp.exe \\u{0} \\u{200b} \\u{2028} \\u{85}",
  );
  expect(printable("<script>alert(1)</script> été 日本 🎈")).toBe("<script>alert(1)</script> été 日本 🎈");
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
