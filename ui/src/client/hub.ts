/**
 * The hub as a client sees it: one method for each operation that is used, and its errors as exceptions.
 * Nothing that comes from here is trusted. It is verified by whoever asked for it. As `cloister.wire.hub`.
 */

import { PART_CIPHERTEXT_SIZE } from "../core/dataset";
import { checked, type Kind } from "../core/decode";
import { type Bytes, concat, fromHex, text, toBase64, toHex } from "../core/encoding";
import {
  type ApiError,
  AuthorizationError,
  BadRequestError,
  NotFoundError,
  ServerError,
  StaleKeys,
  Unanswered,
  Unavailable,
  VerificationError,
} from "../core/errors";
import type { KeySet, Part, Records, RoomEntry, StoredBlob } from "../core/records";

const ANSWER_LIMIT = 16 * 1024 * 1024;
/** Of a list of parts: a blob may have a million. */
const LISTING_LIMIT = 128 * 1024 * 1024;
const ERROR_LIMIT = 64 * 1024;
/** Seconds for an answer to begin, and for each piece of it. */
const TIMEOUT = 60;
/** Bytes a second, by which a request's body may take longer: browsers don't tell how much of it has gone. */
const SLOWEST = 16 * 1024;

interface Options {
  /**
   * Statuses that say no to what was asked; all, where the hub itself is asked. Where it is the enclave, or is about to
   * be, whoever is told that something isn't there, or can't be, takes it for the enclave's word.
   */
  refusals?: readonly number[];
  query?: Record<string, string | number>;
  json?: object;
  octets?: Bytes;
  headers?: Record<string, string>;
  limit?: number;
  signal?: AbortSignal | undefined;
}

/** A hub, spoken to as one user. */
export class Hub {
  readonly url: string;
  readonly #token: string | null;

  /**
   * @param url Without a slash at its end.
   * @param token An API token; null where the browser has a session cookie of the hub, whose own page this is then.
   */
  constructor(url: string, token: string | null) {
    this.url = url;
    this.#token = token;
  }

  /** The same hub for another thread. */
  get access(): { url: string; token: string | null } {
    return { url: this.url, token: this.#token };
  }

  // --- accounts and identity ---

  /** The email that the token belongs to. */
  async account(): Promise<string> {
    return await this.#string("GET", "/v1/me", "email", { refusals: [] });
  }

  /**
   * A token that binds the device key (32 bytes) to the account; for a room, by a key that the room trusts.
   *
   * @throws BadRequestError The hub has destroyed all keys that the room trusts.
   */
  async identity(deviceKey: Bytes, room?: string): Promise<string> {
    const asked = { device_key: toHex(deviceKey), ...(room === undefined ? {} : { room }) };
    return await this.#string("POST", "/v1/identity", "token", { json: asked, refusals: [409] });
  }

  /** The keys that the hub signs identities with. */
  async issuerKeys(): Promise<KeySet> {
    return await this.#record("GET", "/.well-known/jwks.json", "KeySet");
  }

  /**
   * The definition of the account's vault.
   *
   * @throws NotFoundError It has none yet.
   */
  async vault(): Promise<string> {
    return await this.#string("GET", "/v1/vault", "definition");
  }

  /**
   * Says which vault is the account's.
   *
   * @throws BadRequestError It has another one.
   */
  async enterVault(definition: string): Promise<void> {
    await this.#read("PUT", "/v1/vault", { json: { definition } });
  }

  // --- rooms ---

  /** Lets the participants find the room. */
  async enterRoom(room: string, participants: readonly string[]): Promise<void> {
    await this.#read("PUT", `/v1/rooms/${room}`, { json: { participants } });
  }

  /** The rooms that invite the account. */
  async rooms(): Promise<RoomEntry[]> {
    const entries = await this.#json("GET", "/v1/rooms");
    return this.#expect(Array.isArray(entries), () => (entries as unknown[]).map((each) => room(each)));
  }

  // --- blobs ---

  /**
   * Stores one part; storing the same again is no error.
   *
   * @param closing How many parts there are, where the others have arrived: the blob is complete with this one.
   */
  async putPart(
    blob: string,
    index: number,
    ciphertext: Bytes,
    part: Part,
    { closing, signal }: { closing?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const headers = { "Content-Digest": `sha-256=:${toBase64(fromHex(part.sha256))}:` };
    const query = closing === undefined ? {} : { parts: closing };
    await this.#read("PUT", partOf(blob, index), { octets: ciphertext, headers, query, signal });
  }

  /** Says that all parts are there; nothing can be changed afterwards. */
  async completeBlob(blob: string, parts: number): Promise<void> {
    await this.#read("POST", `/v1/blobs/${blob}/complete`, { json: { parts } });
  }

  /** The bytes of one part, as the hub has them. */
  async getPart(blob: string, index: number, signal?: AbortSignal): Promise<Bytes> {
    return await this.#read("GET", partOf(blob, index), { limit: PART_CIPHERTEXT_SIZE, signal });
  }

  /** What has arrived of a blob that this account uploads. */
  async blob(blob: string): Promise<StoredBlob> {
    const found = await this.#json("GET", `/v1/blobs/${blob}`, { limit: LISTING_LIMIT });
    const { complete, parts } = (found ?? {}) as Record<string, unknown>;
    return this.#shaped({ complete, parts }, "StoredBlob");
  }

  /** Deletes a blob that this account has uploaded. */
  async deleteBlob(blob: string): Promise<void> {
    await this.#read("DELETE", `/v1/blobs/${blob}`);
  }

  // --- relay ---

  /** What the enclave shows for this nonce (32 bytes). */
  async evidence(nonce: Bytes): Promise<Bytes> {
    return await this.#read("GET", "/v1/enclave/evidence", { query: { nonce: toHex(nonce) }, refusals: [] });
  }

  /** The enclave's keys of this hour. */
  async enclaveKeys(): Promise<Bytes> {
    return await this.#read("GET", "/v1/enclave/keys", { refusals: [] });
  }

  /**
   * Sends a sealed message; the answer's bytes, as they come.
   *
   * @throws Unavailable Nobody is there, or the answer broke off, or nothing came for a minute.
   * @throws Unanswered The hub has something else to say than the enclave's answer.
   */
  async *relay(message: Bytes, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    yield* this.#stream("POST", "/v1/enclave/messages", { octets: message, signal, refusals: [] });
  }

  // --- the account, as its own module reads it ---

  /** The JSON that the hub answers with, whatever it is. */
  async get(path: string): Promise<unknown> {
    return await this.#json("GET", path);
  }

  /** As `get`, with a body; null where the answer has none. */
  async send(method: "POST" | "PUT" | "DELETE", path: string, json?: object): Promise<unknown> {
    const data = await this.#read(method, path, json === undefined ? {} : { json });
    return this.#expect(true, () => (data.length === 0 ? null : (JSON.parse(text(data)) as unknown)));
  }

  // --- plumbing ---

  async #record<K extends Kind>(method: string, path: string, kind: K, options?: Options): Promise<Records[K]> {
    return this.#shaped(await this.#json(method, path, options), kind);
  }

  async #string(method: string, path: string, field: string, options?: Options): Promise<string> {
    const value = ((await this.#json(method, path, options)) as Record<string, unknown> | null)?.[field];
    return this.#expect(typeof value === "string", () => value as string);
  }

  async #json(method: string, path: string, options?: Options): Promise<unknown> {
    const data = await this.#read(method, path, options);
    return this.#expect(true, () => JSON.parse(text(data)) as unknown);
  }

  #shaped<K extends Kind>(value: unknown, kind: K): Records[K] {
    return this.#expect(true, () => checked(value, kind, "an answer of a hub"));
  }

  #expect<T>(holds: boolean, read: () => T): T {
    try {
      if (holds) {
        return read();
      }
    } catch {
      // What it was instead is of no use to anybody.
    }
    throw new ServerError(`That is not an answer of a hub. Is ${this.url} a Cloister hub, of this release?`);
  }

  async #read(method: string, path: string, { limit = ANSWER_LIMIT, ...options }: Options = {}): Promise<Bytes> {
    return await limited(this.#stream(method, path, options), limit);
  }

  async *#stream(method: string, path: string, options: Options): AsyncGenerator<Uint8Array> {
    const query = new URLSearchParams(
      Object.entries(options.query ?? {}).map(([name, value]) => [name, String(value)]),
    );
    const silence = new Silence(options.signal, (options.octets?.length ?? 0) / SLOWEST);
    try {
      const response = await fetch(`${this.url}${path}${query.size === 0 ? "" : `?${query}`}`, {
        method,
        headers: {
          ...(this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` }),
          ...(options.json === undefined ? {} : { "Content-Type": "application/json" }),
          ...(options.octets === undefined ? {} : { "Content-Type": "application/octet-stream" }),
          ...options.headers,
        },
        body: options.json === undefined ? (options.octets ?? null) : JSON.stringify(options.json),
        // Who is asking is said in one way alone; and nothing of it is to lie in a cache.
        credentials: this.#token === null ? "same-origin" : "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: silence.signal,
      });
      if (!response.ok) {
        throw await refused(response, silence, options.refusals);
      }
      yield* pieces(response, silence);
    } catch (error) {
      throw silence.translated(error);
    } finally {
      silence.end();
    }
  }
}

/** Ends a request when nothing has come for too long, or somebody says so. */
class Silence {
  readonly #controller = new AbortController();
  readonly #asked: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent = false;

  /** @param longer Seconds that the answer may take longer to begin. */
  constructor(asked: AbortSignal | undefined, longer: number) {
    this.#asked = asked;
    asked?.throwIfAborted();
    asked?.addEventListener("abort", this.#stop);
    this.broken(longer);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something has come. */
  broken(longer = 0): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#silent = true;
        this.#controller.abort();
      },
      (TIMEOUT + longer) * 1000,
    );
  }

  /** It is over: a request that nobody reads any more ends too. */
  end(): void {
    clearTimeout(this.#timer);
    this.#asked?.removeEventListener("abort", this.#stop);
    this.#controller.abort();
  }

  /** What the browser raises, as this package's errors. */
  translated(error: unknown): unknown {
    if (this.#asked?.aborted) {
      return this.#asked.reason;
    }
    if (this.#silent) {
      return new Unavailable("The hub did not answer in time. Check the network, and that the hub runs.");
    }
    if (error instanceof TypeError) {
      return new Unavailable("The hub could not be reached. Check the network, and that the hub runs.");
    }
    return error;
  }

  readonly #stop = (): void => this.#controller.abort();
}

async function* pieces(response: Response, silence: Silence): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  // Node's fetch, where redirects are errors, may forget that its request was to end: whoever reads wakes up all the
  // same.
  const stop = (): void => void reader?.cancel().catch(() => undefined);
  silence.signal.addEventListener("abort", stop);
  try {
    for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) {
      silence.broken();
      yield piece.value;
    }
    silence.signal.throwIfAborted();
  } finally {
    silence.signal.removeEventListener("abort", stop);
  }
}

async function limited(chunks: AsyncIterable<Uint8Array>, limit: number): Promise<Bytes> {
  const all: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > limit) {
      throw new VerificationError("The hub's answer is longer than it can be. It was not read to its end.");
    }
    all.push(chunk);
  }
  return concat(...all);
}

/** What a status other than success stands for. */
async function refused(response: Response, silence: Silence, refusals?: readonly number[]): Promise<ApiError> {
  const { code, message } = explained(await limited(pieces(response, silence), ERROR_LIMIT), response.status);
  if (response.status === 409 && code === "stale_keys") {
    return new StaleKeys(message);
  }
  if (response.status === 429 || response.status >= 500) {
    return new Unavailable(message, { retryAfter: seconds(response.headers.get("Retry-After")) });
  }
  if (response.status === 401 || response.status === 403) {
    return new AuthorizationError(message);
  }
  if (refusals?.includes(response.status) === false) {
    return new Unanswered(code === "" ? message : `The hub itself says: ${message}`);
  }
  return response.status === 404 ? new NotFoundError(message) : new BadRequestError(message);
}

function explained(body: Bytes, status: number): { code: string; message: string } {
  try {
    const { code, message } = JSON.parse(text(body)).error;
    if (typeof code === "string" && typeof message === "string") {
      return { code, message };
    }
  } catch {
    // Said below.
  }
  return { code: "", message: `The hub answered with status ${status} and no explanation. Is that address a hub's?` };
}

function seconds(header: string | null): number {
  return header !== null && /^[0-9]{1,5}$/.test(header) ? Number(header) : 0;
}

function room(value: unknown): RoomEntry {
  const { id, created_at, owner } = (value ?? {}) as Record<string, unknown>;
  return checked({ id, created_at, owner }, "RoomEntry", "a room of a hub's");
}

function partOf(blob: string, index: number): string {
  return `/v1/blobs/${blob}/parts/${index}`;
}

/** For `catch`: that it isn't there (any more) is no error. */
export function unlessGone(error: unknown): void {
  if (!(error instanceof NotFoundError)) {
    throw error;
  }
}
