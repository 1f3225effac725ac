/** What can be changed in a table of a draft. Pure. What counts columns by their places goes with them. */

import type { Column, Configuration, RawDataNode, SyntheticNode, TableDataNode } from "../../../core/records";
import type { Edit } from "../../../drafts/edits";
import { freeId, LIMITS } from "../computations/kinds";

/** A new data node, as the SDK makes it. */
export function newData(
  configuration: Configuration,
  kind: (TableDataNode | RawDataNode)["kind"],
  name: string,
): TableDataNode | RawDataNode {
  const common = { id: freeId(configuration, name), name, required: true };
  return kind === "raw_data"
    ? { kind, ...common }
    : {
        kind,
        ...common,
        columns: [newColumn([])],
        drop_invalid_rows: false,
        unique: [],
        image: "python",
        limits: { ...LIMITS },
      };
}

/** A column more. */
export function newColumn(columns: readonly Column[]): Column {
  const names = new Set(columns.map((column) => column.name.toLowerCase()));
  let number = columns.length + 1;
  while (names.has(`column_${number}`)) {
    number += 1;
  }
  return { name: `column_${number}`, type: "STRING", nullable: true, hashed: false };
}

/** Changes fields of a table as it is then. */
export function changeTable(id: string, change: (table: TableDataNode) => Partial<TableDataNode>): Edit {
  return (before) => ({
    ...before,
    nodes: before.nodes.map((node) =>
      node.id === id && node.kind === "table_data" ? { ...node, ...change(node) } : node,
    ),
  });
}

/** Changes fields of one column. A range is one of numbers. */
export function changeColumn(id: string, index: number, fields: Partial<Column>): Edit {
  return changeTable(id, ({ columns }) => ({
    columns: columns.map((column, place) => (place === index ? fitting({ ...column, ...fields }) : column)),
  }));
}

function fitting({ range, ...column }: Column): Column {
  const kept = range !== undefined && Object.keys(range).length > 0 && isNumber(column.type);
  return kept ? { ...column, range } : column;
}

export function isNumber(type: Column["type"]): boolean {
  return type === "INTEGER" || type === "FLOAT";
}

/** Moves a column, and what is said of it elsewhere. */
export function moveColumn(id: string, from: number, to: number): Edit {
  return (before) => {
    const table = before.nodes.find((node) => node.id === id);
    if (table?.kind !== "table_data" || to < 0 || to >= table.columns.length) {
      return before;
    }
    const order = table.columns.map((_, place) => place).filter((place) => place !== from);
    order.splice(to, 0, from);
    return arranged(id, order)(before);
  };
}

/** Takes a column out, and what is said of it elsewhere. */
export function removeColumn(id: string, index: number): Edit {
  return (before) => {
    const table = before.nodes.find((node) => node.id === id);
    const columns = table?.kind === "table_data" ? table.columns : [];
    return arranged(
      id,
      columns.map((_, place) => place).filter((place) => place !== index),
    )(before);
  };
}

/** Puts the columns of a table in another order: places of before, those that stay. */
function arranged(id: string, order: readonly number[]): Edit {
  const place = (before: number): number => order.indexOf(before);
  const stays = (before: number): boolean => place(before) >= 0;
  return (before) => ({
    ...before,
    nodes: before.nodes.map((node) => {
      if (node.kind === "table_data" && node.id === id) {
        return {
          ...node,
          columns: order.flatMap((index) => node.columns[index] ?? []),
          // Without one of its columns a uniqueness would be another, stricter one.
          unique: node.unique.filter((combination) => combination.every(stays)).map((each) => each.map(place)),
        };
      }
      return node.kind === "synthetic" && node.dependency === id ? withPlaces(node, stays, place) : node;
    }),
  });
}

function withPlaces(
  node: SyntheticNode,
  stays: (before: number) => boolean,
  place: (before: number) => number,
): SyntheticNode {
  const columns = node.columns.filter(({ index }) => stays(index));
  return { ...node, columns: columns.map((column) => ({ ...column, index: place(column.index) })) };
}
