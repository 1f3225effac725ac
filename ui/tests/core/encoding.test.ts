import { describe, expect, test } from "vitest";

import { decode, decodeCanonical } from "../../src/core/decode";
import {
  canonical,
  concat,
  equal,
  fromBase64,
  fromHex,
  normalEmail,
  number,
  pack,
  sha256,
  sha256Bulk,
  toHex,
  utf8,
} from "../../src/core/encoding";
import { VerificationError } from "../../src/core/errors";
import { json, load, unhex, type Vectors } from "../vectors";

const vectors = load("encoding");

test.each<Vectors>(vectors.pack)("packs $label", ({ label, fields, packed }) => {
  expect(toHex(pack(label, ...fields.map(unhex)))).toBe(packed);
});

test.each<Vectors>(vectors.canonical)("canonical JSON $bytes", ({ value, bytes }) => {
  expect(toHex(canonical(value))).toBe(bytes);
});

test.each<Vectors>(vectors.normal_email)("normal form of $email", ({ email, normal }) => {
  expect(normalEmail(email)).toBe(normal);
});

test("numbers have no sign and no fraction", () => {
  expect(toHex(number(2 ** 53 - 1))).toBe("001fffffffffffff");
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) {
    expect(() => number(value)).toThrow(RangeError);
  }
});

test("both digests are the same", async () => {
  const data = utf8("the same bytes");
  expect(toHex(await sha256Bulk(data))).toBe(toHex(sha256(data)));
});

test("bytes are compared to their end", () => {
  expect(equal(utf8("abc"), utf8("abc"))).toBe(true);
  expect(equal(utf8("abc"), utf8("abd"))).toBe(false);
  expect(equal(utf8("abc"), utf8("ab"))).toBe(false);
  expect(equal(concat(), utf8(""))).toBe(true);
});

test.each(["=", "AA", "AA=A", "A A=", "AB==", "AA==\n", "-_-_"])("%j is no base64", (encoded) => {
  expect(() => fromBase64(encoded)).toThrow(VerificationError);
});

test.each(["A0", "0", "0x00", "00\n"])("%j is not hexadecimal", (digits) => {
  expect(() => fromHex(digits)).toThrow(VerificationError);
});

describe("records", () => {
  const manifest = JSON.parse(load("dataset").two_parts.manifest);
  const read = (value: unknown) => decode(json(value), "Manifest", "a manifest");

  test("are read as they are", () => {
    expect(read(manifest)).toEqual(manifest);
  });

  test.each([
    ["an unknown field", { ...manifest, more: 1 }],
    ["an unknown field inside", { ...manifest, parts: [{ ...manifest.parts[0], more: 1 }] }],
    ["a field that would be inherited", JSON.parse(`{"__proto__":1,${JSON.stringify(manifest).slice(1)}`)],
    ["an unknown version", { ...manifest, version: 2 }],
    ["a missing field", { ...manifest, commitment: undefined }],
    ["a negative size", { ...manifest, size: -1 }],
    ["half a byte", { ...manifest, size: 0.5 }],
    ["a size beyond what numbers carry", { ...manifest, size: 2 ** 53 }],
    ["a digest that ends in a line", { ...manifest, dataset: `${manifest.dataset}\n` }],
    ["a digest in capitals", { ...manifest, dataset: manifest.dataset.toUpperCase() }],
    ["a list", [manifest]],
    ["nothing", null],
  ])("with %s are refused", (_, value) => {
    expect(() => read(value)).toThrow(VerificationError);
  });

  test.each(["", "{", "\ufeff{}", "{}{}", "NaN"])("%j is refused", (text) => {
    expect(() => decode(utf8(text), "Manifest", "a manifest")).toThrow("it is not JSON in UTF-8");
  });

  test("that are no UTF-8 are refused", () => {
    expect(() => decode(Uint8Array.of(0x22, 0xff, 0x22), "Manifest", "a manifest")).toThrow("it is not JSON in UTF-8");
  });

  test("have one canonical form", () => {
    expect(decodeCanonical(canonical(manifest), "Manifest", "a manifest")).toEqual(manifest);
    const text = new TextDecoder().decode(canonical(manifest));
    for (const other of [` ${text}`, text.replace(":", ": "), text.replace("{", '{"version":1,')]) {
      expect(() => decodeCanonical(utf8(other), "Manifest", "a manifest")).toThrow("canonical form");
    }
  });

  test("a message never tells what a field holds", () => {
    expect(() => read({ ...manifest, dataset: "a secret" })).toThrow(/^(?!.*a secret)/s);
    expect(() => read({ ...manifest, dataset: "a secret" })).toThrow("#/dataset");
  });
});
