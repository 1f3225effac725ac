import { expect, test } from "vitest";

import { checked, decode, type Kind } from "../../src/core/decode";
import { VerificationError } from "../../src/core/errors";
import { json, load } from "../vectors";

const vectors = load("protocol");
const KINDS: [string, Kind][] = [
  ["requests", "Request"],
  ["frames", "Frame"],
  ["tasks", "Task"],
  ["reports", "Report"],
  ["evidence", "EnclaveEvidence"],
];

test("no vector is left out", () => {
  expect(Object.keys(vectors).sort()).toEqual(["version", ...KINDS.map(([name]) => name)].sort());
});

test.each(KINDS)("all %s are read as they are", (name, kind) => {
  for (const value of vectors[name]) {
    expect(decode(json(value), kind, "a message")).toEqual(value);
  }
});

test.each(KINDS)("no field more, and none less, in %s", (name, kind) => {
  for (const value of vectors[name]) {
    expect(() => checked({ ...value, surplus: 1 }, kind, "a message")).toThrow(VerificationError);
    for (const field of Object.keys(value)) {
      const { [field]: left, ...rest } = value;
      if (!OPTIONAL.has(field)) {
        expect(() => checked(rest, kind, "a message"), field).toThrow(VerificationError);
      }
    }
  }
});

/** Fields of the messages themselves that may be missing, as they came later. */
const OPTIONAL = new Set(["waiting_for", "restored", "retry_seconds", "environment", "withheld", "config"]);

test("an answer of an unknown kind is refused", () => {
  const answer = { frame: "answer", body: { type: "surprise" }, checkpoint: null, consistency: [] };
  expect(() => checked(answer, "Frame", "an answer")).toThrow(VerificationError);
  expect(() => checked({ ...answer, body: { type: "done" } }, "Frame", "an answer")).not.toThrow();
});
