import { afterEach, beforeEach, expect, test } from "vitest";

import type { Client } from "../../src/client/client";
import type { Uploaded } from "../../src/client/datasets";
import type { Port } from "../../src/client/messages";
import { Mover } from "../../src/client/mover";
import { Patience } from "../../src/client/patience";
import { MemoryStore } from "../../src/client/store";
import { manifestDigest, PART_SIZE } from "../../src/core/dataset";
import { type Bytes, text } from "../../src/core/encoding";
import { BadRequestError, EnclaveError, NotFoundError, Unavailable } from "../../src/core/errors";
import { serve } from "../../src/worker/serve";
import { type Http, refusal, TestHub } from "../hub";
import { MemoryLocks, no } from "../rooms";
import { TestVault } from "../vault";

const DATA = new Uint8Array(2 * PART_SIZE + 7).map((_, place) => (place * 13 + (place >> 9)) & 0xff);
const DAYS = 24 * 3600 * 1000;
const LABEL = { name: "people" };

let hub: TestHub;
let vault: TestVault;
let store: MemoryStore;
let locks: MemoryLocks;
beforeEach(async () => {
  hub = await TestHub.start();
  [vault, store, locks] = [new TestVault(hub), new MemoryStore(), new MemoryLocks()];
});
afterEach(() => hub.stop());

/** What the hub says to some requests, besides. */
function saying(answer: (method: string, path: string) => Http | undefined): void {
  const before = hub.instead;
  hub.instead = (method, path) => answer(method, path) ?? before(method, path);
}

/** A page of the browser, with a worker of its own. What pages remember is the same. */
async function page(): Promise<Client> {
  const mover = new Mover(() => {
    const { port1, port2 } = new MessageChannel();
    serve(port2 as unknown as Port, Promise.resolve(store), new Patience([]));
    [port1, port2].forEach((port) => port.start());
    return { port: port1 as unknown as Port, end: () => port1.close() };
  });
  const client = await vault.client({ mover, store, locks });
  vault.devices = [{ key: client.deviceKey, bound_at: 1, admitted: true }];
  return client;
}

const people = (): File => new File([DATA], "people.csv", { lastModified: 1 });
const puts = (): number => hub.asked.filter((each) => each.startsWith("PUT /v1/blobs")).length;

async function whole(pieces: AsyncIterable<Bytes>): Promise<Buffer> {
  const all = [];
  for await (const piece of pieces) {
    all.push(piece);
  }
  return Buffer.concat(all);
}

/** An upload of which something has arrived before it was broken off. */
async function brokenOff(client: Client, file = people()): Promise<void> {
  const ending = new AbortController();
  const sending = client.datasets.upload(file, LABEL, { signal: ending.signal, onProgress: () => ending.abort() });
  await expect(sending).rejects.toMatchObject({ name: "AbortError" });
}

/** Makes what this browser remembers of unfinished uploads so old. */
async function age(milliseconds: number): Promise<void> {
  for (const [place] of await store.entries("vaults", "pending/")) {
    const older = (before: unknown) => ({ ...(before as object), begun: Date.now() - milliseconds });
    await store.update("vaults", place, older);
  }
}

test("a file goes on with its key where the page was closed", async () => {
  await brokenOff(await page());
  expect(vault.names("key")).toHaveLength(1);
  const arrived = (await store.entries("uploads", "")).length - 1;
  expect(arrived).toBeGreaterThan(0);
  const before = puts();
  const client = await page();
  const uploaded = await client.datasets.upload(people(), LABEL);
  expect(puts() - before).toBe(3 - arrived);
  expect((await whole(client.datasets.download(uploaded))).equals(DATA)).toBe(true);
  expect(vault.names("key")).toEqual([`key/${manifestDigest(uploaded.manifest)}`]);
  expect(await store.entries("vaults", "pending/")).toEqual([]);
});

test.each(["two pages", "one page"])("one file that is uploaded twice at once by %s is two datasets", async (who) => {
  const first = await page();
  const second = who === "one page" ? first : await page();
  const [held, release] = gate();
  const [storing, isStoring] = gate();
  vault.refuse = async ({ type }) => {
    if (type === "put_items") {
      vault.refuse = () => undefined;
      isStoring();
      await held;
    }
    return undefined;
  };
  // The one has arrived, and is about to be kept in mind, while the other comes and goes.
  const uploading = first.datasets.upload(people(), LABEL);
  await storing;
  const other = await second.datasets.upload(people(), LABEL);
  release();
  const both: Uploaded[] = [await uploading, other];
  expect(new Set(both.map(({ manifest }) => manifest.dataset)).size).toBe(2);
  expect(new Set(both.map(({ key }) => text(new Uint8Array(key.map((byte) => byte & 0x7f))))).size).toBe(2);
  for (const each of both) {
    expect((await whole(first.datasets.download(each))).equals(DATA)).toBe(true);
  }
  expect(vault.names("key").sort()).toEqual(both.map(({ manifest }) => `key/${manifestDigest(manifest)}`).sort());
  expect(await store.entries("vaults", "pending/")).toEqual([]);
});

test("two uploads of one file at once take nothing of each other, however they end", async () => {
  const [first, second] = [await page(), await page()];
  let refusing = "";
  // The blob of whichever part comes first takes nothing more.
  saying((method, path) => {
    if (method !== "PUT" || !path.startsWith("/v1/blobs/")) {
      return undefined;
    }
    refusing ||= path.split("/")[3] as string;
    return path.split("/")[3] === refusing && path.endsWith("/2") ? refusal(409, "conflict") : undefined;
  });
  const ended = await Promise.allSettled([first, second].map((each) => each.datasets.upload(people(), LABEL)));
  expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const good = ended.find((each) => each.status === "fulfilled")?.value as Uploaded;
  expect((await whole(first.datasets.download(good))).equals(DATA)).toBe(true);
  expect(hub.blobs.size).toBe(3);
});

test("the key of what would not help to try again is given up", async () => {
  saying((method, path) => (method === "PUT" && path.endsWith("/2") ? refusal(413, "too_large") : undefined));
  await expect((await page()).datasets.upload(people(), LABEL)).rejects.toThrow(BadRequestError);
  expect(vault.names("key")).toEqual([]);
  expect(await store.entries("vaults", "pending/")).toEqual([]);
  expect(hub.blobs.size).toBe(0);
});

test("the keys of uploads that nobody came back for are given up", async () => {
  const client = await page();
  await brokenOff(client);
  const [key] = vault.names("key") as [string];
  const other = (name: string): File => new File([DATA.slice(0, PART_SIZE + 1)], name, { lastModified: 1 });
  await age(13 * DAYS);
  await client.datasets.upload(other("a"), LABEL);
  expect(vault.names("key")).toContain(key);
  // Somebody else's vault is theirs, and what can't be given up now is later.
  const elsewhere = { version: 1, vault: "ab".repeat(32), item: "cd".repeat(32), begun: 0 };
  await store.update("vaults", "pending/elsewhere", () => elsewhere);
  await age(15 * DAYS);
  vault.refuse = (body) => (body.type === "remove_item" ? no("Not now.", "busy") : undefined);
  const uploaded = await client.datasets.upload(other("b"), LABEL);
  expect(vault.names("key")).toContain(key);
  vault.refuse = () => undefined;
  await age(15 * DAYS);
  await client.datasets.upload(other("c"), LABEL);
  expect(vault.names("key")).not.toContain(key);
  expect(vault.names("key")).toContain(`key/${manifestDigest(uploaded.manifest)}`);
  expect(vault.names("key")).toHaveLength(3);
  expect((await store.entries("vaults", "pending/")).map(([place]) => place)).toEqual(["pending/elsewhere"]);
});

test("the key of an upload that takes that long stays", async () => {
  const client = await page();
  const [held, release] = gate();
  const [storing, isStoring] = gate();
  vault.refuse = async ({ type }) => {
    if (type === "put_items") {
      vault.refuse = () => undefined;
      isStoring();
      await held;
    }
    return undefined;
  };
  const uploading = client.datasets.upload(people(), LABEL);
  await storing;
  await age(15 * DAYS);
  const [key] = vault.names("key") as [string];
  await client.datasets.upload(new File([DATA], "other.csv"), LABEL);
  expect(vault.names("key")).toContain(key);
  release();
  await uploading;
  expect(vault.names("key")).not.toContain(key);
});

test("a deletion that has failed is done again", async () => {
  const client = await page();
  const { manifest } = await client.datasets.upload(new Blob(["abc"]), LABEL);
  const digest = manifestDigest(manifest);
  const isListed = async (): Promise<boolean> => (await client.datasets.all()).some(({ id }) => id === digest);
  // Each time one thing more is done, and then something fails.
  const away = { now: true };
  saying((method) => (method === "DELETE" && away.now ? refusal(503, "busy") : undefined));
  await expect(client.datasets.delete(digest)).rejects.toThrow(Unavailable);
  expect([vault.names("key"), hub.blobs.size, await isListed()]).toEqual([[], 1, true]);
  away.now = false;
  for (const kind of ["manifest", "dataset"]) {
    vault.refuse = (body) =>
      body.type === "remove_item" && body.item.startsWith(kind) ? no("It fails.", "failed") : undefined;
    await expect(client.datasets.delete(digest)).rejects.toThrow(EnclaveError);
    expect([hub.blobs.size, await isListed()]).toEqual([0, true]);
  }
  expect(vault.names("manifest")).toEqual([]);
  vault.refuse = () => undefined;
  await client.datasets.delete(digest);
  expect(vault.items.size).toBe(0);
  await expect(client.datasets.delete(digest)).rejects.toThrow(NotFoundError);
});

/** Something to wait for, and what lets go on whoever does. */
function gate(): [Promise<void>, () => void] {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [opened, open];
}
