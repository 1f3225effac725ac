import { expect, test } from "vitest";

import { fileName } from "../../src/components/download";

test.each([
  ["a study", "a study"],
  ["../../etc/passwd", "_.._etc_passwd"],
  ['<img src=x onerror="1">', "_img src=x onerror=_1__"],
  ["\u202egpj.exe", "gpj.exe"],
  ["...", "download"],
  ["", "download"],
  ["a\nb\u0000c", "a b c"],
  ["x".repeat(500), "x".repeat(150)],
])("%j is saved as %j", (wanted, name) => {
  expect(fileName(wanted)).toBe(name);
});
