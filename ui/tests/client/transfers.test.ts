import { afterEach, beforeEach, expect, test } from "vitest";
import { type Port, packed, unpacked } from "../../src/client/messages";
import { Mover } from "../../src/client/mover";
import { Patience } from "../../src/client/patience";
import { Meter } from "../../src/client/progress";
import { fingerprint, UploadRecord } from "../../src/client/resume";
import { MemoryStore, type Store } from "../../src/client/store";
import { download, type TransferOptions, upload } from "../../src/client/transfers";
import { PART_SIZE } from "../../src/core/dataset";
import { type Bytes, randomBytes, randomHex, sha256Bulk, toHex } from "../../src/core/encoding";
import * as errors from "../../src/core/errors";
import { BadRequestError, DecryptionFailed, NotFoundError, Unavailable } from "../../src/core/errors";
import type { PreparedTable } from "../../src/tables/recipe";
import { serve } from "../../src/worker/serve";
import { refusal, TestHub } from "../hub";

const KEY = randomBytes(32);
const DATA = new Uint8Array(2 * PART_SIZE + 7).map((_, place) => (place * 13 + (place >> 9)) & 0xff);
const quick = new Patience([0], async () => undefined);

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
});
afterEach(() => hub.stop());

function options(more: Partial<TransferOptions> = {}): TransferOptions {
  return { hub: hub.client, patience: quick, ...more };
}

async function whole(pieces: AsyncIterable<Bytes>): Promise<Buffer> {
  const all = [];
  for await (const piece of pieces) {
    all.push(piece);
  }
  return Buffer.concat(all);
}

test.each([0, 1, PART_SIZE, DATA.length])("%i bytes go there and come back", async (size) => {
  const data = DATA.slice(0, size);
  let [up, down] = [0, 0];
  const told = { told: (bytes: number) => (up += bytes) };
  const manifest = await upload(new Blob([data]), KEY, randomHex(), options(told));
  expect(hub.complete.get(manifest.dataset)).toBe(manifest.parts.length);
  const back = await whole(download(manifest, KEY, options({ told: (bytes) => (down += bytes) })));
  expect(back.equals(data)).toBe(true);
  expect([up, down]).toEqual([size, size]);
});

test("what the hub keeps tells nothing of the data", async () => {
  const secret = "a canary that must not be seen";
  await upload(new Blob([secret]), KEY, randomHex(), options());
  for (const stored of hub.blobs.values()) {
    expect(Buffer.from(stored).includes(secret)).toBe(false);
  }
});

test("parts that are swapped, changed or gone are noticed", async () => {
  const manifest = await upload(new Blob([DATA]), KEY, randomHex(), options());
  const [first, second] = [`${manifest.dataset}/0`, `${manifest.dataset}/1`];
  const [one, other] = [hub.blobs.get(first) as Bytes, hub.blobs.get(second) as Bytes];
  hub.blobs.set(first, other);
  await expect(whole(download(manifest, KEY, options()))).rejects.toThrow(DecryptionFailed);
  hub.blobs.set(first, one).set(second, one.slice(0, -1));
  await expect(whole(download(manifest, KEY, options()))).rejects.toThrow(DecryptionFailed);
  hub.blobs.delete(second);
  await expect(whole(download(manifest, KEY, options()))).rejects.toThrow(NotFoundError);
  await expect(whole(download(manifest, randomBytes(32), options()))).rejects.toThrow("Use the key of its upload");
});

test("a part that fails for want of a connection is sent again", async () => {
  let failed = 0;
  hub.instead = (method, path) =>
    method === "PUT" && path.endsWith("/1") && failed++ < 2 ? refusal(503, "away") : undefined;
  const manifest = await upload(new Blob([DATA]), KEY, randomHex(), options());
  expect(failed).toBeGreaterThan(2);
  expect(hub.complete.has(manifest.dataset)).toBe(true);
});

test("an upload that fails leaves nothing there", async () => {
  hub.instead = (method, path) => (method === "PUT" && path.endsWith("/2") ? refusal(507, "full") : undefined);
  await expect(upload(new Blob([DATA]), KEY, randomHex(), options())).rejects.toThrow(Unavailable);
  expect(hub.blobs.size).toBe(0);
});

/** A worker that listens. */
function served(store: Promise<Store> = Promise.resolve(new MemoryStore())): Port {
  const { port1, port2 } = new MessageChannel();
  serve(port2 as unknown as Port, store, quick);
  [port1, port2].forEach((port) => port.start());
  return port1 as unknown as Port;
}

/** A page with a worker: what both remember lies in the store. */
function page(store: Store | Promise<Store>): Mover {
  return new Mover(() => ({ port: served(Promise.resolve(store)), end: () => undefined }));
}

const puts = (): number => hub.asked.filter((each) => each.startsWith("PUT")).length;
const job = (file: Blob | PreparedTable, key = KEY) => ({ hub: hub.client.access, file, key, resumable: true });

test("an upload goes on where the page was closed, and nothing is sent twice", async () => {
  const [store, file] = [new MemoryStore(), new Blob([DATA])];
  const ending = new AbortController();
  const stopped = page(store).upload(job(file), { signal: ending.signal, onProgress: () => ending.abort() });
  await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  const arrived = (await store.entries("uploads", "")).length - 1;
  expect(arrived).toBeGreaterThan(0);
  const before = puts();
  const manifest = await page(store).upload(job(file));
  expect(puts() - before).toBe(manifest.parts.length - arrived);
  expect((await whole(download(manifest, KEY, options()))).equals(DATA)).toBe(true);
  expect(await store.entries("uploads", "")).toEqual([]);
  // It is over: the same file again is another dataset.
  const again = await page(store).upload(job(file));
  expect(again.dataset).not.toBe(manifest.dataset);
});

const ROW = `1;"${"x".repeat(1000)}"\r\n`;
const MADE = `1,${"x".repeat(1000)}\n`;
const ROWS = Math.ceil((2.5 * PART_SIZE) / MADE.length);
const TEXT = { type: "STRING", nullable: false, hashed: false } as const;

/** A table that is made of a file while it is sent. */
function table(file = new File([ROW.repeat(ROWS)], "table.csv", { lastModified: 1 }), size = ROWS * MADE.length) {
  const column = { trim: false, form: "plain", hashAs: null, replaced: [] } as const;
  const prepared: PreparedTable = {
    file,
    target: { columns: [TEXT, TEXT].map((each, place) => ({ name: `c${place}`, ...each })), unique: [] },
    recipe: {
      reading: { kind: "csv", encoding: "utf-8", delimiter: ";", quote: '"', newline: "\n", header: false },
      width: 2,
      columns: [0, 1].map((source) => ({ source, ...column })),
      corrections: [],
      drop: false,
    },
    size,
    rows: size / MADE.length,
  };
  return prepared;
}

test("a table is made while it is sent, and goes on where it was broken off", async () => {
  const store = new MemoryStore();
  const ending = new AbortController();
  const stopped = page(store).upload(job(table()), { signal: ending.signal, onProgress: () => ending.abort() });
  await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  const arrived = (await store.entries("uploads", "")).length - 1;
  expect(arrived).toBeGreaterThan(0);
  const before = puts();
  const manifest = await page(store).upload(job(table()));
  expect(puts() - before).toBe(manifest.parts.length - arrived);
  const back = await whole(download(manifest, KEY, options()));
  expect(back.equals(Buffer.from(MADE.repeat(ROWS)))).toBe(true);
  expect(manifest.size).toBe(table().size);
});

test.each([0, 1, PART_SIZE / MADE.length])("a table of %i rows", async (rows) => {
  const count = Math.ceil(rows);
  const file = new File([ROW.repeat(count)], "table.csv");
  const manifest = await upload(table(file, count * MADE.length), KEY, randomHex(), options());
  const back = await whole(download(manifest, KEY, options()));
  expect(back.equals(Buffer.from(MADE.repeat(count)))).toBe(true);
});

test("a table of a file that isn't the one that was checked is given up", async () => {
  const store = new MemoryStore();
  for (const rows of [ROWS - 1, ROWS + 1]) {
    const sending = page(store).upload(job(table(new File([ROW.repeat(rows)], "table.csv"))));
    await expect(sending).rejects.toThrow(BadRequestError);
    await expect(sending).rejects.toThrow("changed since it was checked");
    expect(hub.blobs.size).toBe(0);
    expect(await store.entries("uploads", "")).toEqual([]);
  }
});

test("what was changed since, and what the hub has lost, is sent again", async () => {
  const store = new MemoryStore();
  const record = await UploadRecord.open(store, hub.client, quick, new Blob([DATA]), KEY);
  await upload(new Blob([DATA]), KEY, record.dataset, options(), record);
  const changed = DATA.slice();
  changed[PART_SIZE] = 255 - (changed[PART_SIZE] ?? 0);
  hub.blobs.delete(`${record.dataset}/2`);
  const before = puts();
  const manifest = await page(store).upload(job(new Blob([changed])));
  expect(manifest.dataset).toBe(record.dataset);
  expect(puts() - before).toBe(2);
  expect((await whole(download(manifest, KEY, options()))).equals(changed)).toBe(true);
});

test("another key takes up nothing, and a record tells nothing", async () => {
  const [store, file] = [new MemoryStore(), new File([DATA], "patients.csv")];
  const record = await UploadRecord.open(store, hub.client, quick, file, KEY);
  await upload(file, KEY, record.dataset, options(), record);
  const other = await UploadRecord.open(store, hub.client, quick, file, randomBytes(32));
  expect(other.dataset).not.toBe(record.dataset);
  const kept = JSON.stringify(await store.entries("uploads", ""));
  expect(kept).not.toContain("patients");
  expect(kept).not.toContain(toHex(await sha256Bulk(DATA.slice(0, PART_SIZE))));
  expect(fingerprint(file)).toContain("patients.csv");
});

test("a record of another version is not gone on with, and not kept for ever", async () => {
  const [store, file] = [new MemoryStore(), new Blob([DATA])];
  const record = await UploadRecord.open(store, hub.client, quick, file, KEY);
  expect((await UploadRecord.open(store, hub.client, quick, file, KEY)).dataset).toBe(record.dataset);
  const [[name = ""] = []] = await store.entries("uploads", "");
  await store.update("uploads", name, (before) => ({ ...(before as object), version: 2 }));
  expect((await UploadRecord.open(store, hub.client, quick, file, KEY)).dataset).not.toBe(record.dataset);
  await store.update("uploads", "old", () => ({ version: 2, begun: 0 }));
  await UploadRecord.open(store, hub.client, quick, file, KEY);
  expect((await store.entries("uploads", "")).map(([each]) => each)).toEqual([name]);
});

test("what would not help to try again is given up", async () => {
  const store = new MemoryStore();
  hub.instead = (method, path) => (method === "PUT" && path.endsWith("/2") ? refusal(413, "too_large") : undefined);
  await expect(page(store).upload(job(new Blob([DATA])))).rejects.toThrow(BadRequestError);
  expect(await store.entries("uploads", "")).toEqual([]);
  expect(hub.blobs.size).toBe(0);
});

test("what is complete is never deleted", async () => {
  // As a page leaves it that is closed between the last part and what it remembers.
  const store = new MemoryStore();
  const record = await UploadRecord.open(store, hub.client, quick, new Blob([DATA]), KEY);
  await upload(new Blob([DATA]), KEY, record.dataset, options(), record);
  const changed = DATA.slice();
  changed[0] = 255 - (changed[0] ?? 0);
  hub.instead = (method) => (method === "PUT" ? refusal(409, "conflict") : undefined);
  await expect(page(store).upload(job(new Blob([changed])))).rejects.toThrow(BadRequestError);
  expect(hub.blobs.size).toBe(3);
  expect(await store.entries("uploads", "")).toEqual([]);
});

test("whoever waits for a worker that is gone hears of it, and the next transfer has another one", async () => {
  const ended: string[] = [];
  const losing: (() => void)[] = [];
  // The first does nothing.
  const ports: [string, Port][] = [
    ["first", { postMessage: () => undefined, addEventListener: () => undefined }],
    ["second", served()],
  ];
  const mover = new Mover((lost) => {
    losing.push(lost);
    const [name, port] = ports[losing.length - 1] as [string, Port];
    return { port, end: () => void ended.push(name) };
  });
  const lose = (): void => losing[0]?.();
  const waiting = [mover.upload(job(new Blob([]))), mover.upload(job(new Blob(["a"])))];
  lose();
  for (const each of waiting) {
    await expect(each).rejects.toThrow("The browser has ended the transfer");
  }
  const next = mover.upload(job(new Blob(["b"])));
  // What it says once more is no news of the second.
  lose();
  await expect(next).resolves.toMatchObject({ size: 1 });
  expect(ended).toEqual(["first"]);
});

test("what a worker can't remember it says", async () => {
  const mover = page(Promise.reject(new Error("No database here.")));
  await expect(mover.upload(job(new Blob([])))).rejects.toThrow("No database here.");
  await expect(mover.upload({ ...job(new Blob([])), resumable: false })).resolves.toMatchObject({ size: 0 });
});

test("errors keep their kind on the way from the worker", () => {
  for (const [name, kind] of Object.entries(errors)) {
    const sent = packed(new kind("Said."));
    expect(sent).toEqual({ name, message: "Said." });
    expect(unpacked(sent)).toBeInstanceOf(kind);
  }
  expect(unpacked(packed(new DOMException("Over.", "AbortError")))).toMatchObject({ name: "AbortError" });
  expect(unpacked({ name: "constructor", message: "x" }).message).toBe("x");
  expect(unpacked(packed("?")).message).toBe("The transfer failed. Try again.");
});

test("progress: bytes, speed and time left", () => {
  let now = 0;
  const meter = new Meter(1000, () => now);
  expect(meter.add(0)).toEqual({ done: 0, total: 1000, bytesPerSecond: 0, secondsLeft: null });
  now = 1000;
  expect(meter.add(100)).toEqual({ done: 100, total: 1000, bytesPerSecond: 100, secondsLeft: 9 });
  now = 30_000;
  expect(meter.add(200).done).toBe(300);
  now = 31_000;
  expect(meter.add(100)).toMatchObject({ done: 400, bytesPerSecond: 100, secondsLeft: 6 });
});

test("patience ends", async () => {
  const pauses: number[] = [];
  const patience = new Patience([1, 2], async (seconds) => void pauses.push(seconds));
  let tries = 0;
  const failing = patience.run(async () => {
    tries += 1;
    throw new Unavailable("Away.", { retryAfter: tries === 1 ? 9 : 99 });
  });
  await expect(failing).rejects.toThrow("Away.");
  expect([tries, pauses]).toEqual([3, [9, 30]]);
  await expect(patience.run(async () => Promise.reject(new NotFoundError("Gone.")))).rejects.toThrow("Gone.");
  await expect(new Patience().run(async () => 1, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
});
