import { expect, test } from "vitest";

import { lineChanges } from "../../src/components/changes/lines";

function told(before: string, after: string): string[] {
  const signs = { same: " ", gone: "-", new: "+", "left out": "…" };
  return lineChanges(before, after).map(({ kind, text }) => `${signs[kind]}${text}`);
}

const LONG = Array.from({ length: 12 }, (_, at) => `line ${at}`);

test("what is the same has no changes", () => {
  expect(told("", "")).toEqual([]);
  expect(told("one\ntwo", "one\ntwo")).toEqual([]);
});

test("a line that was changed is gone, and new", () => {
  expect(told("one\ntwo\nthree", "one\nTWO\nthree")).toEqual([" one", "-two", "+TWO", " three"]);
});

test.each([
  ["a", "", ["-a", "+"]],
  ["", "a", ["-", "+a"]],
  ["a\nb", "a", [" a", "-b"]],
  ["a", "a\nb", [" a", "+b"]],
  ["a", "x\na", ["+x", " a"]],
  ["a\n", "a", [" a", "-"]],
  ["a\nb\nc", "x\ny", ["-a", "-b", "-c", "+x", "+y"]],
])("%j and %j", (before, after, lines) => {
  expect(told(before, after)).toEqual(lines);
});

test("of what is the same, a little is shown around each change", () => {
  const [first, ...others] = LONG;
  expect(told(LONG.join("\n"), [`${first}!`, ...others].join("\n"))).toEqual([
    "-line 0",
    "+line 0!",
    " line 1",
    " line 2",
    "…9 lines that are the same",
  ]);
  const both = LONG.map((line, at) => (at === 0 || at === 11 ? `${line}!` : line)).join("\n");
  expect(told(LONG.join("\n"), both)).toEqual([
    "-line 0",
    "+line 0!",
    " line 1",
    " line 2",
    "…6 lines that are the same",
    " line 9",
    " line 10",
    "-line 11",
    "+line 11!",
  ]);
});

test("nothing is lost: both texts can be told from what is shown", () => {
  for (let round = 0; round < 200; round += 1) {
    const random = (most: number): number => Math.floor(Math.random() * most);
    const text = (): string => Array.from({ length: random(6) }, () => "abc"[random(3)]).join("\n");
    const [before, after] = [text(), text()];
    const lines = lineChanges(before, after);
    if (lines.length > 0 && lines.every((line) => line.kind !== "left out")) {
      const side = (...kinds: string[]) =>
        lines
          .filter((line) => kinds.includes(line.kind))
          .map((line) => line.text)
          .join("\n");
      expect([side("same", "gone"), side("same", "new")]).toEqual([before, after]);
    } else if (lines.length === 0) {
      expect(before).toBe(after);
    }
  }
});
