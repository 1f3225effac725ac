/**
 * Rooms that are tested before they are published, against a real installation. tests/e2e/test_browser_core.py builds
 * and runs it, and publishes with the Python SDK what was tested here.
 */

import type { NodeProgress } from "../../src/client/testing";
import { writeConfiguration } from "../../src/core/configuration";
import { text, utf8 } from "../../src/core/encoding";
import { BadRequestError } from "../../src/core/errors";
import type { Configuration, Node } from "../../src/core/records";
import { given, LIMITS, page, tell } from "./page";

const { email, colleague } = given;
const COUNT = `
lines = open("/input/lab values").read().splitlines()
print(len(lines), "lines")
open("/output/count.txt", "w").write(str(len(lines)))
`;
const MEAN = `
values = [float(line) for line in open("/input/lab values")]
print("the values:", values)
open("/output/mean.txt", "w").write(str(sum(values) / len(values)))
`;
const AFTER = 'open("/output/after.txt", "w").write(open("/input/mean/mean.txt").read())';
const SLOW = "import time; time.sleep(50)";

function python(id: string, script: string, ...dependencies: string[]): Node {
  const logs = { logs_on_error: false, logs_on_success: false };
  return { kind: "python", id, name: id, script, files: [], dependencies, ...logs, image: "python", limits: LIMITS };
}

function room(nodes: Node[]): Configuration {
  const data = nodes.filter((node) => node.kind.endsWith("_data")).map((node) => node.id);
  const computed = nodes.filter((node) => !data.includes(node.id)).map((node) => node.id);
  return {
    format: "cloister-room",
    version: 1,
    title: "Tested in a browser",
    description: "",
    owner: email,
    pins_required: false,
    participants: [
      { user: email, data_owner_of: [], analyst_of: computed, keys: [] },
      { user: colleague, data_owner_of: data, analyst_of: [], keys: [] },
    ],
    nodes,
  };
}

const { client } = await page();
const lab: Node = { kind: "raw_data", id: "lab", name: "lab values", required: true };
const scripts = room([python("after", AFTER, "mean"), lab, python("count", COUNT, "lab"), python("mean", MEAN, "lab")]);
const people: Node = {
  kind: "table_data",
  id: "people",
  name: "people",
  required: true,
  columns: [
    { name: "age", type: "INTEGER", nullable: false, hashed: false },
    { name: "address", type: "EMAIL", nullable: false, hashed: false },
  ],
  drop_invalid_rows: false,
  unique: [[1]],
  image: "python",
  limits: LIMITS,
};
const tables = room([
  people,
  {
    kind: "sql",
    id: "ages",
    name: "ages",
    statement: "SELECT AVG(age) AS mean FROM people",
    dependencies: ["people"],
    minimum_rows: 2,
    image: "python",
    limits: LIMITS,
  },
  { kind: "preview", id: "look", name: "look", dependency: "ages", quota_bytes: 1, image: "python", limits: LIMITS },
]);
const texts = (id: string, content: string): Map<string, Blob> => new Map([[id, new Blob([utf8(content)])]]);

// 1. All is well; what was tested is published, and nothing else.
const told: string[] = [];
const onProgress = ({ node, status }: NodeProgress): void => void told.push(`${node} ${status}`);
const passed = await client.test(scripts, { data: texts("lab", "1\n2\n6\n"), onProgress });
const published = await client.publish(await client.complete(scripts, passed), passed);
const changed = await client
  .complete({ ...scripts, description: "another" }, passed)
  .catch((error: unknown) => error instanceof BadRequestError && error.message);

// 2. Scripts fail on nothing, and say where.
const failed = await client.test(scripts);

// 3. Tables are validated; a dataset of one's own is still there after a test.
const rows = "x,a@example.org\n40,b@example.org\n41,b@example.org\n";
const valid = await client.test(tables, { data: texts("people", "30,a@example.org\n40,b@example.org\n") });
const kept = await client.datasets.upload(new Blob([rows]), { name: "rows" });
const invalid = await client.test(tables, { data: new Map([["people", kept]]) });
let left = "";
for await (const piece of client.datasets.download(kept)) {
  left += text(piece);
}

// 4. A test that is broken off ends what it has started.
const ending = new AbortController();
const started = Date.now();
const aborted = await client
  .test(room([python("slow", SLOW)]), {
    signal: ending.signal,
    onProgress: ({ status }) => status === "running" && ending.abort(),
  })
  .catch((error: Error) => error.name);

const own = await client.datasets.all();
const rooms = await client.rooms();
tell({
  configuration: writeConfiguration(scripts),
  passed,
  told,
  room: published.id,
  changed,
  failed,
  valid,
  invalid,
  aborted,
  seconds: (Date.now() - started) / 1000,
  kept: left === rows,
  own: own.map((each) => each.name),
  rooms: rooms.map((entry) => entry.id),
});
