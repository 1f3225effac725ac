/** Requests about one room: who asks, and that the room's log only ever grows. As `cloister.sdk.link`. */

import type { Checkpoint } from "../core/checkpoint";
import { BadRequestError, NotFoundError, VerificationError } from "../core/errors";
import type { Answer, Reference, Request } from "../core/records";
import type { Asking, Channel, Trusted } from "./channel";
import type { CheckpointMemory } from "./checkpoints";
import type { Identity } from "./identity";

/** What may be asked. */
export type RequestBody = Request["body"];
/** What may be answered, by its type. */
export type AnswerBody = Answer["body"];
type Answered<T extends AnswerBody["type"]> = Extract<AnswerBody, { type: T }>;

/** What an answer about a room says, and what was checked with it. */
export interface Told<T> {
  body: T;
  checkpoint: Checkpoint;
  trusted: Trusted;
}

/** Requests about one room, or one vault, as one user. */
export class RoomLink {
  readonly room: string;
  readonly channel: Channel;
  readonly identity: Identity;
  /** The enclaves that the room's definition names, once that is known. */
  enclaves: readonly Reference[] | undefined;
  readonly #checkpoints: CheckpointMemory;
  #bound = false;

  constructor(channel: Channel, identity: Identity, checkpoints: CheckpointMemory, room: string) {
    this.channel = channel;
    this.identity = identity;
    this.#checkpoints = checkpoints;
    this.room = room;
  }

  /**
   * Asks, and checks that the room's log extends all that this browser has seen of it.
   *
   * The first request carries an identity token, in case that the device key is not bound in this room yet; so does one
   * more try after a room claims not to know the asker.
   *
   * @param type The type that the answer has to have.
   * @throws NotFoundError No such room, or not a participant of it.
   * @throws LogTampered, RollbackDetected: as `CheckpointMemory.accept`.
   * @throws VerificationError, EnclaveError, ApiError: as `Channel.ask`.
   */
  async ask<T extends AnswerBody["type"]>(body: RequestBody, type: T, asking: Asking = {}): Promise<Told<Answered<T>>> {
    if (this.#bound) {
      try {
        return await this.#ask(body, type, null, asking);
      } catch (error) {
        if (!(error instanceof NotFoundError)) {
          throw error;
        }
        return await this.#ask(body, type, await this.identity.token(this.room), asking);
      }
    }
    let token: string;
    try {
      token = await this.identity.token(this.room);
    } catch (error) {
      if (!(error instanceof BadRequestError)) {
        throw error;
      }
      // The hub can't vouch for anybody in this room any more. A device that the room knows needs nobody to.
      return await this.#ask(body, type, null, asking).catch((reason: unknown) => {
        throw reason instanceof NotFoundError ? error : reason;
      });
    }
    return await this.#ask(body, type, token, asking);
  }

  /** As `CheckpointMemory.acceptRestored`, with what the enclave shows now. */
  async acceptRestoredLog(): Promise<void> {
    const seen = await this.#checkpoints.newest(this.room);
    const request = this.#request({ type: "read_status" }, await this.identity.token(this.room), seen);
    const { answer, trusted } = await this.channel.ask(request, this.identity.device, { enclaves: this.enclaves });
    await this.#checkpoints.acceptRestored(seen, answer, trusted.keys.signing);
  }

  async #ask<T extends AnswerBody["type"]>(
    body: RequestBody,
    type: T,
    token: string | null,
    asking: Asking,
  ): Promise<Told<Answered<T>>> {
    const seen = await this.#checkpoints.newest(this.room);
    const { answer, trusted } = await this.channel.ask(this.#request(body, token, seen), this.identity.device, {
      enclaves: this.enclaves,
      ...asking,
    });
    // 1. The log is the one that was seen before, or longer.
    const checkpoint = await this.#checkpoints.accept(seen, answer, trusted.keys.signing);
    this.#bound = true;
    // 2. The answer is of the kind that was asked for.
    return { body: expected(answer.body, type), checkpoint, trusted };
  }

  #request(body: RequestBody, token: string | null, seen: Checkpoint): Request {
    return { version: 1, body, room: this.room, user: this.identity.email, token, seen: seen.size };
  }
}

/** @throws VerificationError It is another one. */
export function expected<T extends AnswerBody["type"]>(body: AnswerBody, type: T): Answered<T> {
  if (body.type !== type) {
    throw new VerificationError("The enclave answered something else than was asked. Update the client.");
  }
  return body as Answered<T>;
}
