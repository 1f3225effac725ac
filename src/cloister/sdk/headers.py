"""Header lines of CSV files: rooms know the columns of their tables, so that the files come without."""

from __future__ import annotations

import codecs
import contextlib
import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from cloister.errors import BadRequestError
from cloister.sdk.uploads import Data

_LONGEST = 1024 * 1024
"""Bytes in which a header has to end."""
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04")
"""How gzip and zip files begin."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BYTES = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Header:
    """The first record of a file."""

    names: tuple[str, ...]
    size: int
    """Bytes of the file until after it."""


@contextlib.contextmanager
def without_header(data: Data, names: Sequence[str] | None, *, what: str = "the table") -> Iterator[Data]:
    """What comes behind the header of a CSV file, to be read from there: nothing of it is copied anywhere.

    Args:
        data: as uploads take it. A stream is read from its place of now.
        names: what the header must say, in this order; None for anything.
        what: whose columns these are, for messages.

    Raises:
        BadRequestError: there is no header, or it says something else.
        TypeError: a file was opened as text.
    """
    if isinstance(data, Path):
        with data.open("rb") as file, without_header(file, names, what=what) as rest:
            yield rest
        return
    if isinstance(data, _BYTES):
        view = memoryview(data).cast("B")
        header = _checked(bytes(view[:_LONGEST]), names, what)
        yield view[header.size :]
        return
    place = data.tell() if _is_seekable(data) else None
    start = _beginning(data)
    header = _checked(start, names, what)
    if place is not None:
        # Read where it lies, an upload knows how much there is to come.
        data.seek(place + header.size)
        yield data
    else:
        yield cast(IO[bytes], _Rest(start[header.size :], data))


def is_header(data: Data, names: Sequence[str]) -> bool:
    """Whether a file begins with these names, as far as that can be told without taking anything away from it.

    A file that was opened is left at its place of now.
    """
    if isinstance(data, Path):
        with data.open("rb") as file:
            return is_header(file, names)
    try:
        if isinstance(data, _BYTES):
            return _says(bytes(memoryview(data).cast("B")[:_LONGEST]), names)
        if not _is_seekable(data):
            return False
        place = data.tell()
        try:
            return _says(_beginning(data), names)
        finally:
            data.seek(place)
    except (BadRequestError, TypeError):
        return False


def read_header(start: bytes) -> Header:
    """The header that a file begins with: commas, quotes as RFC 4180, lines that end with LF, CRLF or CR, in UTF-8
    (with a byte order mark or without) or windows-1252.

    Args:
        start: the first MiB of the file, or all of it.

    Raises:
        BadRequestError: it can't be read.
    """
    if start.startswith(_COMPRESSED):
        raise BadRequestError("The file is compressed, so that its header can't be taken away. Unpack it first.")
    if start.startswith(_WIDE):
        raise BadRequestError("The file is in UTF-16. Save it as UTF-8, which Excel calls CSV UTF-8.")
    mark = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
    text, encoding = _text(start[mark:], whole=len(start) < _LONGEST)
    # Line ends stay as they are: a text in quotes may have some of its own.
    lines = io.StringIO(text, newline="")
    rows = csv.reader(iter(lines.readline, ""), strict=True)
    try:
        row = next((row for row in rows if row), None)
    except csv.Error:
        raise BadRequestError(
            f"The header can't be read as CSV, or doesn't end within {_LONGEST // 1024} KiB. Look for a quote (\") "
            "without its other one in the first line."
        ) from None
    if row is None:
        raise BadRequestError("The file has no header: it is empty. Leave has_header (--header) out if it has to be.")
    ended = lines.tell() < len(text) or len(start) < _LONGEST
    if not ended:
        raise BadRequestError(f"The first line doesn't end within {_LONGEST // 1024} KiB: that is no header.")
    return Header(tuple(row), mark + len(text[: lines.tell()].encode(encoding)))


def _says(start: bytes, names: Sequence[str]) -> bool:
    return _folded(read_header(start).names) == _folded(names)


def _checked(start: bytes, names: Sequence[str] | None, what: str) -> Header:
    header = read_header(start)
    if names is not None and list(header.names) != list(names):
        raise BadRequestError(f"The header is not that of {what}. {_difference(header.names, names)}")
    return header


def _difference(found: Sequence[str], wanted: Sequence[str]) -> str:
    """What is wrong with a header, and what to do."""
    if len(found) == 1 < len(wanted):
        for delimiter, shown in ((";", "';'"), ("\t", "tabs"), ("|", "'|'")):
            if delimiter in found[0]:
                return (
                    f"Its columns are separated by {shown}, not by commas: read_input_csv_file(path, "
                    f"delimiter={delimiter!a}) makes that right."
                )
    if _folded(found) == _folded(wanted):
        other, name = next(pair for pair in zip(found, wanted, strict=True) if pair[0] != pair[1])
        return f"It differs in upper and lower case, or in spaces: {_shown(other)} should be {_shown(name)}."
    missing = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in wanted]
    if not missing and not strange:
        if len(found) != len(wanted):
            twice = next(name for name in found if found.count(name) > 1)
            return f"It names {_shown(twice)} twice."
        place = next(place for place, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1])
        return (
            f"The order is another one: column {place + 1} is {_shown(found[place])}, and should be "
            f"{_shown(wanted[place])}. The order is: {_listed(wanted)}."
        )
    if missing and strange and len(missing) == len(wanted):
        return f"None of its names is a column's: {_listed(wanted)}. Does the file have a header at all?"
    told = []
    if missing:
        told.append(f"It lacks {_listed(missing)}.")
    if strange:
        close = difflib.get_close_matches(strange[0].strip().casefold(), [each.casefold() for each in missing], n=1)
        meant = next((each for each in missing if close and each.casefold() == close[0]), None)
        hint = f" Is {_shown(strange[0])} meant to be {_shown(meant)}?" if meant is not None else ""
        told.append(f"It has {_listed(strange)}, which isn't there.{hint}")
    return f"{' '.join(told)} The columns are, in this order: {_listed(wanted)}."


def _folded(names: Sequence[str]) -> list[str]:
    return [name.strip().casefold() for name in names]


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(_shown(name) for name in names[:most]) + more


def _shown(name: str) -> str:
    """A name that may be whatever a file begins with."""
    return ascii(name if len(name) <= 64 else name[:64] + "...")


def _text(start: bytes, *, whole: bool) -> tuple[str, str]:
    """The text, and an encoding that gives its bytes back."""
    try:
        # What is cut off may be cut in the middle of a letter.
        return codecs.getincrementaldecoder("utf-8")().decode(start, final=whole), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return start.decode("windows-1252"), "windows-1252"
    except UnicodeDecodeError:
        raise BadRequestError("The file is not text in UTF-8. Save it as UTF-8 and try again.") from None


def _is_seekable(data: IO[bytes]) -> bool:
    seekable = getattr(data, "seekable", None)
    return bool(seekable is not None and seekable())


def _beginning(data: IO[bytes]) -> bytes:
    """The first bytes of a stream, which are taken from it.

    Raises:
        TypeError: it gives no bytes.
    """
    found = bytearray()
    while len(found) < _LONGEST and (piece := data.read(_LONGEST - len(found))):
        if not isinstance(piece, bytes | bytearray):
            raise TypeError("The file was opened as text. Open it with open(path, 'rb').")
        found += piece
    return bytes(found)


class _Rest:
    """A stream of which something was taken already, from there on."""

    def __init__(self, taken: bytes, source: IO[bytes]) -> None:
        self._taken = memoryview(taken)
        self._source = source

    def read(self, size: int = -1) -> Any:
        if not self._taken:
            return self._source.read(size)
        count = len(self._taken) if size < 0 else size
        piece, self._taken = bytes(self._taken[:count]), self._taken[count:]
        return piece + self._source.read() if size < 0 else piece
