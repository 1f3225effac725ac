"""The columns that are learnt, as they lie in the table: this alone reads what is private."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cloister_tables.program import Table

from cloister_synthetic.settings import Column
from cloister_synthetic.tables import database, reading

if TYPE_CHECKING:
    import polars as pl

_ZERO = date(1970, 1, 1)
"""Dates are learnt as days since then, as polars has them."""
_DAYS = ((date.min - _ZERO).days, (date.max - _ZERO).days)


def key(column: Column) -> str:
    """What a column is called while it is learnt: names of a definition might mean something to a library."""
    return f"c{column.index}"


def as_date(day: float) -> str:
    """A day as it was learnt, as a date; the first or the last one that there is, where it is beyond that."""
    return (_ZERO + timedelta(min(max(int(day), _DAYS[0]), _DAYS[1]))).isoformat()


def load(table: Table, columns: Sequence[Column], scratch: Path) -> pl.DataFrame:
    """Those columns: whole numbers (also dates) as Int64, other numbers as Float64, all else as text.

    Cells that aren't what their column says, and numbers that aren't finite, are NULL. All of it lies in memory.

    Raises:
        SafeError: the table can't be read.
    """
    import polars as pl

    # As text: casts would move into DuckDB's reader, which gives up at the first cell that isn't one.
    wanted = ", ".join(map(key, columns)) or "1 AS one"
    with database(scratch) as connection:
        query = f"SELECT {wanted} FROM {reading(table, typed=False)}"  # noqa: S608
        frame = pl.DataFrame(connection.sql(query, params=[str(table.data)]).to_arrow_table())
    return frame.with_columns(_value(column) for column in columns)


def _value(column: Column) -> pl.Expr:
    import polars as pl

    cell = pl.col(key(column)).cast(pl.String)
    if column.format == "INTEGER":
        return cell.cast(pl.Int64, strict=False)
    if column.format == "FLOAT":
        number = cell.cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number).alias(key(column))
    if column.format == "DATE_ISO8601":
        return cell.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Int64)
    return cell


def is_empty(table: Table, scratch: Path) -> bool:
    """Whether it has no rows at all."""
    if table.data.stat().st_size == 0:
        return True
    with database(scratch) as connection:
        first = connection.execute(f"SELECT 1 FROM {reading(table, typed=False)} LIMIT 1", [str(table.data)])  # noqa: S608
        return first.fetchone() is None
