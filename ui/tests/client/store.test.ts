import "fake-indexeddb/auto";

import { describe, expect, test } from "vitest";

import { openDeviceKey } from "../../src/client/device";
import { IndexedDbStore, MemoryStore, type Store } from "../../src/client/store";
import { randomHex, utf8 } from "../../src/core/encoding";
import { signatureHolds } from "../../src/core/signatures";

describe.each<[string, () => Promise<Store>]>([
  ["memory", async () => new MemoryStore()],
  ["IndexedDB", async () => await IndexedDbStore.open(randomHex())],
])("%s", (_, open) => {
  test("keeps what was put", async () => {
    const store = await open();
    expect(await store.get("uploads", "a")).toBeUndefined();
    expect(await store.update("uploads", "a", () => ({ value: 1 }))).toEqual({ value: 1 });
    expect(await store.get("uploads", "a")).toEqual({ value: 1 });
    expect(await store.get("vaults", "a")).toBeUndefined();
  });

  test("changes one after the other", async () => {
    const store = await open();
    const add = (): Promise<number> =>
      store.update("uploads", "n", (before) => ((before as number | undefined) ?? 0) + 1);
    await Promise.all([add(), add(), add()]);
    expect(await store.get("uploads", "n")).toBe(3);
  });

  test("a change that raises leaves all as it was", async () => {
    const store = await open();
    await store.update("uploads", "a", () => 1);
    const change = store.update("uploads", "a", () => {
      throw new Error("no");
    });
    await expect(change).rejects.toThrow("no");
    expect(await store.get("uploads", "a")).toBe(1);
  });

  test("lists and removes by prefix", async () => {
    const store = await open();
    for (const key of ["a", "a/1", "a/2", "b"]) {
      await store.update("uploads", key, () => key);
    }
    expect(await store.entries("uploads", "a/")).toEqual([
      ["a/1", "a/1"],
      ["a/2", "a/2"],
    ]);
    await store.remove("uploads", "a");
    expect(await store.entries("uploads", "")).toEqual([["b", "b"]]);
  });

  test("a device key is made once, can sign, and can't be read", async () => {
    const store = await open();
    const keys = await Promise.all([1, 2].map(() => openDeviceKey(store, "https://hub", "A@b.example")));
    const again = await openDeviceKey(store, "https://hub", "a@b.example");
    expect(keys.map((key) => key.publicKey)).toEqual([again.publicKey, again.publicKey]);
    const [key] = keys as [(typeof keys)[0]];
    expect(await signatureHolds(key.publicKey, utf8("text"), await again.sign(utf8("text")))).toBe(true);
    const other = await openDeviceKey(store, "https://other", "a@b.example");
    expect(other.publicKey).not.toEqual(again.publicKey);
    for (const [, pair] of await store.entries("devices", "")) {
      const { privateKey } = pair as CryptoKeyPair;
      expect(privateKey.extractable).toBe(false);
      await expect(crypto.subtle.exportKey("pkcs8", privateKey)).rejects.toThrow();
    }
  });
});
