"""From a file as it was attached to plain UTF-8: packed or not, in UTF-8 or windows-1252.

Files are read in blocks; nothing here grows with them.
"""

from __future__ import annotations

import codecs
import errno
import gzip
import io
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from typing_extensions import Buffer

MIB: Final = 1024 * 1024
MOST_ROW_BYTES: Final = 4 * MIB
"""Of one row, whatever its cells."""
_MOST_DIRECTORY_BYTES: Final = 1 * MIB
"""Of the list of files in a zip: it is read at once."""
# Each begins with two bytes as they are, which Python finds fast. A doubled quote before anything but the end of a cell
# stands inside of quotes, as in: "said, ""hello"""; or DuckDB refuses it.
_SPACED_QUOTES: Final = tuple(
    map(re.compile, (rb',  *"(?!"[^,\r\n"])', rb'\n  *"(?!"[^,\r\n"])', rb'\r  *"(?!"[^,\r\n"])', rb'"  *[,\r\n]'))
)
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

FileType = Literal["text/csv", "application/gzip", "application/zip"]


class FileUnusable(Exception):
    """A file that no table can be made of. It goes into the report."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Text:
    """A file in UTF-8, perhaps with a byte order mark, without NUL."""

    path: Path
    simple: bool
    """Whether both readers understand it in the same way: lines end with LF or CRLF, and no spaces stand between a
    quote and a comma (which DuckDB takes away)."""


def file_type(raw: Path) -> FileType:
    """Told by how it begins, whatever it is called."""
    with raw.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return "application/gzip"
    return "application/zip" if magic in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08") else "text/csv"


def read_file(raw: Path, kind: FileType, scratch: Path) -> Text:
    """The text of a file: the file itself where it can be, else a copy in ``scratch``.

    Raises:
        FileUnusable: there is none.
    """
    unpacked = raw
    if kind != "text/csv":
        unpacked = scratch / "unpacked"
        with room_for(unpacked) as out:
            _unpack(raw, kind, out)
    try:
        return _inspect(unpacked)
    except UnicodeDecodeError:
        text = scratch / "text"
        with room_for(text) as out:
            _transcode(unpacked, out)
        if unpacked != raw:
            unpacked.unlink()
        return _inspect(text)


@contextmanager
def room_for(path: Path) -> Iterator[IO[bytes]]:
    """A new file of scratch.

    Raises:
        FileUnusable: there is no room for what is written.
    """
    try:
        with path.open("xb") as out:
            yield out
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        path.unlink()
        raise FileUnusable(
            "FILE_TOO_LARGE",
            "Unpacked, the file is larger than the scratch that this table has. Give the table more scratch, or split "
            "the file.",
        ) from None


def _unpack(raw: Path, kind: FileType, out: IO[bytes]) -> None:
    try:
        if kind == "application/gzip":
            with gzip.open(raw) as packed:
                shutil.copyfileobj(packed, out, MIB)
            return
        with (
            raw.open("rb", buffering=0) as file,
            zipfile.ZipFile(io.BufferedReader(_Bounded(file))) as archive,
            archive.open(_only_file(archive)) as packed,
        ):
            shutil.copyfileobj(packed, out, MIB)
    except (EOFError, OSError, struct.error, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        # RuntimeError: it is encrypted, or of an unknown version. EINVAL: it begins outside of the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise FileUnusable(
            "INVALID_ARCHIVE", "The file can't be unpacked: it is damaged, cut off or encrypted. Pack it again."
        ) from None


class _Bounded(io.RawIOBase):
    """A file of which little is read at once: a zip says itself how long its list of files is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        if len(view) > _MOST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("so much at once")
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)


def _only_file(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one regular file of an archive, beside what macOS puts there by itself."""
    found = []
    for entry in archive.infolist():
        # Of Windows, which knows more ways out: drives, and both kinds of slashes.
        name = PureWindowsPath(entry.filename)
        if name.anchor or ".." in name.parts:
            raise FileUnusable("INVALID_ARCHIVE", "The zip has a path in it that leads out of it. Pack the file again.")
        if entry.is_dir():
            continue
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise FileUnusable("INVALID_ARCHIVE", "The zip has something in it that is no regular file.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileUnusable("INVALID_ARCHIVE", "The zip is packed in an unusual way. Pack it with 'deflate'.")
        if "__MACOSX" not in name.parts and name.name != ".DS_Store":
            found.append(entry)
    if len(found) != 1:
        raise FileUnusable("INVALID_ARCHIVE", f"The zip has {len(found)} files in it. Put exactly one there.")
    return found[0]


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """A file in blocks that end where a line does, but for lines that are much too long."""
    while block := file.read(MIB):
        yield block if block.endswith(b"\n") else block + file.readline(MOST_ROW_BYTES)


def _inspect(path: Path) -> Text:
    """Sees to it that a file is UTF-8 without NUL.

    Raises:
        UnicodeDecodeError: it is in another encoding.
        FileUnusable: it has a NUL byte, or a row that is too long.
    """
    simple, at = True, 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        if file.read(4).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise FileUnusable("INVALID_ENCODING", "The file is in UTF-16. Save it as CSV in UTF-8.")
        file.seek(0)
        for block in _blocks(file):
            if b"\0" in block:
                raise FileUnusable(
                    "INVALID_ENCODING",
                    f"The file has a NUL byte in it, at byte {at + block.index(0)}: it is no text, or in an encoding "
                    f"that is not accepted. Save it as CSV in UTF-8.",
                )
            returns = block.count(b"\r") if b"\r" in block else 0
            if not block.endswith(b"\n") and len(block) > MOST_ROW_BYTES and not returns:
                raise row_too_long()
            simple = (
                simple
                and (not returns or returns == block.count(b"\r\n"))
                and not _has_spaced_quotes(block.removeprefix(codecs.BOM_UTF8))
            )
            if not block.isascii() or decoder.getstate()[0]:
                decoder.decode(block)
            at += len(block)
    decoder.decode(b"", final=True)
    return Text(path, simple)


def row_too_long() -> FileUnusable:
    """What a row without end is."""
    return FileUnusable(
        "ROW_TOO_LONG",
        f"The file has a row of more than {MOST_ROW_BYTES // MIB} MiB. Is there a quote that is never closed, or are "
        f"there no line ends?",
    )


def _has_spaced_quotes(block: bytes) -> bool:
    if b' "' not in block and b'" ' not in block:
        return False
    begins = block.startswith(b" ") and block.lstrip(b" ").startswith(b'"')
    ends = block.endswith(b" ") and block.rstrip(b" ").endswith(b'"')
    return begins or ends or any(pattern.search(block) for pattern in _SPACED_QUOTES)


def _transcode(path: Path, out: IO[bytes]) -> None:
    """Writes a file in windows-1252 as UTF-8.

    Raises:
        FileUnusable: it has a byte that windows-1252 doesn't know.
    """
    with path.open("rb") as file:
        while block := file.read(MIB):
            try:
                out.write(block.decode("cp1252").encode())
            except UnicodeDecodeError:
                raise FileUnusable(
                    "INVALID_ENCODING", "The file is neither in UTF-8 nor in windows-1252. Save it as CSV in UTF-8."
                ) from None
