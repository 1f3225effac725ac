"""Tables as DuckDB reads them. SQL here is made of our own words alone: paths and values are parameters, columns are
called c0, c1, ... by their places."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from cloister_tables.program import Table
from cloister_util.error import SafeError

_MIB = 1024 * 1024
_TYPES = {"INT64": "BIGINT", "FLOAT64": "DOUBLE", "STRING": "VARCHAR"}
_READING = (
    "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', new_line = '\\n', "
    "allow_quoted_nulls = false, max_line_size = 134217728"
)


@contextmanager
def database(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory, which spills into ``scratch``.

    Raises:
        SafeError: a table can't be read, or there is neither memory nor room for what is to be done.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": int(threads) if threads.isdecimal() else len(os.sched_getaffinity(0)),
        "memory_limit": f"{_memory() // 2 // _MIB}MiB",
        "temp_directory": str(scratch / "spilled"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            yield connection
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        # It would quote the line.
        raise SafeError(
            "A table has a line that doesn't fit its columns. Have the script that wrote it use "
            "cloister_util.write_tabular_data."
        ) from None
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise SafeError(
            "The tables take more memory, scratch or output than this computation may use. Give it more of them."
        ) from None


def reading(table: Table, typed: bool = True) -> str:
    """A table expression with one parameter, the path of the table's data.

    Args:
        typed: whether numbers are numbers already, and a cell that isn't one fails.
    """
    kinds = [_TYPES[column.kind] if typed else "VARCHAR" for column in table.columns]
    columns = ", ".join(f"'c{index}': '{kind}'" for index, kind in enumerate(kinds))
    # Where there is no NULL, an empty cell is an empty text.
    filled = [
        f"'c{index}'"
        for index, column in enumerate(table.columns)
        if column.kind == "STRING" and not column.nullable and len(table.columns) > 1
    ]
    never = f", force_not_null = [{', '.join(filled)}]" if filled else ""
    return f"read_csv(?, columns = {{{columns}}}, {_READING}{never})"


def _memory() -> int:
    """What this container may use, in bytes."""
    there_is = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = Path("/sys/fs/cgroup", name)
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():
            there_is = min(there_is, int(text))
    return there_is
