/**
 * Results, opened: a zip file by file, none of which is read further than asked. Who has made it is not trusted: what
 * the receipt vouches for is that a script has, not that it meant well.
 */

import {
  BlobReader,
  type FileEntry,
  ZipReader,
  type ZipReaderConstructorOptions,
} from "@zip.js/zip.js/lib/zip-core-custom.js";

import type { Bytes } from "../core/encoding";
import { BadRequestError, EnclaveError, NotFoundError } from "../core/errors";
import { withUnseen } from "../core/unseen";

/** Files of one archive; larger ones can be downloaded all the same. */
export const MAX_FILES = 200_000;
/** Bytes of its directory. */
const MAX_DIRECTORY = 64 * 1024 * 1024;
/** Bytes that one byte of compressed data can stand for at most (deflate), and some more. */
const MAX_RATIO = 1033;
/** Bytes of a file's own header, at least. */
const HEADER = 30;
const METHODS = new Set([0, 8]);

const STRICT: ZipReaderConstructorOptions = {
  // The browser's own code decompresses, in the thread that asks: there is nothing to be loaded, or made from text.
  useWebWorkers: false,
  strictness: "strict",
  // Those that results have are checked below: on Unix "C:x" is a file.
  filenameValidation: "tolerant",
  checkCrc32: true,
  checkOverlappingEntry: true,
};

/** A file of an archive. */
export interface ArchiveFile {
  /** Its path; whatever letters it has. */
  name: string;
  /** The same for people: what can't be seen, or turns text around, is shown as its code. */
  label: string;
  /** Bytes, as the archive says. */
  size: number;
}

/** An archive that was looked through. */
export class Archive {
  /** In the order of the archive. */
  readonly files: readonly ArchiveFile[];
  readonly #entries: ReadonlyMap<string, FileEntry>;

  private constructor(entries: ReadonlyMap<string, FileEntry>) {
    this.#entries = entries;
    this.files = [...entries].map(([name, entry]) => ({ name, label: label(name), size: entry.uncompressedSize }));
  }

  /**
   * Looks through the directory of a zip.
   *
   * @throws EnclaveError It is none, or not one as results are: with strange names, or files that lie in one another.
   * @throws BadRequestError It has more files than can be shown.
   */
  static async open(content: Blob): Promise<Archive> {
    const entries = new Map<string, FileEntry>();
    const reader = new ZipReader(new Bounded(content), STRICT);
    try {
      for await (const entry of reader.getEntriesGenerator()) {
        if (entries.size === MAX_FILES) {
          throw new BadRequestError(`The result has over ${MAX_FILES} files. Download it to see them.`);
        }
        if (entry.directory) {
          continue;
        }
        check(isPath(entry.filename));
        check(!entry.symlink && !entry.encrypted && METHODS.has(entry.compressionMethod));
        check(entry.uncompressedSize <= entry.compressedSize * MAX_RATIO);
        entries.set(entry.filename, entry);
      }
      checkApart([...entries.values()], reader.directoryOffset ?? 0);
    } catch (error) {
      throw understood(error);
    }
    return new Archive(entries);
  }

  /** Whether there is a file of that name. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * One file, piece by piece. What comes before an error is not whole.
   *
   * @throws NotFoundError There is no such file.
   * @throws EnclaveError It is damaged.
   */
  async *stream(name: string, signal?: AbortSignal): AsyncGenerator<Bytes> {
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      throw new NotFoundError(`The result has no file ${label(name)}.`);
    }
    const ending = new AbortController();
    const either = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
    either.throwIfAborted();
    const { readable, writable } = new TransformStream<Bytes, Bytes>();
    const read = entry.getData(writable, { ...STRICT, signal: either });
    // Whoever reads hears of it, also where nothing was written before.
    read.catch((error: unknown) => writable.abort(error).catch(() => undefined));
    const reader = readable.getReader();
    let size = 0;
    try {
      for (let piece = await reader.read(); piece.value !== undefined; piece = await reader.read()) {
        size += piece.value.length;
        check(size <= entry.uncompressedSize);
        yield piece.value;
      }
      await read;
      check(size === entry.uncompressedSize);
    } catch (error) {
      throw understood(error, signal);
    } finally {
      ending.abort();
    }
  }

  /**
   * One file as a whole.
   *
   * @param most Bytes that it may have.
   * @throws BadRequestError It has more.
   * @throws NotFoundError, EnclaveError: as `stream`.
   */
  async blob(name: string, most: number, { type = "", signal }: ReadOptions = {}): Promise<Blob> {
    const size = this.#entries.get(name)?.uncompressedSize ?? 0;
    if (size > most) {
      throw new BadRequestError(`${label(name)} is too large to be shown: ${size} bytes. Download it.`);
    }
    const pieces: Blob[] = [];
    for await (const piece of this.stream(name, signal)) {
      pieces.push(new Blob([piece]));
    }
    return new Blob(pieces, { type });
  }

  /** One file as text; what is not UTF-8 in it shows as such. As `blob`. */
  async text(name: string, most: number, signal?: AbortSignal): Promise<string> {
    return await (await this.blob(name, most, { signal })).text();
  }

  /** The beginning of a file, so many bytes at most, and whether that is all of it. Errors as `stream`. */
  async head(name: string, most: number, signal?: AbortSignal): Promise<{ bytes: Bytes; whole: boolean }> {
    const bytes = new Uint8Array(Math.min(most, this.#entries.get(name)?.uncompressedSize ?? 0));
    let [size, whole] = [0, true];
    for await (const piece of this.stream(name, signal)) {
      const fits = piece.subarray(0, most - size);
      bytes.set(fits, size);
      size += fits.length;
      if (fits.length < piece.length) {
        whole = false;
        break;
      }
    }
    return { bytes: bytes.subarray(0, size), whole };
  }
}

/** What reading a file may be told besides. */
export interface ReadOptions {
  /** The media type that the blob is to have. */
  type?: string;
  signal?: AbortSignal | undefined;
}

/** Reads no more at once than a directory can have: what an archive says of its size is not believed. */
class Bounded extends BlobReader {
  override async readUint8Array(index: number, length: number): Promise<Uint8Array> {
    check(length <= this.size);
    if (length > MAX_DIRECTORY) {
      throw new BadRequestError("The result has more files than can be shown. Download it to see them.");
    }
    return await super.readUint8Array(index, length);
  }
}

/** Whether a name leads below the folder that it is in, on all systems. */
function isPath(name: string): boolean {
  return !/[\0\\]/.test(name) && name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** No two files lie in one another, and none in the directory: what is read twice would make much of little. */
function checkApart(entries: readonly FileEntry[], directory: number): void {
  let end = 0;
  for (const entry of [...entries].sort((one, other) => one.offset - other.offset)) {
    check(entry.offset >= end);
    end = entry.offset + HEADER + entry.rawFilename.length + entry.compressedSize;
  }
  check(end <= directory);
}

/** One error for all that can be wrong with it. The library's own words may hold names of files. */
function understood(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) {
    return signal.reason;
  }
  if (error instanceof BadRequestError || error instanceof NotFoundError || error instanceof EnclaveError) {
    return error;
  }
  return damaged();
}

function damaged(): EnclaveError {
  return new EnclaveError(
    "The result can't be opened here: it is damaged, or isn't a zip as results are. Download it to have a look, and " +
      "tell the operator.",
  );
}

function check(holds: boolean): void {
  if (!holds) {
    throw damaged();
  }
}

function label(name: string): string {
  return withUnseen(name);
}
