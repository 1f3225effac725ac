import { expect, test } from "vitest";

import { keyRows } from "../../src/components/upload/keyRows";
import { namedCell, rowNames, shownCell } from "../../src/components/upload/wizard/cells";

const [ANN, BOB, CY] = ["ann@example.com", "bob@example.com", "cy@example.com"];

function participant(user: string, owns: boolean, keys: string[] = []) {
  return { user, data_owner_of: owns ? ["people"] : [], analyst_of: [], keys };
}

test("whose keys there are, and which may fetch the data", () => {
  const participants = [participant(CY, false), participant(ANN, true), participant(BOB, true, ["b1"])];
  const bound = [
    { user: ANN, key: "a1" },
    { user: ANN, key: "a2" },
    { user: CY, key: "c1" },
  ];
  const rows = keyRows({ participants }, "people", bound, "a1");
  expect(rows.map(({ user, key, reads }) => [user, key, reads])).toEqual([
    [ANN, "a1", "this"],
    [ANN, "a2", "asked"],
    [BOB, "b1", "pinned"],
    [CY, "c1", "no"],
  ]);
  expect(keyRows({ participants: [participant(BOB, true)] }, "people", [], "a1")).toEqual([
    { user: BOB, key: null, bound: null, reads: "no" },
  ]);
});

test("a key that is pinned and bound is shown once", () => {
  const rows = keyRows({ participants: [participant(BOB, true, ["b1"])] }, "people", [{ user: BOB, key: "b1" }], "a1");
  expect(rows.map(({ key, reads }) => [key, reads])).toEqual([["b1", "pinned"]]);
});

test("cells show what is in them, and nothing else", () => {
  expect(shownCell("a\u202eb\nc\td\0")).toBe("a\\u{202e}b\u21b5c\u21e5d\\u{0}");
  expect(shownCell("<b>=1+1")).toBe("<b>=1+1");
  expect(shownCell("x".repeat(5000)).length).toBe(201);
  expect(namedCell("")).toBe("(empty)");
  expect(namedCell("  a ")).toBe("\u2423\u2423a\u2423");
});

test("rows by their numbers", () => {
  expect(rowNames([7], 1)).toBe("row 7");
  expect(rowNames([7, 1200], 2)).toBe("rows 7, 1,200");
  expect(rowNames([1, 2, 3, 4, 5, 6], 1000, 3)).toBe("rows 1, 2, 3 and 997 more");
});
