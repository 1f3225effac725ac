"""What the kernel accounts to a container: its limits as they really are, and what ran into them.

Threat: a runtime that quietly ignores a limit (seen: rootless without delegated control groups). So the limits
are read back from the kernel, for the process itself, before its code may run.

Version 1, version 2, and both at once (hybrid, where the controllers are on version 1) are understood.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Hierarchies:
    """Where the control group hierarchies are mounted."""

    unified: Path | None
    """Version 2, if mounted."""
    by_controller: Mapping[str, Path]
    """Version 1 mounts by controller name."""

    @property
    def version(self) -> str:
        """`v2`, `v1`, `hybrid` or `none`."""
        if self.by_controller:
            return "hybrid" if self.unified else "v1"
        return "v2" if self.unified else "none"


def parse_hierarchies(mountinfo: str) -> Hierarchies:
    """Find them in the text of /proc/self/mountinfo (proc(5))."""
    unified: Path | None = None
    by_controller: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        target, (kind, _, options) = Path(left.split(" ")[4]), right.split(" ", 2)
        if kind == "cgroup2":
            unified = unified or target
        elif kind == "cgroup":
            for option in options.split(","):
                by_controller.setdefault(option, target)
    return Hierarchies(unified, by_controller)


def hierarchies() -> Hierarchies:
    """Those of this process."""
    return parse_hierarchies(Path("/proc/self/mountinfo").read_text())


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _count(path: Path, word: str) -> int:
    try:
        text = path.read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == word:
            return int(value)
    return 0


@dataclass(frozen=True)
class Facts:
    """A snapshot."""

    memory_limit: int | None
    pids_limit: int | None
    peak_memory: int | None
    killed_for_memory: int
    """How many of its processes the kernel has killed because the limit was reached."""
    refused_processes: int
    """How often it was refused a process or thread."""


@dataclass(frozen=True)
class ControlGroup:
    """The control groups of one running process: folders of its memory and pids controllers."""

    memory: Path
    pids: Path
    unified: bool

    @classmethod
    def of(cls, pid: int, where: Hierarchies) -> ControlGroup:
        """Of the process `pid`.

        Raises:
            OSError: the process is gone, or memory or pids aren't controlled on this machine.
        """
        paths: dict[str, str] = {}
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                paths[controller] = path.lstrip("/")
        if "memory" in paths and "pids" in paths:
            mounts = where.by_controller
            return cls(mounts["memory"] / paths["memory"], mounts["pids"] / paths["pids"], unified=False)
        if where.unified is None or "" not in paths:
            raise OSError("no control groups for memory and processes")
        folder = where.unified / paths[""]
        return cls(folder, folder, unified=True)

    def facts(self) -> Facts:
        """What the kernel says now."""
        if self.unified:
            limit, peak, events = "memory.max", "memory.peak", self.memory / "memory.events"
        else:
            limit, peak = "memory.limit_in_bytes", "memory.max_usage_in_bytes"
            events = self.memory / "memory.oom_control"
        return Facts(
            memory_limit=_number(self.memory / limit),
            pids_limit=_number(self.pids / "pids.max"),
            peak_memory=_number(self.memory / peak),
            killed_for_memory=self.killed_for_memory(events),
            refused_processes=_count(self.pids / "pids.events", "max"),
        )

    def killed_for_memory(self, events: Path | None = None) -> int:
        """How many of its processes were killed for memory so far."""
        name = "memory.events" if self.unified else "memory.oom_control"
        return _count(events or self.memory / name, "oom_kill")


NETWORK_BYTES = 32 * 1024 * 1024
"""What the buffers of a container's network connections, all of them to itself, may hold."""


def limit_network_buffers(pid: int, where: Hierarchies) -> None:
    """Limit what the kernel buffers for the network sockets of a process's group.

    On version 1 they are outside the memory limit (a container could take gigabytes of the machine's memory by sending
    to itself), unless they have one of their own, which OCI runtimes don't set any more. Version 2 counts them as
    memory.

    Raises:
        OSError: it could not be set.
    """
    group = ControlGroup.of(pid, where)
    if not group.unified:
        (group.memory / "memory.kmem.tcp.limit_in_bytes").write_text(str(NETWORK_BYTES))


def limits_swap(where: Hierarchies) -> bool:
    """Whether this kernel can limit swap together with memory."""
    memory = where.by_controller.get("memory")
    if memory is not None:
        return (memory / "memory.memsw.limit_in_bytes").exists()
    return where.unified is not None


def names(prefix: str, where: Hierarchies) -> set[str]:
    """The groups directly below any hierarchy's root whose names begin so."""
    mounts = set(where.by_controller.values()) | ({where.unified} if where.unified else set())
    return {folder.name for mount in mounts for folder in mount.glob(f"{prefix}*") if folder.is_dir()}


def _folders(name: str, where: Hierarchies) -> Iterator[Path]:
    mounts = set(where.by_controller.values()) | ({where.unified} if where.unified else set())
    for mount in sorted(mounts):
        folder = mount / name
        if folder.is_dir():
            yield folder


def remove(name: str, where: Hierarchies, patience_seconds: float = 5.0) -> bool:
    """Kill whatever lives in the group `name` of every hierarchy, and remove it. True where nothing is left."""
    deadline = time.monotonic() + patience_seconds
    while True:
        left = False
        for folder in list(_folders(name, where)):
            for inner, _, _ in os.walk(folder, topdown=False):
                left |= not _remove_one(Path(inner))
        if not left or time.monotonic() > deadline:
            return not left
        # A killed process leaves its group when the kernel has taken it apart, which nothing announces on version 1.
        time.sleep(0.002)


def _remove_one(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        try:
            members = (folder / "cgroup.procs").read_text().split()
        except OSError:
            members = []
        for pid in members:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        return False
    return True
