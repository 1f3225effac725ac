"""Speak to an OCI runtime (crun, runc and their like) through its command line.

Whether it is any good is for probe.py to find out.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloister.errors import SandboxUnavailable


@dataclass(frozen=True)
class Runtime:
    """An OCI runtime on this machine; `probe.detect` gives one that can be relied on."""

    path: Path
    version: str

    @classmethod
    def named(cls, name: str) -> Runtime:
        """The runtime of this name or path, not probed.

        Raises:
            SandboxUnavailable: there is no such program, or it doesn't run.
        """
        found = shutil.which(name)
        if found is None:
            raise SandboxUnavailable(f"{name}: not installed")
        try:
            told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxUnavailable(f"{name}: does not run ({error})") from error
        return cls(Path(found), told.splitlines()[0].strip() if told else "unknown")

    def start(self, name: str, *, bundle: Path, state: Path, descriptors: Sequence[int], timeout_seconds: float) -> int:
        """Start a container that goes on by itself, and say its first process, which is then ours to wait for.

        Args:
            descriptors: become 0, 1, 2, ... in the container; nothing else of ours is open in it.

        Raises:
            SandboxUnavailable: it was not started.
        """
        state.mkdir(mode=0o700)
        pid_file, log_file = state / "pid", state / "log"
        command = [
            *(str(self.path), "--root", str(state), "--log", str(log_file), "--log-format", "json"),
            *("run", "--detach", "--bundle", str(bundle), "--pid-file", str(pid_file)),
            *("--preserve-fds", str(len(descriptors) - 3), name),
        ]
        process = os.posix_spawn(
            self.path,
            command,
            {"PATH": os.defpath},
            file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(descriptors)],
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
        )
        if not _wait(process, timeout_seconds) or not pid_file.exists():
            raise SandboxUnavailable(f"{self.path.name} could not start a container: {_reason(log_file)}")
        return int(pid_file.read_text())

    def forget(self, name: str, state: Path) -> None:
        """Let the runtime remove what it keeps of a container that has ended, or never started. Never raises."""
        if state.exists():
            subprocess.run(
                [str(self.path), "--root", str(state), "delete", "--force", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
                check=False,
            )


def _wait(process: int, timeout_seconds: float) -> bool:
    """Wait for a child, killing it when the time is up. Whether it succeeded."""
    descriptor = os.pidfd_open(process)
    try:
        if not select.select([descriptor], [], [], timeout_seconds)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
    return os.waitpid(process, 0)[1] == 0


def _reason(log_file: Path) -> str:
    """The last error in a runtime's log, which is one JSON object a line."""
    try:
        lines = log_file.read_text(errors="replace").splitlines()
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
