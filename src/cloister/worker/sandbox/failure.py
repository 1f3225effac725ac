"""From what a failed script says about itself to a text that holds nothing of the data.

Threat: a script that carries data out in its own obituary. Messages are withheld, as they often quote data. The rest is
chosen by the script too: the launcher runs inside its container, so a "traceback" may be whatever it likes, with data
spelled in made-up names of files, functions and classes. So each word must be one that its readers know already: it
stands literally in the room's definition (the script and its additional files), or in the image.

One exception: a message that the script declares safe (`cloister_util.SafeError`). Those who read it before they
attach data have agreed to it: it is believed only where the script says the word.

A frame that fails a check is left out, without a word. What is left to a script that lies is a choice among true names
and lines; `_SHOWN_FRAMES` bounds it, and the participants have read the script. The number of an exit code is such a
choice as well, and no more useful than its being non-zero: it is withheld.
"""

from __future__ import annotations

import builtins
import functools
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

_TOLD_FRAMES = 60
_SHOWN_FRAMES = 20
_FIRST_FRAMES = 5
_MAX_REPORT_BYTES = 64 * 1024
_MAX_SOURCE_BYTES = 2 * 1024 * 1024
_MAX_LIBRARY_BYTES = 64 * 1024 * 1024
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}(\.[A-Za-z_][A-Za-z0-9_]{0,79}){0,9}", re.ASCII)
_CODE_WITHOUT_NAME = frozenset({"<module>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
MAX_SAFE_TEXT = 1000
"""Characters of what a safe error says."""
_DECLARES = re.compile(r"\b(?:SafeError|catch_safe_error)\b")
# Where an image keeps Python's libraries, its own first: what /usr/bin/python3 imports from.
_LIBRARY_FOLDERS = ("usr/local/lib/python3*/*-packages", "usr/lib/python3/dist-packages", "usr/lib/python3.*")
_LIBRARY_FILE = re.compile(r"/usr/(local/)?lib/python3[0-9.]*/[^\0]+\.py")
_BUILTIN_ERRORS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)


class _Frame(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    file: str
    line: int
    function: str


class _Report(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    version: int
    frames: list[_Frame]
    module: str
    exception: str
    safe: str = ""
    """What the exception says may be shown."""


def safe_traceback(report: bytes, sources: Mapping[str, str], image_root: Path) -> str | None:
    """A traceback like Python's, without source lines and without the message; None where the report makes no sense.

    Args:
        report: what came out of the container. Untrusted.
        sources: the texts of the script and its additional files, by their path inside.
        image_root: the image's root file system.
    """
    if len(report) > _MAX_REPORT_BYTES:
        return None
    try:
        told = msgspec.json.decode(report, type=_Report)
    except (msgspec.DecodeError, RecursionError):
        return None
    if told.version != 1:
        return None
    shown = [frame for frame in told.frames[:_TOLD_FRAMES] if _is_true(frame, sources, image_root)]
    lines = _frame_lines(shown)
    lines.append(f"{_class_name(told, sources, image_root)}: {_message(told, sources)}")
    return "\n".join(lines)


def _frame_lines(frames: list[_Frame]) -> list[str]:
    if not frames:
        return []
    lines = ["Traceback (most recent call last):"]
    left_out = len(frames) > _SHOWN_FRAMES
    if left_out:
        frames = frames[:_FIRST_FRAMES] + frames[_FIRST_FRAMES - _SHOWN_FRAMES :]
    for index, frame in enumerate(frames):
        if left_out and index == _FIRST_FRAMES:
            lines.append("  ...")
        lines.append(f'  File "{frame.file}", line {frame.line}, in {frame.function}')
    return lines


def _is_true(frame: _Frame, sources: Mapping[str, str], image_root: Path) -> bool:
    """Whether there is such a function with such a line in such a file."""
    if frame.function not in _CODE_WITHOUT_NAME and not _IDENTIFIER.fullmatch(frame.function):
        return False
    text = sources.get(frame.file)
    if text is None:
        text = _image_source(image_root, frame.file)
    if text is None:
        return False
    first = 1 if frame.function in _CODE_WITHOUT_NAME else _defined_at(frame.function, text)
    return first is not None and first <= frame.line <= text.count("\n") + 1


def _defined_at(name: str, text: str) -> int | None:
    """The first line at which `text` defines a function or class of that name."""
    found = re.search(rf"^[^\S\n]*(?:async[^\S\n]+)?(?:def|class)[^\S\n]+{name}\b", text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _class_name(told: _Report, sources: Mapping[str, str], image_root: Path) -> str:
    """The exception's class as Python would print it, or `Exception` where it is nobody's name."""
    name = told.exception
    if told.module == "builtins" and name in _BUILTIN_ERRORS:
        return name
    if not _IDENTIFIER.fullmatch(name) or not _MODULE.fullmatch(told.module):
        return "Exception"
    definition = re.compile(rf"^[^\S\n]*class[^\S\n]+{name}\b", re.MULTILINE)
    if any(definition.search(text) for text in sources.values()):
        return name
    if _image_defines(image_root, told.module, name, definition):
        return f"{told.module}.{name}"
    return "Exception"


def _message(told: _Report, sources: Mapping[str, str]) -> str:
    """What a declared safe error says of itself, on one line; of any other, that it is withheld."""
    declared = any(_DECLARES.search(text) for text in sources.values())
    text = "".join(sign if sign.isprintable() else " " for sign in told.safe[:MAX_SAFE_TEXT]).strip()
    return text if declared and text else "(message withheld)"


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
