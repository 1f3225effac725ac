"""All rows at once: what is wrong with them, and the table that is left. DuckDB does the work.

Rows come from a relation of text: `r`, the number of the row; `s`, what is wrong with its number of cells, or
0; `c0`, `c1`, ..., its cells. Nothing that anybody wrote stands in the SQL, but for finite numbers.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from cloister_util.error import SafeError

from cloister_tables.validation import cells
from cloister_tables.validation.files import MIB, MOST_ROW_BYTES
from cloister_tables.validation.layout import Layout
from cloister_tables.validation.report import (
    RECORDED,
    RECORDED_DUPLICATES,
    RECORDED_OF_ALL_COLUMNS,
    Error,
    Errors,
    Findings,
    Place,
)

_MEMORY_MIB: Final = 1024
"""What DuckDB takes at most before it moves things to scratch."""
_MEMORY_OF_COLUMN_MIB: Final = 1
"""Besides, for each column: all expressions of a query have blocks of their own."""
_FEWEST: Final = 10
AT_ONCE: Final = 64
"""So many columns are checked together: of more, in turns."""
_NO_ROOM: Final = (duckdb.OutOfMemoryException, duckdb.IOException)
_STRUCTURE: Final = "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', strict_mode = true"


class Unreadable(Exception):
    """DuckDB's reader doesn't vouch for the file, or a row is invalid: to be looked at exactly."""


@dataclass(frozen=True)
class Rows:
    """A relation of text; see above."""

    sql: str
    numbered: str
    """SQL of the number of a row, to be asked for only where it is needed."""


@contextmanager
def database(scratch: Path, columns: int, allowed: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory, which spills into ``scratch``.

    Args:
        allowed: bytes of memory that the program may use; without it, what the machine has.

    Raises:
        SafeError: there is neither memory nor room for what is to be done.
    """
    threads = int(os.environ.get("OMP_NUM_THREADS", "") or len(os.sched_getaffinity(0)))
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": f"{_memory(columns, allowed) // MIB}MiB",
        "temp_directory": str(scratch / "spilled"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET enable_progress_bar = false")
        try:
            yield connection
        except _NO_ROOM:
            raise SafeError(
                "Validating the table takes more memory, scratch or output than it has. Give the table more of them."
            ) from None


def _memory(columns: int, allowed: int | None) -> int:
    """What DuckDB may take: half of what there is, and not more than makes it faster."""
    # A container doesn't see its own limit.
    there_is = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if allowed is None else allowed
    return min(there_is // 2, (_MEMORY_MIB + columns * _MEMORY_OF_COLUMN_MIB) * MIB)


def file_rows(path: Path, columns: int) -> Rows:
    """The rows of a CSV file as it was attached. Reading it fails where `records` has to read it."""
    # One more column than there should be, and one name for what is missing, tell how many cells a row has: DuckDB
    # would let an empty one too many pass. With padding it refuses line breaks in cells, which it can't find its way
    # with in parts of a file.
    names = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(columns + 1))
    reader = (
        f"read_csv({_text(str(path))}, {_STRUCTURE}, columns = {{{names}}}, max_line_size = {MOST_ROW_BYTES}, "
        f"null_padding = true, nullstr = '{_nothing()}', allow_quoted_nulls = false)"
    )
    few, many = (cells.NUMBERS_OF_CODES[f"{each}_COLUMNS_PROVIDED"] for each in ("NOT_ENOUGH", "TOO_MANY"))
    shape = f"CASE WHEN c{columns - 1} IS NULL THEN {few} WHEN c{columns} IS NOT NULL THEN {many} ELSE 0 END AS s"
    listed = ", ".join(f"c{index}" for index in range(columns))
    # Of one column, a blank line is a row where everything is missing.
    where = " WHERE c0 IS NOT NULL" if columns == 1 else ""
    return Rows(f"SELECT {shape}, {listed} FROM {reader}{where}", "row_number() OVER () - 1")


def record_rows(path: Path, columns: int) -> Rows:
    """The rows of a file that `write_records` wrote."""
    names = ", ".join(["'r': 'BIGINT'", "'s': 'UTINYINT'", *(f"'c{index}': 'VARCHAR'" for index in range(columns))])
    # In one go: there are line breaks in cells.
    # No text is NULL (force_not_null mixes up columns when some are left out).
    reader = (
        f"read_csv({_text(str(path))}, {_STRUCTURE}, columns = {{{names}}}, max_line_size = {8 * MOST_ROW_BYTES}, "
        f"nullstr = '{_nothing()}', allow_quoted_nulls = false, new_line = '\\n', parallel = false)"
    )
    return Rows(f"SELECT * FROM {reader}", "r")


@dataclass(frozen=True)
class Checks:
    """One table to be checked."""

    connection: duckdb.DuckDBPyConnection
    layout: Layout
    rows: Rows

    def write_if_valid(self, target: Path) -> int:
        """Writes the table where every row is valid, in one go over the file. Returns how many there are.

        Raises:
            Unreadable: it is not so simple.
        """
        every = range(len(self.layout.columns))
        checked = f"{self._checked(every)} WHERE CASE WHEN {_valid(every)} THEN true ELSE error('invalid')::BOOLEAN END"
        try:
            count = self._copy(checked, target)
            for combination in self.layout.unique:
                keys = ", ".join(f"v{index}" for index in combination)
                hashes = f"SELECT hash({keys}) AS h FROM ({self._values(combination)})"
                repeated = f"SELECT 1 FROM ({hashes}) GROUP BY h HAVING count(*) > 1 LIMIT 1"
                if self.connection.execute(repeated).fetchone() is not None:
                    raise Unreadable
        except duckdb.OutOfMemoryException as error:
            if len(every) <= AT_ONCE:
                raise
            raise Unreadable from error
        except duckdb.IOException:
            raise
        except duckdb.Error as error:
            raise Unreadable from error
        return count

    def find(self) -> Findings:
        """What is wrong with which rows.

        Raises:
            Unreadable: the rows have to be read by `records`.
        """
        columns = self.layout.columns
        recorded = max(_FEWEST, min(RECORDED, RECORDED_OF_ALL_COLUMNS // len(columns)))
        findings = Findings([Errors() for _ in columns])
        # Bits of `codes` are what is wrong somewhere in a row.
        self.connection.execute("CREATE OR REPLACE TABLE invalid (r BIGINT, codes USMALLINT)")
        try:
            (findings.rows,) = self._one(f"SELECT count(*) FROM ({self.rows.sql})")
            for first in range(0, len(columns), AT_ONCE):
                for place, fault, count, listed in self._find_faults(range(first, min(first + AT_ONCE, len(columns)))):
                    # Faults of rows stand before those of the first column. Of too few cells the last is missing.
                    code = cells.CODES[fault]
                    if place >= 0:
                        findings.columns[place].add(code, listed[:recorded], place, count)
                    elif first == 0:
                        column = len(columns) - (code == "NOT_ENOUGH_COLUMNS_PROVIDED")
                        findings.schema.add(code, listed, column, count)
        except _NO_ROOM:
            raise
        except duckdb.Error as error:
            raise Unreadable from error
        found = self.connection.execute(
            "SELECT codes, count(*) FROM (SELECT bit_or(codes) AS codes FROM invalid GROUP BY r) GROUP BY codes"
        ).fetchall()
        for codes, count in found:
            findings.invalid_rows += count
            for number, code in cells.CODES.items():
                if codes >> number & 1:
                    findings.invalid_rows_by_code[code] = findings.invalid_rows_by_code.get(code, 0) + count
        self._find_duplicates(findings)
        return findings

    def _find_faults(self, batch: range) -> list[tuple[int, int, int, list[int]]]:
        """What is wrong in some columns: column (-1: the row), fault, how often, the first rows. Adds to `invalid`."""
        faults = f"[{', '.join(['s', *(f'f{index}' for index in batch)])}]"
        places = f"[{', '.join(map(str, [-1, *batch]))}]"
        rows = f"{self._checked(batch, numbered=True)} WHERE NOT ({_valid(batch)})"
        bits = f"list_bit_or(list_transform({faults}, lambda f: (1 << f)::USMALLINT))"
        (count,) = self._one(f"INSERT INTO invalid SELECT r, {bits} FROM ({rows})")
        if not count:
            return []
        return self.connection.execute(
            f"SELECT place, fault, count(*), min(r, {RECORDED}) "
            f"FROM (SELECT r, unnest({faults}) AS fault, unnest({places}) AS place FROM ({rows})) "
            f"WHERE fault <> 0 GROUP BY place, fault ORDER BY place, fault"
        ).fetchall()

    def write_valid(self, target: Path) -> int:
        """Writes the rows that nothing is wrong with, after `find`. Returns how many there are."""
        every = range(len(self.layout.columns))
        (duplicates,) = self._one("SELECT count(*) FROM duplicates") if self.layout.unique else (0,)
        if not duplicates and len(every) <= AT_ONCE:
            return self._copy(f"{self._checked(every)} WHERE {_valid(every)}", target)
        if duplicates:
            self.connection.execute("INSERT INTO invalid SELECT r, 0 FROM duplicates")
        # Some columns after the other, so that memory doesn't grow with them; a join doesn't promise to keep the order.
        parts = [every[first : first + AT_ONCE] for first in range(0, len(every), AT_ONCE)]
        for number, part in enumerate(parts):
            listed = ", ".join(f"v{index}" for index in part)
            self.connection.execute(
                f"CREATE TABLE part{number} AS SELECT {listed} FROM ({self._values(part, numbered=True)}) "
                f"WHERE r NOT IN (SELECT r FROM invalid) ORDER BY r"
            )
        return self._copy(f"FROM {' POSITIONAL JOIN '.join(f'part{number}' for number in range(len(parts)))}", target)

    def _find_duplicates(self, findings: Findings) -> None:
        """Compares the rows that are valid otherwise. Of each combination, all but the first are duplicates.

        Empty cells are the same as each other.
        """
        if not self.layout.unique:
            return
        self.connection.execute(
            "CREATE TABLE duplicates (combination INTEGER, r BIGINT, original BIGINT, number BIGINT)"
        )
        for number, combination in enumerate(self.layout.unique):
            keys = ", ".join(f"v{index}" for index in combination)
            values = self._values(sorted(combination), numbered=True)
            valid = f"SELECT r, {keys}, hash({keys}) AS h FROM ({values}) WHERE r NOT IN (SELECT r FROM invalid)"
            # Only rows whose hash is not the only one of its kind are compared as they are.
            suspected = f"SELECT h FROM ({valid}) GROUP BY h HAVING count(*) > 1"
            self.connection.execute(
                f"INSERT INTO duplicates SELECT {number}, r, min(r) OVER same, row_number() OVER (same ORDER BY r) - 1 "
                f"FROM ({valid}) WHERE h IN ({suspected}) WINDOW same AS (PARTITION BY {keys})"
            )
        self.connection.execute("DELETE FROM duplicates WHERE number = 0")
        total, rows = self._one("SELECT count(*), count(DISTINCT r) FROM duplicates")
        findings.uniqueness.total = total
        for number, combination in enumerate(self.layout.unique):
            listed = self.connection.execute(
                f"SELECT r, original FROM duplicates WHERE combination = ? AND number <= {RECORDED_DUPLICATES} "
                f"ORDER BY r LIMIT {RECORDED}",
                [number],
            ).fetchall()
            names = ", ".join(f"'{self.layout.columns[index].name}'" for index in combination)
            findings.uniqueness.recorded += [
                Error(
                    "DUPLICATE_VALUES", f"This row has the same as row {original} in {names}.", Place(r, combination[0])
                )
                for r, original in listed
            ]
        if rows:
            findings.invalid_rows += rows
            findings.invalid_rows_by_code["DUPLICATE_VALUES"] = rows

    def _values(self, places: Iterable[int], *, numbered: bool = False) -> str:
        """SQL for the rows with some cells, `c0`, ..., and their values, `v0`, ...."""
        number = f"{self.rows.numbered} AS r, " if numbered else ""
        text = f"SELECT {number}s, {', '.join(f'c{index}' for index in places)} FROM ({self.rows.sql})"
        values = ", ".join(f"{cells.value(self.layout.columns[index], f'c{index}')} AS v{index}" for index in places)
        return f"SELECT *, {values} FROM ({text})"

    def _checked(self, places: Iterable[int], *, numbered: bool = False) -> str:
        """As `_values`, with what is wrong with the cells, `f0`, ...."""
        faults = ", ".join(
            f"CASE WHEN s = 0 THEN {cells.fault(column, f'c{index}', f'v{index}')} ELSE 0 END AS f{index}"
            for index, column in ((index, self.layout.columns[index]) for index in places)
        )
        return f"SELECT *, {faults} FROM ({self._values(places, numbered=numbered)})"

    def _copy(self, checked: str, target: Path) -> int:
        written = ", ".join(cells.written(column, f"v{index}") for index, column in enumerate(self.layout.columns))
        options = "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR ''"
        (count,) = self._one(f"COPY (SELECT {written} FROM ({checked})) TO {_text(str(target))} ({options})")
        return int(count)

    def _one(self, sql: str) -> tuple[int, ...]:
        answer = self.connection.execute(sql).fetchone()
        assert answer is not None
        return answer


def _nothing() -> str:
    """What no cell has in it."""
    return f"nothing-{secrets.token_hex(16)}"


def _valid(places: Iterable[int]) -> str:
    return " AND ".join(["s = 0", *(f"f{index} = 0" for index in places)])


def _text(value: str) -> str:
    """A text as SQL has it."""
    return "'" + value.replace("'", "''") + "'"
