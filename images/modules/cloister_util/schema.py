"""The file `types` beside a table: its columns, as one length-delimited protobuf message.

message TableSchema { repeated NamedColumn namedColumns = 1; }
message NamedColumn { optional string name = 1; ColumnType columnType = 2; }
message ColumnType  { PrimitiveType primitiveType = 1; bool nullable = 2; }
enum PrimitiveType  { INT64 = 0; STRING = 1; FLOAT64 = 2; }
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

KINDS = ("INT64", "STRING", "FLOAT64")
"""By their number in the message."""


class Column(NamedTuple):
    """One column of a table."""

    name: str | None
    kind: str
    """One of `KINDS`."""
    nullable: bool


def _message() -> Any:
    """The class of a message with one field, a TableSchema: its bytes are a tag, then the length-delimited schema."""
    file = descriptor_pb2.FileDescriptorProto(name="cloister/table.proto", package="cloister.table", syntax="proto3")
    primitive = file.enum_type.add(name="PrimitiveType")
    for number, kind in enumerate(KINDS):
        primitive.value.add(name=kind, number=number)
    field = descriptor_pb2.FieldDescriptorProto
    once, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED

    column_type = file.message_type.add(name="ColumnType").field
    column_type.add(
        name="primitiveType", number=1, label=once, type=field.TYPE_ENUM, type_name=".cloister.table.PrimitiveType"
    )
    column_type.add(name="nullable", number=2, label=once, type=field.TYPE_BOOL)

    column = file.message_type.add(name="NamedColumn")
    column.oneof_decl.add(name="_name")
    column.field.add(name="name", number=1, label=once, type=field.TYPE_STRING, oneof_index=0, proto3_optional=True)
    column.field.add(
        name="columnType", number=2, label=once, type=field.TYPE_MESSAGE, type_name=".cloister.table.ColumnType"
    )
    table = file.message_type.add(name="TableSchema").field
    table.add(
        name="namedColumns", number=1, label=many, type=field.TYPE_MESSAGE, type_name=".cloister.table.NamedColumn"
    )
    delimited = file.message_type.add(name="Delimited").field
    delimited.add(name="schema", number=1, label=once, type=field.TYPE_MESSAGE, type_name=".cloister.table.TableSchema")

    pool: Any = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("cloister.table.Delimited"))


_Delimited = _message()
_TAG = b"\x0a"  # field 1, length-delimited


def read_schema(data: bytes) -> list[Column]:
    """The columns that the content of a `types` file lists.

    Raises:
        google.protobuf.message.DecodeError, ValueError: it is none.
    """
    found = []
    for each in _Delimited.FromString(_TAG + data).schema.namedColumns:
        if each.columnType.primitiveType >= len(KINDS):
            raise ValueError("The schema has a column of a type that this version doesn't know.")
        name = each.name if each.HasField("name") else None
        found.append(Column(name, KINDS[each.columnType.primitiveType], each.columnType.nullable))
    return found


def write_schema(columns: Sequence[Column]) -> bytes:
    """The content of a `types` file."""
    message = _Delimited()
    message.schema.SetInParent()
    for column in columns:
        added = message.schema.namedColumns.add()
        if column.name is not None:
            added.name = column.name
        added.columnType.SetInParent()
        added.columnType.primitiveType = KINDS.index(column.kind)
        added.columnType.nullable = column.nullable
    return bytes(message.SerializeToString()[len(_TAG) :])
