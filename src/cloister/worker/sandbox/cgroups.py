"""What the kernel accounts to a container: its limits as they really are, and what ran into them.

Threat: a runtime that quietly ignores a limit (seen: rootless without delegated control groups). So the limits
are read back from the kernel, for the process itself, before its code may run.

Version 1, version 2, and both at once (hybrid, where the controllers are on version 1) are understood.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_STEP_BYTES = 1024 * 1024
# The kernel takes memory for a group in steps, none larger than this; the last one may not have fitted any more.
CPU_PERIOD = 100_000
"""Microseconds over which processor time is shared out."""


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
    """The number that a file holds, or begins with; None for `max`, -1, and where there is none."""
    try:
        text = path.read_text().split()
    except OSError:
        return None
    return int(text[0]) if text and text[0].isdecimal() else None


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
    memory_used: int | None
    pids_limit: int | None
    pids_used: int | None
    cpu_quota: int | None
    """Microseconds of processor time in each `CPU_PERIOD`."""
    peak_memory: int | None
    killed_for_memory: int
    """How many of its processes the kernel has killed for want of memory: its own limit's, or all others' too."""
    reached_memory_limit: bool
    """Whether it has wanted more than its own limit since that was set. Where it hasn't, and processes were killed, the
    machine or a group above had no more."""
    refused_processes: int
    """How often it was refused a process or thread."""


@dataclass(frozen=True)
class ControlGroup:
    """The control groups of one running process: folders of its memory, pids and cpu controllers."""

    memory: Path
    pids: Path
    cpu: Path
    unified: bool

    @classmethod
    def of(cls, pid: int, where: Hierarchies) -> ControlGroup:
        """Of the process `pid`.

        Raises:
            OSError: the process is gone, or memory, processes or processor time aren't controlled on this machine.
        """
        paths: dict[str, str] = {}
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                paths[controller] = path.lstrip("/")
        if {"memory", "pids", "cpu"} <= paths.keys():
            memory, pids, cpu = (where.by_controller[each] / paths[each] for each in ("memory", "pids", "cpu"))
            return cls(memory, pids, cpu, unified=False)
        if where.unified is None or "" not in paths:
            raise OSError("no control groups for memory, processes and processor time")
        folder = where.unified / paths[""]
        return cls(folder, folder, folder, unified=True)

    def is_only(self, name: str) -> bool:
        """Whether these are the groups of this name: what is set on them is set on nothing else."""
        return {self.memory.name, self.pids.name, self.cpu.name} == {name}

    def set_limits(self, *, memory_bytes: int, pids: int, cpu_quota: int) -> None:
        """Change them while it runs. Swap stays as limited as it is: to none.

        Args:
            cpu_quota: see `Facts`.

        Raises:
            OSError: one can't be set. It is for the caller to read back what is set now.
        """
        if self.unified:
            (self.memory / "memory.max").write_text(str(memory_bytes))
            (self.cpu / "cpu.max").write_text(f"{cpu_quota} {CPU_PERIOD}")
        else:
            files = [self.memory / "memory.limit_in_bytes", self.memory / "memory.memsw.limit_in_bytes"]
            # Of the two, that with swap may never be the lower one.
            if memory_bytes > (_number(files[0]) or 0):
                files.reverse()
            for file in files:
                if file.exists():  # a kernel may be built without limits on swap
                    file.write_text(str(memory_bytes))
            (self.cpu / "cpu.cfs_quota_us").write_text(str(cpu_quota))
            (self.memory / "memory.max_usage_in_bytes").write_text("0")  # the peak counts from now
        (self.pids / "pids.max").write_text(str(pids))

    def members(self) -> tuple[int, ...]:
        """Its processes now."""
        try:
            return tuple(map(int, (self.memory / "cgroup.procs").read_text().split()))
        except FileNotFoundError:
            return ()

    def empty(self, patience_seconds: float = 30.0) -> bool:
        """Kill whatever still lives in it, and wait until nothing does. True where nothing is left."""
        deadline = time.monotonic() + patience_seconds
        while members := self.members():
            if time.monotonic() > deadline:
                return False
            _kill(members)
            # The kernel announces the end of other people's children to nobody.
            time.sleep(0.002)
        return True

    def set_background(self, background: bool) -> None:
        """Whether others that want processor time get ten times as much.

        Raises:
            OSError: it can't be set.
        """
        if self.unified:
            (self.cpu / "cpu.weight").write_text("10" if background else "100")
        else:
            (self.cpu / "cpu.shares").write_text("102" if background else "1024")

    def facts(self) -> Facts:
        """What the kernel says now."""
        if self.unified:
            limit, used, peak = "memory.max", "memory.current", "memory.peak"
            events, quota = self.memory / "memory.events", self.cpu / "cpu.max"
        else:
            limit, used, peak = "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes"
            events, quota = self.memory / "memory.oom_control", self.cpu / "cpu.cfs_quota_us"
        return Facts(
            memory_limit=_number(self.memory / limit),
            memory_used=_number(self.memory / used),
            pids_limit=_number(self.pids / "pids.max"),
            pids_used=_number(self.pids / "pids.current"),
            cpu_quota=_number(quota),
            peak_memory=_number(self.memory / peak),
            killed_for_memory=self.killed_for_memory(events),
            reached_memory_limit=_count(events, "oom") > 0 if self.unified else self._is_full(),
            refused_processes=_count(self.pids / "pids.events", "max"),
        )

    def _is_full(self) -> bool:
        """Whether it has held as much as it may, on version 1: some kernels don't count there what they refuse."""
        limit = _number(self.memory / "memory.limit_in_bytes")
        peak = _number(self.memory / "memory.max_usage_in_bytes")
        return limit is not None and peak is not None and peak > limit - _STEP_BYTES

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


def create(name: str, where: Hierarchies) -> ControlGroup:
    """Make the group `name` for memory, processes and processor time, with no limits but that nothing is swapped.

    Raises:
        OSError: it is there, or can't be made, or not all three are controlled on this machine.
    """
    if {"memory", "pids", "cpu"} <= where.by_controller.keys():
        memory, pids, cpu = (where.by_controller[each] / name for each in ("memory", "pids", "cpu"))
        for folder in {memory, pids, cpu}:
            folder.mkdir()
        return ControlGroup(memory, pids, cpu, unified=False)
    if where.unified is None:
        raise OSError("no control groups for memory, processes and processor time")
    (where.unified / "cgroup.subtree_control").write_text("+memory +pids +cpu")
    folder = where.unified / name
    folder.mkdir()
    if (folder / "memory.swap.max").exists():  # a kernel may be built without limits on swap
        (folder / "memory.swap.max").write_text("0")
    return ControlGroup(folder, folder, folder, unified=True)


def join(name: str, pid: int, where: Hierarchies) -> None:
    """Put a process into the group `name`, wherever that is.

    Raises:
        OSError: it is not to be had.
    """
    for folder in _folders(name, where):
        (folder / "cgroup.procs").write_text(str(pid))


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


def remove(name: str, where: Hierarchies, patience_seconds: float = 30.0) -> bool:
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
        with contextlib.suppress(OSError):
            _kill(map(int, (folder / "cgroup.procs").read_text().split()))
        return False
    return True


def _kill(members: Iterable[int]) -> None:
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
