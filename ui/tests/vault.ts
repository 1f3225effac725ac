/** A user's vault as the enclave behind `TestHub` keeps it: in memory, one revision of an item after the other. */

import { Client } from "../src/client/client";
import { Mover } from "../src/client/mover";
import { Patience } from "../src/client/patience";
import { MemoryStore } from "../src/client/store";
import { fromBase64, text, utf8 } from "../src/core/encoding";
import { leafHash } from "../src/core/merkle";
import type { Answer, Frame, Item, Refusal, Request } from "../src/core/records";
import { done, type Http, note, type TestHub } from "./hub";
import { MemoryLocks, no } from "./rooms";

type PutItem = Extract<Request["body"], { type: "put_item" }>;

export class TestVault {
  readonly items = new Map<string, Item>();
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
  async client(): Promise<Client> {
    const port = { postMessage: () => undefined, addEventListener: () => undefined };
    const mover = new Mover(() => ({ port, end: () => undefined }));
    const hub = this.#hub.client;
    const [store, locks, patience] = [new MemoryStore(), new MemoryLocks(), new Patience([])];
    return await Client.open({ hub, email: "a@b.example", store, mover, allowSoftware: true, patience, locks });
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
        return { type: "vault_status", devices: [] };
      case "put_item":
        this.puts.push(body);
        return this.#put(body);
      case "read_item": {
        const item = this.items.get(body.item);
        return item === undefined ? no("None.", "not_found") : { type: "items", items: [item], more: false };
      }
      default:
        throw new Error(`The vault of the tests knows nothing of ${body.type}.`);
    }
  }

  /** As `cloister.enclave.vault` does it. */
  #put({ item, value, request, replaces }: PutItem): Answer["body"] | Refusal {
    if (!this.#answered.has(request)) {
      if ((this.items.get(item)?.revision ?? null) !== replaces) {
        return no("The item was changed from somewhere else meanwhile.", "conflict");
      }
      this.items.set(item, { item, value, revision: request });
      this.#answered.add(request);
    }
    return { type: "done" };
  }
}
