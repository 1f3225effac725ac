"""Tables among results: a zip with ``dataset.csv``, which has no header, and ``types``, which names its columns."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
import zlib
from typing import IO

from google.protobuf.message import DecodeError

from cloister.errors import BadRequestError
from cloister.formats.table_schema import read_schema

_DATA, _TYPES = "dataset.csv", "types"
_MOST_TYPES_BYTES = 16 * 1024 * 1024
_DAMAGED = (KeyError, ValueError, DecodeError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


class NotATable(ValueError):
    """A result that is something else."""


def column_names(archive: zipfile.ZipFile) -> list[str]:
    """What the columns of the table in a result are called; V1, V2, ... by their places, where they have no name.

    Raises:
        NotATable: there is none.
    """
    try:
        if archive.getinfo(_TYPES).file_size > _MOST_TYPES_BYTES:
            raise NotATable
        schema = read_schema(archive.read(_TYPES))
    except _DAMAGED:
        raise NotATable from None
    return [column.name or f"V{place}" for place, column in enumerate(schema, 1)]


def write_table(archive: zipfile.ZipFile, into: IO[bytes], *, header: bool = True) -> None:
    """Writes the table in a result as CSV (UTF-8, LF), with a line of its columns' names before it. Memory use is
    bounded.

    Raises:
        NotATable: there is none.
    """
    names = column_names(archive)
    try:
        with archive.open(_DATA) as data:
            if header:
                into.write(header_line(names).encode())
            shutil.copyfileobj(data, into)
    except _DAMAGED:
        raise NotATable from None


def table_text(archive: zipfile.ZipFile, *, header: bool = True) -> str:
    """The same as text, without the last line's end.

    Raises:
        NotATable: there is none, or it isn't in UTF-8.
    """
    content = io.BytesIO()
    write_table(archive, content, header=header)
    try:
        return content.getvalue().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise NotATable from None


def header_line(names: list[str]) -> str:
    """One line of CSV."""
    line = io.StringIO(newline="")
    # The writer quotes those characters that it ends rows with: so it is told of both.
    csv.writer(line, lineterminator="\r\n").writerow(names)
    return line.getvalue().removesuffix("\r\n") + "\n"


def read_sql_query_result_as_string(result: bytes, include_header: bool = True) -> str:
    """The table in a result, as `get_results_as_bytes` of a query gives it, as CSV: for scripts that were written for
    older releases of the documented SDK. `get_results_as_string` does the same.

    Raises:
        BadRequestError: it is no such result.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(result)) as archive:
            return table_text(archive, header=include_header)
    except (NotATable, zipfile.BadZipFile):
        raise BadRequestError("That is not the result of a query: no zip with a table in it.") from None
