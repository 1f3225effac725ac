import { expect, test } from "vitest";

import { safePath } from "../../src/app/returning";

test("one goes back to pages of ours alone", () => {
  for (const path of ["/", "/rooms/ab12/trust", "/drafts/cd34", "/datasets"]) {
    expect(safePath(path)).toBe(path);
  }
  const others = [
    "//evil.example/",
    "/\\evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    "",
    "/a?b",
    "/a#b",
    "/sign-in",
    "/\nevil",
    null,
    undefined,
    5,
  ];
  for (const other of others) {
    expect(safePath(other)).toBe("/");
  }
});
