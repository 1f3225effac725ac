/**
 * Testing a room before it is published: as a room that nobody but its author is in. As `cloister.sdk.testing`.
 *
 * It is a room like any other, in the same enclave, with the same workers, images and limits. It is stopped at the end.
 * The hub's directory doesn't know of it; only the author's own browser can enter it. So all consoles may be shown.
 */

import { checkKey, KEY_SIZE } from "../core/dataset";
import { canonical, randomBytes, randomHex, toBase64 } from "../core/encoding";
import { ApiError, BadRequestError, CloisterError, EnclaveError } from "../core/errors";
import { topologicalOrder } from "../core/graph";
import { type DataNode, dependencies, isDataNode, isRunNode, type RunNode } from "../core/nodes";
import type { Configuration, Definition, NodeReport, Participant, RoomReport } from "../core/records";
import { configurationDigest } from "../core/configuration";
import { readDefinition, roomId } from "../core/definition";
import { Archive } from "./archive";
import type { Datasets } from "./datasets";
import type { Hub } from "./hub";
import type { RoomLink } from "./link";
import type { Mover } from "./mover";
import type { Patience } from "./patience";
import type { TransferProgress } from "./progress";
import { checkRoom, Room } from "./room";

const PREFIX = "Test of ";
const MAX_TITLE = 256;
/** Computations that are waited for at once; how many are run at once, the enclave says. */
const PARALLEL = 16;
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

/** What a test may be told besides. */
export interface TestOptions {
  /** Made-up data by ids of data nodes. Those without are empty, which scripts may fail on. */
  data?: ReadonlyMap<string, Blob>;
  /** Is told of every change. */
  onProgress?: ((progress: NodeProgress) => void) | undefined;
  /** Is told of test data as it is sent, by the id of its node. */
  onTransfer?: ((node: string, progress: TransferProgress) => void) | undefined;
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
  author: string;
  /** This browser's key (hex). */
  device: string;
}
