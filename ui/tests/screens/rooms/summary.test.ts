import { expect, test } from "vitest";

import type { Definition, RoomStatus } from "../../../src/core/records";
import { isIdOf, matches, rolesOf, standing } from "../../../src/screens/rooms/summary";

const definition = {
  owner: "o@x.example",
  participants: [
    { user: "o@x.example", data_owner_of: [], analyst_of: [], keys: [] },
    { user: "a@x.example", data_owner_of: ["d1", "d2"], analyst_of: ["c"], keys: [] },
    { user: "b@x.example", data_owner_of: ["d3"], analyst_of: [], keys: [] },
  ],
  nodes: [
    { kind: "raw_data", id: "d1", name: "one", required: true },
    { kind: "raw_data", id: "d2", name: "two", required: true },
    { kind: "raw_data", id: "d3", name: "three", required: true },
    { kind: "raw_data", id: "d4", name: "four", required: false },
    { kind: "python", id: "c", name: "count", dependencies: ["d1"] },
  ],
} as unknown as Definition;
const status = (...nodes: string[]): RoomStatus => ({
  type: "room_status",
  stopped: false,
  attached: nodes.map((node) => ({ node, manifest: "ab".repeat(32) })),
  keys: [],
});

test("what somebody does in a room", () => {
  expect(rolesOf(definition, "o@x.example")).toEqual(["Owner"]);
  expect(rolesOf(definition, "a@x.example")).toEqual(["Provides 2 datasets", "Runs 1 computation"]);
  expect(rolesOf(definition, "z@x.example")).toEqual(["May look at it"]);
});

test("how a room stands, to whom", () => {
  const of = (user: string, ...nodes: string[]): string =>
    Object.values(standing(definition, status(...nodes), user)).join(": ");
  expect(of("a@x.example")).toBe("open: 2 of your datasets missing");
  expect(of("a@x.example", "d1")).toBe("open: Your data is missing: two");
  expect(of("a@x.example", "d1", "d2")).toBe("waiting: Waits for others: 2 of 3 datasets there");
  expect(of("b@x.example", "d1", "d3")).toBe("waiting: Waits for others: 2 of 3 datasets there");
  expect(of("a@x.example", "d1", "d2", "d3")).toBe("ready: Ready for you to run");
  expect(of("o@x.example", "d1", "d2", "d3")).toBe("ready: All data is there");
  expect(standing(definition, { ...status(), stopped: true }, "a@x.example").tone).toBe("ended");
});

test("a search finds all of its words, anywhere", () => {
  expect(matches("", "Anything")).toBe(true);
  expect(matches(" customers 2026 ", "Customers of 2026", "o@x.example")).toBe(true);
  expect(matches("CUSTOMERS o@x", "Customers of 2026", "o@x.example")).toBe(true);
  expect(matches("customers 2027", "Customers of 2026", "o@x.example")).toBe(false);
});

test("a search for an id needs enough of it", () => {
  const id = "0123456789abcdef".repeat(4);
  expect(isIdOf(" 0123456789AB… ", id)).toBe(true);
  expect(isIdOf("0123", id)).toBe(false);
  expect(isIdOf("", id)).toBe(false);
  expect(isIdOf("abcdef0123456789", id)).toBe(false);
});
