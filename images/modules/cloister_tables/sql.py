"""SQL: one query of tables, run by DuckDB, with or without the filter that leaves out small groups."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import duckdb
from cloister_util.error import SafeError
from cloister_util.schema import Column

from cloister_tables.privacy.functions import Kind
from cloister_tables.privacy.nodes import Refused, without_places
from cloister_tables.privacy.relations import Known
from cloister_tables.privacy.statements import rewrite
from cloister_tables.program import DATA, Table, distinct_names, open_table, start, write_types
from cloister_tables.statement import (
    LOCKED,
    TYPES,
    Statement,
    check,
    deserialized,
    done,
    quoted,
    serialized,
    settled,
    where,
)

_READING = (
    "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', new_line = '\\n', "
    "allow_quoted_nulls = false, max_line_size = 134217728"
)
_WRITING = "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR ''"
_KINDS: Mapping[str, Kind] = {"INT64": "int", "STRING": "text", "FLOAT64": "float"}
_OPTIMIZERS = ("common_subexpressions", "type_pushdown", "scalar_fn_pushdown")
"""What is not done to queries. Parts that expressions have in common would be worked out ahead, outside of the TRY that
is around them; a cast that fails while a file is read would look like a damaged file."""
_INT64 = frozenset({"boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger"})
_LARGE = frozenset({"hugeint", "uhugeint", "ubigint"})
_FLOAT64 = frozenset({"float", "double", "decimal"})
_NESTED = frozenset({"list", "array", "struct", "map", "union", "variant"})
_RESULT = "= result"
"""A name that no input can have."""
_MIB = 1024 * 1024
_MEMORY_BYTES = 4096 * _MIB
"""Where nobody says how much there is: what computations have by default."""


def run(config: dict[str, Any], inputs: Path, output: Path, scratch: Path) -> None:
    """Runs the statement; its result becomes a table.

    Raises:
        SafeError: what is wrong with the statement or the tables, or what kind of failure the data led to.
    """
    tables = [open_table(inputs, each["mount"]) for each in config["tables"]]
    protected = {each["mount"] for each in config["tables"] if each.get("protected")}
    minimum = config.get("minimum_rows")
    statement = check(config["statement"], tables)
    with duckdb.connect(":memory:") as connection:
        resources = _resources(config, scratch)
        paths = ", ".join(_text(str(path)) for path in (output / DATA, *(table.data for table in tables)))
        settled(connection, {"allowed_paths": f"[{paths}]", **resources})
        try:
            if minimum is None or not protected & statement.uses.keys():
                names = _as_it_is(connection, statement, tables)
            else:
                names = _filtered(connection, statement, tables, protected, int(minimum))
            columns = _written(connection, names, output / DATA)
        except duckdb.Error as error:
            _tell(error)
        except RecursionError:
            # What is written anew is a little deeper than what was read.
            raise SafeError("The query can't be run: it is nested too deeply.") from None
    write_types(output, columns)


def main() -> None:
    """Runs it in its container."""
    start(run)


def _as_it_is(
    connection: duckdb.DuckDBPyConnection, statement: Statement, tables: Sequence[Table]
) -> Sequence[str | None]:
    """Makes the view `_RESULT` of what the statement asks for; the names of its columns."""
    for table in tables:
        if times := statement.uses.get(table.name):
            # What is read once is read from the file; reading it twice costs more than to keep it.
            kind = "VIEW" if times == 1 else "TABLE"
            done(connection, f"CREATE {kind} {quoted(table.name)} AS {reading(table, table.column_names)}")
    settled(connection, LOCKED)
    connection.sql(statement.text).create_view(_RESULT)
    named = [None if index in statement.unnamed else name for index, name in enumerate(statement.columns)]
    return [None if name is None else free for name, free in zip(named, distinct_names(named), strict=True)]


def _filtered(
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    tables: Sequence[Table],
    protected: set[str],
    minimum: int,
) -> Sequence[str | None]:
    """The same, of a statement that shows no groups of fewer rows of protected tables."""
    if minimum < 1:
        raise SafeError("minimum_rows has to be at least 1.")
    known = {}
    for number, table in enumerate(tables):
        columns = zip(table.column_names, table.columns, strict=True)
        listed = tuple((name, f"column{index}", _KINDS[column.kind]) for index, (name, column) in enumerate(columns))
        known[table.name] = Known(f"table{number}", listed, table.name in protected)
    by_ours = {known[table.name].ours: table for table in tables}

    @functools.cache
    def is_key(ours: str, columns: tuple[str, ...]) -> bool:
        table = by_ours[ours]
        rows = reading(table, [name for _, name, _ in known[table.name].columns])
        keys = ", ".join(map(quoted, columns))
        filled = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
        twice = f"SELECT 1 FROM ({rows}) WHERE {filled} GROUP BY {keys} HAVING count(*) > 1"  # noqa: S608 - all quoted
        return connection.execute(f"SELECT NOT EXISTS ({twice})").fetchall() == [(True,)]

    def unique(ours: str, columns: Sequence[str]) -> bool:
        return is_key(ours, tuple(sorted(columns)))

    try:
        rewritten = rewrite(statement.query, known, minimum, unique)
    except Refused as refused:
        place = "" if refused.place is None else f" ({where(statement.text, refused.place)})"
        raise SafeError(
            f"The query can't be shown to keep groups of fewer than {minimum} rows to itself: {refused}{place}."
        ) from None
    for table in tables:
        if times := statement.uses.get(table.name):
            mine = known[table.name]
            keep = times > 1 or (mine.protected and rewritten.needs_ids)
            ours = [name for _, name, _ in mine.columns]
            done(connection, f"CREATE {'TABLE' if keep else 'VIEW'} {mine.ours} AS {reading(table, ours)}")
    settled(connection, {"error_on_division_by_zero": "false", **LOCKED})
    text = deserialized(connection, rewritten.document)
    if without_places(serialized(connection, text)) != without_places(rewritten.document):
        raise SafeError(
            "The query can't be written such that it surely leaves out small groups. Write it in a simpler way."
        )
    connection.sql(text).create_view(_RESULT)
    free = distinct_names(rewritten.names)
    return [None if name is None else free[index] for index, name in enumerate(rewritten.names)]


def reading(table: Table, names: Sequence[str]) -> str:
    """The query for all of a table."""
    both = list(zip(names, table.columns, strict=True))
    columns = ", ".join(f"{_text(name)}: {_text(TYPES[column.kind])}" for name, column in both)
    # Where there is no NULL, an empty cell is an empty text. Not by `force_not_null`: it takes one column for another
    # where not all are read.
    items = ", ".join(
        f"coalesce({quoted(name)}, '') AS {quoted(name)}"
        if column.kind == "STRING" and not column.nullable
        else quoted(name)
        for name, column in both
    )
    return f"SELECT {items} FROM read_csv({_text(str(table.data))}, columns = {{{columns}}}, {_READING})"  # noqa: S608 - all quoted


def _written(connection: duckdb.DuckDBPyConnection, names: Sequence[str | None], place: Path) -> list[Column]:
    """Writes the view `_RESULT` to a file; its columns."""
    view = connection.table(_RESULT)
    items, columns = [], []
    for name, inner, of in zip(names, view.columns, view.types, strict=True):
        item, kind = _cell(quoted(inner), str(of.id))
        items.append(item)
        columns.append(Column(name, kind, nullable=True))
    done(
        connection,
        f"COPY (SELECT {', '.join(items)} FROM {quoted(_RESULT)}) TO {_text(str(place))} ({_WRITING})",  # noqa: S608
    )
    return columns


def _cell(column: str, of: str) -> tuple[str, str]:
    """How a value of a type is written, and its kind in `types`."""
    if of in _INT64 or of in _LARGE:
        return f"CAST({column} AS BIGINT)", "INT64"
    if of in _FLOAT64:
        return f"CASE WHEN isnan(CAST({column} AS DOUBLE)) THEN NULL ELSE CAST({column} AS DOUBLE) END", "FLOAT64"
    if of in _NESTED:
        return f"CAST(to_json({column}) AS VARCHAR)", "STRING"
    return f"CAST({column} AS VARCHAR)", "STRING"


def _resources(config: Mapping[str, Any], scratch: Path) -> dict[str, str]:
    """What the database may use. Its own bookkeeping, this program and files in memory need something, too."""
    memory = int(config.get("memory_bytes") or _MEMORY_BYTES)
    room = os.statvfs(scratch)
    spill = min(memory // 4, room.f_bavail * room.f_frsize * 9 // 10)
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return {
        "memory_limit": f"'{max(64, memory // _MIB // 2)}MiB'",
        "threads": threads if threads.isdecimal() else str(len(os.sched_getaffinity(0))),
        "temp_directory": _text(str(scratch / "spilled")),
        "max_temp_directory_size": f"'{max(1, spill // _MIB)}MiB'",
        "enable_progress_bar": "false",
        "disabled_optimizers": _text(",".join(_OPTIMIZERS)),
    }


def _tell(error: duckdb.Error) -> NoReturn:
    """Of a failure that data has led to, its kind and no more.

    Raises:
        SafeError: always.
    """
    text = str(error)
    if "CSV Error" in text:
        told = (
            "A table has a line that doesn't fit its columns and their types. Have the script that wrote it use "
            "cloister_util.write_tabular_data."
        )
    elif isinstance(error, duckdb.OutOfMemoryException):
        told = "The query needs more memory than this computation may use. Ask for less at once, or for more memory."
    elif isinstance(error, duckdb.OutOfRangeException) or "out of range" in text:
        told = "A number was too large or too small for its type. Cast it to DOUBLE, or use TRY(...): NULL instead."
    elif isinstance(error, duckdb.ConversionException):
        told = "A value could not be converted to another type. Use TRY_CAST, which gives NULL there."
    elif "ivision by zero" in text:
        told = "A number was divided by zero. Use TRY(...) or NULLIF(divisor, 0), which give NULL there."
    elif "More than one row returned" in text:
        told = "A query that stands for one value had several rows. Use an aggregate, or LIMIT 1."
    elif isinstance(error, duckdb.InvalidInputException):
        told = "A function was given a value that it can't work with. Use TRY(...), which gives NULL there."
    elif isinstance(error, duckdb.IOException):
        told = (
            "The query needs more room for what it keeps meanwhile, or for its result, than this computation may use."
        )
    else:
        told = "The query failed on the data. What DuckDB says of it is not shown, as it could quote data."
    raise SafeError(told) from None


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
