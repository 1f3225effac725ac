/**
 * Checkpoints of a room's log: C2SP tlog-checkpoint text in a C2SP signed note, signed with Ed25519.
 * As `cloister.formats.checkpoint`.
 */

import { type Bytes, concat, equal, fromBase64, sha256, toBase64, utf8 } from "./encoding";
import { LogTampered } from "./errors";
import { signatureHolds } from "./signatures";

const ED25519 = Uint8Array.of(1);
const NOTE =
  /^(?<body>cloister\/room\/(?<room>[0-9a-f]{64})\n(?<size>0|[1-9][0-9]{0,15})\n(?<root>[A-Za-z0-9+/]{43}=)\n)\n(?<signatures>(?:— [^\s+]{1,256} [A-Za-z0-9+/]{8,8192}={0,2}\n){1,16})$/u;

/** A log's length and root at one moment. */
export interface Checkpoint {
  room: string;
  size: number;
  root: Bytes;
}

/** The name of a room's log, and of the key that signs its checkpoints. */
export function origin(room: string): string {
  return `cloister/room/${room}`;
}

/** The four bytes by which a note names the key of a signature. */
export function keyHash(publicKey: Uint8Array, room: string): Bytes {
  return sha256(concat(utf8(`${origin(room)}\n`), ED25519, publicKey)).slice(0, 4);
}

/** The text that is signed. */
export function checkpointBody({ room, size, root }: Checkpoint): string {
  return `${origin(room)}\n${size}\n${toBase64(root)}\n`;
}

/**
 * Reads a signed note.
 *
 * @throws LogTampered It is not a checkpoint of that room signed by that key.
 */
export async function verifyCheckpoint(note: string, publicKey: Uint8Array, room: string): Promise<Checkpoint> {
  // 1. The text has the one form there is.
  const found = NOTE.exec(note)?.groups;
  const size = Number(found?.["size"]);
  if (found === undefined || !Number.isSafeInteger(size)) {
    throw malformed();
  }
  const checkpoint = { room: found["room"] ?? "", size, root: decoded(found["root"] ?? "") };
  const body = checkpointBody(checkpoint);
  if (body !== found["body"]) {
    throw malformed();
  }
  // 2. It speaks of the room that was asked about.
  if (checkpoint.room !== room) {
    throw new LogTampered("The log's checkpoint belongs to another room.");
  }
  // 3. The attested key signed exactly this text. Signatures by keys that aren't known say nothing (signed-note).
  const lines = (found["signatures"] ?? "").trimEnd().split("\n");
  const named = lines.map((line) => line.split(" ")).filter(([, name]) => name === origin(room));
  const signatures = named.map(([, , encoded]) => decoded(encoded ?? ""));
  const ours = signatures.filter((signature) => equal(signature.subarray(0, 4), keyHash(publicKey, room)));
  if (ours.length === 0) {
    throw new LogTampered("The log's checkpoint was signed by another key.");
  }
  for (const signature of ours) {
    if (!(await signatureHolds(publicKey, utf8(body), signature.subarray(4)))) {
      throw new LogTampered("The signature of the log's checkpoint does not hold.");
    }
  }
  return checkpoint;
}

function decoded(encoded: string): Bytes {
  try {
    return fromBase64(encoded);
  } catch {
    throw malformed();
  }
}

function malformed(): LogTampered {
  return new LogTampered("The log's checkpoint is not in the form that checkpoints have.");
}
