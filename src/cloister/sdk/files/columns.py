"""Columns of tables and of synthetic data, as `room.yaml` has them and as rooms do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.rooms.tables import Column, Mask, Range, SyntheticColumn
from cloister.sdk.files.schema import ColumnWritten, SyntheticColumnWritten

_NO_MASK: Mask = "genericString"


def table_column(name: str, written: ColumnWritten) -> Column:
    """The column that is meant."""
    bounds = written.range
    if isinstance(bounds, tuple):
        bounds = Range(
            greater_than_equals=UNSET if bounds[0] is None else bounds[0],
            less_than_equals=UNSET if bounds[1] is None else bounds[1],
        )
    return Column(
        name=name,
        type=written.type,
        nullable=written.nullable,
        hashed=written.hashed,
        range=UNSET if bounds is None else bounds,
    )


def write_table_column(column: Column) -> str | dict[str, Any]:
    """What `table_column` reads as that."""
    flags = {"nullable": column.nullable, "hashed": column.hashed}
    given = [name for name, value in flags.items() if value]
    if column.range is UNSET:
        return " ".join([column.type, *given])
    return {"type": column.type, **dict.fromkeys(given, True), "range": msgspec.to_builtins(column.range)}


def synthetic_column(written: SyntheticColumnWritten, table: Sequence[Column] | None) -> SyntheticColumn:
    """The column that is meant.

    Args:
        table: the columns of what it is made from, where they are known.

    Raises:
        DefinitionInvalid: that isn't said, or there is none.
    """
    index = _index(written, table)
    usual = _usual(index, table)
    if usual is None and written.type is None:
        raise DefinitionInvalid("the type of the column is not known here. Give it: type: STRING.")
    if written.mask is not False and written.mask_type not in (None, written.mask):
        raise DefinitionInvalid("'mask' says what its values are replaced with. Leave 'mask_type' out.")
    return SyntheticColumn(
        index=index,
        name=UNSET if written.name is None else written.name,
        type=written.type or (usual.type if usual is not None else "STRING"),
        mask_type=written.mask or written.mask_type or _NO_MASK,
        mask=written.mask is not False,
        nullable=(usual is None or usual.nullable) if written.nullable is None else written.nullable,
    )


def write_synthetic_column(column: SyntheticColumn, table: Sequence[Column] | None) -> str | dict[str, Any]:
    """What `synthetic_column` reads as that."""
    usual = _usual(column.index, table)
    found: dict[str, Any] = {"index": column.index}
    if table is not None and column.index < len(table):
        found = {"column": table[column.index].name}
    if column.name is not UNSET:
        found["name"] = column.name
    if usual is None or column.type != usual.type:
        found["type"] = column.type
    if column.nullable != (usual is None or usual.nullable):
        found["nullable"] = column.nullable
    if column.mask:
        found["mask"] = column.mask_type
    elif column.mask_type != _NO_MASK:
        found["mask_type"] = column.mask_type
    return str(found["column"]) if found.keys() == {"column"} else found


def _index(written: SyntheticColumnWritten, table: Sequence[Column] | None) -> int:
    if (written.column is None) == (written.index is None):
        raise DefinitionInvalid("name either the 'column' that it is made from, or its 'index'.")
    if written.index is not None:
        try:
            return msgspec.convert({"index": written.index, **_REST}, SyntheticColumn).index
        except msgspec.ValidationError:
            raise DefinitionInvalid("an index counts from 0.") from None
    if table is None:
        raise DefinitionInvalid("that is no table with known columns. Give the 'index' of the column instead.")
    names = [column.name for column in table]
    if written.column not in names:
        close = difflib.get_close_matches(str(written.column), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DefinitionInvalid(f"the table has no column {str(written.column)[:64]!a}.{hint}")
    return names.index(str(written.column))


_REST = {"type": "STRING", "mask_type": _NO_MASK, "mask": False}


def _usual(index: int, table: Sequence[Column] | None) -> SyntheticColumn | None:
    """What a column is made as where nothing else is said."""
    if table is None or index >= len(table):
        return None
    column = table[index]
    kind = "HASH_SHA256_HEX" if column.hashed else column.type
    return msgspec.convert({"index": index, **_REST, "type": kind, "nullable": column.nullable}, SyntheticColumn)
