"""R: how its scripts are started, and which words of a failed one are known to its readers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cloister.worker.runners.script import Language
from cloister.worker.sandbox import bundle
from cloister.worker.sandbox.failure import Frame

TOP = "<script>"
"""Where code stands that is in no function."""
_NAME = re.compile(r"[A-Za-z.][A-Za-z0-9._]{0,79}", re.ASCII)
# Of R itself, and of what most of its packages raise errors with.
_CONDITIONS = frozenset({
    "simpleError", "error", "condition", "packageNotFoundError", "simpleCondition", "getMissingError",
    "missingArgError",
    "rlang_error", "rlib_error", "vctrs_error", "dplyr_error", "tibble_error", "try-error", "stackOverflowError",
    "expressionStackOverflowError", "CStackOverflowError", "interrupt",
})  # fmt: skip


class KnownR:
    """See `cloister.worker.sandbox.failure.Known`. Packages keep no sources: of them, nothing is shown."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def place(self, frame: Frame) -> bool:
        text = self._sources.get(frame.file)
        if text is None or not 1 <= frame.line <= text.count("\n") + 1:
            return False
        if frame.function == TOP:
            return True
        return bool(_NAME.fullmatch(frame.function)) and _assigned(frame.function, text, frame.line)

    def name(self, module: str, exception: str) -> str:
        if exception in _CONDITIONS:
            return exception
        quoted = re.compile(rf"[\"']{re.escape(exception)}[\"']")
        known = _NAME.fullmatch(exception) and any(quoted.search(text) for text in self._sources.values())
        return exception if known and module == "R" else "error"


def _assigned(name: str, text: str, line: int) -> bool:
    """Whether `text` makes a function of that name, at that line or before."""
    made = re.compile(rf"(?<![\w.]){re.escape(name)}\s*(?:<<?-|=)\s*(?:function\b|\\\()")
    found = made.search(text)
    return found is not None and text.count("\n", 0, found.start()) + 1 <= line


def _known(sources: Mapping[str, str], _image_root: Path) -> KnownR:
    return KnownR(sources)


_LIBRARY = re.compile(r"\b(?:library|require|requireNamespace|loadNamespace)\s*\(|::")


def _uses_libraries(texts: Iterable[str]) -> bool:
    return any(_LIBRARY.search(text) for text in texts)


R = Language(
    name="r",
    argv=(
        *("/usr/bin/R", "--no-echo", "--no-restore", "--no-save", f"--file={bundle.LAUNCHER}"),
        *("--args", str(bundle.REPORT_DESCRIPTOR)),
    ),
    launcher=Path(__file__).with_name("launcher.R"),
    extension=".R",
    refusals=frozenset({"simpleError"}),
    known=_known,
    uses_libraries=_uses_libraries,
)
