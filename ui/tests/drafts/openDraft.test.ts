import { afterEach, beforeEach, expect, test } from "vitest";

import { itemValue, type Vault } from "../../src/client/vault";
import { randomHex } from "../../src/core/encoding";
import { Unavailable } from "../../src/core/errors";
import type { Item } from "../../src/core/records";
import { type Draft, decodeDraft, encodeDraft, newDraft } from "../../src/drafts/draft";
import { createDraft, loadDraft } from "../../src/drafts/drafts";
import { OpenDraft } from "../../src/drafts/openDraft";
import { TestHub } from "../hub";
import { no } from "../rooms";
import { TestVault } from "../vault";

let hub: TestHub;
let there: TestVault;
let vault: Vault;
let draft: OpenDraft;
beforeEach(async () => {
  hub = await TestHub.start();
  there = new TestVault(hub);
  vault = (await there.client()).vault;
  const id = await createDraft(vault, newDraft("first", "a@b.example"));
  draft = new OpenDraft(vault, await loadDraft(vault, id));
  there.puts.length = 0;
});
afterEach(() => hub.stop());

function called(title: string): void {
  draft.edit((configuration) => ({ ...configuration, title }));
}

/** The title that is shown, and the one that the vault has. */
function titles(): [string, string] {
  const kept = decodeDraft(itemValue(there.items.get(`draft/${draft.id}`) as Item));
  return [draft.shown().draft.configuration.title, kept.configuration.title];
}

/** What is asked arrives, and no answer comes back. */
const deaf: TestHub["onTheWay"] = () => [];
const hearing: TestHub["onTheWay"] = (sealed) => sealed;

/** Somebody else's change, on another device. */
async function changedElsewhere(): Promise<void> {
  const { draft: kept, item } = await loadDraft(vault, draft.id);
  const changed: Draft = { ...kept, configuration: { ...kept.configuration, title: "elsewhere" } };
  await vault.put(item.item, encodeDraft(changed), item.revision);
}

test("what is changed is kept", async () => {
  called("second");
  expect(draft.shown().saving).toBe("unsaved");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["saved", "second", "second"]);
});

test("a save whose answer was lost is the same request when it is tried again", async () => {
  hub.onTheWay = deaf;
  called("second");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["failed", "second", "second"]);
  expect(draft.shown().error).toBeInstanceOf(Unavailable);
  await draft.flush();
  hub.onTheWay = hearing;
  await draft.flush();
  expect(draft.shown()).toMatchObject({ saving: "saved", error: null });
  expect(there.puts).toHaveLength(3);
  expect(new Set(there.puts.map(({ request }) => request)).size).toBe(1);
});

test("what is changed after such a save is kept, too: a draft is in no conflict with itself", async () => {
  hub.onTheWay = deaf;
  for (const title of ["second", "third", "fourth"]) {
    called(title);
    await draft.flush();
  }
  expect([draft.shown().saving, ...titles()]).toEqual(["failed", "fourth", "second"]);
  hub.onTheWay = hearing;
  called("fifth");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["saved", "fifth", "fifth"]);
  called("sixth");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["saved", "sixth", "sixth"]);
});

test("what was changed from somewhere else is left as it is", async () => {
  await changedElsewhere();
  called("mine");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["conflict", "mine", "elsewhere"]);
  called("mine again");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["conflict", "mine again", "elsewhere"]);
});

test("so is what was changed from somewhere else after a save whose answer was lost, and what was deleted", async () => {
  hub.onTheWay = deaf;
  called("second");
  await draft.flush();
  hub.onTheWay = hearing;
  await changedElsewhere();
  called("third");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["conflict", "third", "elsewhere"]);

  draft = new OpenDraft(vault, await loadDraft(vault, draft.id));
  there.items.clear();
  called("fourth");
  await draft.flush();
  expect([draft.shown().saving, there.items.size]).toEqual(["conflict", 0]);
});

test("a vault that has no room is no conflict: what is said of it is told", async () => {
  there.refuse = (body) => (body.type === "put_item" ? no("Your vault is full.", "bad_request") : undefined);
  called("second");
  await draft.flush();
  expect(draft.shown()).toMatchObject({ saving: "failed", error: { message: "Your vault is full." } });
  there.refuse = () => undefined;
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["saved", "second", "second"]);
});

test("whether it is a conflict isn't known before the vault has said it", async () => {
  hub.onTheWay = deaf;
  called("second");
  await draft.flush();
  hub.onTheWay = hearing;
  called("third");
  there.refuse = (body) => {
    hub.onTheWay = body.type === "read_item" ? deaf : hearing;
    return undefined;
  };
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["failed", "third", "second"]);
  there.refuse = () => undefined;
  hub.onTheWay = hearing;
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["saved", "third", "third"]);
});

test("whoever waits until all is saved waits for what was changed meanwhile, however many wait", async () => {
  let goOn: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    there.refuse = async (body) => {
      if (body.type === "put_item" && there.puts.length === 0) {
        resolve();
        await new Promise<void>((going) => {
          goOn = going;
        });
      }
      return undefined;
    };
  });
  called("second");
  const first = draft.flush();
  await arrived;
  called("third");
  const waiting = [draft.flush(), draft.flush()].map(async (each) => {
    await each;
    return [draft.shown().saving, ...titles()];
  });
  goOn();
  expect(await Promise.all(waiting)).toEqual(Array(2).fill(["saved", "third", "third"]));
  await first;
  expect(there.puts).toHaveLength(2);
});

test("what fails while more is changed is tried with all of it", async () => {
  const lost = randomHex();
  there.refuse = (body) => {
    if (body.type === "put_item" && draft.shown().draft.configuration.title !== lost) {
      called(lost);
      hub.onTheWay = deaf;
    } else {
      hub.onTheWay = hearing;
    }
    return undefined;
  };
  called("second");
  await draft.flush();
  expect([draft.shown().saving, ...titles()]).toEqual(["saved", lost, lost]);
});
