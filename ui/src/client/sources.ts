/** What is uploaded, part by part: a file as it lies there, or a table that is made while it is read. */

import { PART_SIZE, partCount, readPart } from "../core/dataset";
import type { Bytes } from "../core/encoding";
import { BadRequestError } from "../core/errors";
import type { Content, PreparedTable } from "../tables/recipe";

/** Plaintext whose size is known. */
export interface Source {
  /** In bytes. */
  readonly size: number;
  /**
   * One part; asked for in their order, each once, but the next ones perhaps before this one is there.
   *
   * @throws BadRequestError What was chosen was moved or changed meanwhile.
   */
  part(index: number): Promise<Bytes>;
}

export function sourceOf(content: Content): Source {
  return content instanceof Blob ? new FileSource(content) : new TableSource(content);
}

class FileSource implements Source {
  readonly #file: Blob;

  constructor(file: Blob) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  async part(index: number): Promise<Bytes> {
    try {
      return await readPart(this.#file, index);
    } catch {
      throw new BadRequestError("The file can't be read any more: it was moved or changed. Choose it again.");
    }
  }
}

/** Holds one part and what was made beyond it. Nothing of the table lies anywhere else, on no disk above all. */
class TableSource implements Source {
  readonly size: number;
  readonly #prepared: PreparedTable;
  #pieces: AsyncGenerator<Bytes> | undefined;
  #rest: Bytes = new Uint8Array();
  #next = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(prepared: PreparedTable) {
    this.size = prepared.size;
    this.#prepared = prepared;
  }

  part(index: number): Promise<Bytes> {
    if (index !== this.#next++) {
      throw new RangeError("The parts of a table are made in their order.");
    }
    const part = this.#turn.then(() => this.#make(index));
    this.#turn = part;
    return part;
  }

  async #make(index: number): Promise<Bytes> {
    if (this.#pieces === undefined) {
      // Loaded only where it is needed: most uploads are files as they are.
      const { preparedBytes } = await import("../tables/prepare");
      this.#pieces = preparedBytes(this.#prepared);
    }
    const last = index === partCount(this.size) - 1;
    const part = new Uint8Array(last ? this.size - index * PART_SIZE : PART_SIZE);
    let filled = 0;
    for (;;) {
      const fits = this.#rest.subarray(0, part.length - filled);
      part.set(fits, filled);
      filled += fits.length;
      this.#rest = this.#rest.subarray(fits.length);
      if (filled === part.length && !last) {
        return part;
      }
      // Behind the last part nothing may come; whether the whole is what was checked is said at its end.
      const { value, done } = await this.#pieces.next();
      if (done === true) {
        return part;
      }
      this.#rest = value;
    }
  }
}
