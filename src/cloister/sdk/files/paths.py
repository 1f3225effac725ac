"""Files that a room's folder names: they lie in it, whatever they are called and wherever links lead."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from cloister.errors import DefinitionInvalid
from cloister.rooms.definition import MAX_BYTES


def inside(folder: Path, name: str) -> Path:
    """The file of that name in a folder.

    Raises:
        DefinitionInvalid: it isn't there, is no file, or isn't in the folder.
    """
    pure = PurePosixPath(name)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in name or not name.isprintable():
        raise DefinitionInvalid(f"{name[:80]!a} is no file of this folder: name one in it, with / between folders.")
    try:
        home = folder.resolve(strict=True)
        found = (folder / pure).resolve(strict=True)
    except (OSError, RuntimeError):
        raise DefinitionInvalid(f"there is no file {name[:80]!a} in {folder}.") from None
    if not found.is_relative_to(home):
        raise DefinitionInvalid(f"{name[:80]!a} is a link that leads out of the folder. Copy the file into it.")
    if not found.is_file():
        raise DefinitionInvalid(f"{name[:80]!a} is not a file.")
    return found


def read_text(folder: Path, name: str) -> str:
    """The text in a file of a folder, exactly.

    Raises:
        DefinitionInvalid: as `inside`; or it is too large, not text in UTF-8, or can't be read.
    """
    file = inside(folder, name)
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise DefinitionInvalid(f"{name[:80]!a} can't be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise DefinitionInvalid(f"{name[:80]!a} is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DefinitionInvalid(
            f"{name[:80]!a} is not text in UTF-8 (byte {error.start} can't be read). Save it as UTF-8."
        ) from None
