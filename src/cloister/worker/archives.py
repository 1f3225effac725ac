"""Results as they are unpacked for the computations that read them.

The collector of another worker made the archive; it is read as if it hadn't.
"""

from __future__ import annotations

import errno
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1024 * 1024
_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
"""What a file system says of names that no result has: twice the same, a file that is a folder, too long."""


class ArchiveInvalid(Exception):
    """It is not an archive that a collector makes. The message holds nothing of its content, no names either."""


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """Reads the directory of an archive.

    Raises:
        ArchiveInvalid: it is damaged, or uses something that results don't.
    """
    with _understood():
        archive = zipfile.ZipFile(file)
    for member in archive.infolist():
        if member.compress_type not in _METHODS:
            raise ArchiveInvalid("it is compressed as results aren't.")
        parts = member.filename.split("/")
        if (
            not member.filename
            or member.is_dir()
            or not all(part not in ("", ".", "..") for part in parts)
            or "\0" in member.filename
        ):
            raise ArchiveInvalid("a name in it isn't one that results have.")
    return archive


def unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Makes the folder, and writes all files of the archive below it, as long as its directory says.

    Raises:
        ArchiveInvalid: as `open_archive`; part of it may be there then.
        OSError: the disk is full or fails.
    """
    folder.mkdir()
    for member in archive.infolist():
        target = folder.joinpath(*member.filename.split("/"))
        with _understood():
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, _PIECE)
                if file.tell() != member.file_size:
                    raise ArchiveInvalid("it is damaged.")


def read_member(archive: zipfile.ZipFile, name: str, most: int) -> bytes | None:
    """The content of one file of the archive; None where there is no such file.

    Raises:
        ArchiveInvalid: as `open_archive`, or it has more than ``most`` bytes.
    """
    with _understood():
        try:
            with archive.open(name) as file:
                content = file.read(most + 1)
        except KeyError:
            return None
    if len(content) > most:
        raise ArchiveInvalid("a file in it is larger than can be read.")
    return content


@contextmanager
def _understood() -> Iterator[None]:
    """One error for all that the library says of what it can't read. Its own words may hold names of files."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError, ValueError):
        # RuntimeError: encrypted, or not implemented; ValueError: text that is none, places before the beginning.
        raise ArchiveInvalid("it is damaged.") from None
    except OSError as error:
        if error.errno not in _NAMES:
            raise
        raise ArchiveInvalid("a name in it isn't one that results have.") from None
