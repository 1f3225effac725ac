"""Speak to an OCI runtime (crun, runc and their like) through its command line.

Whether it is any good is for probe.py to find out.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister.errors import SandboxUnavailable
from cloister.worker.sandbox import cgroups

_ALIASES = {"kata": "kata-runtime", "gvisor": "runsc"}
_NOT_YET = {
    "runsc": "gVisor's containers are started and checked in another way, which Cloister does not have yet",
    "kata-runtime": "Kata Containers are started through containerd, which Cloister can not do yet",
}


@dataclass(frozen=True)
class Runtime:
    """An OCI runtime on this machine; `probe.detect` gives one that can be relied on."""

    path: Path
    version: str

    @classmethod
    def named(cls, name: str) -> Runtime:
        """The runtime of this name or path, not probed. `kata` and `gvisor` are names too.

        Raises:
            SandboxUnavailable: there is no such program, or it doesn't run.
        """
        found = shutil.which(_ALIASES.get(name, name))
        if found is None:
            raise SandboxUnavailable(f"{name}: not installed")
        try:
            told = subprocess.run(
                [found, "--version"], capture_output=True, text=True, timeout=10, check=True, process_group=0
            ).stdout
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
        if (reason := _NOT_YET.get(self.path.name)) is not None:
            raise SandboxUnavailable(f"{reason}. Use crun or runc.")
        state.mkdir(mode=0o700)
        pid_file, log_file = state / "pid", state / "log"
        command = [
            *(str(self.path), "--root", str(state), "--log", str(log_file), "--log-format", "json"),
            *("run", "--detach", "--bundle", str(bundle), "--pid-file", str(pid_file)),
            *("--preserve-fds", str(len(descriptors) - 3), name),
        ]
        process = _spawn(command, [(os.POSIX_SPAWN_DUP2, mine, number) for number, mine in enumerate(descriptors)])
        if not _wait(process, timeout_seconds) or not pid_file.exists():
            raise SandboxUnavailable(f"{self.path.name} could not start a container: {_reason(log_file)}")
        pid = int(pid_file.read_text())
        try:
            cgroups.limit_network_buffers(pid, cgroups.hierarchies())
        except OSError as error:
            raise SandboxUnavailable(f"The memory of network buffers can't be limited: {error}.") from error
        return pid

    def forget(self, name: str, state: Path) -> None:
        """Let the runtime remove what it keeps of a container that has ended, or never started. Never raises."""
        if state.exists():
            command = [str(self.path), "--root", str(state), "delete", "--force", name]
            with contextlib.suppress(OSError):
                _wait(_spawn(command, [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in range(3)]), 60.0)

    def reap(self, users: range) -> None:
        """Wait for what a start that failed has left to us, who adopt orphans: dead children that nobody knows.

        These are children that run as one of the container's `users`, and the runtime's own helpers. Runtimes that
        were called lead process groups of their own, and are left to who called them.
        """
        for task in Path("/proc/self/task").iterdir():
            # Threads end, children are reaped by others, and a kernel may be built without this list.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in map(int, (task / "children").read_text().split()):
                    if _is_left(child, users, self.path.name):
                        with contextlib.suppress(ChildProcessError):
                            os.kill(child, signal.SIGKILL)
                            os.waitpid(child, 0)


def stop_starting(below: Path) -> None:
    """Kill runtimes that were called for a container whose state lies below a folder: their caller is dead."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdecimal() else []
            if b"--root" in words and words[words.index(b"--root") + 1].startswith(os.fsencode(below) + b"/"):
                os.kill(int(folder.name), signal.SIGKILL)


def _spawn(command: list[str], file_actions: Sequence[tuple[Any, ...]]) -> int:
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


def _is_left(child: int, users: range, runtime_name: str) -> bool:
    folder = Path(f"/proc/{child}")
    name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
    state, _, group = rest.split()[:3]
    is_helper = state == "Z" and name == runtime_name[:15] and int(group) != child
    return is_helper or folder.stat().st_uid in users


def _wait(process: int, timeout_seconds: float) -> bool:
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
