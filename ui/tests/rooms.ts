/** What the enclave behind `TestHub` makes of requests about rooms: in memory, and results are what a test says. */

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as algorithm } from "@noble/hashes/sha2.js";
import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js/lib/zip-core-custom.js";

import { Client } from "../src/client/client";
import type { Locks } from "../src/client/locks";
import type { Port } from "../src/client/messages";
import { Mover } from "../src/client/mover";
import { Patience } from "../src/client/patience";
import { MemoryStore } from "../src/client/store";
import { upload } from "../src/client/transfers";
import { manifestDigest } from "../src/core/dataset";
import { readDefinition, roomId } from "../src/core/definition";
import {
  type Bytes,
  canonical,
  fromBase64,
  randomBytes,
  randomHex,
  sha256,
  toBase64,
  toHex,
  utf8,
} from "../src/core/encoding";
import { leafHash } from "../src/core/merkle";
import { nodeDigest, nodeOf, type RunNode, sources } from "../src/core/nodes";
import { PAYLOAD_TYPE, preAuthenticationEncoding } from "../src/core/receipt";
import type { Answer, Definition, Frame, Manifest, ReceiptBody, Refusal, Request, Result } from "../src/core/records";
import { measurement, TYPE } from "../src/core/software";
import { serve } from "../src/worker/serve";
import { done, note, type TestHub } from "./hub";

export const AUTHOR = "a@b.example";
const ROOT = leafHash(utf8("an event"));
const ENCLAVE = { evidence: TYPE, measurement: measurement("enclave") };
const WORKER = { evidence: TYPE, measurement: "55".repeat(32) };
const ISSUER = { keys: [{ kty: "OKP", kid: "1", crv: "Ed25519", x: "A".repeat(43) }], issuer: "hub" };

/** A room as the enclave has it. */
export interface TestRoom {
  definition: Definition;
  stopped: boolean;
  attached: Map<string, { manifest: Manifest; key: string }>;
}

export class TestRooms {
  readonly rooms = new Map<string, TestRoom>();
  /** What was asked, in this order. */
  readonly asked: Request["body"][] = [];
  images = [{ name: "python", measurement: "66".repeat(32) }];
  /** What a computation has written, or the refusal of who waits for it. */
  compute: (node: RunNode) => Promise<Record<string, string> | Refusal> = async () => ({});
  /** Refuses a request, where it gives a refusal. */
  refuse: (body: Request["body"]) => Refusal | undefined = () => undefined;
  readonly locks = new MemoryLocks();
  readonly #store = new MemoryStore();
  readonly #hub: TestHub;
  readonly #results = new Map<string, Promise<Result | Refusal>>();

  constructor(hub: TestHub) {
    this.#hub = hub;
    hub.enclave = async (request) => await this.#frames(request);
    hub.instead = (_, path) => (path === "/.well-known/jwks.json" ? { status: 200, body: ISSUER } : undefined);
  }

  /** A page of the browser, with a worker of its own. What pages remember is the same. */
  async client(): Promise<Client> {
    const { locks } = this;
    const store = this.#store;
    const { port1, port2 } = new MessageChannel();
    const patience = new Patience([]);
    serve(port2 as unknown as Port, Promise.resolve(store), patience);
    [port1, port2].forEach((port) => port.start());
    const mover = new Mover(() => ({ port: port1 as unknown as Port, end: () => port1.close() }));
    const hub = this.#hub.client;
    return await Client.open({ hub, email: AUTHOR, store, mover, allowSoftware: true, patience, locks });
  }

  /** The only room that there is. */
  get only(): TestRoom {
    const [room, ...others] = this.rooms.values();
    if (room === undefined || others.length > 0) {
      throw new Error("There is not one room.");
    }
    return room;
  }

  async #frames({ body, room }: Request): Promise<Frame[]> {
    this.asked.push(body);
    const refused = this.refuse(body);
    if (refused !== undefined) {
      return [refused];
    }
    const answered = await this.#answer(body, room ?? "");
    if ("frame" in answered) {
      return [answered];
    }
    const checkpoint = room === null ? null : await note(this.#hub.signer, room, 1, ROOT);
    const frames: Frame[] = [done({ body: answered, checkpoint, consistency: [] })];
    if (body.type === "await_job") {
      frames.unshift({ frame: "progress", body: null, node: body.node, status: "running" });
    }
    return frames;
  }

  async #answer(body: Request["body"], id: string): Promise<Answer["body"] | Refusal> {
    const room = this.rooms.get(id);
    switch (body.type) {
      case "describe":
        return { type: "description", enclaves: [ENCLAVE], workers: [WORKER], images: this.images };
      case "resolve_environment":
        return { type: "resolved_environment", lock: [{ name: "six", version: "1", sha256: ["ab".repeat(32)] }] };
      case "publish_room": {
        const definition = readDefinition(fromBase64(body.definition), id);
        this.rooms.set(id, { definition, stopped: false, attached: new Map() });
        return { type: "done" };
      }
      case "read_status": {
        const attached = [...(room?.attached ?? [])].map(([node, { manifest }]) => {
          return { node, manifest: manifestDigest(manifest) };
        });
        return { type: "room_status", stopped: room?.stopped ?? false, attached, keys: [] };
      }
      case "attach_dataset":
        room?.attached.set(body.node, { manifest: body.manifest, key: body.key });
        return { type: "done" };
      case "stop_room":
        Object.assign(room ?? {}, { stopped: true });
        return { type: "done" };
      case "run_computation":
        this.#results.set(body.job, this.#computed(room as TestRoom, body.node));
        return { type: "done" };
      case "await_job": {
        const result = (await this.#results.get(body.job)) as Result | Refusal;
        return "frame" in result || body.fetch === true ? result : { type: "done" };
      }
      default:
        throw new Error(`The enclave of the tests knows nothing of ${body.type}.`);
    }
  }

  async #computed({ definition, attached }: TestRoom, id: string): Promise<Result | Refusal> {
    const node = nodeOf(definition, id) as RunNode;
    const written = await this.compute(node);
    if ("frame" in written) {
      return written as Refusal;
    }
    const [key, content] = [randomBytes(32), await zip(written as Record<string, string>)];
    const options = { hub: this.#hub.client, patience: new Patience([]) };
    const manifest = await upload(new Blob([content]), key, randomHex(), options);
    const receipt = await this.#receipt(manifest, {
      room: roomId(definition),
      node: id,
      definition: nodeDigest(node),
      run: randomHex(),
      inputs: sources(node).map((each) => {
        const data = attached.get(each);
        return { node: each, manifest: data === undefined ? randomHex() : manifestDigest(data.manifest) };
      }),
      image: node.image,
      image_measurement: definition.images.find((image) => image.name === node.image)?.measurement ?? "",
      enclave: ENCLAVE,
      worker: WORKER,
      log_index: 0,
      checkpoint: await note(this.#hub.signer, roomId(definition), 1, ROOT),
      finished: 1,
    });
    const commitment = toBase64(hmac(algorithm, key, sha256(content)));
    return { type: "result", manifest, key: toBase64(key), name: `${node.name}.zip`, receipt, commitment };
  }

  async #receipt(manifest: Manifest, body: ReceiptBody): Promise<string> {
    const { signer } = this.#hub;
    const statement = {
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: "result", digest: { sha256: manifestDigest(manifest) } }],
      predicateType: "urn:cloister:receipt:v1",
      predicate: body,
    };
    const payload = canonical(statement);
    const sig = toBase64(await signer.sign(preAuthenticationEncoding(PAYLOAD_TYPE, payload)));
    const signatures = [{ keyid: toHex(sha256(signer.publicKey)), sig }];
    return toBase64(canonical({ payload: toBase64(payload), payloadType: PAYLOAD_TYPE, signatures }));
  }
}

/** Locks of the pages of a browser. */
export class MemoryLocks implements Locks {
  readonly #held = new Map<string, Promise<unknown>>();

  async request<T>(
    name: string,
    { ifAvailable = false }: { ifAvailable?: boolean },
    work: (lock: object | null) => Promise<T>,
  ): Promise<T> {
    const before = this.#held.get(name);
    if (before !== undefined && ifAvailable) {
      return await work(null);
    }
    const doing = Promise.allSettled([before]).then(async () => await work({}));
    this.#held.set(name, doing);
    try {
      return await doing;
    } finally {
      this.#held.delete(name);
    }
  }

  /** All pages are closed, whatever they are at. */
  pagesAreGone(): void {
    this.#held.clear();
  }
}

/** An archive of these files. */
export async function zip(files: Record<string, string | Bytes>, options = {}): Promise<Bytes> {
  const writer = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false, ...options });
  for (const [name, content] of Object.entries(files)) {
    await writer.add(name, new Uint8ArrayReader(typeof content === "string" ? utf8(content) : content));
  }
  return new Uint8Array(await writer.close());
}

/** The enclave's "no". */
export function no(message: string, code: Refusal["code"] = "failed"): Refusal {
  return { frame: "refusal", code, message };
}
