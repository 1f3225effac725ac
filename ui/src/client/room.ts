/** A published room, as one of its participants sees it. */

import { checkKey, manifestDigest } from "../core/dataset";
import { fromBase64, randomHex, toBase64 } from "../core/encoding";
import {
  BadRequestError,
  DecryptionFailed,
  EvidenceRejected,
  NotFoundError,
  ProtectionMissing,
  ReceiptInvalid,
} from "../core/errors";
import { isReference } from "../core/evidence";
import { isRunNode, nodeOf, type RunNode } from "../core/nodes";
import { readReceipt } from "../core/receipt";
import type { BoundKey, Definition, Progress, ReceiptBody, Result, RoomStatus } from "../core/records";
import * as software from "../core/software";
import type { Content } from "../tables/recipe";
import { signingKey } from "./channel";
import type { Datasets, Label, Uploaded } from "./datasets";
import type { Hub } from "./hub";
import type { RoomLink, Told } from "./link";
import type { MoveOptions, Mover } from "./mover";
import type { TransferProgress } from "./progress";
import { checkBody, checkInputs, checkReceipt } from "./results";
import { type ReadLog, readLog } from "./roomLog";
import { Slots } from "./slots";

/** Each wait takes a connection, of which browsers open six to a server. Others are heard of when it is their turn. */
const WAITS = new Slots(3);

/** What a room is used with. */
export interface RoomContext {
  link: RoomLink;
  hub: Hub;
  mover: Mover;
  datasets: Datasets;
}

/**
 * Shows the user whose device keys speak for whom, before their data goes to the room. What it raises keeps the data
 * here; it returns the keys that the user has agreed to: those of data owners among them may fetch the dataset later.
 */
export type KeyCheck = (keys: readonly BoundKey[]) => Promise<readonly BoundKey[]>;

/** What attaching may be told besides. */
export interface AttachOptions extends MoveOptions {
  checkKeys: KeyCheck;
}

/** What waiting may be told besides. */
export interface WaitOptions {
  /** Is told of every change of the computation, and of those that it needs. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Is told of the result's bytes as they arrive. */
  onTransfer?: ((progress: TransferProgress) => void) | undefined;
  /** Is told, before it starts, of the job that computes once more what the hub has lost: its id is to be remembered. */
  onRerun?: ((job: string) => void | Promise<void>) | undefined;
  /** Ends the waiting; the computation goes on. */
  signal?: AbortSignal | undefined;
}

/** A result that the receipt vouches for. */
export interface FetchedResult {
  name: string;
  content: Blob;
  /** The enclave's signed statement (DSSE JSON, base64); can be shared. */
  receipt: string;
  /** What it says, checked. */
  body: ReceiptBody;
}

/** What attaching goes by. */
interface Shown {
  /** The enclave that has shown the room's log. */
  signing: string;
  agreed: readonly BoundKey[];
}

/** What a room's status is, and how many events its log has by then: proven to go on from all that was seen before. */
export interface LiveStatus extends RoomStatus {
  size: number;
}

export class Room {
  readonly definition: Definition;
  readonly #context: RoomContext;
  /** Runs whose result the hub has lost, by node. */
  readonly #lost = new Map<string, string>();

  constructor(definition: Definition, context: RoomContext) {
    this.definition = definition;
    this.#context = context;
  }

  /** SHA-256 of the definition. */
  get id(): string {
    return this.#context.link.room;
  }

  /** Whether it was stopped, which data nodes have data, and whose keys are bound. */
  async status(): Promise<LiveStatus> {
    return live(await this.#status());
  }

  /**
   * The status after the log has grown beyond so many events, or after some seconds without that.
   *
   * @param size Of the log, as the status before has it.
   */
  async statusAfter(size: number, signal?: AbortSignal): Promise<LiveStatus> {
    return live(await this.#context.link.ask({ type: "read_status", after: size }, "room_status", { signal }));
  }

  // --- data ---

  /**
   * Encrypts a file, or the table that is made of one, stores it with the hub, keeps it in mind in the vault, and
   * attaches it.
   *
   * @returns The hash of its manifest.
   * @throws AuthorizationError The user is not data owner of this node.
   * @throws BadRequestError There is a dataset already, or the room was stopped; it is in the vault then.
   * @throws EvidenceRejected, RollbackDetected: the room is not the one that was seen. The key was not sent.
   */
  async upload(node: string, file: Content, label: Label, { checkKeys, ...options }: AttachOptions): Promise<string> {
    const told = await this.#shown(checkKeys);
    // Noted first: what was noted and isn't attached does no harm, the other way round it might be deleted unasked.
    const attaching = [{ room: this.id, node }];
    const uploaded = await this.#context.datasets.upload(file, label, { ...options, attaching });
    return await this.#attach(node, uploaded, told);
  }

  /** Attaches a dataset that the user has uploaded before, here or on another device. As `upload`. */
  async attach(node: string, uploaded: Uploaded, checkKeys: KeyCheck): Promise<string> {
    checkKey(uploaded.key, uploaded.manifest);
    const told = await this.#shown(checkKeys);
    await this.#context.datasets.note(manifestDigest(uploaded.manifest), { room: this.id, node });
    return await this.#attach(node, uploaded, told);
  }

  /**
   * Takes the dataset away, with every result that was derived from it.
   *
   * @throws AuthorizationError The user is not data owner of this node.
   * @throws BadRequestError There is none.
   */
  async removeDataset(node: string): Promise<void> {
    await this.#context.link.ask({ type: "remove_dataset", node, request: randomHex() }, "done");
  }

  // --- computations ---

  /**
   * Starts a computation and all that it needs, and doesn't wait for it.
   *
   * @param job The id of the job, where it was made beforehand to be remembered whatever happens. To ask twice with the
   *   same id starts nothing twice.
   * @returns The id of the job, to be remembered: `result` waits for it, also after a reload.
   * @throws AuthorizationError The user is not analyst of this node.
   * @throws BadRequestError Data that it needs is missing, or the room was stopped.
   */
  async run(node: string, job = randomHex()): Promise<string> {
    const lost = this.#lost.get(node);
    await this.#context.link.ask(
      { type: "run_computation", node, job, ...(lost === undefined ? {} : { lost }) },
      "done",
    );
    this.#lost.delete(node);
    return job;
  }

  /** Ends the run of a job at once. What others wait for too goes on for them. No error where it has ended already. */
  async cancel(node: string, job: string): Promise<void> {
    await this.#context.link.ask({ type: "cancel_job", node, job }, "done");
  }

  /**
   * Waits for the end of a job, and fetches nothing.
   *
   * @throws EnclaveError The computation failed; the message says how.
   */
  async wait(node: string, job: string, { onProgress, signal }: WaitOptions = {}): Promise<void> {
    await WAITS.use(
      async () => void (await this.#context.link.ask({ type: "await_job", node, job }, "done", { onProgress, signal })),
      signal,
    );
  }

  /**
   * Waits for the end of a job, and fetches and checks its result. What the hub has lost is computed once more.
   *
   * @throws EnclaveError The computation failed; the message says how.
   * @throws VerificationError What came is not the result that the receipt vouches for.
   */
  async result(node: string, job: string, options: WaitOptions = {}): Promise<FetchedResult> {
    try {
      return await this.#awaited(node, job, options);
    } catch (error) {
      if (!(error instanceof NotFoundError) || !this.#lost.has(node)) {
        throw error;
      }
    }
    options.signal?.throwIfAborted();
    const again = randomHex();
    await options.onRerun?.(again);
    return await this.#awaited(node, await this.run(node, again), options);
  }

  /**
   * Checks a receipt that somebody shows, about a result of this room, and returns what it says. That takes no right to
   * the result. The audit log is read for it, which is an event of its own.
   *
   * @param receipt DSSE JSON, base64.
   * @throws ReceiptInvalid Naming what does not hold.
   */
  async verifyReceipt(receipt: string): Promise<ReceiptBody> {
    const { told, events } = await this.readLog();
    // 1. The enclave that has proven itself has signed it.
    const { result, body } = await readReceipt(fromBase64(receipt), signingKey(told.trusted));
    // 2. It keeps what the room's definition promises.
    await checkBody(body, { ...this.#about(body.node), trusted: told.trusted, log: told.checkpoint });
    // 3. The log, which is genuine to its end, says that this very result was released.
    const said = events[body.log_index]?.body;
    const released =
      said?.type === "run_finished" && said.run === body.run && said.node === body.node && said.manifest === result;
    if (!released) {
      throw new ReceiptInvalid("The room's log does not say that this result was released.");
    }
    // 4. And that this is what was there to be read.
    checkInputs(body, events);
    return body;
  }

  // --- the room itself ---

  /**
   * Everything that has happened in the room, verified.
   *
   * @throws LogTampered The events are not the ones that the enclave has signed.
   */
  async readLog(onProgress?: (read: number, size: number) => void): Promise<ReadLog> {
    return await readLog(this.#context.link, onProgress);
  }

  /** Ends one of the user's own device keys in this room, for good: a lost device. Everybody sees it in the log. */
  async unbindKey(key: string): Promise<void> {
    await this.#context.link.ask({ type: "unbind_key", key }, "done");
  }

  /**
   * Ends the room: nothing can be attached, run or fetched any more.
   *
   * @throws AuthorizationError Only the owner may.
   */
  async stop(): Promise<void> {
    await this.#context.link.ask({ type: "stop_room" }, "done");
  }

  async #status(): Promise<Told<RoomStatus>> {
    return await this.#context.link.ask({ type: "read_status" }, "room_status");
  }

  /**
   * Who has shown the room's log just now, and who may fetch the dataset. Its key goes to that very enclave: a hub that
   * leads to another one of the same software, where it has put up the same room for itself, gains nothing by it.
   */
  async #shown(checkKeys: KeyCheck): Promise<Shown> {
    const { body, trusted } = await this.#status();
    return { signing: trusted.keys.signing, agreed: await checkKeys(body.keys) };
  }

  async #attach(node: string, uploaded: Uploaded, { signing, agreed }: Shown): Promise<string> {
    const owners = this.definition.participants.filter((entry) => entry.data_owner_of.includes(node));
    const theirs = agreed.filter((bound) => owners.some((owner) => owner.user === bound.user));
    const readers = new Set([
      this.#context.link.identity.deviceKey,
      ...owners.flatMap((owner) => owner.keys),
      ...theirs.map((bound) => bound.key),
    ]);
    const body = {
      type: "attach_dataset" as const,
      node,
      manifest: uploaded.manifest,
      key: toBase64(uploaded.key),
      request: randomHex(),
      readers: [...readers].sort(),
    };
    await this.#context.link.ask(body, "done", { signing });
    return manifestDigest(uploaded.manifest);
  }

  async #awaited(node: string, job: string, options: WaitOptions): Promise<FetchedResult> {
    const { onProgress, signal } = options;
    const body = { type: "await_job" as const, node, job, fetch: true };
    return await this.#fetched(node, await this.#context.link.ask(body, "result", { onProgress, signal }), options);
  }

  async #fetched(node: string, told: Told<Result>, { onTransfer, signal }: WaitOptions): Promise<FetchedResult> {
    const { body: result, trusted, checkpoint } = told;
    const body = await checkReceipt(result, { ...this.#about(node), trusted, log: checkpoint });
    const { hub, mover } = this.#context;
    try {
      const content = await mover.fetch({ hub: hub.access, result }, { onProgress: onTransfer, signal });
      return { name: result.name, content, receipt: result.receipt, body };
    } catch (error) {
      if (error instanceof NotFoundError || error instanceof DecryptionFailed) {
        // Whoever runs it again says so: then it is computed anew.
        this.#lost.set(node, body.run);
      }
      if (error instanceof NotFoundError) {
        throw new NotFoundError(
          "The hub doesn't have this result any more. Run the computation again: the room's log will say why.",
        );
      }
      throw error;
    }
  }

  #about(id: string): { definition: Definition; room: string; node: RunNode } {
    const node = nodeOf(this.definition, id);
    if (node === undefined || !isRunNode(node)) {
      throw new BadRequestError(`There is no computation ${JSON.stringify(id)} in this room.`);
    }
    return { definition: this.definition, room: this.id, node };
  }
}

/**
 * Checks that the room promises no less than this user has allowed, and binds the link to its enclave.
 *
 * @throws EvidenceRejected Its enclave is another one, or its workers run unprotected and that was not allowed.
 */
export async function checkRoom(definition: Definition, link: RoomLink): Promise<void> {
  // 1. The enclave that has proven itself is the one that all participants have agreed on.
  link.enclaves = definition.enclaves;
  const { attested } = await link.channel.trusted();
  if (!definition.enclaves.some((each) => isReference(each, attested))) {
    throw new EvidenceRejected(
      "The room names another enclave than the one that is there now. Its data can't be used by this one: ask the " +
        "operator for the version that the room was made for, or publish the room anew.",
    );
  }
  // 2. Workers without protection need the same consent as an enclave without it.
  if (definition.workers.some((worker) => worker.evidence === software.TYPE) && !link.channel.allowSoftware) {
    throw new ProtectionMissing(
      "The room's computations would run outside a trusted execution environment: nothing would protect the data " +
        "from the operator of the machine. If that is what you want, say so in the settings of this browser.",
    );
  }
}

function live({ body, checkpoint }: Told<RoomStatus>): LiveStatus {
  return { ...body, size: checkpoint.size };
}
