/** The log of a room, page by page: checked as it comes. As `cloister.sdk.room_log`. */

import { decodeCanonical } from "../core/decode";
import { equal, fromBase64 } from "../core/encoding";
import { LogTampered } from "../core/errors";
import { MerkleRoot } from "../core/merkle";
import type { Event, Log } from "../core/records";
import type { RoomLink, Told } from "./link";

/** What was read, and the answer that it was checked against. */
export interface ReadLog {
  told: Told<Log>;
  /** All events up to the checkpoint of `told`. */
  events: Event[];
}

/**
 * All events of a room, genuine to the last.
 *
 * Asking for a page is an event too: what has come behind the first answer is left for the next reading, so that this
 * one ends.
 *
 * @param onProgress Is told how many events of how many have come.
 * @throws LogTampered The events are not the ones that the enclave has signed.
 */
export async function readLog(link: RoomLink, onProgress?: (read: number, size: number) => void): Promise<ReadLog> {
  const first = await link.ask({ type: "read_log", start: 0 }, "log");
  const { size, root } = first.checkpoint;
  const tree = new MerkleRoot();
  const events: Event[] = [];
  for (let told = first; ; told = await link.ask({ type: "read_log", start: tree.size }, "log")) {
    const page = told.body.events;
    if (page.length === 0 || tree.size + page.length > told.checkpoint.size) {
      throw changed();
    }
    for (const encoded of page.slice(0, size - tree.size)) {
      const data = fromBase64(encoded);
      events.push(decodeCanonical(data, "Event", "an event"));
      tree.append(data);
    }
    onProgress?.(tree.size, size);
    if (tree.size === size) {
      break;
    }
  }
  if (!equal(tree.root(), root)) {
    throw changed();
  }
  return { told: first, events };
}

function changed(): LogTampered {
  return new LogTampered("The audit log is not the one that its checkpoint was signed for. Ask the operator why.");
}
