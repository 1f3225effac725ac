"""Run one Python computation: from script, inputs and limits to a zip, or to an error that is safe to show.

    runtime = Runtime.detect(image.root)
    with Sandbox(runtime) as sandbox:                                   # once per worker
        with sandbox.memory_folder(size_bytes, files) as folder:        # once per task
            ...                                                         # decrypt the inputs into it
            task = PythonTask(script=..., input_folder=folder, image_root=image.root, limits=...)
            with run_python(sandbox, task, cancelled) as run:
                if run.error is not None:
                    ...                                                 # report it: safe for the analyst to read
                else:
                    for chunk in run.result():                          # the zip, streamed
                        ...
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from cloister.rooms.limits import Limits
from cloister.worker.container import Outcome, Sandbox


@dataclass(frozen=True, kw_only=True)
class PythonTask:
    """One Python computation with its inputs in place."""

    script: str
    input_folder: Path
    """Seen read-only at /input. Regular files and folders only."""
    image_root: Path
    limits: Limits
    files: Mapping[str, str] = field(default_factory=dict)
    """Additional text files, seen at /input/code/<name>; nested names allowed."""
    enable_logs_on_error: bool = False
    enable_logs_on_success: bool = False


@dataclass(frozen=True, kw_only=True)
class PythonRun:
    """How it went."""

    outcome: Outcome
    error: str | None
    """None where the script succeeded; else a text that holds nothing of the data unless logs on error are enabled."""

    def result(self) -> Iterator[bytes]:
        """The zip of /output (and `container.log` where logs on success are enabled), in chunks.

        Raises:
            EnclaveError: at the call, before the first chunk: something in /output can't be collected. Safe to show.
        """
        raise NotImplementedError


def run_python(
    sandbox: Sandbox, task: PythonTask, cancelled: threading.Event | None = None
) -> AbstractContextManager[PythonRun]:
    """Run `task` in a container of its own; read the result before the context ends.

    Raises:
        SandboxUnavailable: the container could not be started safely.
    """
    raise NotImplementedError
