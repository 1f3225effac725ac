/** What the worker images have, as their recipes and locks say it. */

import type { ImageReference } from "../../../core/records";
import images from "./libraries.json";

export interface Image {
  language: string;
  summary: string;
  /** Each library's version; null where Debian's release decides, or where it is Cloister's own. */
  packages: Readonly<Record<string, string | null>>;
}

export interface Library {
  name: string;
  version: string | null;
}

const IMAGES: Readonly<Record<string, Image>> = images;

/** Images that stand for others, where they are offered. */
const STANDS_FOR: Readonly<Record<string, string>> = { python: "python-ml" };

/**
 * What is known of an image by the name that a room calls it.
 *
 * @param offered What the installation's workers offer, the newest of each name first.
 */
export function imageOf(name: string, offered: readonly ImageReference[] = []): Image | undefined {
  const first = (each: string): string | undefined => offered.find((image) => image.name === each)?.measurement;
  const larger = Object.hasOwn(STANDS_FOR, name) ? STANDS_FOR[name] : undefined;
  const stands = larger !== undefined && first(name) !== undefined && first(name) === first(larger);
  const real = stands ? larger : name;
  return Object.hasOwn(IMAGES, real) ? IMAGES[real] : undefined;
}

/** Its libraries that have that in their names. */
export function librariesOf(image: Image, wanted = ""): Library[] {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_.]/g, "");
  return Object.entries(image.packages)
    .filter(([name]) => plain(name).includes(plain(wanted.trim())))
    .map(([name, version]) => ({ name, version }));
}
