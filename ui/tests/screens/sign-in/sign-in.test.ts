import { expect, test } from "vitest";

import { readInvitation } from "../../../src/screens/sign-in/invited";
import { problemWords } from "../../../src/screens/sign-in/problems";

test("what went wrong at a provider is told in words of the page's own", () => {
  const words = (search: string): string | null => problemWords(new URLSearchParams(search));
  expect(words("")).toBeNull();
  expect(words("problem=unknown")).toContain("no account");
  const unknown = words("problem=Call+0900+now");
  expect(unknown).toBe("Signing in at the provider has failed. Try again.");
  expect(words("problem=constructor")).toBe(unknown);
  expect(words("problem=")).toBe(unknown);
});

test("a link of an invitation, and what is none", () => {
  expect(readInvitation("#token=abc_-1&email=a%40b.example")).toEqual({ token: "abc_-1", email: "a@b.example" });
  for (const fragment of ["", "#", "#email=a%40b.example", `#token=${"x".repeat(101)}`, "#token=a b", "#token="]) {
    expect(readInvitation(fragment)).toBeNull();
    expect(readInvitation(`${fragment}&email=a%40b.example`)).toBeNull();
  }
  // Whose account it is has to be shown, and said.
  for (const rest of ["", "&email=", `&email=${"x".repeat(321)}`]) {
    expect(readInvitation(`#token=abc${rest}`)).toBeNull();
  }
});
