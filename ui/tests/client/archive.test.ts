/** Results as somebody could make them who wants to harm whoever looks at them. */

import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";

import { Archive, MAX_FILES } from "../../src/client/archive";
import { type Bytes, concat, randomBytes, text, utf8 } from "../../src/core/encoding";
import { BadRequestError, EnclaveError, NotFoundError } from "../../src/core/errors";
import { zip } from "../rooms";

const MOST = 1024 * 1024;

/** A file of an archive, and what its headers say of it. */
interface Raw {
  name: string | Bytes;
  content: Bytes;
  method?: number;
  flags?: number;
  crc?: number;
  size?: number;
  compressed?: number;
  /** What the file's own header says instead. */
  local?: Partial<Raw>;
  /** Where it is said to begin. */
  offset?: number;
  attributes?: number;
}

/** An archive, byte by byte. */
function raw(files: Raw[], end: { files?: number; size?: number; offset?: number } = {}): Bytes {
  const bodies: Bytes[] = [];
  const directory: Bytes[] = [];
  let at = 0;
  for (const file of files) {
    const data = file.method === 8 ? new Uint8Array(deflateRawSync(file.content)) : file.content;
    const body = concat(header(0x04034b50, { ...file, ...file.local }, data), data);
    const entry = header(0x02014b50, file, data, file.offset ?? at);
    bodies.push(body);
    directory.push(entry);
    at += body.length;
  }
  const listed = concat(...directory);
  const last = new DataView(new ArrayBuffer(22));
  last.setUint32(0, 0x06054b50, true);
  [8, 10].forEach((place) => last.setUint16(place, end.files ?? files.length, true));
  last.setUint32(12, end.size ?? listed.length, true);
  last.setUint32(16, end.offset ?? at, true);
  return concat(...bodies, listed, new Uint8Array(last.buffer));
}

function header(magic: number, file: Raw, data: Bytes, offset?: number): Bytes {
  const name = typeof file.name === "string" ? utf8(file.name) : file.name;
  const [skipped, length] = offset === undefined ? [0, 30] : [2, 46];
  const view = new DataView(new ArrayBuffer(length));
  view.setUint32(0, magic, true);
  if (offset !== undefined) {
    // Made on Unix: the attributes are those of its files.
    view.setUint16(4, 0x0314, true);
    view.setUint32(38, file.attributes ?? 0x81a40000, true);
    view.setUint32(42, offset, true);
  }
  view.setUint16(4 + skipped, 20, true);
  view.setUint16(6 + skipped, file.flags ?? 0x800, true);
  view.setUint16(8 + skipped, file.method ?? 0, true);
  view.setUint32(14 + skipped, file.crc ?? crc32(file.content), true);
  view.setUint32(18 + skipped, file.compressed ?? data.length, true);
  view.setUint32(22 + skipped, file.size ?? file.content.length, true);
  view.setUint16(26 + skipped, name.length, true);
  return concat(new Uint8Array(view.buffer), name);
}

function crc32(content: Bytes): number {
  let crc = ~0;
  for (const byte of content) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
    }
  }
  return ~crc >>> 0;
}

const file = (name: string | Bytes, content: string | Bytes = "x", more: Partial<Raw> = {}): Raw => {
  return { name, content: typeof content === "string" ? utf8(content) : content, ...more };
};
const noise = (size: number): Bytes => new Uint8Array(createHash("shake256", { outputLength: size }).digest());
const open = async (data: Bytes): Promise<Archive> => await Archive.open(new Blob([data]));

test("files are listed and read one by one", async () => {
  const large = noise(3_000_000);
  const archive = await open(await zip({ "a.csv": "1,2\n", "out/b.bin": large, "ü 😀.txt": "ü", empty: "" }));
  expect(archive.files).toEqual([
    { name: "a.csv", label: "a.csv", size: 4 },
    { name: "out/b.bin", label: "out/b.bin", size: 3_000_000 },
    { name: "ü 😀.txt", label: "ü 😀.txt", size: 2 },
    { name: "empty", label: "empty", size: 0 },
  ]);
  expect(await archive.text("a.csv", MOST)).toBe("1,2\n");
  expect(await archive.text("empty", MOST)).toBe("");
  const blob = await archive.blob("out/b.bin", 3_000_000, { type: "image/png" });
  expect(blob.type).toBe("image/png");
  expect(Buffer.from(await blob.arrayBuffer()).equals(large)).toBe(true);
  // Again, and out of order.
  expect(await archive.text("a.csv", MOST)).toBe("1,2\n");
  expect(archive.has("a.csv")).toBe(true);
  expect(archive.has("toString")).toBe(false);
});

test("several are read at once", async () => {
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${at}`, `${at}`.repeat(10_000)]));
  const archive = await open(await zip(files));
  const read = await Promise.all(archive.files.map(({ name }) => archive.text(name, MOST)));
  expect(read).toEqual(Object.values(files));
});

test("no more is read than was asked for", async () => {
  const archive = await open(await zip({ large: new Uint8Array(50_000_000) }));
  await expect(archive.blob("large", MOST)).rejects.toThrow(BadRequestError);
  await expect(archive.blob("large", MOST)).rejects.toThrow("too large to be shown: 50000000 bytes");
  const { bytes, whole } = await archive.head("large", 10);
  expect([bytes, whole]).toEqual([new Uint8Array(10), false]);
  const small = await open(await zip({ small: "0123456789" }));
  expect(await small.head("small", 10)).toEqual({ bytes: utf8("0123456789"), whole: true });
  expect(await small.head("small", 9)).toEqual({ bytes: utf8("012345678"), whole: false });
  await expect(small.head("other", 9)).rejects.toThrow(NotFoundError);
});

test("reading can be broken off, and whoever stops reading leaves nothing running", async () => {
  const archive = await open(await zip({ large: noise(5_000_000) }));
  const ending = new AbortController();
  const reading = archive.stream("large", ending.signal);
  await reading.next();
  ending.abort();
  await expect(
    (async () => {
      for await (const _ of reading) {
        // Until it ends.
      }
    })(),
  ).rejects.toMatchObject({ name: "AbortError" });
  await expect(archive.text("large", 1e9, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  for await (const piece of archive.stream("large")) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
});

test("names show what can't be seen in them", async () => {
  const names = ["a\u202egpj.exe", "a\nb", "<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "\u200b", "a\ufeffb"];
  const archive = await open(raw(names.map((name) => file(name))));
  expect(archive.files.map(({ label }) => label)).toEqual([
    "a\\u{202e}gpj.exe",
    "a\\u{a}b",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "\\u{200b}",
    "a\\u{feff}b",
  ]);
  expect(await archive.text(names[0] as string, MOST)).toBe("x");
});

test("names that mean something elsewhere are names", async () => {
  const archive = await open(raw([file("C:x"), file("...x"), file("con"), file("a: b?.txt")]));
  expect(archive.files.map(({ name }) => name)).toEqual(["C:x", "...x", "con", "a: b?.txt"]);
});

test("folders are no files", async () => {
  const archive = await open(raw([file("a/", ""), file("a/b")]));
  expect(archive.files.map(({ name }) => name)).toEqual(["a/b"]);
});

test.each(["../a", "a/../b", "..", "/etc/passwd", "a//b", "./a", "a/.", "", "a\0b", "..\\a", "\\\\host\\a"])(
  "an archive with the name %j is refused",
  async (name) => {
    await expect(open(raw([file("good"), file(name)]))).rejects.toThrow(EnclaveError);
  },
);

const QUOTED = raw([file("a", "x".repeat(100)), file("b", "y")]);
const BOMB = new Uint8Array(30_000_000);

test.each<[string, () => Bytes | Promise<Bytes>]>([
  ["is no zip", () => utf8("%PDF-1.7 and more")],
  ["is empty", () => new Uint8Array()],
  ["is cut off at its end", () => QUOTED.slice(0, -5)],
  ["is cut off in its directory", () => QUOTED.slice(0, 150)],
  ["is cut off at its beginning", () => QUOTED.slice(10)],
  ["has something before it", () => concat(utf8("#!/bin/sh\n"), QUOTED)],
  ["has something behind it", () => concat(QUOTED, utf8("more"))],
  ["is two archives", () => concat(QUOTED, QUOTED)],
  ["has a name twice", () => raw([file("a"), file("a")])],
  ["has files that are one", () => raw([file("a"), file("b", "x", { offset: 0 })])],
  [
    "has files that lie in one another",
    () => raw([file("a", concat(raw([file("b")]))), file("b", "x", { offset: 31 })]),
  ],
  ["has a file in its directory", () => raw([file("a", "x", { offset: 40 })])],
  ["has a file behind its end", () => raw([file("a", "x", { offset: 1_000_000 })])],
  ["says that it has more files", () => raw([file("a")], { files: 2 })],
  ["says that it has fewer files", () => raw([file("a"), file("b")], { files: 1 })],
  ["has a directory elsewhere", () => raw([file("a")], { offset: 7 })],
  ["has a directory larger than itself", () => raw([file("a")], { size: 0xfffffff0 })],
  ["has a link", () => raw([file("a", "/etc/passwd", { attributes: 0xa1ff0000 })])],
  ["is encrypted", async () => await zip({ a: "secret" }, { password: "p" })],
  ["is compressed in another way", () => raw([file("a", "x", { method: 12 })])],
  ["promises more than anything could hold", () => raw([file("a", BOMB, { method: 8, size: 0xfffffffe })])],
])("what %s is refused", async (_, make) => {
  const data = await make();
  await expect(open(data)).rejects.toThrow(EnclaveError);
  await expect(open(data)).rejects.toThrow("it is damaged, or isn't a zip as results are");
});

test.each<[string, () => Bytes]>([
  ["is longer than promised", () => raw([file("a", "x".repeat(1000), { method: 8, size: 999, local: { size: 999 } })])],
  [
    "is shorter than promised",
    () => raw([file("a", "x".repeat(1000), { method: 8, size: 1001, local: { size: 1001 } })]),
  ],
  ["is stored and shorter", () => raw([file("a", "x", { size: 2, local: { size: 2 } })])],
  ["is something else", () => raw([file("a", "x", { crc: 1, local: { crc: 1 } })])],
  ["is not compressed at all", () => raw([file("a", randomBytes(99), { local: { method: 8 }, method: 0 })])],
  ["has another name in its place", () => raw([file("a", "x", { local: { name: "b" } })])],
  ["has another size in its place", () => raw([file("a", "x", { local: { size: 5 } })])],
  ["is damaged", () => damaged(raw([file("a", "abc".repeat(10_000), { method: 8 })]), 60)],
])("a file that %s is not read to its end", async (_, make) => {
  // The directory may be all that is right with it.
  const reading = open(make()).then((archive) => archive.text("a", MOST));
  await expect(reading).rejects.toThrow(EnclaveError);
});

function damaged(data: Bytes, at: number): Bytes {
  const changed = data.slice();
  changed[at] = (changed[at] ?? 0) ^ 0xff;
  return changed;
}

test("a bomb is read as far as it was asked for", async () => {
  const data = raw([file("zeros", BOMB, { method: 8 })]);
  expect(data.length).toBeLessThan(40_000);
  const archive = await open(data);
  await expect(archive.text("zeros", MOST)).rejects.toThrow(BadRequestError);
  let read = 0;
  for await (const piece of archive.stream("zeros")) {
    read += piece.length;
    if (read > MOST) {
      break;
    }
  }
  expect(read).toBeLessThan(2 * MOST);
  expect((await archive.head("zeros", 100)).bytes).toHaveLength(100);
});

test("an archive with too many files is not looked through to its end", async () => {
  const empty = file("n", "");
  const one = header(0x02014b50, empty, new Uint8Array(), 0);
  const listed = new Uint8Array(one.length * (MAX_FILES + 1));
  for (let at = 0; at <= MAX_FILES; at++) {
    listed.set(one, at * one.length);
  }
  // What tells of so many files is longer than this; the directory alone is what counts.
  const last = raw([]);
  new DataView(last.buffer).setUint32(12, listed.length, true);
  new DataView(last.buffer).setUint16(8, 0xffff, true);
  await expect(open(concat(listed, last))).rejects.toThrow(/EnclaveError|damaged|files/);
});

test("texts that are no texts are shown as such", async () => {
  const archive = await open(raw([file("a", Uint8Array.from([0xff, 0xfe, 0x41]))]));
  expect(await archive.text("a", MOST)).toBe("\ufffd\ufffdA");
  expect(text(utf8("A"))).toBe("A");
});
