import { afterEach, expect, test } from "vitest";

import { Presence } from "../../src/app/presence";

const open: Presence[] = [];
afterEach(() => open.splice(0).forEach((each) => each.close()));

/** A tab: of whom it is, and a promise of when nothing may stay on it. */
function tab(email?: string): { presence: Presence; gone: Promise<void>; times: () => number } {
  let times = 0;
  let goes: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => {
    goes = resolve;
  });
  const presence = new Presence(() => {
    times += 1;
    goes();
  });
  open.push(presence);
  if (email !== undefined) {
    presence.entered(email);
  }
  return { presence, gone, times: () => times };
}

test("whoever logs out in one tab has left in all, and stays out of none", async () => {
  const [one, other, here] = [tab("a@b.example"), tab("a@b.example"), tab("a@b.example")];
  here.presence.left();
  await Promise.all([one.gone, other.gone]);
  // The tab that it is done in goes elsewhere by itself.
  expect(here.times()).toBe(0);
});

test("somebody else who signs in takes over all tabs", async () => {
  const before = tab("a@b.example");
  const fresh = tab("c@d.example");
  await before.gone;
  expect(fresh.times()).toBe(0);
});

test("the same user, back again, finds their other tabs as they were; nobody's tab goes on", async () => {
  const nobody = tab();
  const unsaved = tab("a@b.example");
  const back = tab("a@b.example");
  // Told in this order: what comes first has been heard when the second is.
  back.presence.left();
  await unsaved.gone;
  expect([unsaved.times(), nobody.times()]).toEqual([1, 0]);
});
