"""Python: how its scripts are started, and which words of a failed one are known to its readers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cloister.worker.runners.known_python import KnownPython
from cloister.worker.runners.script import Language
from cloister.worker.sandbox import bundle

_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


def uses_libraries(texts: Iterable[str]) -> bool:
    """Whether a computation of these texts seems to import anything but the standard library."""
    named = {name for text in texts for name in _IMPORT.findall(text)}
    return not named <= sys.stdlib_module_names


PYTHON = Language(
    name="python",
    argv=("/usr/bin/python3", bundle.LAUNCHER, str(bundle.REPORT_DESCRIPTOR)),
    launcher=Path(__file__).with_name("launcher.py"),
    extension=".py",
    refusals=frozenset({"BlockingIOError", "RuntimeError", "OSError", "BrokenProcessPool", "Exception"}),
    known=KnownPython,
    uses_libraries=uses_libraries,
)
PROGRAM = replace(PYTHON, own=True, uses_libraries=lambda _: True)
"""Cloister's own programs: Python in a container like any other, so one that waits for a script serves them too."""
