"""A report from the container is believed only where it says what its reader knows already."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.worker.runners.known_python import KnownPython
from cloister.worker.sandbox.failure import safe_traceback

SECRET = "patient4711"
MAIN = "/input/code/main.py"
SCRIPT = f"""import numpy

def outer():
    return inner()

async def waits():
    pass

class Broken(Exception):
    pass

text = "def {SECRET}_in_a_string"
"""
LIBRARY = "usr/lib/python3/dist-packages/library"


def shown_of(report: bytes, sources: Mapping[str, str], image: Path) -> str | None:
    """What is shown of a report of a Python script."""
    return safe_traceback(report, sources, KnownPython(sources, image))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree laid out like an image, with a few ways out of it."""
    base = tmp_path_factory.mktemp("image")
    root = base / "root"
    (root / LIBRARY).mkdir(parents=True)
    (root / LIBRARY / "__init__.py").write_text("def used():\n    pass\n\nclass LibraryError(Exception):\n    pass\n")
    (root / LIBRARY / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF..FastError\0..")
    (root / "usr/lib/python3.11").mkdir()
    (root / "usr/lib/python3.11/queue.py").write_text("def get():\n    pass\n")
    (root / "etc").mkdir()
    (root / "etc/secret.py").write_text("def stolen():\n    pass\n")
    (base / "outside.py").write_text("def stolen():\n    pass\n")
    (root / LIBRARY / "link.py").symlink_to(base / "outside.py")
    (root / LIBRARY / "loop.py").symlink_to("loop.py")
    return root


def told(image: Path, **changes: Any) -> str | None:
    report = {"version": 1, "frames": [], "module": "builtins", "exception": "ValueError"} | changes
    return shown_of(json.dumps(report).encode(), {MAIN: SCRIPT}, image)


def frame(file: str = MAIN, line: int = 4, function: str = "outer") -> dict[str, Any]:
    return {"file": file, "line": line, "function": function}


TRUE_FRAMES = [
    frame(),
    frame(function="<module>", line=13),
    frame(function="<lambda>", line=1),
    frame(function="waits", line=7),
    frame(function="Broken", line=9),
    frame(f"/{LIBRARY}/__init__.py", 2, "used"),
    frame("/usr/lib/python3.11/queue.py", 1, "get"),
]
FALSE_FRAMES = [
    frame(line=0),
    frame(line=2),  # before the function begins
    frame(line=-1),
    frame(line=99),
    frame(line=10**30),
    frame(function="nowhere"),
    frame(function="inner"),  # called there, not defined
    frame(function=f"{SECRET}_in_a_string"),
    frame(function="numpy"),
    frame(function=f"<{SECRET}>"),
    frame(function="outer\n"),
    frame(function="out"),
    frame(function=".*"),
    frame(function=""),
    frame(file=f"/input/{SECRET}", function="<module>", line=1),
    frame(file="main.py"),
    frame(file="/etc/secret.py", line=1, function="stolen"),
    frame(file=f"/{LIBRARY}/link.py", line=1, function="stolen"),
    frame(file=f"/{LIBRARY}/loop.py", line=1, function="stolen"),
    frame(file=f"/{LIBRARY}/../../../../../etc/secret.py", line=1, function="stolen"),
    frame(file=f"/{LIBRARY}/./__init__.py", line=1, function="used"),
    frame(file=f"//{LIBRARY}/__init__.py", line=1, function="used"),
    frame(file=f"/{LIBRARY}/\0.py", line=1, function="used"),
    frame(file=f"/{LIBRARY}/{'x' * 5000}.py", line=1, function="used"),
    frame(file=f"/{LIBRARY}/fast.cpython-311-x86_64-linux-gnu.so", line=1, function="<module>"),
    frame(file=f"/{LIBRARY}", line=1, function="<module>"),
]


@pytest.mark.parametrize("true", TRUE_FRAMES, ids=str)
def test_true_places_are_shown(image: Path, true: dict[str, Any]) -> None:
    shown = f'  File "{true["file"]}", line {true["line"]}, in {true["function"]}'
    assert told(image, frames=[true]) == f"Traceback (most recent call last):\n{shown}\nValueError: (message withheld)"


@pytest.mark.parametrize("false", FALSE_FRAMES, ids=lambda value: repr(value)[:60])
def test_false_places_are_left_out(image: Path, false: dict[str, Any]) -> None:
    assert told(image, frames=[false]) == "ValueError: (message withheld)"


@pytest.mark.parametrize(
    ("module", "name", "shown"),
    [
        ("builtins", "KeyError", "KeyError"),
        ("builtins", "BaseExceptionGroup", "BaseExceptionGroup"),
        ("__main__", "Broken", "Broken"),
        ("library", "LibraryError", "library.LibraryError"),
        ("library.fast", "FastError", "library.fast.FastError"),
        ("builtins", SECRET, "Exception"),
        ("builtins", "print", "Exception"),
        ("__main__", SECRET, "Exception"),
        ("__main__", "outer", "Exception"),
        ("__main__", "Brok", "Exception"),
        ("__main__", ".*", "Exception"),
        ("library", "used", "Exception"),
        ("library", SECRET, "Exception"),
        (SECRET, "LibraryError", "Exception"),
        ("library.link", "stolen", "Exception"),
        ("library.fast", "ELF..FastError", "Exception"),
        ("library.fast", "Fast", "Exception"),
        ("library/fast", "FastError", "Exception"),
        ("..etc.secret", "stolen", "Exception"),
        ("", "", "Exception"),
        ("a." * 500 + "a", "LibraryError", "Exception"),
    ],
)
def test_class_names(image: Path, module: str, name: str, shown: str) -> None:
    assert told(image, module=module, exception=name) == f"{shown}: (message withheld)"


DECLARED = SCRIPT + "class TooFew(SafeError): pass\n"


@pytest.mark.parametrize(
    ("script", "safe", "shown"),
    [
        (DECLARED, "fewer than 10 patients", "fewer than 10 patients"),
        ("with catch_safe_error(): ...", "too few", "too few"),
        (SCRIPT, SECRET, "(message withheld)"),
        ("UnsafeError, SafeErrors = 1, 2", SECRET, "(message withheld)"),
        (DECLARED, "", "(message withheld)"),
        (DECLARED, " \n ", "(message withheld)"),
        (DECLARED, "a\x1b[2J\nb\u202e", "a [2J b"),
        (DECLARED, "x" * 5000, "x" * 1000),
    ],
)
def test_a_message_is_shown_where_the_script_declares_it_safe(image: Path, script: str, safe: str, shown: str) -> None:
    report = {"version": 1, "frames": [], "module": "builtins", "exception": "ValueError", "safe": safe}
    assert shown_of(json.dumps(report).encode(), {MAIN: script}, image) == f"ValueError: {shown}"


def test_long_tracebacks_are_cut(image: Path) -> None:
    shown = told(image, frames=[frame(function="<module>", line=1)] * 5 + [frame()] * 50)
    assert shown is not None
    lines = shown.splitlines()
    assert len(lines) == 1 + 5 + 1 + 15 + 1
    assert lines[6] == "  ..."


@pytest.mark.parametrize(
    "report",
    [
        *(b"", b"{}", b"null", b"[]", b"\xff", b"{" * 60_000, b"[" * 60_000, b'{"version":1', b" " * 70_000),
        b'{"version": 2, "frames": [], "module": "builtins", "exception": "ValueError"}',
        b'{"version": 1, "frames": [], "module": "builtins", "exception": "ValueError", "more": "'
        + SECRET.encode()
        + b'"}',
        b'{"version": 1, "frames": [{"file": 1}], "module": "builtins", "exception": "ValueError"}',
        b'{"version": 1, "frames": [], "module": "builtins", "exception": "ValueError"} trailing',
        json.dumps({"version": 1, "frames": [], "module": "builtins", "exception": "x" * 70_000}).encode(),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_nonsense_is_no_report(image: Path, report: bytes) -> None:
    assert shown_of(report, {MAIN: SCRIPT}, image) is None


@given(
    frames=st.lists(
        st.fixed_dictionaries({"file": st.text(), "line": st.integers(), "function": st.text()}), max_size=5
    ),
    module=st.text(),
    exception=st.text(string.ascii_letters),
)
def test_made_up_words_never_come_through(image: Path, frames: list[Any], module: str, exception: str) -> None:
    marked = [{"file": SECRET + f["file"], "line": f["line"], "function": f["function"] + SECRET} for f in frames]
    shown = told(image, frames=marked, module=module, exception=exception + SECRET)
    assert shown == "Exception: (message withheld)"


def test_a_hostile_script_text_takes_no_time(image: Path) -> None:
    """Patterns over the script's text are linear, whatever the text."""
    spaces = " " * 20_000
    sources = {MAIN: f"{spaces}async{spaces}def{spaces}\n" * 3}
    report = {"version": 1, "frames": [frame()] * 60, "module": "__main__", "exception": "X"}
    assert shown_of(json.dumps(report).encode(), sources, image) == "Exception: (message withheld)"
