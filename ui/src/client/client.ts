/** Everything that a user does, in one place: the browser's `cloister.create_client`. */

import { readDefinition, roomId } from "../core/definition";
import { canonical, fromBase64, toBase64 } from "../core/encoding";
import { BadRequestError, NotFoundError } from "../core/errors";
import { checkConfiguration } from "../core/problems";
import type {
  Configuration,
  Definition,
  Description,
  ImageReference,
  LockedPackage,
  Reference,
  RoomEntry,
  RoomReport,
} from "../core/records";
import { checkTested, checkWritten } from "../core/report";
import { Channel, type Trusted } from "./channel";
import { CheckpointMemory } from "./checkpoints";
import { Completion } from "./completion";
import { Datasets } from "./datasets";
import { openDeviceKey } from "./device";
import type { Hub } from "./hub";
import { Identity } from "./identity";
import { RoomLink } from "./link";
import { browserLocks, type Locks } from "./locks";
import type { Mover } from "./mover";
import { Patience } from "./patience";
import { checkRoom, Room } from "./room";
import { RunningTests } from "./running";
import type { Store } from "./store";
import { type TestOptions, test } from "./testing";
import { Vault } from "./vault";

/** What a client is made of. */
export interface ClientOptions {
  hub: Hub;
  email: string;
  store: Store;
  mover: Mover;
  /** Whether the user has said that an enclave without a trusted execution environment will do. */
  allowSoftware: boolean;
  /** The only enclaves that may be used; those of this release without it. */
  references?: readonly Reference[];
  /** The id of the user's vault, where they have named it. */
  vault?: string | undefined;
  patience?: Patience;
  /** The browser's own without it. */
  locks?: Locks;
}

export class Client {
  readonly vault: Vault;
  readonly datasets: Datasets;
  readonly #hub: Hub;
  readonly #mover: Mover;
  readonly #patience: Patience;
  readonly #channel: Channel;
  readonly #identity: Identity;
  readonly #checkpoints: CheckpointMemory;
  readonly #completion: Completion;
  readonly #running: RunningTests;

  private constructor(options: ClientOptions, channel: Channel, identity: Identity, patience: Patience) {
    const { hub, store, mover, locks = browserLocks } = options;
    this.#hub = hub;
    this.#mover = mover;
    this.#patience = patience;
    this.#channel = channel;
    this.#identity = identity;
    this.#checkpoints = new CheckpointMemory(store);
    const link = (room: string): RoomLink => this.#link(room);
    this.#completion = new Completion(channel, hub, patience);
    this.#running = new RunningTests(store, locks, hub.url, identity.email);
    const issuer = (): ReturnType<Completion["issuer"]> => this.#completion.issuer();
    const named = options.vault;
    this.vault = new Vault(identity.email, identity.deviceKey, { hub, store, patience, link, issuer, named });
    this.datasets = new Datasets({ hub, identity, store, vault: this.vault, mover, patience, locks });
  }

  /**
   * A client with this browser's device key. Connects when it is first used.
   *
   * @throws BrowserUnsuitable This browser can't make such keys.
   */
  static async open(options: ClientOptions): Promise<Client> {
    const { hub, email, store, allowSoftware, references, patience = new Patience() } = options;
    const device = await openDeviceKey(store, hub.url, email);
    const channel = new Channel(hub, { allowSoftware, patience, ...(references === undefined ? {} : { references }) });
    return new Client(options, channel, new Identity(hub, email, device, patience), patience);
  }

  get email(): string {
    return this.#identity.email;
  }

  /** This browser's public device key (hex), as rooms show it. */
  get deviceKey(): string {
    return this.#identity.deviceKey;
  }

  /**
   * The enclave, proven.
   *
   * @throws EvidenceRejected Its evidence does not hold. Nothing was sent to it.
   */
  async trusted(): Promise<Trusted> {
    return await this.#channel.trusted();
  }

  /** The only enclaves that this client believes: those of this release, or those that it was given. */
  get references(): readonly Reference[] {
    return this.#channel.references;
  }

  /** What the enclave offers to new rooms: reference values, and images. */
  async describe(): Promise<Description> {
    return await this.#completion.describe();
  }

  /**
   * Which Python packages fit an image.
   *
   * @throws EnclaveError There are none; the message is the installer's own.
   */
  async resolve(image: ImageReference, requirements: string): Promise<LockedPackage[]> {
    return await this.#completion.resolve(image, requirements);
  }

  /**
   * Runs all of a room before it is published, in the very same containers, as a room that the user alone is in.
   *
   * What was attached is deleted afterwards, and the room stopped, whatever happens; where the page is closed meanwhile,
   * before the next test.
   *
   * @returns What became of each table and computation; `passed` says whether all is well. `complete` and `publish`
   *   take it as `tested`.
   * @throws BadRequestError There is test data for something that is no data node.
   * @throws DefinitionInvalid, EnclaveError, ServerError: as `complete`.
   * @throws DOMException AbortError: the signal has come.
   */
  async test(configuration: Configuration, options: TestOptions = {}): Promise<RoomReport> {
    this.#checkOwner(configuration.owner);
    const context = {
      hub: this.#hub,
      mover: this.#mover,
      patience: this.#patience,
      datasets: this.datasets,
      link: (room: string): RoomLink => this.#link(room),
      complete: (trial: Configuration): Promise<Definition> => this.#completion.complete(trial),
      identity: this.#identity,
      running: this.#running,
    };
    return await test(configuration, context, options);
  }

  /**
   * The definition that a configuration becomes: to be looked at, and published with `publish`. Each has its own id.
   *
   * @param tested Of `test`: then only what has passed there is completed, with the very packages that it was tested
   *   with.
   * @throws BadRequestError The room's owner is somebody else; or it has not passed its test, or was changed since, or
   *   would run in other images.
   * @throws DefinitionInvalid A rule is broken.
   * @throws EnclaveError There are no packages that an environment asks for.
   */
  async complete(configuration: Configuration, tested?: RoomReport): Promise<Definition> {
    this.#checkOwner(configuration.owner);
    checkConfiguration(configuration);
    if (tested !== undefined) {
      checkWritten(tested, configuration);
    }
    const definition = await this.#completion.complete(configuration, tested?.locks);
    if (tested !== undefined) {
      checkTested(tested, definition);
    }
    return definition;
  }

  /**
   * Publishes a room and lets its participants find it. Nothing in it can be changed afterwards.
   *
   * @param tested Of `test`: then only what has passed there is published.
   * @throws BadRequestError The room's owner is somebody else; or as `complete` says of what was tested.
   * @throws DefinitionInvalid A rule is broken.
   * @throws EvidenceRejected The enclave is not the one that the definition names. Nothing was sent to it.
   */
  async publish(definition: Definition, tested?: RoomReport): Promise<Room> {
    this.#checkOwner(definition.owner);
    if (tested !== undefined) {
      checkTested(tested, definition);
    }
    const content = canonical(definition);
    const id = roomId(definition);
    // Read as every other participant will.
    const read = readDefinition(content, id);
    const link = this.#link(id);
    await checkRoom(read, link);
    await link.ask({ type: "publish_room", definition: toBase64(content) }, "done");
    const participants = read.participants.map((entry) => entry.user);
    await this.#patience.run(() => this.#hub.enterRoom(id, participants));
    return this.#room(read, link);
  }

  /**
   * A room that the user is a participant of.
   *
   * @throws NotFoundError There is no such room, or the user is not one of its participants.
   * @throws DefinitionInvalid The definition is not the one that the id stands for.
   * @throws EvidenceRejected The room's enclave is not the one that is there.
   */
  async retrieve(id: string): Promise<Room> {
    if (!/^[0-9a-f]{64}$/.test(id)) {
      throw new NotFoundError("That is not the id of a room: ids are 64 lower-case hexadecimal digits.");
    }
    const link = this.#link(id);
    const { body } = await link.ask({ type: "retrieve_room" }, "room_content");
    const definition = readDefinition(fromBase64(body.definition), id);
    await checkRoom(definition, link);
    return this.#room(definition, link);
  }

  /** The rooms that invite the user. The hub knows their ids alone: `retrieve` them for more. */
  async rooms(): Promise<RoomEntry[]> {
    return await this.#patience.run(() => this.#hub.rooms());
  }

  /**
   * Goes on with a room whose log was restored from an old copy, where the operator has declared that. The user says so
   * knowingly, after `RollbackDetected` has told of the restore.
   */
  async acceptRestoredLog(room: string): Promise<void> {
    await this.#link(room).acceptRestoredLog();
  }

  #checkOwner(owner: string): void {
    if (owner !== this.email) {
      throw new BadRequestError(
        `The room's owner is ${owner}, and you are ${this.email}. Only the owner can publish it.`,
      );
    }
  }

  #link(room: string): RoomLink {
    return new RoomLink(this.#channel, this.#identity, this.#checkpoints, room);
  }

  #room(definition: Definition, link: RoomLink): Room {
    return new Room(definition, { link, hub: this.#hub, mover: this.#mover, datasets: this.datasets });
  }
}
