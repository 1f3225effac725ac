"""A task's inputs: fetched, decrypted and laid out in one folder for its container."""

from __future__ import annotations

import contextlib
import errno
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from cloister.errors import NotFoundError, VerificationError
from cloister.formats.dataset import check_key
from cloister.protocol import TaskInput
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download
from cloister.worker.archives import ArchiveInvalid, open_archive, read_member, unpack
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.scratch import PAGE

MAX_INPUT_FILES = 1_000_000
REPORT = "validation-report.json"
"""What a validated table's archive says of it."""
_REPORT_BYTES = 64 * 1024 * 1024


class _Outcome(msgspec.Struct):
    outcome: Literal["PASSED", "FAILED"]


class _Validation(msgspec.Struct):
    report: _Outcome


class InputInvalid(Exception):
    """An input can't be handed to the script. The message is safe: it names the input, nothing of its content."""


def stage(
    inputs: tuple[TaskInput, ...],
    hub: Hub,
    sandbox: Sandbox,
    make_folder: Callable[[int, int], Path],
    patience: Patience,
) -> None:
    """Fetches and decrypts all inputs into one folder: files as they are, results unpacked into folders.

    Args:
        make_folder: gives an empty folder for so many bytes and so many files and folders.

    Raises:
        InputInvalid: an input is not what was attached, or too large for this worker.
    """
    with contextlib.ExitStack() as held:
        archives = {}
        size = files = 0
        for each in inputs:
            if each.kind != "file":
                archives[each.mount] = _fetch_archive(each, hub, sandbox, patience, held)
                members = archives[each.mount].infolist()
                size += sum(_pages(member.file_size) for member in members)
                files += sum(member.filename.count("/") + 1 for member in members) + 1
            else:
                size += _pages(each.manifest.size)
                files += 1
        if files > MAX_INPUT_FILES:
            raise InputInvalid(f"The inputs have more than {MAX_INPUT_FILES} files.")
        folder = make_folder(size + PAGE, files)
        for each in inputs:
            with _named(each, sandbox):
                if each.kind != "file":
                    if each.kind == "table":
                        check_valid(each.mount, archives[each.mount])
                    unpack(archives[each.mount], folder / each.mount)
                else:
                    with (folder / each.mount).open("xb") as file:
                        download(hub, each.manifest, each.key, file, patience=patience)


def _fetch_archive(
    each: TaskInput, hub: Hub, sandbox: Sandbox, patience: Patience, held: contextlib.ExitStack
) -> zipfile.ZipFile:
    place = held.enter_context(sandbox.folder(_pages(each.manifest.size) + PAGE, 2))
    with _named(each, sandbox):
        file = held.enter_context((place / "archive").open("x+b"))
        download(hub, each.manifest, each.key, file, patience=patience)
        return held.enter_context(open_archive(file))


def check_valid(mount: str, archive: zipfile.ZipFile) -> None:
    """Raises:
    InputInvalid: it is the result of a validation that has not passed.
    ArchiveInvalid: it isn't the result of any.
    """
    text = read_member(archive, REPORT, _REPORT_BYTES)
    try:
        outcome = msgspec.json.decode(text or b"", type=_Validation).report.outcome
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ArchiveInvalid("it has no report on its validation.") from None
    if outcome != "PASSED":
        raise InputInvalid(
            f"The table {mount!r} is not valid: its validation ended as {outcome}. Its data owner can read the "
            "validation report, and attach a table without the errors that it tells of."
        )


@contextlib.contextmanager
def _named(each: TaskInput, sandbox: Sandbox) -> Iterator[None]:
    """Turns what can be wrong with one input into an error that names it."""
    try:
        check_key(each.key, each.manifest)
        yield
    except (VerificationError, ArchiveInvalid, NotFoundError) as error:
        if each.kind != "file":
            raise InputInvalid(
                f"The input {each.mount!r} is not the result that was computed: {error} Remove the data that it was "
                "derived from, upload and attach that again, and run it anew."
            ) from None
        raise InputInvalid(
            f"The input {each.mount!r} is not what was attached: {error} Remove it, upload it again and attach that."
        ) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # No figures: how large somebody's data is isn't the analyst's to know.
        disk = ", nor into its scratch on disk" if sandbox.disk is not None and sandbox.disk.usable else ""
        raise InputInvalid(f"The input {each.mount!r} does not fit into this worker's memory{disk}.") from None


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
