import { expect, test } from "vitest";

import { problems } from "../../../src/core/problems";
import type { Configuration, Node, SyntheticNode, TableDataNode } from "../../../src/core/records";
import { newDraft } from "../../../src/drafts/draft";
import { putNode } from "../../../src/drafts/edits";
import {
  changeColumn,
  changeTable,
  moveColumn,
  newColumn,
  newData,
  removeColumn,
} from "../../../src/screens/draft/data/tables";

function tableOf(configuration: Configuration): TableDataNode {
  const found = configuration.nodes.find((node) => node.kind === "table_data");
  return found as TableDataNode;
}

function synthetic(indices: number[]): SyntheticNode {
  const columns = indices.map((index) => ({ index, type: "STRING", mask_type: "genericString", mask: false }) as const);
  return { kind: "synthetic", id: "made", dependency: "people", columns } as unknown as SyntheticNode;
}

function draft(...more: Node[]): Configuration {
  const empty = newDraft("Trial", "ann@example.com").configuration;
  const column = (name: string) => ({ name, type: "INTEGER", nullable: false, hashed: false }) as const;
  const table = {
    ...newData(empty, "table_data", "people"),
    columns: ["a", "b", "c"].map(column),
    unique: [[0], [2, 1]],
  } as TableDataNode;
  return { ...empty, nodes: [table, ...more] };
}

test("new data is what the SDK makes, and can be published", () => {
  const empty = newDraft("Trial", "ann@example.com").configuration;
  const table = newData(empty, "table_data", "people");
  const file = newData(empty, "raw_data", "notes");
  expect([table.id, file.id]).toEqual(["people", "notes"]);
  expect(problems(putNode(file)(putNode(table)(empty)))).toEqual([]);
  // A node that was renamed keeps its id: another one may have its name, and not its id.
  const renamed = { ...empty, nodes: [{ ...table, name: "persons" } as Node] };
  expect(newData(renamed, "raw_data", "people")).toMatchObject({ id: "people_2", name: "people" });
});

test("columns are moved with what counts them", () => {
  const before = draft(synthetic([2, 0]));
  const after = moveColumn("people", 2, 0)(before);
  expect(tableOf(after).columns.map(({ name }) => name)).toEqual(["c", "a", "b"]);
  expect(tableOf(after).unique).toEqual([[1], [0, 2]]);
  expect((after.nodes[1] as SyntheticNode).columns.map(({ index }) => index)).toEqual([0, 1]);
  expect(moveColumn("people", 0, 2)(after)).toEqual(before);
  expect(moveColumn("people", 0, 3)(before)).toBe(before);
  expect(moveColumn("nobody", 0, 1)(before)).toBe(before);
});

test("columns are removed with what was said of them", () => {
  const after = removeColumn("people", 1)(draft(synthetic([0, 1, 2])));
  expect(tableOf(after).columns.map(({ name }) => name)).toEqual(["a", "c"]);
  expect(tableOf(after).unique).toEqual([[0]]);
  expect((after.nodes[1] as SyntheticNode).columns.map(({ index }) => index)).toEqual([0, 1]);
});

test("ranges are those of numbers", () => {
  const ranged = changeColumn("people", 0, { range: { greater_than: 0 } })(draft());
  expect(tableOf(ranged).columns[0]?.range).toEqual({ greater_than: 0 });
  expect(tableOf(changeColumn("people", 0, { type: "FLOAT" })(ranged)).columns[0]).toHaveProperty("range");
  expect(tableOf(changeColumn("people", 0, { type: "EMAIL" })(ranged)).columns[0]).not.toHaveProperty("range");
  expect(tableOf(changeColumn("people", 0, { range: {} })(ranged)).columns[0]).not.toHaveProperty("range");
});

test("a new column has a name of its own", () => {
  const { columns } = tableOf(
    changeTable("people", (now) => ({ columns: [...now.columns, newColumn(now.columns)] }))(draft()),
  );
  expect(columns.at(-1)?.name).toBe("column_4");
  const taken = { ...newColumn([]), name: "COLUMN_2" };
  expect(newColumn([taken]).name).toBe("column_3");
});
