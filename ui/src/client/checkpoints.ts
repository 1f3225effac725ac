/**
 * What this browser has seen of each room's log: the newest checkpoint, which every later one must extend.
 * As `cloister.sdk.checkpoints`.
 */

import { type Checkpoint, verifyCheckpoint } from "../core/checkpoint";
import { equal, fromBase64, toBase64 } from "../core/encoding";
import { BadRequestError, CloisterError, LogTampered, RollbackDetected } from "../core/errors";
import { EMPTY_ROOT, verifyConsistency } from "../core/merkle";
import type { Answer, Restored } from "../core/records";
import type { Store } from "./store";

/** A checkpoint as it was signed: so that it can be shown to others. */
interface Seen {
  version: 1;
  /** The enclave's key, base64. */
  signing: string;
  note: string;
  size: number;
  /** Base64. */
  root: string;
  /** The last restore that the log told of. */
  restore: string | null;
}

/** What an answer says of the log that it was made from. */
export type Shown = Pick<Answer, "checkpoint" | "consistency" | "restored">;

/**
 * The newest checkpoint of each room, by room alone and not by signing key: the log of a room goes on whatever key
 * signs it, so that an enclave with a fresh key has to extend what was seen like any other.
 */
export class CheckpointMemory {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * The newest checkpoint that was seen; of an empty log where none was.
   *
   * @throws CloisterError What remembers it is damaged.
   */
  async newest(room: string): Promise<Checkpoint> {
    const seen = recalled(await this.#store.get("checkpoints", room));
    if (seen === undefined) {
      return { room, size: 0, root: EMPTY_ROOT };
    }
    try {
      return await verifyCheckpoint(seen.note, fromBase64(seen.signing), room);
    } catch {
      throw damaged();
    }
  }

  /**
   * Checks a checkpoint that an answer came with, and remembers it.
   *
   * @param seen What `newest` said when the request was made.
   * @param signing The enclave's attested signing key, base64.
   * @throws LogTampered It is not a checkpoint of that room by that key.
   * @throws RollbackDetected It does not extend what was seen. The message tells of a restore that was declared since.
   */
  async accept(seen: Checkpoint, shown: Shown, signing: string): Promise<Checkpoint> {
    const note = noteOf(shown);
    const checkpoint = await verifyCheckpoint(note, fromBase64(signing), seen.room);
    try {
      const proof = shown.consistency.map(fromBase64);
      verifyConsistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof);
    } catch (error) {
      throw error instanceof LogTampered ? await this.#rollback(seen, checkpoint, shown.restored) : error;
    }
    const fresh = record(checkpoint, note, signing, shown.restored);
    const kept = await this.#store.update("checkpoints", seen.room, (before) => newer(recalled(before), fresh));
    // Other pages may have seen more since the request was made, but nothing else.
    if (kept.size === checkpoint.size && !equal(fromBase64(kept.root), checkpoint.root)) {
      throw await this.#rollback({ ...seen, size: kept.size }, checkpoint, shown.restored);
    }
    return checkpoint;
  }

  /**
   * Goes on from a checkpoint that does not extend what was seen, because a restore was declared since. What was seen
   * is kept as evidence.
   *
   * @throws BadRequestError No restore was declared since: there is nothing that could be accepted.
   */
  async acceptRestored(seen: Checkpoint, shown: Shown, signing: string): Promise<void> {
    try {
      await this.accept(seen, shown, signing);
      return;
    } catch (error) {
      if (!(error instanceof RollbackDetected)) {
        throw error;
      }
    }
    const { restored } = shown;
    const known = recalled(await this.#store.get("checkpoints", seen.room));
    if (restored === undefined || known?.restore === restored.restore) {
      throw new BadRequestError(
        "The operator has declared no restore of this room since this browser has last seen its log. There is " +
          "nothing that you could accept: ask the operator what happened.",
      );
    }
    const note = noteOf(shown);
    const checkpoint = await verifyCheckpoint(note, fromBase64(signing), seen.room);
    await this.#store.update("checkpoints", `${seen.room}.lost-${seen.size}`, () => known);
    await this.#store.update("checkpoints", seen.room, () => record(checkpoint, note, signing, restored));
  }

  async #rollback(seen: Checkpoint, shown: Checkpoint, restored: Restored | undefined): Promise<RollbackDetected> {
    const known = recalled(await this.#store.get("checkpoints", seen.room));
    const what =
      `The room's log has ${shown.size} events and does not extend the ${seen.size} events that this browser has ` +
      "seen before: some were taken back or changed.";
    if (restored === undefined || known?.restore === restored.restore) {
      return new RollbackDetected(
        `${what} Somebody may have restored an old copy of the enclave's store. Attach no data and use no result; ` +
          "ask the operator what happened. This browser keeps the signed proof of what was seen.",
      );
    }
    const when = new Date(restored.declared).toISOString().slice(0, 16).replace("T", " at ");
    return new RollbackDetected(
      `${what} The operator has declared that an old copy was restored on ${when} UTC. Ask them whether that is so, ` +
        "and look what is missing: datasets that were removed since may be back. Then accept the restored log to go " +
        "on from what is there now. The signed proof of what was seen is kept.",
    );
  }
}

function noteOf(shown: Shown): string {
  if (shown.checkpoint === null) {
    throw new LogTampered("The enclave's answer lacks the checkpoint of the room's log. Ask the operator why.");
  }
  return shown.checkpoint;
}

function record(checkpoint: Checkpoint, note: string, signing: string, restored: Restored | undefined): Seen {
  const { size, root } = checkpoint;
  return { version: 1, signing, note, size, root: toBase64(root), restore: restored?.restore ?? null };
}

function newer(known: Seen | undefined, fresh: Seen): Seen {
  return known === undefined || known.size < fresh.size ? fresh : known;
}

function recalled(stored: unknown): Seen | undefined {
  if (stored === undefined) {
    return undefined;
  }
  const seen = stored as Partial<Seen>;
  if (seen.version !== 1 || typeof seen.note !== "string" || typeof seen.signing !== "string") {
    throw damaged();
  }
  return seen as Seen;
}

function damaged(): CloisterError {
  return new CloisterError(
    "What this browser remembers of the room's log is damaged. Clear the site's data to trust what the enclave shows " +
      "now; the device key goes with it.",
  );
}
