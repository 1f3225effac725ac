"""The exact reader: the standard library's, record by record.

It is for files that DuckDB's reader refuses, or understands otherwise: rows with too few or too many cells, spaces
beside quotes, line breaks in cells, lines that end with a lone CR. It writes what it reads in the plainest form, each
row with its number and what is wrong with the number of its cells: that, DuckDB's reader reads as it is meant.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cloister_tables.validation.cells import NUMBERS_OF_CODES
from cloister_tables.validation.files import MOST_ROW_BYTES, FileUnusable, room_for, row_too_long


class _Lines:
    """The lines of a text, of which one record takes so many at most."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.taken = 0
        """By the record that is being read, in characters."""

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MOST_ROW_BYTES + 1):
            self.taken += len(line)
            if self.taken > MOST_ROW_BYTES:
                raise row_too_long()
            yield line


def read_records(text: Path) -> Iterator[list[str]]:
    """The rows of a CSV file; blank lines are none.

    Raises:
        FileUnusable: quotes that don't fit, or a row without end.
    """
    csv.field_size_limit(MOST_ROW_BYTES)
    count = 0
    with text.open(encoding="utf-8-sig", newline="") as file:
        lines = _Lines(file)
        try:
            for record in csv.reader(lines, strict=True):
                lines.taken = 0
                if record:
                    yield record
                    count += 1
        except csv.Error:
            raise FileUnusable(
                "INVALID_CSV",
                f"The quotes in row {count} (the first row is 0) don't fit: one is never closed, or something stands "
                f"behind a closing one. A quote inside of quotes is written twice.",
            ) from None


def write_records(text: Path, columns: int, target: Path) -> int:
    """Writes rows for `cloister_tables.validation.checks`: number, fault, cells. Returns how many there are.

    Raises:
        FileUnusable: see `read_records`; or there is no room for them.
    """
    row = -1
    empty = [""] * columns
    with room_for(target) as out, io.TextIOWrapper(out, encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row, record in enumerate(read_records(text)):
            if len(record) == columns:
                writer.writerow((row, 0, *record))
            else:
                fault = "NOT_ENOUGH_COLUMNS_PROVIDED" if len(record) < columns else "TOO_MANY_COLUMNS_PROVIDED"
                writer.writerow((row, NUMBERS_OF_CODES[fault], *empty))
    return row + 1
