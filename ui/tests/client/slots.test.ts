import { expect, test, vi } from "vitest";

import { Slots } from "../../src/client/slots";

function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test("so many at once, the others in their order", async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const gates = [gate(), gate(), gate(), gate()];
  const all = gates.map(({ opened }, at) =>
    slots.use(async () => {
      begun.push(at);
      await opened;
      return at;
    }),
  );
  await vi.waitFor(() => expect(begun).toEqual([0, 1]));
  gates[1]?.open();
  await all[1];
  await vi.waitFor(() => expect(begun).toEqual([0, 1, 2]));
  gates.forEach(({ open }) => open());
  expect(await Promise.all(all)).toEqual([0, 1, 2, 3]);
});

test("what fails makes room, and who goes before their turn takes none", async () => {
  const slots = new Slots(1);
  const first = gate();
  const holding = slots.use(() => first.opened);
  const going = new AbortController();
  const gone = slots.use(async () => "never", going.signal);
  const failing = slots.use(async () => {
    throw new Error("no");
  });
  const last = slots.use(async () => "last");
  going.abort();
  await expect(gone).rejects.toThrow("abort");
  first.open();
  await holding;
  await expect(failing).rejects.toThrow("no");
  expect(await last).toBe("last");
  await expect(slots.use(async () => 1, going.signal)).rejects.toThrow("abort");
});
