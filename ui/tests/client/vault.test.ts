import { afterEach, beforeEach, expect, test } from "vitest";

import { Client } from "../../src/client/client";
import { Mover } from "../../src/client/mover";
import { Patience } from "../../src/client/patience";
import { MemoryStore } from "../../src/client/store";
import { upload } from "../../src/client/transfers";
import { KEY_SIZE, manifestDigest } from "../../src/core/dataset";
import {
  canonical,
  fromBase64,
  randomBytes,
  randomHex,
  sha256,
  text,
  toBase64,
  toHex,
  utf8,
} from "../../src/core/encoding";
import { EvidenceRejected, NotFoundError, Unanswered, VerificationError } from "../../src/core/errors";
import { leafHash } from "../../src/core/merkle";
import type { Answer, Item, Request, VaultDevice } from "../../src/core/records";
import { freshSigner } from "../enclave";
import { done, type Http, note, refusal, TestHub } from "../hub";

let hub: TestHub;
let definition: string | undefined;
let devices: VaultDevice[];
let items: Item[];
beforeEach(async () => {
  hub = await TestHub.start();
  [definition, devices, items] = [undefined, [], []];
  hub.enclave = answer;
  hub.instead = (method, path): Http | undefined => {
    switch (`${method} ${path}`) {
      case "GET /.well-known/jwks.json":
        return ok({ issuer: "hub", keys: [{ kty: "OKP", kid: "1", crv: "Ed25519", x: "A".repeat(43), use: "sig" }] });
      case "GET /v1/vault":
        return definition === undefined
          ? { status: 404, body: { error: { code: "n", message: "n" } } }
          : ok({ definition });
    }
    return undefined;
  };
});
afterEach(() => hub.stop());

/** The vault as the enclave keeps it: its log has one event, whatever happens. */
async function answer({ body, room }: Request): Promise<Answer[]> {
  const checkpoint = await note(hub.signer, room ?? "", 1, leafHash(utf8("opened")));
  switch (body.type) {
    case "open_vault":
      definition = text(fromBase64(body.definition));
      return [done({ checkpoint, body: { type: "vault_status", devices } })];
    case "put_item":
      items.push({ item: body.item, value: body.value, revision: body.request });
      return [done({ checkpoint })];
    case "list_items":
      return [done({ checkpoint, body: { type: "items", items, more: false } })];
    case "read_item": {
      const found = items.filter((each) => each.item === body.item);
      return [done({ checkpoint, body: { type: "items", items: found, more: false } })];
    }
    default:
      return [done({ checkpoint })];
  }
}

async function open(store = new MemoryStore(), vault?: string, at = hub.client): Promise<Client> {
  const port = { postMessage: () => undefined, addEventListener: () => undefined };
  const patience = new Patience([], async () => undefined);
  const mover = new Mover(() => ({ port, end: () => undefined }));
  const options = { hub: at, email: "a@b.example", store, mover, allowSoftware: true, vault, patience };
  const client = await Client.open(options);
  devices = [device(client.deviceKey)];
  return client;
}

const device = (key: string, admitted = true): VaultDevice => ({ key, bound_at: 1, admitted });
const name = (id: string): string => `dataset/${id.repeat(32)}`;

test("a vault is made, remembered, and surely the user's where this browser is alone", async () => {
  const store = new MemoryStore();
  const client = await open(store);
  expect(await client.vault.trusted()).toBe(true);
  const id = await client.vault.id();
  expect(id).toBe(toHex(sha256(utf8(definition ?? ""))));
  const again = await open(store);
  devices.push(device("cd".repeat(32)));
  expect([await again.vault.id(), await again.vault.trusted()]).toEqual([id, true]);
  expect(await again.vault.unknownDevices()).toEqual([device("cd".repeat(32))]);
});

test("an unknown device is pointed out until the user says that they know it, or lets it in", async () => {
  const store = new MemoryStore();
  await (await open(store)).vault.id();
  const [known, admitted] = ["cd".repeat(32), "ef".repeat(32)];
  const again = async (): Promise<Client> => {
    const client = await open(store);
    devices.push(device(known), device(admitted, false));
    return client;
  };
  // Having been shown it is not enough.
  expect(await (await again()).vault.unknownDevices()).toHaveLength(2);
  const { vault } = await again();
  expect(await vault.unknownDevices()).toHaveLength(2);
  await vault.acknowledge(known);
  expect(await vault.unknownDevices()).toEqual([device(admitted, false)]);
  await vault.admit(admitted);
  expect(await vault.unknownDevices()).toEqual([]);
  expect(await (await again()).vault.unknownDevices()).toEqual([]);
});

test("what the user has said on one page is not forgotten on another", async () => {
  await (await open()).vault.id();
  const store = new MemoryStore();
  const first = await open(store);
  devices.unshift(device("ab".repeat(32)));
  expect(await first.vault.trusted()).toBe(false);
  const pages = [await open(store), await open(store)] as const;
  const [known, other] = ["cd".repeat(32), "ef".repeat(32)];
  devices.unshift(device(known), device(other));
  const [one, two] = [pages[0].vault, pages[1].vault];
  for (const vault of [one, two]) {
    expect(await vault.unknownDevices()).toHaveLength(2);
  }
  await one.recognise(await one.id());
  await one.acknowledge(known);
  await two.acknowledge(other);
  expect(await two.unknownDevices()).toEqual([]);
  expect(await two.trusted()).toBe(true);
  const { vault } = await open(store);
  devices.unshift(device(known), device(other));
  expect([await vault.unknownDevices(), await vault.trusted()]).toEqual([[], true]);
});

test("a vault that others are in already is trusted where the user has named it", async () => {
  await (await open()).vault.id();
  const other = await open();
  devices.unshift(device("cd".repeat(32)));
  expect(await other.vault.trusted()).toBe(false);
  const named = await open(new MemoryStore(), await other.vault.id());
  devices.unshift(device("cd".repeat(32)));
  expect(await named.vault.trusted()).toBe(true);
  const wrong = await open(new MemoryStore(), randomHex());
  await expect(wrong.vault.id()).rejects.toThrow("another vault than the one that you have named");
});

test("a vault that others are in is trusted once the user has compared its id", async () => {
  await (await open()).vault.id();
  const store = new MemoryStore();
  const other = await open(store);
  devices.unshift(device("cd".repeat(32)));
  await expect(other.vault.recognise(randomHex())).rejects.toThrow("not the one that you have compared");
  expect(await other.vault.trusted()).toBe(false);
  await other.vault.recognise(await other.vault.id());
  expect(await other.vault.trusted()).toBe(true);
  const later = await open(store);
  devices.unshift(device("cd".repeat(32)));
  expect(await later.vault.trusted()).toBe(true);
});

test("the vault of somebody else, and none at all, is refused", async () => {
  await (await open()).vault.id();
  definition = definition?.replace("a@b.example", "c@d.example");
  await expect((await open()).vault.id()).rejects.toThrow("shows the vault of c@d.example");
  definition = "{}";
  await expect((await open()).vault.id()).rejects.toThrow(VerificationError);
  definition = undefined;
  await expect((await open(new MemoryStore(), randomHex())).vault.id()).rejects.toThrow(NotFoundError);
});

/** Everything was set up anew, or says so: nobody knows the vault that was there. */
function forgets(gone: string, instead?: string): void {
  definition = instead;
  hub.enclave = async (request) =>
    request.room === gone
      ? [{ frame: "refusal", code: "not_found", message: "There is no such vault." }]
      : await answer(request);
}

test("a new installation on this machine gets a new vault", async () => {
  const store = new MemoryStore();
  const before = await (await open(store)).vault.id();
  forgets(before);
  const client = await open(store);
  expect(await client.vault.id()).not.toBe(before);
  expect(await client.vault.trusted()).toBe(true);
  hub.enclave = answer;
  expect(await (await open(store)).vault.id()).toBe(await client.vault.id());
});

test("a vault that others are in, and that takes the place of the user's, is not trusted", async () => {
  const store = new MemoryStore();
  const client = await open(store);
  const before = await client.vault.id();
  forgets(before, (definition ?? "").replace(/"nonce":"../, '"nonce":"00'));
  const again = await open(store);
  devices = [device("ee".repeat(32)), device(again.deviceKey, false)];
  expect(await again.vault.id()).not.toBe(before);
  expect(await again.vault.trusted()).toBe(false);
});

test("a hub elsewhere that hides the vault gets no other", async () => {
  const store = new MemoryStore();
  const before = await (await open(store)).vault.id();
  forgets(before);
  const [at, { instead }] = [hub.client, hub];
  const here = at.url;
  let elsewhere = false;
  Object.defineProperty(at, "url", { get: () => (elsewhere ? "https://hub.example" : here) });
  hub.instead = (method, path, ...more) => {
    elsewhere = path === "/v1/vault"; // once it is asked for, nothing more is sent
    return instead?.(method, path, ...more);
  };
  const client = await open(store, undefined, at);
  await expect(client.vault.id()).rejects.toThrow(new RegExp(`${before}.* is not there any more`));
});

test("who is not let into the vault that the hub still shows is told so", async () => {
  const store = new MemoryStore();
  const before = await (await open(store)).vault.id();
  forgets(before, definition);
  await expect((await open(store)).vault.id()).rejects.toThrow(NotFoundError);
});

test("items are put, read and listed", async () => {
  const { vault } = await open();
  await vault.put(name("a1"), utf8("one"));
  await vault.put(name("b2"), utf8("two"));
  expect(await vault.read(name("a1"))).toMatchObject({ value: toBase64(utf8("one")) });
  expect(await names(vault.list("dataset"))).toEqual([name("a1"), name("b2")]);
});

test("other items than were asked for are refused", async () => {
  const { vault } = await open();
  await vault.put(name("b2"), utf8("two"));
  await vault.put(name("a1"), utf8("one"));
  await expect(names(vault.list("dataset"))).rejects.toThrow("other items");
  await expect(names(vault.list("draft"))).rejects.toThrow("other items");
  await expect(vault.read(name("cc"))).rejects.toThrow("other items");
});

test("another enclave than the one that has shown the vault gets nothing", async () => {
  const { vault } = await open();
  await vault.id();
  hub.signer = await freshSigner();
  await hub.renew(1);
  const before = hub.messages.length;
  await expect(vault.put(name("a1"), utf8("a secret"))).rejects.toThrow(EvidenceRejected);
  // The one message was for the enclave of before, which alone can open it.
  expect(hub.messages.length).toBe(before + 1);
});

test.each([400, 404, 409])("a hub that answers %i itself deletes nothing", async (status) => {
  const key = randomBytes(KEY_SIZE);
  const manifest = await upload(new Blob(["abc"]), key, randomHex(), { hub: hub.client, patience: new Patience([]) });
  const digest = manifestDigest(manifest);
  const record = { version: 1, name: "mine", description: "", size: 3, created: 1, attached: [] };
  const { vault, datasets } = await open();
  await vault.put(`dataset/${digest}`, canonical(record));
  await vault.put(`manifest/${digest}`, canonical(manifest));
  await vault.put(`key/${digest}`, key);
  const removed: string[] = [];
  hub.enclave = (request) => {
    removed.push(...(request.body.type === "remove_item" ? [request.body.item] : []));
    return answer(request);
  };
  const honest = hub.instead;
  // To the first message, which looks for the dataset; to the second, for its manifest; to the third, for its key.
  for (const lie of [1, 2, 3]) {
    let messages = 0;
    hub.instead = (method, path) =>
      path === "/v1/enclave/messages" && ++messages === lie ? refusal(status, "not_found") : honest(method, path);
    await expect(datasets.delete(digest)).rejects.toThrow(Unanswered);
  }
  expect(removed).toEqual([]);
  hub.instead = honest;
  await datasets.delete(digest);
  expect(removed).toEqual([`key/${digest}`, `manifest/${digest}`, `dataset/${digest}`]);
  expect(hub.blobs.size).toBe(0);
});

async function names(listed: AsyncIterable<Item>): Promise<string[]> {
  const found = [];
  for await (const { item } of listed) {
    found.push(item);
  }
  return found;
}

function ok(body: object): Http {
  return { status: 200, body };
}
