/**
 * Testing a room before it is published: as a room that nobody but its author is in. As `cloister.sdk.testing`.
 *
 * It is a room like any other, in the same enclave, with the same workers, images and limits. It is stopped at the end.
 * The hub's directory doesn't know of it; only the author's own browser can enter it. So all consoles may be shown.
 */

import { configurationDigest } from "../core/configuration";
import { checkKey, KEY_SIZE } from "../core/dataset";
import { readDefinition, roomId } from "../core/definition";
import { canonical, randomBytes, randomHex, toBase64 } from "../core/encoding";
import { BadRequestError, CloisterError, EnclaveError } from "../core/errors";
import { topologicalOrder } from "../core/graph";
import { type DataNode, dependencies, isDataNode, isRunNode, type RunNode } from "../core/nodes";
import { checkConfiguration } from "../core/problems";
import type { Configuration, Definition, NodeReport, Participant, RoomReport } from "../core/records";
import { environmentsWithoutLock } from "../core/requirements";
import { shown } from "../core/texts";
import { Archive } from "./archive";
import type { Datasets, Uploaded } from "./datasets";
import { type Hub, unlessGone } from "./hub";
import type { Identity } from "./identity";
import type { RoomLink } from "./link";
import type { Mover } from "./mover";
import type { Patience } from "./patience";
import type { TransferProgress } from "./progress";
import { checkRoom, Room } from "./room";
import type { RunningTests } from "./running";

const PREFIX = "Test of ";
const MAX_TITLE = 256;
/** Computations that are run at once. To wait takes a connection; browsers open six to a server, for all pages. */
const PARALLEL = 3;
/** Of a table that is not as it should be. */
const FINDINGS = 10;
const [LOG, VALIDATION] = ["container.log", "validation-report.json"];
/** Bytes of a console, and of what was found of a table. */
const MOST = 64 * 1024 * 1024;

/** What becomes of one node while a room is tested. */
export interface NodeProgress {
  /** Its id. */
  node: string;
  name: string;
  status: "uploading" | "queued" | "running" | NodeReport["outcome"];
  /** What it waits for while it is queued, in words; empty where that is not known. */
  waitingFor: string;
  /** What became of it, once it is over. */
  report?: NodeReport;
}

/** A file, or a dataset of the user's own, which stays what it is. */
export type TestData = Blob | Uploaded;

/** What a test may be told besides. */
export interface TestOptions {
  /** Made-up data by ids of data nodes. Those without are empty, which scripts may fail on. */
  data?: ReadonlyMap<string, TestData>;
  /** Is told of every change. */
  onProgress?: ((progress: NodeProgress) => void) | undefined;
  /** Is told of test data as it is sent, by the id of its node. */
  onTransfer?: ((node: string, progress: TransferProgress) => void) | undefined;
  /** Is given what has passed, by the id of its node: zips. Without it, what queries have found isn't fetched. */
  onResult?: ((node: string, content: Blob) => void) | undefined;
  /** Is told of what could not be cleaned up, in words. */
  onWarning?: ((message: string) => void) | undefined;
  /** Ends the test, and all that runs for it. Nothing of it is left then. */
  signal?: AbortSignal | undefined;
}

/** What a user's client lends to its tests. */
export interface TestingContext {
  hub: Hub;
  mover: Mover;
  patience: Patience;
  datasets: Datasets;
  link: (room: string) => RoomLink;
  /** Completes the room's definition exactly as for publishing. */
  complete: (configuration: Configuration) => Promise<Definition>;
  /** The author, with this browser's key. */
  identity: Identity;
  running: RunningTests;
}

/** Runs everything, and leaves nothing behind. Arguments and errors as `Client.test`. */
export async function test(
  configuration: Configuration,
  context: TestingContext,
  options: TestOptions = {},
): Promise<RoomReport> {
  const { data = new Map<string, TestData>(), signal } = options;
  checkConfiguration(configuration);
  checkData(configuration, data);
  await endAbandoned(context);
  const unresolved = environmentsWithoutLock(configuration);
  signal?.throwIfAborted();
  const complete = await context.complete(trial(configuration, context.identity.email, context.identity.deviceKey));
  const content = canonical(complete);
  const definition = readDefinition(content, roomId(complete));
  const link = context.link(roomId(complete));
  await checkRoom(definition, link);
  signal?.throwIfAborted();
  const found = await context.running.during(link.room, async () => {
    const run = new Run(definition, link, context, options);
    try {
      await link.ask({ type: "publish_room", definition: toBase64(content) }, "done");
      for (const node of definition.nodes.filter(isDataNode)) {
        await run.attach(node, data.get(node.id) ?? new Blob());
      }
      return await run.all();
    } finally {
      await run.cleanUp();
    }
  });
  const locked = definition.nodes.flatMap((node) => (node.kind === "python_environment" ? [node] : []));
  return {
    version: 1,
    title: configuration.title,
    digest: configurationDigest(configuration),
    images: definition.images,
    locks: Object.fromEntries(locked.filter(({ id }) => unresolved.has(id)).map(({ id, lock }) => [id, lock])),
    nodes: definition.nodes.flatMap((node) => found.get(node.id) ?? []),
    empty: definition.nodes.filter((node) => isDataNode(node) && !data.has(node.id)).map((node) => node.name),
  };
}

/** Ends the tests whose page was closed meanwhile. What can't be ended now is tried again with the next test. */
async function endAbandoned({ running, link, hub, patience }: TestingContext): Promise<void> {
  await running.endAbandoned(async ({ room, blobs }) => {
    try {
      await link(room).ask({ type: "stop_room" }, "done").catch(unlessGone);
      for (const blob of blobs) {
        await patience.run(() => hub.deleteBlob(blob)).catch(unlessGone);
      }
      return true;
    } catch (error) {
      if (error instanceof CloisterError) {
        return false;
      }
      throw error;
    }
  });
}

/** One test, from its published room on. */
class Run {
  readonly #definition: Definition;
  readonly #link: RoomLink;
  readonly #context: TestingContext;
  readonly #options: TestOptions;
  readonly #room: Room;
  readonly #blobs: string[] = [];
  readonly #failing = new AbortController();
  readonly #signal: AbortSignal;

  constructor(definition: Definition, link: RoomLink, context: TestingContext, options: TestOptions) {
    const { hub, mover, datasets } = context;
    this.#definition = definition;
    this.#link = link;
    this.#context = context;
    this.#options = options;
    this.#room = new Room(definition, { link, hub, mover, datasets });
    const { signal } = this.#failing;
    this.#signal = options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]);
  }

  /** Attaches test data: files with a key that is forgotten. */
  async attach(node: DataNode, data: TestData): Promise<void> {
    const { manifest, key } = data instanceof Blob ? await this.#uploaded(node, data) : data;
    checkKey(key, manifest);
    const { trusted } = await this.#link.ask({ type: "read_status" }, "room_status");
    const attaching = {
      type: "attach_dataset" as const,
      node: node.id,
      manifest,
      key: toBase64(key),
      request: randomHex(),
      readers: [this.#context.identity.deviceKey],
    };
    await this.#link.ask(attaching, "done", { signing: trusted.keys.signing });
  }

  /** Runs everything, each after what it needs; what became of it, by ids. */
  async all(): Promise<ReadonlyMap<string, NodeReport>> {
    const found = new Map<string, NodeReport>();
    const running = new Map<string, Promise<string>>();
    let waiting = topologicalOrder(this.#definition.nodes).filter(isRunNode);
    const ready = (node: RunNode): boolean => dependencies(node).every((id) => !unfinished.has(id));
    const unfinished = new Set(waiting.map((node) => node.id));
    const over = (node: RunNode, report: NodeReport): void => {
      found.set(node.id, report);
      unfinished.delete(node.id);
      this.#tell(node, { status: report.outcome, report });
    };
    try {
      while (waiting.length > 0 || running.size > 0) {
        this.#signal.throwIfAborted();
        // In order: what has to be skipped makes others ready to be skipped.
        waiting = waiting.filter((node) => {
          if (!ready(node) || running.size >= PARALLEL) {
            return true;
          }
          const needs = blocker(node, found);
          if (needs === undefined) {
            running.set(
              node.id,
              this.#one(node).then((report) => {
                over(node, report);
                return node.id;
              }),
            );
          } else {
            over(node, reportOf(node, "skipped", { needs }));
          }
          return false;
        });
        if (running.size > 0) {
          running.delete(await Promise.race(running.values()));
        }
      }
    } catch (error) {
      this.#failing.abort(error);
      throw error;
    } finally {
      // Nothing of it is on its way any more when it is cleaned up.
      await Promise.allSettled(running.values());
    }
    return found;
  }

  /** Ends the room, with all that it has, and deletes what was uploaded. */
  async cleanUp(): Promise<void> {
    const { hub, patience, running } = this.#context;
    const told: string[] = [];
    const failed = (what: string) => (error: unknown) => {
      // What is no refusal is a mistake of ours, and hides none that was made before.
      told.push(`${what}: ${error instanceof CloisterError ? error.message : String(error)}`);
    };
    await this.#room.stop().catch(failed("The test could not be ended"));
    for (const blob of this.#blobs) {
      const what = "Encrypted test data could not be deleted from the hub";
      await patience.run(() => hub.deleteBlob(blob)).catch(failed(what));
    }
    for (const each of told) {
      this.#options.onWarning?.(`${each} The room of the test is ${this.#room.id}. The next test tries again.`);
    }
    if (told.length === 0) {
      await running.forget(this.#room.id);
    }
  }

  async #uploaded(node: DataNode, file: Blob): Promise<Uploaded> {
    this.#tell(node, { status: "uploading" });
    const { hub, identity, mover } = this.#context;
    await identity.confirm();
    const key = randomBytes(KEY_SIZE);
    const onProgress = (progress: TransferProgress): void => this.#options.onTransfer?.(node.id, progress);
    const job = { hub: hub.access, file, key, resumable: false };
    const manifest = await mover.upload(job, { onProgress, signal: this.#signal });
    this.#blobs.push(manifest.dataset);
    await this.#context.running.uploaded(this.#room.id, manifest.dataset);
    return { manifest, key };
  }

  /** Runs a node whose dependencies have passed. */
  async #one(node: RunNode): Promise<NodeReport> {
    let began = performance.now();
    const seconds = (): number => Math.round(performance.now() - began) / 1000;
    try {
      const job = await this.#room.run(node.id);
      const signal = this.#signal;
      await this.#room.wait(node.id, job, {
        signal,
        onProgress: (progress) => {
          if (progress.node === node.id && (progress.status === "queued" || progress.status === "running")) {
            if (progress.status === "running") {
              began = performance.now();
            }
            this.#tell(node, { status: progress.status, waitingFor: progress.waiting_for ?? "" });
          }
        },
      });
      const took = { seconds: seconds() };
      const { onResult } = this.#options;
      // What was fetched of previews would count, and what queries have found says nothing about them.
      const wanted = "logs_on_success" in node || node.kind === "table_data" || (node.kind === "sql" && onResult);
      if (!wanted) {
        return reportOf(node, "passed", took);
      }
      const { content } = await this.#room.result(node.id, job, { signal });
      onResult?.(node.id, content);
      const archive = await Archive.open(content);
      if (node.kind === "table_data") {
        return validated(node, await foundOf(node, archive, signal), took);
      }
      const console = archive.has(LOG) ? await archive.text(LOG, MOST, signal) : "";
      const files = archive.files.map((file) => file.name).filter((name) => name !== LOG);
      return reportOf(node, "passed", { ...took, console, files });
    } catch (error) {
      if (error instanceof EnclaveError || error instanceof BadRequestError) {
        return reportOf(node, "failed", { seconds: seconds(), error: error.message });
      }
      throw error;
    }
  }

  #tell(node: DataNode | RunNode, { waitingFor = "", ...progress }: Told): void {
    this.#options.onProgress?.({ node: node.id, name: node.name, waitingFor, ...progress });
  }
}

type Told = Pick<NodeProgress, "status"> & Partial<Pick<NodeProgress, "waitingFor" | "report">>;
type Validation = Record<string, unknown> & { report: Record<string, unknown> };

/** @throws BadRequestError There is no such data node. */
function checkData(configuration: Configuration, data: ReadonlyMap<string, TestData>): void {
  const known = new Set(configuration.nodes.filter(isDataNode).map((node) => node.id));
  const strange = [...data.keys()].find((id) => !known.has(id));
  if (strange !== undefined) {
    throw new BadRequestError(`There is test data for ${shown(strange)}, which is no data node of the room.`);
  }
}

/** The room that is tested: the same computations, for its author alone, with all consoles shown. */
function trial(configuration: Configuration, author: string, device: string): Configuration {
  const [data, computations] = [configuration.nodes.filter(isDataNode), configuration.nodes.filter(isComputation)];
  const participant: Participant = {
    user: author,
    data_owner_of: data.map((node) => node.id),
    analyst_of: computations.map((node) => node.id),
    keys: [device],
  };
  return {
    ...configuration,
    title: [...`${PREFIX}${configuration.title}`].slice(0, MAX_TITLE).join(""),
    owner: author,
    participants: [participant],
    // Nobody comes in by the hub's word: test data may be somebody's after all.
    pins_required: true,
    nodes: configuration.nodes.map((node) =>
      "logs_on_success" in node ? { ...node, logs_on_error: true, logs_on_success: true } : node,
    ),
  };
}

function isComputation(node: Configuration["nodes"][0]): boolean {
  return !isDataNode(node);
}

/** The name of what has failed and what the node can't do without, if anything. */
function blocker(node: RunNode, found: ReadonlyMap<string, NodeReport>): string | undefined {
  const failed = dependencies(node)
    .map((id) => found.get(id))
    .find((report) => report !== undefined && report.outcome !== "passed");
  return failed === undefined ? undefined : failed.needs || failed.name;
}

/** What the validation of a table has found. */
async function foundOf(node: RunNode, archive: Archive, signal: AbortSignal): Promise<Validation> {
  const text = archive.has(VALIDATION) ? await archive.text(VALIDATION, MOST, signal) : "";
  try {
    const read = JSON.parse(text) as Validation;
    if (typeof read.report === "object" && typeof read.report["outcome"] === "string") {
      return read;
    }
  } catch {
    // Said below.
  }
  throw new EnclaveError(`The validation of ${node.name} has no report. Tell the operator.`);
}

function validated(node: RunNode, validation: Validation, took: { seconds: number }): NodeReport {
  if (validation.report["outcome"] === "PASSED") {
    return reportOf(node, "passed", { ...took, validation });
  }
  const error = [`The data is not what the table ${node.name} takes.`, ...findings(validation.report)].join("\n");
  return reportOf(node, "failed", { ...took, validation, error });
}

/** The first of what a validation has found; rows and columns count from 0, as in the report itself. */
function findings(report: Record<string, unknown>): string[] {
  const parts = [report["table"], report["schema"], report["uniqueness"], ...listed(report["columns"])];
  const found = parts.flatMap((part) => listed(field(part, "recordedErrors")));
  const lines = found.slice(0, FINDINGS).map((each) => {
    const place = field(each, "location");
    const where = ["row", "column"]
      .filter((name) => typeof field(place, name) === "number")
      .map((name) => `${name} ${field(place, name)}`)
      .join(", ");
    return `${field(each, "code")}${where === "" ? "" : ` (${where})`}: ${field(each, "message")}`;
  });
  return found.length > FINDINGS ? [...lines, `... and ${found.length - FINDINGS} more: see the report.`] : lines;
}

function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function field(value: unknown, name: string): unknown {
  return (value as Record<string, unknown> | null | undefined)?.[name];
}

function reportOf(node: RunNode, outcome: NodeReport["outcome"], more: Partial<NodeReport>): NodeReport {
  const { id, name, kind } = node;
  return { node: id, name, kind, outcome, error: "", needs: "", console: "", files: [], ...more };
}
