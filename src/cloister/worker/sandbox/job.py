"""What a container is made for, what it is handed, and how it ended: values, and the conclusion from them. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from cloister.rooms.limits import Limits

LimitName = Literal["memory", "pids", "wall time", "output size", "output files", "scratch"]
Stop = Literal["memory", "wall time", "cancelled"]
"""Why a container was ended from outside."""


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What has to be known of a task before its container can be made. Equal ones make equal containers."""

    argv: tuple[str, ...]
    """The program inside the container, started by tini: see runners/launcher.py for what it has to do."""
    image_root: Path
    """The image's root file system, a directory; never written to."""
    launcher: str
    """The text of the file that is seen as `bundle.LAUNCHER`."""
    layers: tuple[Path, ...] = ()
    """Folders seen over the image, the first on top."""
    threads: int
    """How many threads the thread pools of libraries are told to have."""
    code_target: str = "/input/code"
    """Where the job's code is seen; see `frame.code_target`."""
    language: str = "python"
    """Of the scripts that it is for."""
    imports: tuple[str, ...] = ()
    """Modules to import before the task comes."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run in a container: trusted parameters around untrusted code."""

    go: str
    """What the launcher is told to start. One line."""
    code: Mapping[str, bytes]
    """Files seen read-only in the blueprint's `code_target`, by relative name; nested names allowed."""
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a container ended. Only `log` and `report` were chosen by the untrusted code."""

    exit_code: int
    """0 to 255 as a shell would say it: 128 + n where signal n ended it."""
    limit: LimitName | None
    """The limit that ended it, or that explains its failure. `pids` is for the caller to conclude."""
    refused_processes: bool
    """Whether it was refused a process or thread at some time: a possible cause where `limit` is None."""
    cancelled: bool
    wall_seconds: float
    peak_memory_bytes: int | None
    """The most memory it held at once, where the kernel tells, besides what it held before it had its task."""
    log: bytes
    """Standard output and standard error: the head, then the tail, at most `Limits.log_bytes`."""
    report: bytes
    """What the launcher (or the script in its name) sent about a failure. Untrusted."""
    output: Path
    """The folder that was /output. Gone when the container is closed."""


class Left(NamedTuple):
    """What a writable folder has room for at the end."""

    pages: int
    files: int


def limit_reached(
    stopped: Stop | None, exit_code: int, killed_for_memory: int, output: Left, own: Sequence[Left]
) -> LimitName | None:
    """Which limit ended a container, or explains its failure.

    A full /output is named even where the script went on as if nothing were: its result would be incomplete.

    Args:
        own: the folders besides /output that it could write to.
    """
    if stopped == "cancelled":
        return None
    if stopped is not None:
        return stopped
    if exit_code != 0 and killed_for_memory:
        return "memory"
    if output.pages == 0:
        return "output size"
    if output.files == 0:
        return "output files"
    # A mapped page that had no room in its folder: shared memory, which a helper of Python's may have removed since.
    if exit_code == 128 + signal.SIGBUS or (exit_code != 0 and any(0 in each for each in own)):
        return "scratch"
    return None
