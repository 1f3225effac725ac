/**
 * What a user does in a browser, without the browser: against a real installation, with everything but the screens.
 * tests/e2e/test_browser_core.py builds and runs it, and looks at the same room with the Python SDK.
 */

import { auditText } from "../../src/core/audit";
import { PART_SIZE } from "../../src/core/dataset";
import { sha256, toHex } from "../../src/core/encoding";
import { EvidenceRejected } from "../../src/core/errors";
import type { Configuration } from "../../src/core/records";
import { given, LIMITS, page, tell } from "./page";

const { email, colleague } = given;
const SCRIPT = `
import hashlib
from pathlib import Path
print("seen")
data = Path("/input/numbers").read_bytes()
Path("/output/digest.txt").write_text(f"{len(data)} {hashlib.sha256(data).hexdigest()}")
`;

// 1. Nothing is sent to an enclave that proves nothing, unless the user says so.
const careful = await page(false);
const refused = await careful.client.describe().catch((error: unknown) => error);
const { client } = await page();
const { attested } = await client.trusted();

// 2. A room is published.
const described = await client.describe();
const configuration: Configuration = {
  format: "cloister-room",
  version: 1,
  title: "Made in a browser",
  description: "",
  owner: email,
  pins_required: false,
  participants: [
    { user: email, data_owner_of: ["numbers"], analyst_of: ["digest"], keys: [] },
    { user: colleague, data_owner_of: [], analyst_of: ["digest"], keys: [] },
  ],
  nodes: [
    { kind: "raw_data", id: "numbers", name: "numbers", required: true },
    {
      kind: "python",
      id: "digest",
      name: "digest",
      script: SCRIPT,
      files: [],
      dependencies: ["numbers"],
      logs_on_error: true,
      logs_on_success: true,
      image: "python",
      limits: LIMITS,
    },
  ],
};
const published = await client.publish(await client.complete(configuration));

// 3. A dataset of several parts is uploaded; the page is closed in the middle, and opened again.
const data = new Uint8Array(3 * PART_SIZE + 5).map((_, place) => (place * 7 + (place >> 8)) & 0xff);
const file = new Blob([data]);
const closing = new AbortController();
const checkKeys = async <T>(keys: T): Promise<T> => keys;
// The page is closed once the first part has arrived; the others are on their way until then, however quick the hub is.
const closed = new Promise((resolve) => closing.signal.addEventListener("abort", resolve));
const { fetch } = globalThis;
globalThis.fetch = async (url, init) => {
  if (/\/parts\/[1-9]/.test(String(url))) {
    await closed;
  }
  return await fetch(url, init);
};
const options = { checkKeys, signal: closing.signal, onProgress: () => closing.abort() };
const broken = await published
  .upload("numbers", file, { name: "numbers.bin" }, options)
  .catch((error: Error) => error.name);
const reopened = await page();
const records = await reopened.store.entries("uploads", "");
const before = records.map(([, value]) => (value as { part?: { sha256: string } }).part?.sha256).filter(Boolean);
const room = await reopened.client.retrieve(published.id);
let last = 0;
const attached = await room.upload(
  "numbers",
  file,
  { name: "numbers.bin" },
  {
    checkKeys,
    onProgress: ({ done }) => (last = done),
  },
);
const manifest = await reopened.client.datasets.manifest(attached);
const kept = before.filter((digest) => manifest.parts.some((part) => part.sha256 === digest));
const forgotten = (await reopened.store.entries("uploads", "")).length;

// 4. The computation runs, and its result is what the receipt vouches for.
const job = await room.run("digest");
const states: string[] = [];
const result = await room.result("digest", job, { onProgress: ({ node, status }) => states.push(`${node} ${status}`) });
const archive = new Uint8Array(await result.content.arrayBuffer());

// 5. What is the user's is there again: the dataset by the vault, and the log.
const [own] = await reopened.client.datasets.all();
const back = await reopened.client.datasets.get(attached);
const pieces = [];
for await (const piece of reopened.client.datasets.download(back)) {
  pieces.push(piece);
}
const same = Buffer.concat(pieces).equals(data);
const { events } = await room.readLog();
await room.verifyReceipt(result.receipt);

tell({
  refused: refused instanceof EvidenceRejected && refused.name,
  evidence: attested.evidence,
  images: described.images.map((image) => image.name),
  room: room.id,
  device: reopened.client.deviceKey,
  sameDevice: client.deviceKey === reopened.client.deviceKey,
  broken,
  before: before.length,
  kept: kept.length,
  forgotten,
  done: last,
  parts: manifest.parts.length,
  manifest: attached,
  digest: toHex(sha256(data)),
  size: data.length,
  states,
  name: result.name,
  archive: Buffer.from(archive).toString("base64"),
  receipt: result.receipt,
  own: { name: own?.name, attached: own?.attached },
  same,
  log: auditText(events),
});
