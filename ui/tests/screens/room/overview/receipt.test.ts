import { expect, test } from "vitest";

import type { Attested, ReceiptBody } from "../../../../src/core/records";
import { explained } from "../../../../src/screens/room/overview/receipt/explained";
import { DIGEST, definition, OTHER_DIGEST, ROOM } from "./definition";

const software: Attested = { evidence: "insecure-software", measurement: DIGEST };
const hardware: Attested = { evidence: "sev-snp", measurement: OTHER_DIGEST };
const body: ReceiptBody = {
  room: ROOM,
  node: "both",
  definition: DIGEST,
  run: OTHER_DIGEST,
  inputs: [
    { node: "s", manifest: DIGEST },
    { node: "f", manifest: null },
  ],
  image: "python",
  image_measurement: DIGEST,
  enclave: hardware,
  worker: hardware,
  log_index: 7,
  checkpoint: "",
  finished: 0,
};

test("a receipt in words", () => {
  const all = explained(body, definition);
  const text = all.map(({ what }) => what).join("\n");
  expect(text).toContain("in the room “room”, by its computation both");
  expect(text).toContain("It was computed from synthetic; file had no data.");
  expect(text).toContain("An enclave of the type sev-snp");
  expect(text).toContain("at index 7");
  expect(all.some(({ unproven }) => unproven)).toBe(false);
  expect(all.flatMap(({ values }) => values)).toContainEqual({ name: "digest of synthetic", value: DIGEST });
});

test("software is never mistaken for more", () => {
  for (const one of [
    { ...body, enclave: software },
    { ...body, worker: software },
  ]) {
    const [unproven, ...others] = explained(one, definition).filter((each) => each.unproven);
    expect(unproven?.what).toContain("Nothing proves what ran there");
    expect(others).toEqual([]);
  }
});

test("without any data", () => {
  const [, , inputs] = explained({ ...body, inputs: [] }, definition);
  expect(inputs?.what).toBe("It was computed without any data.");
});
