"""CSV files as people have them, made into what a room takes: no header, commas, UTF-8."""

from __future__ import annotations

import codecs
import csv
import io
import os
from typing import IO, Any

from cloister.errors import BadRequestError

_SAMPLE = 64 * 1024
"""Characters that are looked at to tell whether there is a header."""


def read_input_csv_file(
    path: str | os.PathLike[str],
    /,
    *,
    has_header: bool = True,
    check_header: bool = True,
    encoding: str = "utf-8",
    **csv_kwargs: Any,
) -> io.BytesIO:
    """Reads a CSV file, leaves out its header, and returns the rest ready to be uploaded: commas, UTF-8, LF.

    Args:
        has_header: whether the first line is a header.
        check_header: whether to check that against what the file looks like.
        encoding: of the file; a byte order mark is left out.
        csv_kwargs: how the file is written, as `csv.reader` takes it (``delimiter=";"``, ``quotechar="'"``, ...).

    Raises:
        BadRequestError: the file doesn't look as ``has_header`` says, or can't be read as CSV in this encoding.
        OSError: it can't be read at all.
    """
    if _codec(encoding) == "utf-8":
        encoding = "utf-8-sig"
    try:
        with open(path, encoding=encoding, newline="") as file:  # noqa: PTH123 - takes a text as well
            return _rows(file, csv_kwargs, has_header=has_header, check_header=check_header)
    except LookupError:
        raise _no_encoding(encoding) from None
    except UnicodeError:
        raise BadRequestError(f"The file is not text in {encoding}. Name the encoding that it was saved in.") from None


def read_input_csv_string(
    content: str, /, *, has_header: bool = True, check_header: bool = True, **csv_kwargs: Any
) -> io.BytesIO:
    """`read_input_csv_file` of a text that is there already.

    Raises:
        BadRequestError: as there.
    """
    text = io.StringIO(content.removeprefix("\ufeff"), newline="")
    return _rows(text, csv_kwargs, has_header=has_header, check_header=check_header)


def _rows(file: IO[str], csv_kwargs: dict[str, Any], *, has_header: bool, check_header: bool) -> io.BytesIO:
    output = _Lines()
    try:
        if check_header:
            _check_header(file.read(_SAMPLE), has_header, csv_kwargs)
            file.seek(0)
        rows = csv.reader(file, **{"strict": True, **csv_kwargs})
        if has_header:
            next(rows, None)
        csv.writer(output, lineterminator="\r\n").writerows(row for row in rows if row)
    except csv.Error as error:
        raise BadRequestError(f"The file can't be read as CSV: {error}. Check the delimiter and the quotes.") from None
    except UnicodeError:
        raise
    except ValueError:  # the library's message repeats the cell
        raise BadRequestError(
            "The file has a cell without quotes that is no number, and quoting=csv.QUOTE_NONNUMERIC takes all such "
            "cells for numbers. Leave that out."
        ) from None
    return io.BytesIO(output.getvalue().encode())


def _codec(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise _no_encoding(encoding) from None


def _no_encoding(encoding: str) -> BadRequestError:
    return BadRequestError(f"There is no encoding {encoding!r}. Most files are in utf-8 or windows-1252.")


class _Lines(io.StringIO):
    """Ends rows with LF that come with CRLF. The writer quotes those characters alone that it ends rows with: told to
    end them with LF it would let a lone CR pass, which is the end of a row for whoever reads that."""

    def __init__(self) -> None:
        super().__init__(newline="")

    def write(self, row: str, /) -> int:
        return super().write(row.removesuffix("\r\n") + "\n")


class _Sniffer(csv.Sniffer):
    """Looks for a header in a file whose delimiter and quotes are known, not guessed."""

    def __init__(self, csv_kwargs: dict[str, Any]) -> None:
        super().__init__()
        given = {name: value for name, value in csv_kwargs.items() if name != "dialect"}
        base = csv_kwargs.get("dialect", "excel")
        base = csv.get_dialect(base) if isinstance(base, str) else base
        self._dialect: type[csv.Dialect] = type("Given", (csv.excel,), {**_settings(base), **given})

    def sniff(self, sample: str, delimiters: str | None = None) -> type[csv.Dialect]:  # noqa: ARG002
        return self._dialect


def _settings(dialect: Any) -> dict[str, Any]:
    names = ("delimiter", "quotechar", "escapechar", "doublequote", "skipinitialspace", "lineterminator", "quoting")
    return {name: getattr(dialect, name) for name in names if getattr(dialect, name, None) is not None}


def _check_header(sample: str, has_header: bool, csv_kwargs: dict[str, Any]) -> None:
    # Of a long file the last line of the sample is likely cut: it says nothing.
    whole = sample if len(sample) < _SAMPLE else sample[: sample.rfind("\n") + 1]
    if not whole.strip():
        return
    if _Sniffer(csv_kwargs).has_header(whole) is not has_header:
        looks, says = ("has a header", "has_header=True") if not has_header else ("has no header", "has_header=False")
        raise BadRequestError(
            f"The file looks as if it {looks}. If it does, say {says}; if it doesn't, say check_header=False."
        )
