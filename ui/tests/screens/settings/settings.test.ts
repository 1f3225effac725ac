import { expect, test } from "vitest";

import { browserWords, meansWords } from "../../../src/screens/settings/browsers";
import { grouped, plain } from "../../../src/screens/settings/keyText";

test("browsers are called what people call them", () => {
  const agent = (system: string, rest: string): string => `Mozilla/5.0 (${system}) ${rest}`;
  const chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";
  expect(browserWords(agent("X11; Linux x86_64", chrome))).toBe("Chrome on Linux");
  expect(browserWords(agent("Windows NT 10.0; Win64", `${chrome} Edg/130.0`))).toBe("Edge on Windows");
  expect(browserWords(agent("Linux; Android 14", chrome))).toBe("Chrome on Android");
  expect(browserWords(agent("Macintosh; Intel Mac OS X 10.15", "Gecko/20100101 Firefox/131.0"))).toBe(
    "Firefox on macOS",
  );
  expect(browserWords("")).toBe("Unknown");
  // Whoever signs in chooses these words: they are text, and short.
  expect(browserWords(`<b>${"x".repeat(500)}`)).toHaveLength(60);
});

test("means of signing in; what isn't known is left out", () => {
  expect(meansWords("password")).toBe("by password");
  expect(meansWords("toString")).toBe("");
});

test("keys in groups, and what was typed of them", () => {
  const key = "9f86d081884c7d65".repeat(4);
  expect(grouped(key).split(" ")).toHaveLength(16);
  expect(plain(` ${grouped(key).toUpperCase()}\n`)).toBe(key);
});
