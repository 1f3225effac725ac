/**
 * How a file of a result is shown: by what its name says and its first bytes confirm. Who has made it is not trusted,
 * so what is neither text nor one of few kinds of pictures is not shown at all. Pure.
 */

import type { Bytes } from "../../core/encoding";

/** What can be shown. A picture of pixels has its size; HTML, scripts and the like are text. */
export type Shown =
  | { as: "table"; separator: string }
  | { as: "text" }
  | { as: "picture"; type: "image/png" | "image/jpeg"; width: number; height: number }
  | { as: "drawing" }
  | { as: "pdf" }
  | { as: "nothing"; why: string };

/** Bytes of a file's beginning that are looked at. */
export const HEAD = 256 * 1024;
/** Bytes of a picture, drawing or PDF that is shown: it is held whole. */
export const MOST = 64 * 1024 * 1024;
/** Of pixels: what a browser takes for them is four bytes each, however small the file is. */
export const MOST_PIXELS = 100_000_000;

const TABLES: Readonly<Record<string, string>> = { csv: ",", tsv: "\t", tab: "\t" };

/**
 * @param name The file's path.
 * @param head Its first bytes, up to `HEAD`.
 * @param size Of the whole file.
 */
export function shownAs(name: string, head: Bytes, size: number): Shown {
  const ending = /\.([a-z0-9]{1,8})$/.exec(name.toLowerCase())?.[1] ?? "";
  const wanted = ending in TABLES ? "table" : ending;
  switch (wanted) {
    case "png":
    case "jpg":
    case "jpeg":
      return small(size) ?? picture(head);
    case "svg":
      return small(size) ?? (isText(head) ? { as: "drawing" } : other());
    case "pdf":
      // Readers look for it in the first kilobyte.
      return small(size) ?? (find(head.subarray(0, 1024), "%PDF-") ? { as: "pdf" } : other());
    case "table":
      return isText(head) ? { as: "table", separator: TABLES[ending] ?? "," } : other();
    default:
      return isText(head) ? { as: "text" } : { as: "nothing", why: "Files of this type are not shown here." };
  }
}

function small(size: number): Shown | undefined {
  return size > MOST ? { as: "nothing", why: "This file is too large to be shown here." } : undefined;
}

function other(): Shown {
  return { as: "nothing", why: "This file is not what its name says." };
}

function picture(head: Bytes): Shown {
  const found = pngSize(head) ?? jpegSize(head);
  if (found === undefined) {
    return other();
  }
  const { type, width, height } = found;
  if (width * height > MOST_PIXELS) {
    const pixels = `${width.toLocaleString("en")} x ${height.toLocaleString("en")} pixels`;
    return { as: "nothing", why: `This picture of ${pixels} is too large to be shown here.` };
  }
  return { as: "picture", type, width, height };
}

type Sized = { type: "image/png" | "image/jpeg"; width: number; height: number };

/** As PNG (RFC 2083) has it at its very beginning. */
function pngSize(head: Bytes): Sized | undefined {
  const begin = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52];
  if (head.length < 33 || begin.some((byte, at) => head[at] !== byte)) {
    return undefined;
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
}

/** As the frame header of a JPEG (ITU-T T.81, B.2.2) has it; those come before the pixels, behind segments of text. */
function jpegSize(head: Bytes): Sized | undefined {
  if (head[0] !== 0xff || head[1] !== 0xd8) {
    return undefined;
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let at = 2; at + 9 < head.length; ) {
    const marker = view.getUint16(at);
    if (marker === 0xffff) {
      at += 1;
      continue;
    }
    const frame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (frame) {
      return { type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    if (marker < 0xffc0 || marker === 0xffd9 || marker === 0xffda) {
      return undefined;
    }
    at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** Whether it is UTF-8 without NUL; the last letter may be cut off. */
function isText(head: Bytes): boolean {
  if (head.includes(0)) {
    return false;
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function find(head: Bytes, wanted: string): boolean {
  return new TextDecoder("latin1").decode(head).includes(wanted);
}
