import { afterEach, beforeEach, expect, test } from "vitest";

import type { NodeProgress } from "../../src/client/testing";
import { configurationDigest } from "../../src/core/configuration";
import { BadRequestError, ServerError } from "../../src/core/errors";
import { isRunNode } from "../../src/core/nodes";
import type { Configuration, Limits, Node, PythonNode } from "../../src/core/records";
import { checkTested } from "../../src/core/report";
import { refusal, TestHub } from "../hub";
import { AUTHOR, no, TestRooms } from "../rooms";

const LIMITS: Limits = {
  memory_bytes: 1,
  pids: 1,
  cpus: 1,
  wall_seconds: 1,
  output_bytes: 1,
  output_files: 1,
  scratch_bytes: 1,
  log_bytes: 1,
};
const BOB = "bob@example.org";

function python(id: string, ...dependencies: string[]): PythonNode {
  const logs = { logs_on_error: false, logs_on_success: false };
  const common = { id, name: id, script: "pass", files: [], dependencies, image: "python", limits: LIMITS };
  return { kind: "python", ...common, ...logs };
}

function room(...nodes: Node[]): Configuration {
  const analyst = nodes.filter((node) => node.kind !== "raw_data").map((node) => node.id);
  return {
    format: "cloister-room",
    version: 1,
    title: "x".repeat(256),
    description: "",
    owner: AUTHOR,
    pins_required: false,
    privacy_budget: 2,
    participants: [
      { user: AUTHOR, data_owner_of: [], analyst_of: analyst, keys: [] },
      { user: BOB, data_owner_of: ["text"], analyst_of: [], keys: [] },
    ],
    nodes: [{ kind: "raw_data", id: "text", name: "Bobs text", required: true }, ...nodes],
  };
}

const SMALL = room(python("upper", "text"));
const DATA = new Map([["text", new Blob(["abc"])]]);

let hub: TestHub;
let rooms: TestRooms;
beforeEach(async () => {
  hub = await TestHub.start();
  rooms = new TestRooms(hub);
});
afterEach(() => hub.stop());

function blobsOfData(): string[] {
  const sent = rooms.asked.flatMap((body) => (body.type === "attach_dataset" ? [body.manifest.dataset] : []));
  return [...hub.blobs.keys()].filter((name) => sent.includes(name.slice(0, 64)));
}

test("nobody but its author is in it", async () => {
  const client = await rooms.client();
  rooms.compute = async () => ({ "container.log": "seen\n", "out/a.txt": "A" });
  const report = await client.test(SMALL, { data: DATA });
  expect(report.nodes).toMatchObject([{ outcome: "passed", console: "seen\n", files: ["out/a.txt"] }]);
  expect(report).toMatchObject({ title: SMALL.title, digest: configurationDigest(SMALL), empty: [] });
  const { definition } = rooms.only;
  const only = { user: AUTHOR, data_owner_of: ["text"], analyst_of: ["upper"], keys: [client.deviceKey] };
  expect(definition.participants).toEqual([only]);
  // Not even the hub lets anybody in.
  expect(definition).toMatchObject({ pins_required: true, issuers: [], privacy_budget: 2 });
  expect(definition.title).toBe(`Test of ${"x".repeat(248)}`);
  expect(definition.nodes[1]).toMatchObject({ logs_on_error: true, logs_on_success: true });
  expect(hub.asked.filter((line) => line.includes("/v1/rooms"))).toEqual([]);
  expect(hub.asked.filter((line) => line.includes("/v1/vault"))).toEqual([]);
});

test("nothing is left of it", async () => {
  await (await rooms.client()).test(SMALL, { data: DATA });
  expect(rooms.only.stopped).toBe(true);
  expect(rooms.only.attached.size).toBe(1);
  expect(blobsOfData()).toEqual([]);
});

test("nothing is left of it whatever happens", async () => {
  const client = await rooms.client();
  const onProgress = ({ status }: NodeProgress): void => {
    if (status === "running") {
      throw new RangeError("no");
    }
  };
  await expect(client.test(SMALL, { data: DATA, onProgress })).rejects.toThrow(RangeError);
  expect(rooms.only.stopped).toBe(true);
  expect(blobsOfData()).toEqual([]);
});

test.each(["upload", "run"])("it can be broken off during the %s", async (when) => {
  const client = await rooms.client();
  const ending = new AbortController();
  rooms.compute = () => new Promise(() => undefined);
  rooms.refuse = (body) => {
    body.type === "await_job" && setTimeout(() => ending.abort());
    return undefined;
  };
  const onTransfer = (): void => (when === "upload" ? ending.abort() : undefined);
  const testing = client.test(SMALL, { data: DATA, onTransfer, signal: ending.signal });
  await expect(testing).rejects.toMatchObject({ name: "AbortError" });
  expect(rooms.only.stopped).toBe(true);
  expect(blobsOfData()).toEqual([]);
});

test("what was broken off before it began leaves no room", async () => {
  const signal = AbortSignal.abort();
  await expect((await rooms.client()).test(SMALL, { signal })).rejects.toMatchObject({ name: "AbortError" });
  expect(rooms.rooms.size).toBe(0);
});

test("nothing is uploaded in the name of somebody who has signed in meanwhile", async () => {
  rooms.refuse = (body) => {
    if (body.type === "publish_room") {
      hub.instead = (_, path) => (path === "/v1/me" ? { status: 200, body: { email: BOB } } : undefined);
    }
    return undefined;
  };
  await expect((await rooms.client()).test(SMALL, { data: DATA })).rejects.toThrow(`You are logged in as ${BOB}`);
  expect(hub.asked.filter((each) => each.includes("/v1/blobs/"))).toEqual([]);
  expect(rooms.only.stopped).toBe(true);
});

test("whoever can't end it is told", async () => {
  const warnings: string[] = [];
  rooms.refuse = (body) => (body.type === "stop_room" ? no("No.") : undefined);
  const onWarning = (message: string): void => void warnings.push(message);
  const report = await (await rooms.client()).test(SMALL, { data: DATA, onWarning });
  expect(report.nodes).toMatchObject([{ outcome: "passed" }]);
  expect(warnings).toMatchObject([expect.stringMatching(/could not be ended: No\. The room .* is [0-9a-f]{64}\./)]);
  expect(blobsOfData()).toEqual([]);
});

test("what a closed page has left behind is ended before the next test, and nothing else", async () => {
  /** Begins a test that never ends; its room. */
  const begun = async (): Promise<string> => {
    const page = await rooms.client();
    const before = new Set(rooms.rooms.keys());
    await new Promise<void>((resolve) => {
      rooms.compute = async () => {
        resolve();
        return await new Promise(() => undefined);
      };
      void page.test(SMALL, { data: DATA }).catch(() => undefined);
    });
    rooms.compute = async () => ({});
    return [...rooms.rooms.keys()].find((id) => !before.has(id)) as string;
  };
  const tested = async (): Promise<void> => void (await (await rooms.client()).test(SMALL, { data: DATA }));
  const stopped = (id: string): boolean | undefined => rooms.rooms.get(id)?.stopped;
  const closed = await begun();
  rooms.locks.pagesAreGone();
  const open = await begun();
  expect([stopped(closed), stopped(open)]).toEqual([true, false]);
  expect(blobsOfData()).toHaveLength(1);
  // Another page is still at it.
  await tested();
  expect(stopped(open)).toBe(false);
  // What can't be ended now is tried again later, and once it is ended, no more.
  rooms.locks.pagesAreGone();
  let refused = 1;
  rooms.refuse = (body) => (body.type === "stop_room" && refused-- > 0 ? no("No.") : undefined);
  await tested();
  expect(stopped(open)).toBe(false);
  await tested();
  expect(stopped(open)).toBe(true);
  expect(blobsOfData()).toEqual([]);
  const asked = rooms.asked.filter((body) => body.type === "stop_room").length;
  await tested();
  expect(rooms.asked.filter((body) => body.type === "stop_room")).toHaveLength(asked + 1);
});

test.each(["/v1/enclave/messages", "/v1/identity"])("a hub can't say at %s that a test has ended", async (place) => {
  const page = await rooms.client();
  await new Promise<void>((resolve) => {
    rooms.compute = async () => {
      resolve();
      return await new Promise(() => undefined);
    };
    void page.test(SMALL, { data: DATA }).catch(() => undefined);
  });
  rooms.compute = async () => ({});
  rooms.locks.pagesAreGone();
  const abandoned = rooms.only;
  const next = await rooms.client();
  const honest = hub.instead;
  hub.instead = (method, path) => (path === place ? refusal(404, "not_found") : honest(method, path));
  await next.test(SMALL, { data: DATA }).catch(() => undefined);
  expect(abandoned.stopped).toBe(false);
  hub.instead = honest;
  await next.test(SMALL, { data: DATA });
  expect(abandoned.stopped).toBe(true);
});

test("a service that fails is no failed test", async () => {
  rooms.images = [];
  await expect((await rooms.client()).test(SMALL)).rejects.toThrow(ServerError);
  expect(rooms.rooms.size).toBe(0);
});

test("what fails is reported, and what needs it is not run", async () => {
  rooms.compute = async (node) => (node.id === "first" ? no("The computation first failed.\nline 1") : {});
  // The order of the definition is the author's.
  const chain = room(python("third", "second"), python("second", "first"), python("other"), python("first", "text"));
  const told: string[] = [];
  const onProgress = ({ node, status }: NodeProgress): void => void told.push(`${node} ${status}`);
  const report = await (await rooms.client()).test(chain, { onProgress });
  expect(report.nodes.map(({ node, outcome, needs }) => [node, outcome, needs])).toEqual([
    ["third", "skipped", "first"],
    ["second", "skipped", "first"],
    ["other", "passed", ""],
    ["first", "failed", ""],
  ]);
  expect(report.nodes[3]?.error).toBe("The computation first failed.\nline 1");
  expect(report.empty).toEqual(["Bobs text"]);
  expect(told).toContain("first failed");
  expect(told).toContain("third skipped");
  const run = rooms.asked.flatMap((body) => (body.type === "run_computation" ? [body.node] : []));
  expect(run.sort()).toEqual(["first", "other"]);
});

test("many computations are run, each after what it needs", async () => {
  const nodes = Array.from({ length: 24 }, (_, at) => python(`n${at}`, ...(at < 18 ? ["text"] : [`n${at - 18}`])));
  const shuffled = room(...nodes.toReversed());
  const ended = new Set<string>();
  const arrived: (() => void)[] = [];
  let [now, most] = [0, 0];
  rooms.compute = async (node) => {
    most = Math.max(most, ++now);
    const [needed = "text"] = node.kind === "python" ? node.dependencies : [];
    expect(needed === "text" || ended.has(needed)).toBe(true);
    // The first wait for each other.
    await new Promise<void>((resolve) => {
      arrived.push(resolve);
      if (most === 3) {
        arrived.splice(0).forEach((each) => each());
      }
    });
    ended.add(node.id);
    now--;
    return {};
  };
  const report = await (await rooms.client()).test(shuffled);
  expect(report.nodes.map((node) => node.outcome)).toEqual(Array(24).fill("passed"));
  expect(report.nodes.map((node) => node.node)).toEqual(shuffled.nodes.filter(isRunNode).map((node) => node.id));
  expect(most).toBe(3);
});

test("test data of something else is an error", async () => {
  const data = new Map([["upper", new Blob()]]);
  await expect((await rooms.client()).test(SMALL, { data })).rejects.toThrow("which is no data node");
  expect(rooms.rooms.size).toBe(0);
});

const PACKAGES: Node = {
  kind: "python_environment",
  id: "packages",
  name: "packages",
  requirements: "six\n",
  lock: [],
  image: "python",
  limits: LIMITS,
};

test("what was tested is what is published, with the packages that it was tested with", async () => {
  const client = await rooms.client();
  const configuration = room(PACKAGES, { ...python("upper", "text"), environment: "packages" });
  const report = await client.test(configuration);
  expect(report.locks).toEqual({ packages: [{ name: "six", version: "1", sha256: ["ab".repeat(32)] }] });
  const asked = rooms.asked.length;
  const definition = await client.complete(configuration, report);
  expect(rooms.asked.slice(asked).map((body) => body.type)).toEqual(["describe"]);
  expect(() => checkTested(report, definition)).not.toThrow();
  await client.publish(definition, report);

  // Another text, other packages, another image, or a failed test.
  await expect(client.complete({ ...configuration, description: "x" }, report)).rejects.toThrow("was changed since");
  await expect(client.publish({ ...definition, description: "x" }, report)).rejects.toThrow("was changed since");
  const other = definition.nodes.map((node) =>
    node.kind === "python_environment"
      ? { ...node, lock: [{ name: "six", version: "2", sha256: ["cd".repeat(32)] }] }
      : node,
  );
  await expect(client.publish({ ...definition, nodes: other }, report)).rejects.toThrow("was changed since");
  rooms.images = [{ name: "python", measurement: "67".repeat(32) }];
  await expect(client.complete(configuration, report)).rejects.toThrow("another image python");
  const failed = { ...report, nodes: report.nodes.map((node) => ({ ...node, outcome: "failed" as const })) };
  await expect(client.complete(configuration, failed)).rejects.toThrow(BadRequestError);
  await expect(client.complete(configuration, failed)).rejects.toThrow("packages, upper failed");
});

test("a result that the hub has lost is computed once more", async () => {
  const client = await rooms.client();
  const published = await client.publish(await client.complete(room(python("upper"))));
  const ran = await published.run("upper");
  await published.wait("upper", ran);
  hub.blobs.clear();
  const again: string[] = [];
  const result = await published.result("upper", ran, { onRerun: (job) => void again.push(job) });
  expect(result.name).toBe("upper.zip");
  const asked = rooms.asked.flatMap((body) => (body.type === "run_computation" ? [body] : []));
  expect(asked[1]).toMatchObject({ job: again[0], lost: expect.stringMatching(/^[0-9a-f]{64}$/) });
  // Once is enough: a hub that loses everything is not asked for ever.
  hub.instead = (method, path) =>
    method === "GET" && path.includes("/parts/") ? refusal(404, "not_found") : undefined;
  await expect(published.result("upper", again[0] as string)).rejects.toThrow("doesn't have this result any more");
  expect(rooms.asked.filter((body) => body.type === "run_computation")).toHaveLength(3);
});
