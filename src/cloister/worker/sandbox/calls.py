"""Call programs of the host's: an OCI runtime, with nothing of our own in it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def spawn(command: list[str], file_actions: Sequence[tuple[Any, ...]]) -> int:
    """Start a program in a process group of its own, with nothing of our environment, signals or files."""
    return os.posix_spawn(
        command[0],
        command,
        {"PATH": os.defpath},
        file_actions=file_actions,
        setpgroup=0,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
    )


def wait(process: int, timeout_seconds: float) -> bool:
    """Wait for a child that leads a process group, killing it when the time is up. Whether it succeeded.

    Where it failed, what it started and left in its group is killed; all of that is reaped, being ours now.
    """
    descriptor = os.pidfd_open(process)
    try:
        if not select.select([descriptor], [], [], timeout_seconds)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
    # Left unreaped until the group was dealt with, so that its number can't be anybody else's.
    ended = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    succeeded = ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == 0
    if not succeeded:
        os.killpg(process, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-process, os.WNOHANG if succeeded else 0)[0]:
            pass
    return succeeded


def reason(log_file: Path) -> str:
    """The last error in a runtime's log, which is one JSON object a line."""
    try:
        lines = log_file.read_text(errors="replace").replace("}{", "}\n{").splitlines()
    except OSError:
        lines = []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal"):
            return str(entry.get("msg", "")).strip()
    return "it gave no reason"
