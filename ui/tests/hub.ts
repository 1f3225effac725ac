/**
 * A small hub with an enclave behind it, for tests: real HTTP, real sealing, blobs in memory. What a test changes in it
 * is what a hub that lies would do.
 */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { Hub } from "../src/client/hub";
import { checkpointBody, keyHash } from "../src/core/checkpoint";
import { type Bytes, canonical, concat, fromHex, text, toBase64, toHex, utf8 } from "../src/core/encoding";
import { ENCLAVE_LABEL, reportData } from "../src/core/evidence";
import type { Answer, EnclaveEvidence, Frame, Request, SignedKeys } from "../src/core/records";
import { keysDigest } from "../src/core/sealed";
import type { Signer } from "../src/core/signatures";
import { measurement, TYPE } from "../src/core/software";
import { freshSigner, type Opened, openRequest, SealingKey, sealFrame, signedKeys } from "./enclave";

/** An answer over HTTP. */
export interface Http {
  status: number;
  body: Bytes | object;
  headers?: Record<string, string>;
}

/** What the enclave makes of a request: its frames, the last of which is final. */
export type Enclave = (request: Request) => Promise<Frame[]> | Frame[];

export class TestHub {
  readonly blobs = new Map<string, Bytes>();
  readonly complete = new Map<string, number>();
  /** What was asked, as "METHOD /path". */
  readonly asked: string[] = [];
  /** Sealed messages that have come. */
  readonly messages: Bytes[] = [];
  enclave: Enclave = () => [done()];
  /** Changes the bytes of an answer on their way. */
  onTheWay: (sealed: Bytes[], opened: Opened, message: Bytes) => Promise<Bytes[]> | Bytes[] = (sealed) => sealed;
  /** Changes the evidence on its way. */
  shown: (evidence: EnclaveEvidence) => EnclaveEvidence = (evidence) => evidence;
  /** Answers in the hub's place, where it gives an answer. */
  instead: (method: string, path: string) => Http | undefined = () => undefined;
  signer!: Signer;
  sealing!: SealingKey;
  keys!: SignedKeys;
  #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<TestHub> {
    const hub = new TestHub();
    hub.signer = await freshSigner();
    await hub.renew(1000);
    await new Promise<void>((resolve) => hub.#server.listen(0, "127.0.0.1", resolve));
    return hub;
  }

  /** The enclave gets new sealing keys. */
  async renew(made: number): Promise<void> {
    this.sealing = new SealingKey();
    this.keys = await signedKeys(this.signer, this.sealing, made);
  }

  /** The way to it. */
  get client(): Hub {
    return new Hub(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`, "token");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? "";
    const { pathname, searchParams } = new URL(request.url ?? "", "http://hub");
    this.asked.push(`${method} ${pathname}`);
    const body = await bodyOf(request).catch(() => undefined);
    if (body === undefined) {
      // The client has gone away in the middle of it.
      return;
    }
    const answer = this.instead(method, pathname) ?? (await this.#answer(method, pathname, searchParams, body));
    const content = answer.body instanceof Uint8Array ? answer.body : utf8(JSON.stringify(answer.body));
    response.writeHead(answer.status, answer.headers).end(content);
  }

  async #answer(method: string, path: string, query: URLSearchParams, body: Bytes): Promise<Http> {
    switch (`${method} ${path}`) {
      case "GET /v1/me":
        return ok({ email: "a@b.example" });
      case "POST /v1/identity":
        return ok({ token: "a token" });
      case "GET /v1/enclave/keys":
        return ok(this.keys);
      case "GET /v1/enclave/evidence":
        return ok(this.shown(this.#evidence(fromHex(query.get("nonce") ?? ""))));
      case "POST /v1/enclave/messages":
        return await this.#relay(body);
    }
    const [, id = "", index] = /^\/v1\/blobs\/([0-9a-f]{64})(?:\/parts\/(\d+)|\/complete)?$/.exec(path) ?? [];
    const place = `${id}/${index}`;
    if (method === "PUT" && index !== undefined) {
      this.blobs.set(place, body);
      if (query.has("parts")) {
        this.complete.set(id, Number(query.get("parts")));
      }
      return ok({});
    }
    if (method === "POST" && path.endsWith("/complete")) {
      this.complete.set(id, JSON.parse(text(body)).parts);
      return ok({});
    }
    if (method === "GET" && index !== undefined) {
      const part = this.blobs.get(place);
      return part === undefined ? refusal(404, "not_found") : { status: 200, body: part };
    }
    if (method === "GET") {
      const parts = [...this.blobs].filter(([name]) => name.startsWith(id));
      const listed = parts.map(([name, part]) => {
        return {
          index: Number(name.slice(65)),
          size: part.length,
          sha256: createHash("sha256").update(part).digest("hex"),
          more: "ignored",
        };
      });
      return ok({ id, complete: this.complete.has(id), parts: listed });
    }
    [...this.blobs.keys()].filter((name) => name.startsWith(id)).forEach((name) => this.blobs.delete(name));
    return ok({});
  }

  #evidence(nonce: Bytes): EnclaveEvidence {
    const bound = reportData(ENCLAVE_LABEL, nonce, keysDigest(this.keys.keys));
    const document = { version: 1, report_data: toBase64(bound), measurement: measurement("enclave") };
    return { evidence: { version: 1, type: TYPE, document: toBase64(canonical(document)) }, keys: this.keys };
  }

  async #relay(message: Bytes): Promise<Http> {
    this.messages.push(message);
    if (toHex(message.slice(1, 33)) !== toHex(keysDigest(this.keys.keys))) {
      return refusal(409, "stale_keys");
    }
    const opened = await openRequest(message, this.sealing, this.keys.keys);
    const frames = await this.enclave(JSON.parse(text(opened.payload)) as Request);
    const sealed = await Promise.all(
      frames.map((frame, at) => sealFrame(opened, message, at, frame, at === frames.length - 1)),
    );
    return { status: 200, body: concat(...(await this.onTheWay(sealed, opened, message))) };
  }
}

/** A refusal over HTTP. */
export function refusal(status: number, code: string, headers: Record<string, string> = {}): Http {
  return { status, body: { error: { code, message: `It says ${code}.` } }, headers };
}

/** The answer that all is well. */
export function done(more: Partial<Answer> = {}): Answer {
  return { frame: "answer", body: { type: "done" }, checkpoint: null, consistency: [], ...more };
}

/** A signed checkpoint. */
export async function note(signer: Signer, room: string, size: number, root: Bytes): Promise<string> {
  const body = checkpointBody({ room, size, root });
  const signature = concat(keyHash(signer.publicKey, room), await signer.sign(utf8(body)));
  return `${body}\n— cloister/room/${room} ${toBase64(signature)}\n`;
}

function ok(body: object): Http {
  return { status: 200, body };
}

async function bodyOf(request: IncomingMessage): Promise<Bytes> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request) {
    pieces.push(piece as Uint8Array);
  }
  return concat(...pieces);
}
