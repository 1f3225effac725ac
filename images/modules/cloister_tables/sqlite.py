"""SQL as SQLite understands it: one query of tables."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import duckdb
from cloister_util.error import SafeError
from cloister_util.schema import Column

from cloister_tables.program import DATA, Table, distinct_names, open_table, start, write_types
from cloister_tables.sql import reading

_TYPES = {"INT64": "INTEGER", "STRING": "TEXT", "FLOAT64": "REAL"}
_ONE = "Write one SELECT (WITH may stand before it) and nothing else."
_BATCH = 10_000
_SPECIAL = frozenset('",\r\n')
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})

Cell = None | int | float | str | bytes


def run(config: dict[str, Any], inputs: Path, output: Path, scratch: Path) -> None:
    """Runs the statement; its result becomes a table.

    Raises:
        SafeError: what is wrong with the statement or the tables, or what kind of failure the data led to.
    """
    tables = [open_table(inputs, each["mount"]) for each in config["tables"]]
    text = config["statement"]
    names, declared, used = _checked(text, tables)
    os.environ["SQLITE_TMPDIR"] = str(scratch)
    connection = _database(str(scratch / "tables.sqlite"), tables)
    try:
        for table in tables:
            if table.name in used:
                _fill(connection, table)
        connection.commit()
        _allow(connection, tables, set())
        with (output / DATA).open("x", encoding="utf-8", newline="") as file:
            kinds = _written(connection.execute(text), file, len(names))
    except sqlite3.Error as error:
        _tell(error)
    finally:
        connection.close()
    columns = [
        Column(name, kind or instead, nullable=True)
        for name, kind, instead in zip(distinct_names(names), kinds, declared, strict=True)
    ]
    write_types(output, columns)


def main() -> None:
    """Runs it in its container."""
    start(run)


def _checked(text: str, tables: Sequence[Table]) -> tuple[Sequence[str], Sequence[str], set[str]]:
    """Of a statement its columns' names, what is known of their types, and the tables that it reads.

    It is prepared on tables without rows, so that what SQLite says of it can be told.

    Raises:
        SafeError: it isn't one query, or reads what isn't there.
    """
    used: set[str] = set()
    connection = _database(":memory:", tables)
    try:
        _allow(connection, tables, used)
        names = [each[0] for each in connection.execute(text).description or ()]
    except sqlite3.DatabaseError as error:
        if "not authorized" in str(error) or "prohibited" in str(error):
            raise SafeError(f"The statement does more than to read the tables that it depends on. {_ONE}") from None
        raise SafeError(f"The query can't be run: {error}.") from None
    except (sqlite3.Warning, ValueError) as error:
        raise SafeError(f"The query can't be run: {str(error).rstrip(chr(46))}. {_ONE}") from None
    finally:
        connection.close()
    if not names:
        raise SafeError(f"The statement returns no rows. {_ONE}")
    return names, _declared(text, tables, len(names)), used


def _declared(text: str, tables: Sequence[Table], count: int) -> Sequence[str]:
    """The types of columns that are handed on as they are; the others are taken for texts."""
    connection = _database(":memory:", tables)
    try:
        connection.execute(f'CREATE TEMP VIEW "= result" AS {text}')
        found = [str(row[2]) for row in connection.execute('PRAGMA table_info("= result")')]
    except (sqlite3.Error, sqlite3.Warning):
        found = []
    finally:
        connection.close()
    kinds = {ours: kind for kind, ours in _TYPES.items()}
    return [kinds.get(each, "STRING") for each in found] if len(found) == count else ["STRING"] * count


def _database(place: str, tables: Sequence[Table]) -> sqlite3.Connection:
    """A database with these tables, empty."""
    connection = sqlite3.connect(place)
    # Text that isn't UTF-8 can be made, and must not end in an error that quotes it.
    connection.text_factory = lambda data: data.decode(errors="replace")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    for table in tables:
        columns = ", ".join(
            f"{_quoted(name)} {_TYPES[column.kind]}"
            for name, column in zip(table.column_names, table.columns, strict=True)
        )
        try:
            connection.execute(f"CREATE TABLE {_quoted(table.name)} ({columns})")
        except sqlite3.Error as error:
            connection.close()
            raise SafeError(f"There can't be a table '{table.name}' in SQLite: {error}. Rename it.") from None
    return connection


def _fill(connection: sqlite3.Connection, table: Table) -> None:
    places = ", ".join("?" for _ in table.columns)
    with duckdb.connect(":memory:", config={"threads": 1, "python_enable_replacements": "false"}) as reader:
        try:
            rows = reader.execute(reading(table, table.column_names))
            while batch := rows.fetchmany(_BATCH):
                connection.executemany(f"INSERT INTO {_quoted(table.name)} VALUES ({places})", batch)  # noqa: S608
        except duckdb.Error:
            raise SafeError(
                f"The table '{table.name}' has a line that doesn't fit its columns and their types. Have the script "
                f"that wrote it use cloister_util.write_tabular_data."
            ) from None


def _allow(connection: sqlite3.Connection, tables: Sequence[Table], used: set[str]) -> None:
    """From now on nothing but reading these tables is allowed. Which of them are read is put into ``used``."""
    names = {table.name for table in tables}

    def decide(action: int, one: str | None, two: str | None, database: str | None, _: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            if one in names:
                used.add(one)
            # Without a name: rows that the query itself has made.
            return sqlite3.SQLITE_OK if one in names or database is None else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if (two or "").lower() == "load_extension" else sqlite3.SQLITE_OK
        return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY

    connection.set_authorizer(decide)


def _written(rows: Iterator[Sequence[Cell]], file: Any, count: int) -> list[str | None]:
    """Writes rows; of each column the kind that fits all its values, None where there are none."""
    seen: list[set[type]] = [set() for _ in range(count)]
    while batch := list(islice(rows, _BATCH)):
        for row in batch:
            for types, cell in zip(seen, row, strict=True):
                types.add(type(cell))
        file.writelines(",".join(map(_cell, row)) + "\n" for row in batch)
    return [_kind(types - {type(None)}) for types in seen]


def _kind(types: set[type]) -> str | None:
    if not types:
        return None
    if types <= {int}:
        return "INT64"
    return "FLOAT64" if types <= {int, float} else "STRING"


def _cell(value: Cell) -> str:
    """NULL is nothing, an empty text two quotes."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str):
        return repr(value)
    return '"' + value.replace('"', '""') + '"' if not value or _SPECIAL & set(value) else value


def _tell(error: sqlite3.Error) -> NoReturn:
    """Of a failure that data has led to, its kind and no more.

    Raises:
        SafeError: always.
    """
    text = str(error)
    if "integer overflow" in text:
        told = "A whole number was too large. Cast it to REAL."
    elif "full" in text or "memory" in text:
        told = "The query needs more room than this computation may use. Ask for less at once, or for more."
    else:
        told = "The query failed on the data. What SQLite says of it is not shown, as it could quote data."
    raise SafeError(told) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
