import { expect, test } from "vitest";

import { keyRows } from "../../src/screens/room/trust/keys";

const [A, B, C, D] = ["a", "b", "c", "d"].map((letter) => letter.repeat(64)) as [string, string, string, string];
const participant = (user: string, keys: string[] = []) => ({ user, data_owner_of: [], analyst_of: [], keys });
const definition = {
  participants: [participant("ann@x.example", [A, B]), participant("bob@x.example"), participant("cy@x.example")],
};
const bound = [
  { user: "ann@x.example", key: A },
  { user: "bob@x.example", key: C },
  { user: "bob@x.example", key: D },
];

test("everybody has a row, with all that speaks for them", () => {
  const rows = keyRows(definition, bound, { user: "bob@x.example", key: C });
  expect(rows.map((row) => [row.user, row.key, row.bound, row.pinned])).toEqual([
    ["ann@x.example", A, true, true],
    ["ann@x.example", B, false, true],
    ["bob@x.example", C, true, false],
    ["bob@x.example", D, true, false],
    ["cy@x.example", "", false, false],
  ]);
  expect(rows.filter((row) => row.mine).map((row) => row.key)).toEqual([C]);
});

test("only one's own other devices can be ended", () => {
  const endable = (user: string, key: string): string[] =>
    keyRows(definition, bound, { user, key })
      .filter((row) => row.endable)
      .map((row) => row.key);
  expect(endable("bob@x.example", C)).toEqual([D]);
  expect(endable("ann@x.example", A)).toEqual([B]);
  expect(endable("cy@x.example", A)).toEqual([]);
});
