import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { types } from "../../scripts/types.mjs";

test("the types are those of the schema: npm run types", async () => {
  expect(readFileSync(new URL("../../src/core/records.ts", import.meta.url), "utf8")).toBe(await types());
});
