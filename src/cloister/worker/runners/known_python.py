"""Which words of a failed Python script its readers know: those of the script, and those of the image's libraries.

A frame is true where such a function is defined in such a file; a class where its definition is found. The image is
read by the worker, without following a link out of it.
"""

from __future__ import annotations

import builtins
import functools
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cloister.worker.sandbox.failure import Frame

_MAX_SOURCE_BYTES = 2 * 1024 * 1024
_MAX_LIBRARY_BYTES = 64 * 1024 * 1024
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}(\.[A-Za-z_][A-Za-z0-9_]{0,79}){0,9}", re.ASCII)
_CODE_WITHOUT_NAME = frozenset({"<module>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
# Where an image keeps Python's libraries, its own first: what /usr/bin/python3 imports from.
_LIBRARY_FOLDERS = ("usr/local/lib/python3*/*-packages", "usr/lib/python3/dist-packages", "usr/lib/python3.*")
_LIBRARY_FILE = re.compile(r"/usr/(local/)?lib/python3[0-9.]*/[^\0]+\.py")
_BUILTIN_ERRORS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)


class KnownPython:
    """See `cloister.worker.sandbox.failure.Known`."""

    def __init__(self, sources: Mapping[str, str], image_root: Path) -> None:
        self._sources = sources
        self._image_root = image_root

    def place(self, frame: Frame) -> bool:
        if frame.function not in _CODE_WITHOUT_NAME and not _IDENTIFIER.fullmatch(frame.function):
            return False
        text = self._sources.get(frame.file)
        if text is None:
            text = _image_source(self._image_root, frame.file)
        if text is None:
            return False
        first = 1 if frame.function in _CODE_WITHOUT_NAME else _defined_at(frame.function, text)
        return first is not None and first <= frame.line <= text.count("\n") + 1

    def name(self, module: str, exception: str) -> str:
        if module == "builtins" and exception in _BUILTIN_ERRORS:
            return exception
        if not _IDENTIFIER.fullmatch(exception) or not _MODULE.fullmatch(module):
            return "Exception"
        definition = re.compile(rf"^[^\S\n]*class[^\S\n]+{exception}\b", re.MULTILINE)
        if any(definition.search(text) for text in self._sources.values()):
            return exception
        if _image_defines(self._image_root, module, exception, definition):
            return f"{module}.{exception}"
        return "Exception"


def _defined_at(name: str, text: str) -> int | None:
    """The first line at which `text` defines a function or class of that name."""
    found = re.search(rf"^[^\S\n]*(?:async[^\S\n]+)?(?:def|class)[^\S\n]+{name}\b", text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _image_defines(image_root: Path, module: str, name: str, definition: re.Pattern[str]) -> bool:
    path = module.replace(".", "/")
    for folder in _library_folders(image_root):
        for candidate in (f"{folder}/{path}.py", f"{folder}/{path}/__init__.py"):
            text = _image_source(image_root, f"/{candidate}")
            if text is not None and definition.search(text):
                return True
        parent, _, stem = f"{folder}/{path}".rpartition("/")
        for library in _libraries(image_root, parent, stem):
            if re.search(rb"(?<![A-Za-z0-9_])" + name.encode() + rb"(?![A-Za-z0-9_])", library):
                return True
    return False


@functools.lru_cache(maxsize=8)
def _library_folders(image_root: Path) -> list[str]:
    found = [
        str(folder.relative_to(image_root)) for glob in _LIBRARY_FOLDERS for folder in sorted(image_root.glob(glob))
    ]
    return [folder for own in found for folder in (own, f"{own}/lib-dynload")]


def _libraries(image_root: Path, folder: str, stem: str) -> list[bytes]:
    """The contents of a compiled module's files, whose classes stand in no source file."""
    try:
        found = [file.name for file in (image_root / folder).iterdir()]
    except OSError:
        return []
    names = [name for name in sorted(found) if name.startswith(f"{stem}.") and name.endswith(".so")]
    contents = (_image_file(image_root, f"/{folder}/{name}", _MAX_LIBRARY_BYTES) for name in names[:4])
    return [content for content in contents if content is not None]


@functools.lru_cache(maxsize=64)
def _image_source(image_root: Path, path: str) -> str | None:
    """The text of a Python file of the image, or None. The image never changes, so texts are kept."""
    if not _LIBRARY_FILE.fullmatch(path):
        return None
    content = _image_file(image_root, path, _MAX_SOURCE_BYTES)
    return None if content is None else content.decode(errors="replace")


def _image_file(image_root: Path, path: str, limit: int) -> bytes | None:
    parts = PurePosixPath(path).parts[1:]
    if "\0" in path or ".." in parts or f"/{'/'.join(parts)}" != path:
        return None
    file = image_root.joinpath(*parts)
    try:
        # Resolved first: a link in the image may be absolute, and would lead to the host's own file.
        if not file.resolve(strict=True).is_relative_to(image_root.resolve()):
            return None
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > limit:
            return None
        return file.read_bytes()
    except (OSError, RuntimeError):
        return None
