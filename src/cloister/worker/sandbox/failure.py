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

import re
from collections.abc import Mapping
from typing import Protocol

import msgspec

_TOLD_FRAMES = 60
_SHOWN_FRAMES = 20
_FIRST_FRAMES = 5
_MAX_REPORT_BYTES = 64 * 1024
MAX_SAFE_TEXT = 1000
"""Characters of what a safe error says."""
_DECLARES = re.compile(r"\b(?:SafeError|catch_safe_error|safe_error)\b")


class Frame(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One place of a traceback, as it was told."""

    file: str
    line: int
    function: str


class _Report(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    version: int
    frames: list[Frame]
    module: str
    exception: str
    safe: str = ""
    """What the exception says may be shown."""


class Known(Protocol):
    """The words that readers of a definition know, in one language."""

    def place(self, frame: Frame) -> bool:
        """Whether there is such a function with such a line in such a file."""

    def name(self, module: str, exception: str) -> str:
        """The name of a class of errors as the language prints it; a general one where it is nobody's name."""


def safe_traceback(report: bytes, sources: Mapping[str, str], known: Known) -> str | None:
    """A traceback like Python's, without source lines and without the message; None where the report makes no sense.

    Args:
        report: what came out of the container. Untrusted.
        sources: the texts of the script and its additional files, by their path inside.
        known: what may be shown of it.
    """
    told = _read(report)
    if told is None:
        return None
    shown = [frame for frame in told.frames[:_TOLD_FRAMES] if known.place(frame)]
    lines = _frame_lines(shown)
    lines.append(f"{known.name(told.module, told.exception)}: {_message(told, sources)}")
    return "\n".join(lines)


def safe_words(report: bytes) -> str | None:
    """What one of Cloister's own programs says of its failure, on one line; None where it says nothing safe."""
    told = _read(report)
    return (_on_one_line(told.safe) or None) if told is not None else None


def _read(report: bytes) -> _Report | None:
    if len(report) > _MAX_REPORT_BYTES:
        return None
    try:
        told = msgspec.json.decode(report, type=_Report)
    except (msgspec.DecodeError, RecursionError):
        return None
    return told if told.version == 1 else None


def _frame_lines(frames: list[Frame]) -> list[str]:
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


def _message(told: _Report, sources: Mapping[str, str]) -> str:
    """What a declared safe error says of itself, on one line; of any other, that it is withheld."""
    declared = any(_DECLARES.search(text) for text in sources.values())
    text = _on_one_line(told.safe)
    return text if declared and text else "(message withheld)"


def _on_one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:MAX_SAFE_TEXT]).strip()
