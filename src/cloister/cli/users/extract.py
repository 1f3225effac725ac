"""Unpacking results: what a script has written says where files go, so all of it is looked at first."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from cloister.errors import BadRequestError, VerificationError

_SPARE = 64 * 1024 * 1024
"""Bytes that are left free on the disk."""


def check_target(folder: Path) -> None:
    """
    Raises:
        BadRequestError: there is something already, which might be overwritten, or lead elsewhere.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise BadRequestError(f"{folder} is there already. Name an empty folder, or one that isn't there yet.")
    if not folder.absolute().parent.is_dir():
        raise BadRequestError(f"{folder.absolute().parent} is no folder. Make it first.")


def extract(file: IO[bytes], folder: Path) -> list[str]:
    """Unpacks a result into an empty folder, which is made if it isn't there; the names of its files.

    Raises:
        VerificationError: it holds what no result holds: links, or names that lead out of the folder. Nothing was
            unpacked.
        BadRequestError: the disk has no space for it, or the folder is not empty.
    """
    check_target(folder)
    try:
        with zipfile.ZipFile(file) as archive:
            files = _checked(archive.infolist())
            needed = sum(member.file_size for member in files)
            if needed + _SPARE > shutil.disk_usage(folder.absolute().parent).free:
                raise BadRequestError(f"{folder} has no space for {needed} bytes. Make some, or name another folder.")
            folder.mkdir(exist_ok=True)
            for member in files:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("xb") as into:
                    shutil.copyfileobj(source, into)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise VerificationError(f"The result can't be unpacked ({error}). Fetch it as a file: -o FILE.") from None
    return [member.filename for member in files]


def _checked(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The files among them."""
    files: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        path = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        leads_out = path.is_absolute() or not path.parts or ".." in path.parts or "\\" in member.filename
        if leads_out or kind not in (0, stat.S_IFREG, stat.S_IFDIR) or not member.filename.isprintable():
            raise VerificationError(
                f"The result has an entry {member.filename[:80]!a} that can't be unpacked safely. Fetch it as a file "
                "and look: -o FILE."
            )
        if member.is_dir():
            continue
        if str(path) in files:
            raise VerificationError(f"The result has {str(path)!a} twice. Fetch it as a file and look: -o FILE.")
        files[str(path)] = member
    return list(files.values())
