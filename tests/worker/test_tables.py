"""Validated tables as inputs, rows that are packed apart, and what is told of a program's failure."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloister.errors import EnclaveError
from cloister.rooms.limits import MIB, Limits
from cloister.worker.inputs import REPORT, InputInvalid
from cloister.worker.runners.python import PROGRAM
from cloister.worker.runners.script import WITHHELD
from cloister.worker.sandbox.collector import collect
from cloister.worker.sandbox.failure import MAX_SAFE_TEXT, safe_words
from tests.containers import SMALL, Machine, machine_of
from tests.worker.test_task import Stage, staging

PASSED = json.dumps({"version": "v0", "report": {"columns": [], "outcome": "PASSED"}}).encode()
SECRET = "patient-4711"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path, None) as stage:
        yield stage


def table(stage: Stage, report: bytes | None, **files: bytes) -> Any:
    """A validated table as a worker is given it."""
    content = {"dataset.csv": b"1,2\n", "types": b"", **files, **({} if report is None else {REPORT: report})}
    return msgspec.structs.replace(stage.result("people", content), kind="table")


def test_a_table_that_passed_is_a_folder_with_its_report(small: Stage) -> None:
    folder = small.stage(table(small, PASSED)) / "people"
    assert {path.name for path in folder.iterdir()} == {"dataset.csv", "types", REPORT}
    assert (folder / "dataset.csv").read_bytes() == b"1,2\n"


FAILED = json.dumps({"report": {"outcome": "FAILED", "columns": [SECRET]}}).encode()


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (FAILED, "The table 'people' is not valid: its validation ended as FAILED. Its data owner can read"),
        (None, "'people' is not the result that was computed: it has no report on its validation"),
        (b"", "no report on its validation"),
        (b"\xff\xfe", "no report on its validation"),
        (b"[" * 1_000_000, "no report on its validation"),
        (b'{"report": ' * 1_000_000, "no report on its validation"),
        (b"{}", "no report on its validation"),
        (b'{"report": {}}', "no report on its validation"),
        (b'{"report": {"outcome": null}}', "no report on its validation"),
        (b'{"report": {"outcome": "passed"}}', "no report on its validation"),
        (b'{"report": {"outcome": "' + SECRET.encode() + b'"}}', "no report on its validation"),
        (b'{"outcome": "PASSED"}', "no report on its validation"),
        (PASSED + PASSED, "no report on its validation"),
        (PASSED + b" " * (64 * MIB), "a file in it is larger than can be read"),
    ],
)
def test_a_table_is_used_only_where_its_report_says_that_it_passed(
    small: Stage, report: bytes | None, message: str
) -> None:
    # A folder inside that has the report's name is none.
    folder = {f"folder/{REPORT}": PASSED}
    with pytest.raises(InputInvalid, match=message) as caught:
        small.stage(table(small, report, **folder))
    assert SECRET not in str(caught.value)


def test_two_reports_are_no_report(small: Stage) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(REPORT, FAILED)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(REPORT, PASSED)
    given = msgspec.structs.replace(small._stored("people", "zip", packed.getvalue()), kind="table")
    with pytest.raises(InputInvalid, match="'people' is not the result that was computed"):
        small.stage(given)


@pytest.mark.parametrize("change", [b"encrypted", b"cut"])
def test_a_report_that_can_not_be_read(small: Stage, change: bytes) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(REPORT, PASSED)
    content = bytearray(packed.getvalue())
    if change == b"encrypted":
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
    else:
        content[content.index(PASSED)] ^= 1
    given = msgspec.structs.replace(small._stored("people", "zip", bytes(content)), kind="table")
    with pytest.raises(InputInvalid, match="'people' is not the result that was computed: it is damaged"):
        small.stage(given)


def test_a_result_that_is_no_table_needs_no_report(small: Stage) -> None:
    folder = small.stage(small.result("script", {"a": b"1"}))
    assert (folder / "script/a").read_bytes() == b"1"


# --- what is withheld ---


def unpack(chunks: Iterator[bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def matched(output: Path) -> Path:
    (output / WITHHELD / "deep").mkdir(parents=True)
    (output / WITHHELD / "dataset.csv").write_text(SECRET)
    (output / WITHHELD / "deep" / "types").write_text(SECRET)
    (output / "statistics.json").write_text("{}")
    return output


def test_what_is_withheld_is_in_one_zip_and_the_rest_in_the_other(tmp_path: Path) -> None:
    output = matched(tmp_path)
    assert unpack(collect(output, SMALL, without=WITHHELD)) == {"statistics.json": b"{}"}
    assert unpack(collect(output / WITHHELD, SMALL)) == {"dataset.csv": SECRET.encode(), "deep/types": SECRET.encode()}
    assert b"".join(collect(output, SMALL, without=WITHHELD)).find(SECRET.encode()) == -1
    # Of anything but a match it is a folder like others.
    assert f"{WITHHELD}/dataset.csv" in unpack(collect(output, SMALL))


def test_only_that_very_folder_is_withheld(tmp_path: Path) -> None:
    for name in (f"a/{WITHHELD}", f"{WITHHELD}x", WITHHELD.upper()):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    assert len(unpack(collect(tmp_path, SMALL, without=WITHHELD))) == 3


def test_a_link_is_not_followed_to_what_is_withheld(tmp_path: Path) -> None:
    """What was withheld would come from anywhere on the worker."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "key").write_text(SECRET)
    output = tmp_path / "output"
    output.mkdir()
    (output / WITHHELD).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnclaveError, match="symbolic link"):
        collect(output, SMALL, without=WITHHELD)
    with pytest.raises(EnclaveError, match="lacks a folder"):
        collect(output / WITHHELD, SMALL)


@pytest.mark.parametrize("is_file", [False, True])
def test_a_match_without_its_rows_is_an_error(tmp_path: Path, is_file: bool) -> None:
    if is_file:
        (tmp_path / WITHHELD).touch()
    with pytest.raises(EnclaveError, match="lacks a folder that it should have"):
        collect(tmp_path / WITHHELD, SMALL)


def test_limits_hold_for_what_is_withheld_too(tmp_path: Path) -> None:
    output = matched(tmp_path)
    with pytest.raises(EnclaveError, match="limit on output size"):
        collect(output / WITHHELD, Limits(output_bytes=5))
    with pytest.raises(EnclaveError, match="limit on output files"):
        collect(output / WITHHELD, Limits(output_files=2))


# --- what is told of a failure ---


def report(**changes: Any) -> bytes:
    known = {"version": 1, "frames": [], "module": "cloister_util.error", "exception": "SafeError", "safe": "Why."}
    return json.dumps(known | changes).encode()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (report(), "Why."),
        (report(safe="one\ntwo\x1b[2J\u202ethree\x00"), "one two [2J three"),
        (report(safe="x" * 5000), "x" * MAX_SAFE_TEXT),
        (report(safe=" \n"), None),
        (report(safe=""), None),
        (report(safe=5), None),
        (report(safe=None), None),
        (report(version=2), None),
        (report(more=SECRET), None),
        (report(frames=[{"file": SECRET, "line": 1, "function": SECRET}], exception=SECRET, safe=""), None),
        (report(frames=[{"file": SECRET, "line": 1, "function": SECRET}], exception=SECRET), "Why."),
        (b"", None),
        (b"[" * 60_000, None),
        (b"\xff" * 100, None),
        (report(safe="x" * 70_000), None),
    ],
)
def test_of_a_programs_failure_safe_words_alone_are_told(told: bytes, words: str | None) -> None:
    assert safe_words(told) == words


@pytest.fixture(scope="module")
def programs(image_root: Path) -> Iterator[Machine]:
    """Where Cloister's own programs run: as scripts do, but for what is told of how they fail."""
    with machine_of("cold", image_root) as made:
        yield Machine(made.sandbox, image_root, None, PROGRAM)


@pytest.mark.parametrize(
    "script",
    [
        f"raise ValueError('{SECRET}')",
        f"class {SECRET.replace('-', '_')}(Exception): pass\nraise {SECRET.replace('-', '_')}",
        f"raise SystemExit('{SECRET}')",
        "import sys; sys.exit(7)",
        "import os; os._exit(42)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        # One that was taken over and says what it likes, but not in the form of the launcher.
        f"import os; os.write(3, b'{SECRET}'); os._exit(1)",
    ],
)
def test_nothing_else_is_told(programs: Machine, script: str) -> None:
    ran = programs.run(script, files={"config.json": "{}"})
    assert ran.error is not None
    assert ran.error.startswith("It failed in a way that Cloister didn't expect")
    assert SECRET not in ran.error


def test_a_safe_error_is_told_without_a_traceback(programs: Machine) -> None:
    ran = programs.run(
        "from cloister_util.error import SafeError\nraise SafeError('The table\\nhas no column of ages.')"
    )
    assert ran.error == "The table has no column of ages."


def test_limits_are_told_in_words_for_what_is_no_script(programs: Machine) -> None:
    limits = msgspec.structs.replace(SMALL, wall_seconds=1)
    ran = programs.run("while True: pass", limits=limits)
    assert ran.error is not None
    assert "exceeded its limit on wall time (1 seconds). Let it work on less, or publish a room" in ran.error
