/** The file `types` beside a table, which names its columns: a protobuf message behind its length. Pure. */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

import type { Bytes } from "../../core/encoding";

/**
 * The names of the columns, V1, V2, ... for those without one; null where it is no such file.
 *
 *     message TableSchema { repeated NamedColumn namedColumns = 1; }
 *     message NamedColumn { optional string name = 1; ColumnType columnType = 2; }
 */
export function columnNames(file: Bytes): string[] | null {
  try {
    const reader = new BinaryReader(file);
    return texts(reader.bytes()).map((column, at) => {
      const [name] = texts(column);
      return name === undefined || name.length === 0 ? `V${at + 1}` : new TextDecoder().decode(name);
    });
  } catch {
    return null;
  }
}

/** What the fields with the number 1 hold, in order. */
function texts(message: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1 && wire === WireType.LengthDelimited) {
      found.push(reader.bytes());
    } else {
      reader.skip(wire, number);
    }
  }
  return found;
}
