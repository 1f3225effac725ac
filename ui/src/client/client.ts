/** Everything that a user does, in one place: the browser's `cloister.create_client`. */

import { base64urlnopad } from "@scure/base";

import { checkDefinition, readDefinition, roomId } from "../core/definition";
import { canonical, fromBase64, randomHex, toBase64, toHex } from "../core/encoding";
import { BadRequestError, EnclaveError, NotFoundError, ServerError } from "../core/errors";
import type {
  Configuration,
  Definition,
  Description,
  ImageReference,
  Issuer,
  LockedPackage,
  Node,
  Reference,
  Request,
  RoomEntry,
} from "../core/records";
import { Channel, type Trusted } from "./channel";
import { CheckpointMemory } from "./checkpoints";
import { Datasets } from "./datasets";
import { openDeviceKey } from "./device";
import type { Hub } from "./hub";
import { Identity } from "./identity";
import { expected, RoomLink } from "./link";
import type { Mover } from "./mover";
import { Patience } from "./patience";
import { checkRoom, Room } from "./room";
import type { Store } from "./store";
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

  private constructor(options: ClientOptions, channel: Channel, identity: Identity, patience: Patience) {
    const { hub, store, mover } = options;
    this.#hub = hub;
    this.#mover = mover;
    this.#patience = patience;
    this.#channel = channel;
    this.#identity = identity;
    this.#checkpoints = new CheckpointMemory(store);
    const link = (room: string): RoomLink => this.#link(room);
    const issuer = (): Promise<Issuer> => this.#issuer();
    const named = options.vault;
    this.vault = new Vault(identity.email, identity.deviceKey, { hub, store, patience, link, issuer, named });
    this.datasets = new Datasets({ hub, store, vault: this.vault, mover, patience });
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

  /** What the enclave offers to new rooms: reference values, and images. */
  async describe(): Promise<Description> {
    const { answer } = await this.#channel.ask(asking({ type: "describe" }), null);
    return expected(answer.body, "description");
  }

  /**
   * Which Python packages fit an image.
   *
   * @throws EnclaveError There are none; the message is the installer's own.
   */
  async resolve(image: ImageReference, requirements: string): Promise<LockedPackage[]> {
    const { answer } = await this.#channel.ask(asking({ type: "resolve_environment", image, requirements }), null);
    return expected(answer.body, "resolved_environment").lock;
  }

  /**
   * The definition that a configuration becomes: to be looked at, and published with `publish`. Each has its own id.
   *
   * @throws BadRequestError The room's owner is somebody else.
   * @throws DefinitionInvalid A rule is broken.
   * @throws EnclaveError There are no packages that an environment asks for.
   */
  async complete(configuration: Configuration): Promise<Definition> {
    const { title, description, owner, participants, pins_required, privacy_budget } = configuration;
    this.#checkOwner(owner);
    const described = await this.describe();
    const images = imagesOf(configuration.nodes, described);
    const definition: Definition = {
      version: 1,
      nonce: randomHex(),
      title,
      description,
      owner,
      participants,
      nodes: await this.#resolved(configuration.nodes, images),
      issuers: [await this.#issuer()],
      pins_required,
      enclaves: described.enclaves,
      workers: described.workers,
      images,
      ...(privacy_budget === undefined ? {} : { privacy_budget }),
    };
    checkDefinition(definition);
    return definition;
  }

  /**
   * Publishes a room and lets its participants find it. Nothing in it can be changed afterwards.
   *
   * @throws DefinitionInvalid A rule is broken.
   * @throws EvidenceRejected The enclave is not the one that the definition names. Nothing was sent to it.
   */
  async publish(definition: Definition): Promise<Room> {
    this.#checkOwner(definition.owner);
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

  async #resolved(nodes: readonly Node[], images: readonly ImageReference[]): Promise<Node[]> {
    const resolved: Node[] = [];
    for (const node of nodes) {
      const image = node.kind === "python_environment" ? images.find((each) => each.name === node.image) : undefined;
      if (node.kind === "python_environment" && image !== undefined && node.lock.length === 0) {
        resolved.push({ ...node, lock: await this.resolve(image, node.requirements).catch(unresolved(node.name)) });
      } else {
        resolved.push(node);
      }
    }
    return resolved;
  }

  /** The hub as an issuer of identities: whom the room will believe who is who. */
  async #issuer(): Promise<Issuer> {
    const { keys, issuer } = await this.#patience.run(() => this.#hub.issuerKeys());
    const usable = keys.filter((key) => key.kty === "OKP" && key.crv === "Ed25519");
    if (usable.length === 0) {
      throw new ServerError("The hub shows no keys that it signs identities with. Tell its operator.");
    }
    return { name: issuer, keys: usable.map((key) => ed25519(key.x)) };
  }

  #link(room: string): RoomLink {
    return new RoomLink(this.#channel, this.#identity, this.#checkpoints, room);
  }

  #room(definition: Definition, link: RoomLink): Room {
    return new Room(definition, { link, hub: this.#hub, mover: this.#mover, datasets: this.datasets });
  }
}

function asking(body: Request["body"]): Request {
  return { version: 1, body, room: null, user: null, token: null, seen: 0 };
}

function imagesOf(nodes: readonly Node[], described: Description): ImageReference[] {
  const names = new Set(nodes.flatMap((node) => (node.kind === "raw_data" ? [] : [node.image])));
  return [...names].map((name) => {
    // Of several with the same name the first is the one for new rooms.
    const offered = described.images.find((image) => image.name === name);
    if (offered === undefined) {
      throw new ServerError(`No worker offers the image ${name} now. Ask the operator to start one that does.`);
    }
    return offered;
  });
}

function unresolved(name: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof EnclaveError
      ? new EnclaveError(`The environment ${name} can't be made. ${error.message}`)
      : error;
  };
}

/** The `x` member of a JWK as hex. */
function ed25519(x: string): string {
  try {
    const raw = base64urlnopad.decode(x);
    if (raw.length === 32) {
      return toHex(raw);
    }
  } catch {
    // Said below.
  }
  throw new ServerError("The hub shows a key for identities that is none. Tell its operator.");
}
