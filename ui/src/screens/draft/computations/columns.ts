/** Which columns a node's table has, as far as the configuration says it. */

import type { Column, Node } from "../../../core/records";

export interface KnownColumn {
  name: string;
  type: Column["type"];
  nullable: boolean;
}

export type ById = ReadonlyMap<string, Node>;

export function byId(nodes: readonly Node[]): ById {
  return new Map(nodes.map((node) => [node.id, node]));
}

/** How far previews of previews are followed. */
const DEEP = 50;

/** The columns of what the node is mounted as; undefined where that is known when it has run, or where it is no table. */
export function columnsOf(nodes: ById, id: string, depth = 0): KnownColumn[] | undefined {
  const node = nodes.get(id);
  if (node === undefined || depth > DEEP) {
    return undefined;
  }
  switch (node.kind) {
    case "table_data":
      return node.columns.map(({ name, type, nullable, hashed }) => ({
        name,
        type: hashed ? "HASH_SHA256_HEX" : type,
        nullable,
      }));
    case "synthetic": {
      const source = columnsOf(nodes, node.dependency, depth + 1);
      return node.columns.map(({ index, name, type, nullable }) => ({
        name: name ?? source?.[index]?.name ?? `V${index + 1}`,
        type,
        nullable,
      }));
    }
    case "match":
      return matched(node.dependencies.map((each) => ({ name: nodes.get(each)?.name ?? each, id: each })));
    case "preview":
      return columnsOf(nodes, node.dependency, depth + 1);
    default:
      return undefined;
  }

  function matched(tables: { name: string; id: string }[]): KnownColumn[] | undefined {
    const all = tables.map((table) => columnsOf(nodes, table.id, depth + 1));
    const [one, other] = all;
    if (all.length !== 2 || one === undefined || other === undefined) {
      return undefined;
    }
    // A name that both have gets the table's before it.
    const lower = [one, other].map((columns) => new Set(columns.map((column) => column.name.toLowerCase())));
    return [one, other].flatMap((columns, side) =>
      columns.map((column) => ({
        ...column,
        name: lower[1 - side]?.has(column.name.toLowerCase()) ? `${tables[side]?.name}_${column.name}` : column.name,
      })),
    );
  }
}

/** Whether what it is mounted as is a table, as far as is known: a script's result may be one. */
export function isTable(nodes: ById, id: string): boolean | "maybe" {
  const node = nodes.get(id);
  switch (node?.kind) {
    case "table_data":
    case "sql":
    case "sqlite":
    case "synthetic":
    case "match":
      return true;
    case "python":
    case "r":
      return "maybe";
    case "preview":
      return nodes.get(node.dependency)?.kind === "raw_data" ? false : "maybe";
    default:
      return false;
  }
}
