/**
 * Publishing a draft once, whatever happens meanwhile: the definition, which has an id of its own each time, is in the
 * vault before it is sent anywhere. Whoever comes back goes on with the same one; the enclave takes it twice. Items
 * `publishing/<draft id>`.
 */

import type { Client } from "../client/client";
import type { Room } from "../client/room";
import { itemValue, type Vault } from "../client/vault";
import { configurationDigest, configurationOf } from "../core/configuration";
import { readDefinition, roomId } from "../core/definition";
import { canonical, text, utf8 } from "../core/encoding";
import {
  AuthorizationError,
  BadRequestError,
  CloisterError,
  NotFoundError,
  Unanswered,
  Unavailable,
  VerificationError,
} from "../core/errors";
import type { Configuration, Definition, Description, Item, RoomReport } from "../core/records";

/** What the vault keeps of it. */
export interface Publishing {
  version: 1;
  /** The id of the room. */
  room: string;
  /** Canonical JSON, for as long as it isn't sure that the room is there; then null. */
  definition: string | null;
  /** When it was begun, or was over, in milliseconds since 1970. */
  since: number;
}

export interface KeptPublishing {
  publishing: Publishing;
  item: Item;
}

/** Which step is being made. */
export type Step = "completing" | "keeping" | "publishing" | "noting";

/** What its author has seen, and agreed to. */
export interface Seen {
  configuration: Configuration;
  described: Description;
  /** Of a test of this very configuration that has passed. */
  tested: RoomReport | undefined;
}

/** What of a vault is needed, and of a client. */
type Keeper = Pick<Vault, "put" | "read" | "remove">;
type Publisher = Pick<Client, "complete" | "publish" | "retrieve"> & { vault: Keeper };
type Told = (step: Step) => void;

/** What was begun, or done, for a draft. */
export async function readPublishing(vault: Keeper, draft: string): Promise<KeptPublishing | null> {
  const item = await vault.read(`publishing/${draft}`);
  return item === undefined ? null : { publishing: decoded(item), item };
}

/**
 * Publishes a draft.
 *
 * @param before What `readPublishing` has said: of another room of this draft that is there already, or none.
 * @throws BadRequestError It is being published from somewhere else; or the enclave now offers something else than its
 *   author has seen; or as `Client.complete` and `Client.publish`.
 */
export async function publishDraft(
  client: Publisher,
  draft: string,
  { configuration, described, tested }: Seen,
  before: KeptPublishing | null,
  told: Told,
): Promise<Room> {
  told("completing");
  const definition = await client.complete(configuration, tested);
  checkSeen(definition, described);
  told("keeping");
  const begun: Publishing = {
    version: 1,
    room: roomId(definition),
    definition: text(canonical(definition)),
    since: Date.now(),
  };
  const item = await keep(client.vault, draft, begun, before?.item ?? null);
  return await send(client, draft, definition, { publishing: begun, item }, told);
}

/** Goes on with what was begun. */
export async function resumePublishing(
  client: Publisher,
  draft: string,
  kept: KeptPublishing,
  told: Told,
): Promise<Room> {
  return await send(client, draft, definitionOf(kept.publishing), kept, told);
}

/**
 * Gives up what was begun, unless the room is there.
 *
 * @returns Whether there is no such room. Otherwise that is noted.
 */
export async function giveUpPublishing(client: Publisher, draft: string, kept: KeptPublishing): Promise<boolean> {
  if (await isThere(client, kept.publishing.room)) {
    await note(client.vault, draft, kept);
    return false;
  }
  await client.vault.remove(kept.item);
  return true;
}

/** Forgets what there is for a draft that is deleted. */
export async function forgetPublishing(vault: Keeper, draft: string): Promise<void> {
  const item = await vault.read(`publishing/${draft}`);
  if (item !== undefined) {
    await vault.remove(item);
  }
}

/** Whether what was begun is what the draft says now. */
export function isCurrent(publishing: Publishing, configuration: Configuration): boolean {
  const begun = configurationOf(definitionOf(publishing));
  return digestWithoutLocks(begun) === digestWithoutLocks(configuration);
}

async function send(
  client: Publisher,
  draft: string,
  definition: Definition,
  kept: KeptPublishing,
  told: Told,
): Promise<Room> {
  told("publishing");
  let room: Room;
  try {
    room = await client.publish(definition);
  } catch (error) {
    // What was refused is not there: then nothing is in the way of another attempt.
    if (isRefusal(error) && !(await isThere(client, kept.publishing.room))) {
      await client.vault.remove(kept.item);
    }
    throw error;
  }
  told("noting");
  await note(client.vault, draft, kept);
  return room;
}

/** That the room is there. Its definition is no more needed. */
async function note(vault: Keeper, draft: string, { publishing, item }: KeptPublishing): Promise<void> {
  try {
    await keep(vault, draft, { ...publishing, definition: null, since: Date.now() }, item);
  } catch (error) {
    // Another page may have gone on with the same one.
    const there = error instanceof BadRequestError ? await readPublishing(vault, draft) : null;
    if (there?.publishing.room !== publishing.room || there.publishing.definition !== null) {
      throw error;
    }
  }
}

async function keep(vault: Keeper, draft: string, publishing: Publishing, before: Item | null): Promise<Item> {
  const name = `publishing/${draft}`;
  let revision: string;
  try {
    revision = await vault.put(name, canonical(publishing), before?.revision ?? null);
  } catch (error) {
    const there = error instanceof BadRequestError ? await vault.read(name) : undefined;
    if (there !== undefined && there.revision !== before?.revision) {
      throw new BadRequestError(
        "This draft is being published from somewhere else: another page, or another device of yours. Load this page " +
          "again to see how far that has come.",
      );
    }
    throw error;
  }
  return { item: name, revision, value: "" };
}

/** @throws BadRequestError The enclave would not be the one, or the images not those, that its author has seen. */
function checkSeen({ enclaves, workers, images }: Definition, described: Description): void {
  const offered = (name: string) => described.images.find((image) => image.name === name);
  const seen = {
    enclaves: described.enclaves,
    workers: described.workers,
    images: images.map(({ name }) => offered(name)),
  };
  if (text(canonical(seen)) !== text(canonical({ enclaves, workers, images }))) {
    throw new BadRequestError(
      "The enclave now offers something else than this page has shown: the operator has changed images or software. " +
        "Load the page again, look at what becomes immutable, and test it again.",
    );
  }
}

async function isThere(client: Publisher, room: string): Promise<boolean> {
  try {
    await client.retrieve(room);
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) {
      return false;
    }
    throw error;
  }
}

/** What doesn't say that it was not done: not by the enclave, which alone knows. */
const LEFT_OPEN = [Unavailable, Unanswered, AuthorizationError, VerificationError];

/** Whether an answer says that it was not done, and why. */
function isRefusal(error: unknown): boolean {
  return error instanceof CloisterError && !LEFT_OPEN.some((kind) => error instanceof kind);
}

function definitionOf({ definition, room }: Publishing): Definition {
  if (definition === null) {
    throw new BadRequestError("This draft was published already.");
  }
  return readDefinition(utf8(definition), room);
}

function digestWithoutLocks(configuration: Configuration): string {
  const nodes = configuration.nodes.map((node) => (node.kind === "python_environment" ? { ...node, lock: [] } : node));
  return configurationDigest({ ...configuration, nodes });
}

/** @throws VerificationError It is nothing that this version writes. */
function decoded(item: Item): Publishing {
  const { version, room, definition, since, ...more } = parsed(item);
  const known = version === 1 && Object.keys(more).length === 0;
  if (!known || typeof room !== "string" || typeof since !== "number" || !isTextOrNull(definition)) {
    throw new VerificationError(
      "What is kept of publishing this draft was written by another version. Update the pages.",
    );
  }
  return { version, room, definition, since };
}

function parsed(item: Item): Record<string, unknown> {
  try {
    return (JSON.parse(text(itemValue(item))) ?? {}) as Record<string, unknown>;
  } catch {
    throw new VerificationError("What the vault has kept of publishing this draft can't be read. Delete the draft.");
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
