// Makes src/core/records.ts, the types of all messages and records, from the schema that Python writes:
//     make generated
// and with --check says whether it is up to date.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../src/core/records.schema.json", import.meta.url);
const TYPES = new URL("../src/core/records.ts", import.meta.url);

/** The file of types, as it should be. */
async function types() {
  const text = await readFile(SCHEMA, "utf8");
  const schema = JSON.parse(text);
  const names = Object.keys(schema.$defs);
  const all = {
    ...schema,
    title: "Records",
    description: 'All of them by their names: `Records["Manifest"]` is `Manifest`.',
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }])),
    required: names,
    additionalProperties: false,
  };
  const bannerComment = [
    "// Made by `npm run types` from records.schema.json; change the Python types instead.",
    `// SHA-256 of the schema: ${createHash("sha256").update(text).digest("hex")}`,
  ].join("\n");
  return await compile(all, "Records", {
    bannerComment,
    format: true,
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
  });
}

if (process.argv.includes("--check")) {
  if ((await readFile(TYPES, "utf8")) !== (await types())) {
    process.stderr.write("src/core/records.ts is not what the schema gives: npm run types\n");
    process.exitCode = 1;
  }
} else {
  await writeFile(TYPES, await types());
}
