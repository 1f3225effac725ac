"""The measurement of a worker image: one SHA-256 that names everything a script can see in it.

It covers the tree, not the file that happens to hold it: the same image unpacked, or as erofs with
another compressor, has the same measurement. Owners, times and extended attributes are not part of
it, because the builder gives them all the same value (root, 1970, none).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import rfc8785

LABEL = b"cloister-image-v1\n"
"""First line of what is hashed, so that a measurement can't be mistaken for another digest."""

_CHUNK = 1 << 20


def measure_tree(root: Path) -> str:
    """The measurement of the tree below ``root``: 64 lower-case hexadecimal digits.

    SHA-256 over `LABEL`, then one line of canonical JSON (RFC 8785) per entry, in the order of the
    bytes of their paths: ``[path, "dir", mode]``, ``[path, "file", mode, sha256 of content]`` or
    ``[path, "link", target]``; paths are relative, modes are the twelve permission bits.

    Raises `ValueError` for anything else (device, socket, FIFO, a name that isn't UTF-8): an image
    holds none of these. Raises `OSError` where the tree can't be read.
    """
    digest = hashlib.sha256(LABEL)
    for line in sorted(_entries(root), key=lambda entry: str(entry[0]).encode()):
        digest.update(rfc8785.dumps(list(line)) + b"\n")
    return digest.hexdigest()


def _entries(root: Path) -> Iterator[tuple[str | int, ...]]:
    pending = [(root, "")]
    while pending:
        folder, prefix = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                try:
                    name.encode()
                except UnicodeEncodeError:
                    raise ValueError(f"an image can't hold a name that isn't UTF-8: {name!r}") from None
                status = entry.stat(follow_symlinks=False)
                mode = stat.S_IMODE(status.st_mode)
                if stat.S_ISDIR(status.st_mode):
                    pending.append((Path(entry.path), name + "/"))
                    yield name, "dir", mode
                elif stat.S_ISREG(status.st_mode):
                    yield name, "file", mode, _digest_of(Path(entry.path))
                elif stat.S_ISLNK(status.st_mode):
                    yield name, "link", str(Path(entry.path).readlink())
                else:
                    raise ValueError(f"an image holds files, folders and links only, not {name!r}")


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
