/** The fixed bytes of every format, which Python's tests read too. */

import { readFileSync } from "node:fs";

import { type Bytes, fromHex, utf8 } from "../src/core/encoding";

// biome-ignore lint/suspicious/noExplicitAny: they are data of any shape, and each test knows its own
export type Vectors = any;

/** The vectors of that name. */
export function load(name: string): Vectors {
  return JSON.parse(readFileSync(new URL(`../../tests/vectors/${name}.json`, import.meta.url), "utf8"));
}

/** JSON values as they are sent. */
export function json(value: unknown): Bytes {
  return utf8(JSON.stringify(value));
}

export { fromHex as unhex };
