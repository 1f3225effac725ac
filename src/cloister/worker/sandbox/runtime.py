"""Speak to an OCI runtime (crun, runc and their like) through its command line.

Whether it is any good is for probe.py to find out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloister.errors import SandboxUnavailable
from cloister.worker.sandbox import calls, cgroups, gvisor
from cloister.worker.sandbox.bundle import Walls

_ALIASES = {"kata": "kata-runtime", "gvisor": "runsc"}
_KATA = (
    "Kata Containers can't be used: since version 2 they have no command line to start containers by, and files opened "
    "by the worker can't be handed into their virtual machines. Use runsc (gVisor) for a kernel between scripts and "
    "this machine's, or run the whole worker in a virtual machine."
)


def program(name: str) -> str:
    """What the program of a runtime is called: `gvisor` and `kata` are names of projects."""
    return _ALIASES.get(name, name)


@dataclass(frozen=True)
class Runtime:
    """An OCI runtime on this machine; `probe.detect` gives one that can be relied on."""

    path: Path
    version: str
    walls: Walls = "kernel"

    @classmethod
    def named(cls, name: str) -> Runtime:
        """The runtime of this name or path, not probed. `kata` and `gvisor` are names too.

        Raises:
            SandboxUnavailable: there is no such program, it doesn't run, or it can't be used.
        """
        found = shutil.which(program(name))
        if found is None:
            raise SandboxUnavailable(f"{name}: not installed")
        try:
            told = subprocess.run(
                [found, "--version"], capture_output=True, text=True, timeout=10, check=True, process_group=0
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxUnavailable(f"{name}: does not run ({error})") from error
        version = told.splitlines()[0].strip() if told else "unknown"
        if Path(found).name.startswith("kata") or version.startswith("kata"):
            raise SandboxUnavailable(_KATA)
        return cls(Path(found), version, "gvisor" if version.startswith("runsc") else "kernel")

    def start(self, name: str, *, bundle: Path, state: Path, descriptors: Sequence[int], timeout_seconds: float) -> int:
        """Start a container that goes on by itself, and say its first process, which is then ours to wait for.

        Under gVisor, its control group of this name has to be there, and its client takes its first process's place.

        Args:
            descriptors: become 0, 1, 2, ... in the container; nothing else of ours is open in it.

        Raises:
            SandboxUnavailable: it was not started.
        """
        where = cgroups.hierarchies()
        if self.walls == "gvisor":
            pid = gvisor.start(
                self.path, name, bundle=bundle, state=state, descriptors=descriptors, where=where,
                timeout_seconds=timeout_seconds,
            )  # fmt: skip
        else:
            pid = self._start(name, bundle, state, descriptors, timeout_seconds)
        try:
            cgroups.limit_network_buffers(pid, where)
        except OSError as error:
            raise SandboxUnavailable(f"The memory of network buffers can't be limited: {error}.") from error
        return pid

    def _start(self, name: str, bundle: Path, state: Path, descriptors: Sequence[int], timeout_seconds: float) -> int:
        state.mkdir(mode=0o700)
        pid_file, log_file = state / "pid", state / "log"
        command = [
            *(str(self.path), "--root", str(state), "--log", str(log_file), "--log-format", "json"),
            *("run", "--detach", "--bundle", str(bundle), "--pid-file", str(pid_file)),
            *("--preserve-fds", str(len(descriptors) - 3), name),
        ]
        process = calls.spawn(command, [(os.POSIX_SPAWN_DUP2, mine, number) for number, mine in enumerate(descriptors)])
        if not calls.wait(process, timeout_seconds) or not pid_file.exists():
            raise SandboxUnavailable(f"{self.path.name} could not start a container: {calls.reason(log_file)}")
        return int(pid_file.read_text())

    def forget(self, name: str, state: Path) -> None:
        """Let the runtime remove what it keeps of a container that has ended, or never started. Never raises."""
        if self.walls == "gvisor":
            return  # all that it keeps lies in that folder
        if state.exists():
            command = [str(self.path), "--root", str(state), "delete", "--force", name]
            nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
            with contextlib.suppress(OSError):
                calls.wait(calls.spawn(command, nothing), 60.0)

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


def _is_left(child: int, users: range, runtime_name: str) -> bool:
    folder = Path(f"/proc/{child}")
    name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
    state, _, group = rest.split()[:3]
    is_helper = state == "Z" and name == runtime_name[:15] and int(group) != child
    return is_helper or folder.stat().st_uid in users
