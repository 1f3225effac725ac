import { expect, test } from "vitest";

import type { Definition, RoomStatus } from "../../../src/core/records";
import { type Asked, held } from "../../../src/screens/datasets/attachments";

const ID = "ab".repeat(32);
const definition = {
  title: "A room",
  nodes: [{ kind: "raw_data", id: "n1", name: "numbers", required: true }],
} as unknown as Definition;
const status = (manifest: string, stopped = false): RoomStatus => ({
  type: "room_status",
  stopped,
  attached: [{ node: "n1", manifest }],
  keys: [],
});
const dataset = { id: ID, attached: [{ room: "r1", node: "n1" }] };
const holds = (asked?: Asked): string[] => held(dataset, () => asked).map(({ hold }) => hold);

test("where a dataset is attached, as the rooms say now", () => {
  expect(held(dataset, () => ({ definition, status: status(ID) }))).toEqual([
    { room: "r1", node: "n1", hold: "attached", title: "A room", name: "numbers" },
  ]);
  // Removed there, or another one took its place.
  expect(holds({ definition, status: { ...status(ID), attached: [] } })).toEqual([]);
  expect(holds({ definition, status: status("cd".repeat(32)) })).toEqual([]);
  expect(holds({ definition, status: status(ID, true) })).toEqual(["stopped"]);
  // A room that couldn't be asked may well have it.
  expect(holds({ definition, status: undefined })).toEqual(["unknown"]);
  expect(holds(undefined)).toEqual(["unknown"]);
});
