/** Writing a decrypted dataset to the user's disk: as it comes where the browser can do that, else from memory. */

import type { Datasets } from "../../client/datasets";
import type { MoveOptions } from "../../client/mover";
import { Meter } from "../../client/progress";
import { download, fileName } from "../../components/download";
import type { Bytes } from "../../core/encoding";
import { BadRequestError } from "../../core/errors";
import type { Work } from "./transfers";

/** Bytes that are collected in memory without asking where to save them. */
const SMALL = 64 * 1024 * 1024;
/** Bytes that are collected in memory at most, in browsers that can't write as it comes. */
const MOST = 1024 * 1024 * 1024;

/** Where what comes is put. */
interface Place {
  write(part: Bytes): Promise<void>;
  /** All has come: only now it is a file. */
  close(): Promise<void>;
  /** It is not whole: nothing of it stays. */
  abort(): Promise<void>;
}

type Picker = (options: { suggestedName: string }) => Promise<{ createWritable(): Promise<Place> }>;

/**
 * Asks where to, where that is needed. Right after a click: browsers want that.
 *
 * @returns What downloads it; null where the user has changed their mind.
 * @throws BadRequestError It is too large for this browser.
 */
export async function saving(datasets: Datasets, id: string, name: string, size: number): Promise<Work | null> {
  const place = await placeFor(fileName(name), size);
  return place && ((options) => saved(datasets, id, size, place, options));
}

async function placeFor(name: string, size: number): Promise<Place | null> {
  const pick = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (size <= SMALL || (pick === undefined && size <= MOST)) {
    return new Collected(name);
  }
  if (pick === undefined) {
    throw new BadRequestError(
      "This browser can't write files as they come, and this one is too large to be collected in memory. Use Chrome " +
        "or Edge, or the command line: cloister data get.",
    );
  }
  try {
    return await (await pick({ suggestedName: name })).createWritable();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      return null;
    }
    throw error;
  }
}

async function saved(
  datasets: Datasets,
  id: string,
  size: number,
  place: Place,
  { signal, onProgress }: MoveOptions,
): Promise<void> {
  const meter = new Meter(size);
  try {
    for await (const part of datasets.download(await datasets.get(id), { signal })) {
      await place.write(part);
      onProgress?.(meter.add(part.length));
    }
    signal?.throwIfAborted();
    await place.close();
  } catch (error) {
    await place.abort();
    throw error;
  }
}

/** In memory, which browsers put to disk where it gets large; handed over at the end. */
class Collected implements Place {
  readonly #name: string;
  #parts: Blob[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  async write(part: Bytes): Promise<void> {
    this.#parts.push(new Blob([part]));
  }

  async close(): Promise<void> {
    download(new Blob(this.#parts, { type: "application/octet-stream" }), this.#name);
  }

  async abort(): Promise<void> {
    this.#parts = [];
  }
}
