"""Run one computation in one single-use container, and leave nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cloister.rooms.limits import Limits
from cloister.worker.runtime import Runtime

LimitName = Literal["memory", "pids", "wall time", "output size", "output files", "scratch"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run: trusted parameters around untrusted code."""

    argv: Sequence[str]
    """The program inside the container; tini runs it. It must wait for the line `go` on its standard input."""
    image_root: Path
    """The image's root file system, a directory; never written to."""
    input_folder: Path
    """Staged inputs (regular files and folders only), seen read-only at /input."""
    code: Mapping[str, bytes]
    """Files seen read-only in the code folder, by relative name; nested names allowed."""
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a container ended. Only `log` and `report` were chosen by the untrusted code."""

    exit_code: int
    """0 to 255 as a shell would say it: 128 + n where signal n ended it."""
    limit: LimitName | None
    """The limit that ended it, or caused its failure."""
    cancelled: bool
    wall_seconds: float
    peak_memory_bytes: int | None
    """The most memory it held at once, where the kernel tells."""
    log: bytes
    """Standard output and standard error: the head, then the tail, at most `Limits.log_bytes`."""
    report: bytes
    """What the launcher (or the script in its name) sent about a failure. Untrusted."""
    output: Path
    """The folder that was /output. Gone when the context ends."""


class Sandbox:
    """A worker's place for containers: one directory under /run, its lock, its mounts.

    Make one per worker process, from the main thread, before other threads start; close it at the end. Opening
    it sweeps what workers killed earlier have left.
    """

    def __init__(self, runtime: Runtime, directory: Path = Path("/run/cloister")) -> None:
        raise NotImplementedError

    def __enter__(self) -> Sandbox:
        raise NotImplementedError

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError

    def memory_folder(self, size_bytes: int, files: int) -> AbstractContextManager[Path]:
        """An empty folder in memory that is never swapped out, for inputs in plaintext.

        Holds at most `size_bytes` and `files` files and folders. Emptied, unmounted and removed at the end.
        """
        raise NotImplementedError

    def run(self, job: Job, cancelled: threading.Event | None = None) -> AbstractContextManager[Outcome]:
        """Run `job` to its end, whatever that is, and yield how it ended while /output can still be read.

        Setting `cancelled` from any thread ends the container within a fraction of a second. Nothing is left when the
        context ends: processes, mounts, control groups, files.

        Raises:
            SandboxUnavailable: the container could not be started, or without an enforced limit. Its code
                has not run.
        """
        raise NotImplementedError


def sweep(directory: Path = Path("/run/cloister")) -> Iterator[str]:
    """Remove what workers that no longer live have left under `directory`; name each."""
    raise NotImplementedError
