/**
 * What the enclave and the hub add to a room before it is published: who they are, images, locks of packages. As
 * `cloister.sdk.completion`.
 */

import { base64urlnopad } from "@scure/base";

import { checkDefinition } from "../core/definition";
import { randomHex, toHex } from "../core/encoding";
import { EnclaveError, ServerError } from "../core/errors";
import type {
  Configuration,
  Definition,
  Description,
  ImageReference,
  Issuer,
  LockedPackage,
  Node,
  Request,
} from "../core/records";
import { environmentsWithoutLock } from "../core/requirements";
import type { Channel } from "./channel";
import type { Hub } from "./hub";
import { expected } from "./link";
import type { Patience } from "./patience";

/** Of environments that had none, by their ids. */
export type Locks = Readonly<Record<string, LockedPackage[]>>;

/** Completes definitions with what one enclave and one hub say now. */
export class Completion {
  readonly #channel: Channel;
  readonly #hub: Hub;
  readonly #patience: Patience;

  constructor(channel: Channel, hub: Hub, patience: Patience) {
    this.#channel = channel;
    this.#hub = hub;
    this.#patience = patience;
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
   * The definition that is published.
   *
   * @param locks Those to take, instead of what fits best now.
   * @throws DefinitionInvalid A rule is broken.
   * @throws EnclaveError There are no packages that an environment asks for.
   * @throws ServerError Nobody offers an image, or enclave or hub don't say what is needed.
   */
  async complete(configuration: Configuration, locks: Locks = {}): Promise<Definition> {
    const { title, description, owner, participants, pins_required, privacy_budget } = configuration;
    const described = await this.describe();
    const images = imagesOf(configuration.nodes, described);
    const definition: Definition = {
      version: 1,
      nonce: randomHex(),
      title,
      description,
      owner,
      participants,
      nodes: await this.#resolved(configuration, images, locks),
      issuers: pins_required ? [] : [await this.issuer()],
      pins_required,
      enclaves: described.enclaves,
      workers: described.workers,
      images,
      ...(privacy_budget === undefined ? {} : { privacy_budget }),
    };
    checkDefinition(definition);
    return definition;
  }

  /** The hub as an issuer of identities: whom the room will believe who is who. */
  async issuer(): Promise<Issuer> {
    const { keys, issuer } = await this.#patience.run(() => this.#hub.issuerKeys());
    const usable = keys.filter((key) => key.kty === "OKP" && key.crv === "Ed25519");
    if (usable.length === 0) {
      throw new ServerError("The hub shows no keys that it signs identities with. Tell its operator.");
    }
    return { name: issuer, keys: usable.map((key) => ed25519(key.x)) };
  }

  async #resolved(configuration: Configuration, images: readonly ImageReference[], locks: Locks): Promise<Node[]> {
    const unresolved = environmentsWithoutLock(configuration);
    const resolved: Node[] = [];
    for (const node of configuration.nodes) {
      const image = node.kind === "python_environment" ? images.find((each) => each.name === node.image) : undefined;
      if (node.kind === "python_environment" && image !== undefined && unresolved.has(node.id)) {
        const known = Object.hasOwn(locks, node.id) ? locks[node.id] : undefined;
        const lock = known ?? (await this.resolve(image, node.requirements).catch(unfit(node.name)));
        resolved.push({ ...node, lock });
      } else {
        resolved.push(node);
      }
    }
    return resolved;
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

function unfit(name: string): (error: unknown) => never {
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
