import { beforeEach, expect, test } from "vitest";

import { Room, type RoomContext } from "../../src/client/room";
import { configurationOf } from "../../src/core/configuration";
import { readDefinition, roomId } from "../../src/core/definition";
import { randomHex, toBase64, utf8 } from "../../src/core/encoding";
import {
  ApiError,
  AuthorizationError,
  BadRequestError,
  NotFoundError,
  Unanswered,
  Unavailable,
  VerificationError,
} from "../../src/core/errors";
import type { Configuration, Definition, Item } from "../../src/core/records";
import { importedDraft } from "../../src/drafts/draft";
import {
  forgetPublishing,
  giveUpPublishing,
  isCurrent,
  type KeptPublishing,
  publishDraft,
  readPublishing,
  resumePublishing,
  type Step,
} from "../../src/drafts/publishing";
import { type Http, refusal, TestHub } from "../hub";
import { AUTHOR, TestRooms } from "../rooms";
import { load } from "../vectors";

const vectors = load("rooms");
const ROOM = readDefinition(utf8(vectors.with_environment.definition), vectors.with_environment.id);
const CONFIGURATION = configurationOf(ROOM);
const { enclaves, workers, images } = ROOM;
const SEEN = {
  configuration: CONFIGURATION,
  described: { type: "description" as const, enclaves, workers, images },
  tested: undefined,
};
const DRAFT = "d".repeat(64);
const MESSAGES = "/v1/enclave/messages";

/** Items in memory, replaced as a vault replaces them. */
class Items {
  readonly #items = new Map<string, Item>();

  async put(item: string, value: Uint8Array<ArrayBuffer>, replaces: string | null = null): Promise<string> {
    if ((this.#items.get(item)?.revision ?? null) !== replaces) {
      throw new BadRequestError("There is another revision.");
    }
    const revision = randomHex();
    this.#items.set(item, { item, revision, value: toBase64(value) });
    return revision;
  }

  async read(item: string): Promise<Item | undefined> {
    return this.#items.get(item);
  }

  async remove({ item, revision }: Item): Promise<void> {
    if (this.#items.get(item)?.revision !== revision) {
      throw new BadRequestError("There is another revision.");
    }
    this.#items.delete(item);
  }
}

/** An enclave and a hub, as far as rooms are published there; what goes wrong is said by `failing`. */
class Place {
  readonly vault = new Items();
  readonly rooms = new Map<string, Definition>();
  failing: { before?: Error; after?: Error } = {};

  async complete(configuration: Configuration): Promise<Definition> {
    const { format: _format, ...written } = configuration;
    return { ...ROOM, ...written, nonce: randomHex() };
  }

  async publish(definition: Definition): Promise<Room> {
    const { before, after } = this.failing;
    this.failing = {};
    if (before !== undefined) {
      throw before;
    }
    this.rooms.set(roomId(definition), definition);
    if (after !== undefined) {
      throw after;
    }
    return room(definition);
  }

  async retrieve(id: string): Promise<Room> {
    const there = this.rooms.get(id);
    if (there === undefined) {
      throw new NotFoundError("There is no such room.");
    }
    return room(there);
  }
}

function room(definition: Definition): Room {
  return new Room(definition, { link: { room: roomId(definition) } } as unknown as RoomContext);
}

let place: Place;
const silent = (): void => undefined;
const kept = () => readPublishing(place.vault, DRAFT);

beforeEach(() => {
  place = new Place();
});

test("what is published is in the vault before it is sent, and noted after", async () => {
  const steps: Step[] = [];
  const begun: (string | null)[] = [];
  const published = await publishDraft(place, DRAFT, SEEN, null, (step) => {
    steps.push(step);
    void kept().then((there) => begun.push(there?.publishing.definition ?? null));
  });
  expect(steps).toEqual(["completing", "keeping", "publishing", "noting"]);
  expect(begun.map((each) => each !== null)).toEqual([false, false, true, true]);
  expect(place.rooms.size).toBe(1);
  const after = await kept();
  expect(after?.publishing).toMatchObject({ room: published.id, definition: null });
});

test.each(["before", "after"] as const)("broken off %s it has arrived, the same room is gone on with", async (when) => {
  place.failing = { [when]: new Unavailable("Away.") };
  await expect(publishDraft(place, DRAFT, SEEN, null, silent)).rejects.toThrow(Unavailable);
  const begun = await kept();
  expect(begun?.publishing.definition).not.toBeNull();
  if (begun !== null) {
    expect(isCurrent(begun.publishing, CONFIGURATION)).toBe(true);
    expect(isCurrent(begun.publishing, { ...CONFIGURATION, title: "Another" })).toBe(false);
    // In two pages at once.
    const rooms = await Promise.all([1, 2].map(() => resumePublishing(place, DRAFT, begun, silent)));
    expect(rooms.map((each) => each.id)).toEqual([begun.publishing.room, begun.publishing.room]);
  }
  expect(place.rooms.size).toBe(1);
  expect((await kept())?.publishing.definition).toBeNull();
});

test("two pages that begin at once make one room", async () => {
  const both = await Promise.allSettled([1, 2].map(() => publishDraft(place, DRAFT, SEEN, null, silent)));
  expect(both.map((each) => each.status).sort()).toEqual(["fulfilled", "rejected"]);
  const failed = both.find((each) => each.status === "rejected");
  expect(String(failed?.reason)).toContain("from somewhere else");
  expect(place.rooms.size).toBe(1);
});

test("knowingly, it can be published again", async () => {
  await publishDraft(place, DRAFT, SEEN, null, silent);
  await publishDraft(place, DRAFT, SEEN, await kept(), silent);
  expect(place.rooms.size).toBe(2);
});

test("what the enclave has refused is in nobody's way", async () => {
  place.failing = { before: new BadRequestError("A rule is broken.") };
  await expect(publishDraft(place, DRAFT, SEEN, null, silent)).rejects.toThrow("A rule is broken.");
  expect(await kept()).toBeNull();
  // The hub has refused to enter a room that is there all the same.
  place.failing = { after: new BadRequestError("Too many rooms.") };
  await expect(publishDraft(place, DRAFT, SEEN, null, silent)).rejects.toThrow("Too many rooms.");
  expect((await kept())?.publishing.definition).not.toBeNull();
});

test.each([Unanswered, AuthorizationError])(
  "what the enclave alone can have refused is gone on with: %o",
  async (kind) => {
    place.failing = { before: new kind("The hub says no.") };
    await expect(publishDraft(place, DRAFT, SEEN, null, silent)).rejects.toThrow("The hub says no.");
    expect((await kept())?.publishing.definition).toEqual(expect.any(String));
  },
);

/** What a hub says in the place of the enclave: to messages, before them, or about the keys for another try. */
const LIES: { name: string; lie: Record<string, Http> }[] = [400, 404, 409, 413].flatMap((status) => [
  { name: `${status} to messages`, lie: { [MESSAGES]: refusal(status, "not_found") } },
  { name: `${status} to who asks`, lie: { "/v1/me": refusal(status, "not_found") } },
  // That it can't vouch for anybody any more is its own to say.
  ...(status === 409 ? [] : [{ name: `${status} about them`, lie: { "/v1/identity": refusal(status, "not_found") } }]),
  {
    name: `${status} about keys`,
    lie: { [MESSAGES]: refusal(409, "stale_keys"), "/v1/enclave/keys": refusal(status, "not_found") },
  },
]);

test.each(LIES)("a hub that answers $name can't say that a room isn't there", async ({ lie }) => {
  const hub = await TestHub.start();
  try {
    const rooms = new TestRooms(hub);
    const client = await rooms.client();
    const described = await client.describe();
    const { configuration } = importedDraft(CONFIGURATION, AUTHOR);
    const publisher = {
      complete: (wanted: Configuration) => client.complete(wanted),
      publish: (definition: Definition) => client.publish(definition),
      retrieve: (id: string) => client.retrieve(id),
      vault: place.vault,
    };
    const told = (step: Step): void => {
      if (step === "publishing") {
        const honest = hub.instead;
        hub.instead = (method, path) => lie[path] ?? honest(method, path);
      }
    };
    const seen = { configuration, described, tested: undefined };
    await expect(publishDraft(publisher, DRAFT, seen, null, told)).rejects.toThrow(ApiError);
    const begun = (await kept()) as KeptPublishing;
    expect(begun.publishing.definition).not.toBeNull();
    await expect(giveUpPublishing(publisher, DRAFT, begun)).rejects.toThrow(ApiError);
    expect(await kept()).toEqual(begun);
  } finally {
    await hub.stop();
  }
});

test.each([
  ["a field more", '{"definition":null,"more":1,"room":"a","since":1,"version":1}'],
  ["another version", '{"definition":null,"room":"a","since":1,"version":2}'],
  ["another type", '{"definition":1,"room":"a","since":1,"version":1}'],
  ["too little", '{"version":1}'],
  ["no record", "null"],
  ["no JSON", "{"],
])("what is kept with %s is neither understood nor written anew", async (_, content) => {
  await place.vault.put(`publishing/${DRAFT}`, utf8(content));
  await expect(kept()).rejects.toThrow(VerificationError);
  await forgetPublishing(place.vault, DRAFT);
  expect(await kept()).toBeNull();
});

test("what was begun can be given up unless it is there", async () => {
  place.failing = { before: new Unavailable("Away.") };
  await expect(publishDraft(place, DRAFT, SEEN, null, silent)).rejects.toThrow();
  const begun = await kept();
  expect(begun !== null && (await giveUpPublishing(place, DRAFT, begun))).toBe(true);
  expect(await kept()).toBeNull();
  place.failing = { after: new Unavailable("Away.") };
  await expect(publishDraft(place, DRAFT, SEEN, null, silent)).rejects.toThrow();
  const arrived = await kept();
  expect(arrived !== null && (await giveUpPublishing(place, DRAFT, arrived))).toBe(false);
  expect((await kept())?.publishing.definition).toBeNull();
  await forgetPublishing(place.vault, DRAFT);
  expect(await kept()).toBeNull();
});

test("what its author hasn't seen isn't published", async () => {
  const other = images.map((image) => ({ ...image, measurement: "00".repeat(32) }));
  for (const described of [
    { ...SEEN.described, images: other },
    { ...SEEN.described, enclaves: [...enclaves, { evidence: "other", measurement: "00".repeat(32) }] },
    { ...SEEN.described, workers: [] },
  ]) {
    await expect(publishDraft(place, DRAFT, { ...SEEN, described }, null, silent)).rejects.toThrow(BadRequestError);
  }
  expect(place.rooms.size).toBe(0);
  expect(await kept()).toBeNull();
});
