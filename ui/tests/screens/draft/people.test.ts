import { expect, test } from "vitest";

import type { Configuration } from "../../../src/core/records";
import { newDraft } from "../../../src/drafts/draft";
import {
  addPeople,
  gaps,
  namesOf,
  peopleOf,
  setKeys,
  setNodes,
  setPeople,
  typedEmails,
  typedKeys,
} from "../../../src/screens/draft/permissions/people";

const OWNER = "o@x.example";
const room: Configuration = {
  ...newDraft("A room", OWNER).configuration,
  nodes: [
    { kind: "raw_data", id: "d1", name: "numbers", required: true },
    { kind: "raw_data", id: "d2", name: "letters", required: true },
    { kind: "preview", id: "c1", name: "count" },
    { kind: "python_environment", id: "e1", name: "environment" },
  ] as unknown as Configuration["nodes"],
};

test("addresses as people type and paste them", () => {
  expect(typedEmails("A@x.example, b@x.example;c@x.example\n a@X.example ")).toEqual({
    fine: ["a@x.example", "b@x.example", "c@x.example"],
    wrong: [],
  });
  expect(typedEmails('"Ann, of X" <Ann@x.example>, Bob <bob@x.example>').fine).toEqual([
    "ann@x.example",
    "bob@x.example",
  ]);
  expect(typedEmails("nobody two@@x <b>@x.example a,b@x.example").wrong).not.toEqual([]);
  expect(typedEmails("<img src=x onerror=alert(1)>").fine).toEqual([]);
  expect(typedEmails(" \n ")).toEqual({ fine: [], wrong: [] });
});

test("keys as people paste them", () => {
  const key = "ab".repeat(32);
  expect(typedKeys(`${key.toUpperCase()}\n${key} `)).toEqual({ fine: [key], wrong: [] });
  expect(typedKeys(`${key} abc`)).toEqual({ fine: [key], wrong: ["abc"] });
});

test("people come in once, and keep what they may do", () => {
  const one = setNodes(OWNER, "data_owner_of", ["d1"])(addPeople(["a@x.example"])(room));
  const two = addPeople(["a@x.example", OWNER, "b@x.example"])(one);
  expect(two.participants.map(({ user }) => user)).toEqual([OWNER, "a@x.example", "b@x.example"]);
  expect(two.participants[0]?.data_owner_of).toEqual(["d1"]);
});

test("roles by person and by node are the same roles", () => {
  const people = addPeople(["a@x.example"])(room);
  const given = setPeople("c1", "analyst_of", [OWNER, "a@x.example"])(people);
  expect(peopleOf(given, "c1", "analyst_of")).toEqual([OWNER, "a@x.example"]);
  const [owner, other] = setNodes(OWNER, "analyst_of", [])(given).participants;
  expect([owner?.analyst_of, other?.analyst_of]).toEqual([[], ["c1"]]);
  expect(other && namesOf(given, other, "analyst_of")).toEqual(["count"]);
  expect(setPeople("c1", "analyst_of", [])(given).participants.flatMap((each) => each.analyst_of)).toEqual([]);
});

test("pinned keys are somebody's", () => {
  const [owner] = setKeys(OWNER, ["ab".repeat(32)])(room).participants;
  expect(owner?.keys).toEqual(["ab".repeat(32)]);
});

test("what was most likely forgotten is said; nobody runs an environment", () => {
  expect(gaps(addPeople(["a@x.example"])(room))).toEqual([
    "Nobody may provide data for numbers, letters.",
    "Nobody may run count.",
    "These may look, but have nothing to do: a@x.example.",
  ]);
  const done = setNodes(OWNER, "analyst_of", ["c1"])(setNodes(OWNER, "data_owner_of", ["d1", "d2"])(room));
  expect(gaps(done)).toEqual([]);
  const many = Array.from({ length: 9 }, (_, at) => `p${at}@x.example`);
  expect(gaps(addPeople(many)(done))).toEqual([
    "These may look, but have nothing to do: p0@x.example, p1@x.example, p2@x.example, p3@x.example, p4@x.example and 4 more.",
  ]);
});
