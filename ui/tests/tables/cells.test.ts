import { describe, expect, test } from "vitest";

import type { Column } from "../../src/core/records";
import { check, hashed } from "../../src/tables/cells";
import { load } from "../vectors";

interface Cell {
  text: string;
  code?: string;
  written?: string | null;
}

/** What the browser makes of a cell, as the enclave would write it. */
function made(column: Column, text: string): Cell {
  const { code, value } = check(column, text);
  if (code !== undefined) {
    return { text, code };
  }
  return { text, written: value === "" ? null : column.hashed ? hashed(value) : value };
}

describe("cells are what the enclave says that they are", () => {
  for (const { cells, ...column } of load("cells").columns) {
    test(JSON.stringify(column), () => {
      const expected = (cells as Cell[]).map(({ text, code, written }) => {
        if (code !== undefined) {
          return { text, code };
        }
        // Numbers are written in the enclave's own way; they have to be the same ones.
        const number = column.type === "FLOAT" && typeof written === "string" ? String(Number(written)) : written;
        return { text, written: number };
      });
      expect((cells as Cell[]).map(({ text }) => made(column, text))).toEqual(expected);
    });
  }
});
