import { afterEach, beforeEach, expect, test } from "vitest";

import { Client } from "../../src/client/client";
import { Mover } from "../../src/client/mover";
import { Patience } from "../../src/client/patience";
import { MemoryStore } from "../../src/client/store";
import { fromBase64, randomHex, sha256, text, toBase64, toHex, utf8 } from "../../src/core/encoding";
import { EvidenceRejected, NotFoundError, VerificationError } from "../../src/core/errors";
import { leafHash } from "../../src/core/merkle";
import type { Answer, Item, Request, VaultDevice } from "../../src/core/records";
import { freshSigner } from "../enclave";
import { done, type Http, note, TestHub } from "../hub";

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

async function open(store = new MemoryStore(), vault?: string): Promise<Client> {
  const port = { postMessage: () => undefined, addEventListener: () => undefined };
  const patience = new Patience([], async () => undefined);
  const mover = new Mover(() => ({ port, end: () => undefined }));
  const options = { hub: hub.client, email: "a@b.example", store, mover, allowSoftware: true, vault, patience };
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
