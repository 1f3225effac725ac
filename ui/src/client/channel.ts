/**
 * The way to the enclave, through a hub that is not trusted: proven first, sealed, and every answer checked.
 * As `cloister.wire.channel`.
 */

import { decode } from "../core/decode";
import { type Bytes, fromBase64, randomBytes, utf8 } from "../core/encoding";
import {
  AuthorizationError,
  BadRequestError,
  type CloisterError,
  EnclaveError,
  EvidenceRejected,
  NotFoundError,
  ServerError,
  StaleKeys,
  Unavailable,
  VerificationError,
} from "../core/errors";
import { appraise, ENCLAVE_LABEL, isReference, NONCE_SIZE } from "../core/evidence";
import type { Answer, Attested, EnclaveKeys, Progress, Reference, Refusal, Request } from "../core/records";
import { frames, keysDigest, sealRequest, verifyKeys } from "../core/sealed";
import type { Signer } from "../core/signatures";
import * as software from "../core/software";
import type { Hub } from "./hub";
import type { Patience } from "./patience";

/** Reference values of the enclave that belongs to this release. */
export const KNOWN_ENCLAVES: readonly Reference[] = [
  { evidence: software.TYPE, measurement: software.measurement("enclave") },
];
/** Bytes of a sealed message, less what sealing takes. */
const MAX_PAYLOAD = 32 * 1024 * 1024 - 4096;
const LONGEST_PAUSE = 30;

/** An enclave that has proven what it is. */
export interface Trusted {
  keys: EnclaveKeys;
  attested: Attested;
  /** When, in milliseconds since 1970 by this machine's clock. */
  proven: number;
}

/** An answer, and who gave it. */
export interface Reply {
  answer: Answer;
  trusted: Trusted;
}

/** How a request is to be asked. */
export interface Asking {
  /** The only enclaves that may see the request, where that is agreed. */
  enclaves?: readonly Reference[] | undefined;
  /** The signing key of the one enclave that may see it, where it must be the one that answered before. */
  signing?: string | undefined;
  /** Is told of every frame before the last. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends the waiting. What was started goes on. */
  signal?: AbortSignal | undefined;
}

/** Settings of a channel. */
export interface ChannelOptions {
  /** Whether the user has said that an enclave without a trusted execution environment will do. */
  allowSoftware: boolean;
  references?: readonly Reference[];
  patience: Patience;
}

/**
 * Requests to the one enclave behind a hub.
 *
 * The enclave proves itself before the first request. Its signing key is remembered from then on; the sealing keys that
 * follow every hour are believed where that key has signed them.
 */
export class Channel {
  readonly allowSoftware: boolean;
  readonly #hub: Hub;
  /** The only enclaves that are believed. */
  readonly references: readonly Reference[];
  readonly #patience: Patience;
  #trusted: Promise<Trusted> | undefined;

  constructor(hub: Hub, { allowSoftware, references = KNOWN_ENCLAVES, patience }: ChannelOptions) {
    this.#hub = hub;
    this.allowSoftware = allowSoftware;
    this.references = references;
    this.#patience = patience;
  }

  /**
   * The enclave, proven.
   *
   * @throws EvidenceRejected Its evidence does not hold. Nothing was sent to it.
   * @throws ServerError It can't be reached.
   */
  async trusted(): Promise<Trusted> {
    this.#trusted ??= this.#prove();
    const proving = this.#trusted;
    try {
      return await proving;
    } catch (error) {
      // The next one to ask tries anew.
      if (this.#trusted === proving) {
        this.#trusted = undefined;
      }
      throw error;
    }
  }

  /**
   * Sends a request and returns the answer to it. All requests may be repeated, and are after a broken connection.
   *
   * @param device Signs the request; null for what anyone may ask.
   * @throws EvidenceRejected The enclave is not proven, or not the agreed one.
   * @throws VerificationError The answer is not the enclave's answer to this request.
   * @throws ApiError, EnclaveError: as the enclave and the hub say.
   */
  async ask(request: Request, device: Signer | null, asking: Asking = {}): Promise<Reply> {
    const payload = utf8(JSON.stringify(request));
    if (payload.length > MAX_PAYLOAD) {
      throw new BadRequestError("The request is larger than 32 MiB. Move data out of it.");
    }
    // Whoever can't be reached the first time is most often at another address: say so at once.
    await this.trusted();
    return await this.#patience.run(async () => {
      try {
        return await this.#attempt(payload, device, asking);
      } catch (error) {
        if (!(error instanceof StaleKeys)) {
          throw error;
        }
        await this.#renew();
        return await this.#attempt(payload, device, asking);
      }
    }, asking.signal);
  }

  async #attempt(payload: Bytes, device: Signer | null, asking: Asking): Promise<Reply> {
    // 1. The enclave is proven, and the one that was agreed on.
    const trusted = await this.trusted();
    if (asking.enclaves !== undefined && !asking.enclaves.some((each) => isReference(each, trusted.attested))) {
      throw new EvidenceRejected(
        "The enclave runs other software than the room's definition names. Nothing was sent to it. Use the enclave " +
          "that the room was made for, or publish the room anew.",
      );
    }
    if (asking.signing !== undefined && trusted.keys.signing !== asking.signing) {
      throw new EvidenceRejected(
        "Another enclave answers now than the one that has just shown the room's log. Nothing was sent to it. Try " +
          "again; if it stays so, ask the operator why.",
      );
    }
    const { message, exchange } = await sealRequest(trusted.keys, payload, device);
    const sealed = frames(this.#hub.relay(message, asking.signal));
    let final: Answer | Refusal | undefined;
    let rest: Bytes;
    try {
      let step = await sealed.next();
      for (let index = 0; !step.done; index++, step = await sealed.next()) {
        // 2. Nothing follows the last frame.
        if (final !== undefined) {
          throw followed();
        }
        // 3. Every frame is the next one of the answer to this very request, and only the last one ends it.
        const { payload: content, last } = await exchange.openFrame(index, step.value);
        const frame = decode(content, "Frame", "an answer of an enclave");
        if ((frame.frame === "progress") === last) {
          throw new VerificationError("The enclave's answer ends where it can't end, or goes on after its end.");
        }
        if (frame.frame === "progress") {
          asking.onProgress?.(frame);
        } else {
          final = frame;
        }
      }
      rest = step.value;
    } finally {
      // Ends the request, where it was not read to its end.
      await sealed.return(new Uint8Array());
    }
    if (final === undefined) {
      throw new Unavailable(
        "The enclave's answer was cut off before its end. Try again; the request does no harm twice.",
      );
    }
    if (rest.length > 0) {
      throw followed();
    }
    if (final.frame === "refusal") {
      throw refused(final);
    }
    return { answer: final, trusted };
  }

  async #prove(): Promise<Trusted> {
    const nonce = randomBytes(NONCE_SIZE);
    const shown = decode(await this.#hub.evidence(nonce), "EnclaveEvidence", "an enclave's evidence");
    // 1. The keys are signed by themselves: nobody else's signing key is mixed with them.
    const keys = await verifyKeys(shown.keys, shown.keys.keys.signing);
    // 2. The evidence is fresh, vouches for these keys, and shows software that is known.
    const attested = await appraise(shown.evidence, {
      label: ENCLAVE_LABEL,
      nonce,
      keysDigest: keysDigest(keys),
      references: this.references,
      allowSoftware: this.allowSoftware,
    });
    return { keys, attested, proven: Date.now() };
  }

  /** Gets the keys of this hour. */
  async #renew(): Promise<void> {
    const before = await this.trusted();
    const shown = decode(await this.#hub.enclaveKeys(), "SignedKeys", "an enclave's keys");
    if (shown.keys.signing !== before.keys.signing) {
      this.#trusted = undefined;
      await this.trusted();
      return;
    }
    const keys = await verifyKeys(shown, before.keys.signing, before.keys.made);
    this.#trusted = Promise.resolve({ ...before, keys });
  }
}

/** The enclave's signing key, 32 bytes. */
export function signingKey(trusted: Trusted): Bytes {
  return fromBase64(trusted.keys.signing);
}

/** The enclave's "no" as an error. Waiting helps where the enclave says so and it is not for long. */
function refused(refusal: Refusal): CloisterError {
  switch (refusal.code) {
    case "not_found":
      return new NotFoundError(refusal.message);
    case "forbidden":
    case "rejected":
      return new AuthorizationError(refusal.message);
    case "bad_request":
    case "conflict":
      return new BadRequestError(refusal.message);
    case "failed":
      return new EnclaveError(refusal.message);
    case "busy":
      return refusal.retry_seconds !== undefined && refusal.retry_seconds <= LONGEST_PAUSE
        ? new Unavailable(refusal.message, { retryAfter: refusal.retry_seconds })
        : new ServerError(refusal.message);
  }
}

function followed(): VerificationError {
  return new VerificationError("Something follows the end of the enclave's answer: somebody between has added to it.");
}
