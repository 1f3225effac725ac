import { expect, test } from "vitest";

import { agreedNow, columnWords, limitWords, peopleOf, termsOf, textsOf } from "../../src/components/agreement/agreed";
import { fieldLabel, isText, placesOf, valueWords } from "../../src/components/changes/words";
import { configurationOf } from "../../src/core/configuration";
import { readDefinition } from "../../src/core/definition";
import { type Change, changes } from "../../src/core/difference";
import { utf8 } from "../../src/core/encoding";
import { type ComputeNode, isDataNode } from "../../src/core/nodes";
import type { Limits } from "../../src/core/records";
import { load } from "../vectors";

const vectors = load("rooms");
const ROOM = readDefinition(utf8(vectors.with_environment.definition), vectors.with_environment.id);
const CONFIGURATION = configurationOf(ROOM);
const LIMITS: Limits = {
  memory_bytes: 512 * 1024 ** 2,
  pids: 1000,
  cpus: 1,
  wall_seconds: 90,
  output_bytes: 1.5 * 1024 ** 3,
  output_files: 10,
  scratch_bytes: 1000,
  log_bytes: 1024,
};
const SCRIPT = { logs_on_error: true, logs_on_success: false, image: "python", limits: LIMITS };
const nameOf = (id: string): string => `the ${id}`;

test("what would be published now is what is used of what is offered", () => {
  const offered = [
    ...ROOM.images,
    ...ROOM.images.map((image) => ({ ...image, measurement: "00".repeat(32) })),
    { name: "unused", measurement: "11".repeat(32) },
  ];
  const { enclaves, workers } = ROOM;
  const agreed = agreedNow(CONFIGURATION, { type: "description", enclaves, workers, images: offered });
  expect(new Set(agreed.images)).toEqual(new Set(ROOM.images));
  expect(agreed.issuers).toEqual(CONFIGURATION.pins_required ? [] : undefined);
  const [data] = ROOM.nodes.filter(isDataNode);
  if (data !== undefined) {
    const owners = ROOM.participants.filter((entry) => entry.data_owner_of.includes(data.id));
    expect(peopleOf(agreed, data)).toEqual(owners.map((entry) => entry.user));
  }
});

test("limits and columns in words", () => {
  expect(limitWords(LIMITS)).toBe(
    "512 MiB of memory, 1 processor core, 1 min 30 s of time, 1,000 processes, a result of 1.5 GiB in 10 files, " +
      "1,000 bytes of scratch space, 1 KiB of console",
  );
  const column = { name: "age", type: "INTEGER" as const, nullable: true, hashed: true };
  expect(columnWords(column)).toBe("may be empty, is replaced by its SHA-256");
  const range = { greater_than: 0, greater_than_equals: 1, less_than: 9, less_than_equals: 8 };
  expect(columnWords({ ...column, nullable: false, hashed: false, range })).toBe(
    "is never empty, is greater than 0, is at least 1, is less than 9, is at most 8",
  );
});

test("every text of a computation is there, and what holds of it", () => {
  const python: ComputeNode = {
    kind: "python",
    id: "a",
    name: "A",
    script: "1",
    files: [{ name: "lib.py", content: "2" }],
    dependencies: ["x", "y"],
    environment: "e",
    ...SCRIPT,
  };
  expect(textsOf(python).map(({ name, text }) => [name, text])).toEqual([
    ["main.py", "1"],
    ["lib.py", "2"],
  ]);
  expect(termsOf(python, nameOf)).toEqual([
    "It reads the x, the y.",
    "It brings along the packages of the e.",
    "Its analysts see its console where it fails.",
  ]);
  const [limits, image] = [LIMITS, "python"];
  const lock = [{ name: "numpy", version: "2", sha256: ["ab", "cd"] }];
  const packages: ComputeNode = {
    kind: "python_environment",
    id: "e",
    name: "E",
    requirements: "numpy",
    lock,
    image,
    limits,
  };
  expect(textsOf(packages).map((each) => each.text)).toEqual([
    "numpy",
    "numpy==2 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd",
  ]);
  expect(termsOf({ ...packages, lock: [] }, nameOf)[0]).toContain("looked up when the room is published");
  const preview: ComputeNode = {
    kind: "preview",
    id: "p",
    name: "P",
    dependency: "x",
    quota_bytes: 1024,
    image,
    limits,
  };
  expect(termsOf(preview, nameOf)).toEqual([
    "It reads the x.",
    "Each of its analysts may see 1 KiB of it, and no more.",
  ]);
  expect(textsOf(preview)).toEqual([]);
  const query: ComputeNode = {
    kind: "sql",
    id: "q",
    name: "Q",
    statement: "SELECT",
    dependencies: [],
    minimum_rows: 5,
    image,
    limits,
  };
  expect(termsOf(query, nameOf)).toEqual(["It reads nothing.", "Groups of fewer than 5 rows are left out."]);
});

test("what differs is said by names, place by place", () => {
  const script = CONFIGURATION.nodes.find((node) => node.kind === "python");
  const after = {
    ...CONFIGURATION,
    title: "Another",
    nodes: CONFIGURATION.nodes.map((node) =>
      node === script
        ? { ...script, script: "one\ntwo", dependencies: [], logs_on_error: !script.logs_on_error }
        : node,
    ),
  };
  const places = placesOf(changes(CONFIGURATION, after), nameOf);
  expect(places.map((place) => place.title)).toEqual(["The room", `the ${script?.id}`]);
  const found = new Map(places[1]?.changes.map((change) => [change.field, change]));
  const said = (field: string): Change => found.get(field) as Change;
  expect(isText(said("script"))).toBe(true);
  expect(fieldLabel(said("logs_on_error"))).toBe("Shows its console where it fails");
  const reads = said("dependencies");
  expect(valueWords(reads, reads.before, nameOf)).toBe(script?.dependencies.map(nameOf).join(", "));
  expect(valueWords(reads, reads.after, nameOf)).toBe("none");
  expect(valueWords({ ...reads, field: "keys" }, undefined, nameOf)).toBe("none");
  expect(valueWords({ ...reads, field: "name" }, "", nameOf)).toBe("nothing");
  expect(valueWords({ ...reads, field: "limits" }, { cpus: 1 }, nameOf)).toBe('{"cpus":1}');
});
