/** What a page and the worker that moves data for it say to each other. */

import type { Bytes } from "../core/encoding";
import * as errors from "../core/errors";
import type { Manifest, Result } from "../core/records";
import type { Content } from "../tables/recipe";
import type { TransferProgress } from "./progress";

/** Where the hub is, and who asks: see `Hub`. */
export interface Access {
  url: string;
  token: string | null;
}

/** A file, or what is made of one, that is to be encrypted and stored. */
export interface Upload {
  hub: Access;
  file: Content;
  key: Bytes;
  /** Whether it is taken up again, with the same file and the same key, after it was broken off. */
  resumable: boolean;
}

/** A result, whose receipt was checked, that is to be fetched. */
export interface Fetch {
  hub: Access;
  result: Result;
}

/** To the worker. `id` tells transfers apart. */
export type Order =
  | { type: "upload"; id: number; job: Upload }
  | { type: "fetch"; id: number; job: Fetch }
  | { type: "cancel"; id: number };

/** From the worker. The last of each transfer is `uploaded`, `fetched` or `failed`. */
export type Report =
  | { type: "progress"; id: number; progress: TransferProgress }
  | { type: "uploaded"; id: number; manifest: Manifest }
  | { type: "fetched"; id: number; content: Blob }
  | { type: "failed"; id: number; name: string; message: string };

/** What both ends have: a worker, its inside, or one end of a channel. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

/** An error as it is sent: errors lose their class on the way. */
export function packed(error: unknown): { name: string; message: string } {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: "The transfer failed. Try again." };
}

/** The error that was sent. */
export function unpacked({ name, message }: { name: string; message: string }): Error {
  if (name === "AbortError") {
    return new DOMException(message, name);
  }
  const kinds: Record<string, unknown> = errors;
  const kind = Object.hasOwn(kinds, name) ? (kinds[name] as typeof errors.CloisterError) : errors.CloisterError;
  return new kind(message);
}
