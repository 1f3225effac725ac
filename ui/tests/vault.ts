/** A user's vault as the enclave behind `TestHub` keeps it: in memory, one revision of an item after the other. */

import { Client } from "../src/client/client";
import { Mover } from "../src/client/mover";
import { Patience } from "../src/client/patience";
import { MemoryStore } from "../src/client/store";
import { fromBase64, text, utf8 } from "../src/core/encoding";
import { leafHash } from "../src/core/merkle";
import type { Answer, Frame, Item, PutItem, Refusal, Request, VaultDevice } from "../src/core/records";
import { done, type Http, note, type TestHub } from "./hub";
import { AUTHOR, MemoryLocks, no } from "./rooms";

export class TestVault {
  readonly items = new Map<string, Item>();
  /** As it tells of them. */
  devices: VaultDevice[] = [];
  /** Requests to put something, in the order in which they came. */
  readonly puts: PutItem[] = [];
  /** Refuses a request, where it gives a refusal; may wait. */
  refuse: (body: Request["body"]) => Promise<Refusal | undefined> | Refusal | undefined = () => undefined;
  readonly #hub: TestHub;
  readonly #answered = new Set<string>();
  #definition: string | undefined;

  constructor(hub: TestHub) {
    this.#hub = hub;
    hub.enclave = async (request) => await this.#frames(request);
    hub.instead = (method, path) => this.#told(`${method} ${path}`);
  }

  /** A browser of the user's, which tries nothing twice by itself. */
  async client({ store = new MemoryStore(), locks = new MemoryLocks(), mover = idle() } = {}): Promise<Client> {
    const patience = new Patience([]);
    const options = { hub: this.#hub.client, email: AUTHOR, store, mover, allowSoftware: true, patience, locks };
    return await Client.open(options);
  }

  /** The names of what it has of a kind. */
  names(kind: string): string[] {
    return [...this.items.keys()].filter((name) => name.startsWith(`${kind}/`));
  }

  #told(asked: string): Http | undefined {
    switch (asked) {
      case "GET /.well-known/jwks.json": {
        const key = { kty: "OKP", kid: "1", crv: "Ed25519", x: "A".repeat(43), use: "sig" };
        return { status: 200, body: { issuer: "hub", keys: [key] } };
      }
      case "GET /v1/vault":
        return this.#definition === undefined
          ? { status: 404, body: { error: { code: "not_found", message: "None." } } }
          : { status: 200, body: { definition: this.#definition } };
      case "PUT /v1/vault":
        return { status: 200, body: {} };
    }
    return undefined;
  }

  /** Its log has one event, whatever happens. */
  async #frames({ body, room }: Request): Promise<Frame[]> {
    const answered = (await this.refuse(body)) ?? this.#answer(body);
    if ("frame" in answered) {
      return [answered];
    }
    const checkpoint = await note(this.#hub.signer, room ?? "", 1, leafHash(utf8("opened")));
    return [done({ checkpoint, body: answered })];
  }

  #answer(body: Request["body"]): Answer["body"] | Refusal {
    switch (body.type) {
      case "open_vault":
        this.#definition = text(fromBase64(body.definition));
        return { type: "vault_status", devices: this.devices };
      case "put_item":
        return this.#put([body]);
      case "put_items":
        return this.#put(body.items);
      case "read_item": {
        const item = this.items.get(body.item);
        return item === undefined ? no("None.", "not_found") : { type: "items", items: [item], more: false };
      }
      case "list_items": {
        const items = [...this.items.values()].filter(({ item }) => item.startsWith(`${body.kind}/`));
        return { type: "items", items: items.sort((one, other) => (one.item < other.item ? -1 : 1)), more: false };
      }
      case "remove_item":
        return this.items.delete(body.item) ? { type: "done" } : no("None.", "not_found");
      default:
        throw new Error(`The vault of the tests knows nothing of ${body.type}.`);
    }
  }

  /** As `cloister.enclave.vault` does it: all or none. */
  #put(puts: PutItem[]): Answer["body"] | Refusal {
    this.puts.push(...puts);
    const unanswered = puts.filter(({ request }) => !this.#answered.has(request));
    if (unanswered.some(({ item, replaces }) => (this.items.get(item)?.revision ?? null) !== replaces)) {
      return no("The item was changed from somewhere else meanwhile.", "conflict");
    }
    for (const { item, value, request } of unanswered) {
      this.items.set(item, { item, value, revision: request });
      this.#answered.add(request);
    }
    return { type: "done" };
  }
}

/** A worker that nothing is asked of. */
function idle(): Mover {
  const port = { postMessage: () => undefined, addEventListener: () => undefined };
  return new Mover(() => ({ port, end: () => undefined }));
}
