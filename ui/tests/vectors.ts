/** The fixed bytes of every format, which Python's tests read too. */

import { type Bytes, fromHex, utf8 } from "../src/core/encoding";

// biome-ignore lint/suspicious/noExplicitAny: they are data of any shape, and each test knows its own
export type Vectors = any;

// As text, and by the bundler: so browsers can read them, too.
const FILES = import.meta.glob<string>("../../tests/vectors/*.json", { query: "?raw", import: "default", eager: true });

/** The vectors of that name. */
export function load(name: string): Vectors {
  return JSON.parse(FILES[`../../tests/vectors/${name}.json`] ?? "");
}

/** JSON values as they are sent. */
export function json(value: unknown): Bytes {
  return utf8(JSON.stringify(value));
}

export { fromHex as unhex };
