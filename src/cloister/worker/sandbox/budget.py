"""The memory of one machine, shared out among its workers: nobody puts there what somebody else was promised.

Threat: two workers that look at the same moment how much is free, and both take it. The kernel would then kill whom it
likes. So what a worker is about to put into memory is claimed first, under a lock, and counted by all others.

A claim is a file in one folder of the machine, locked by its owner. The kernel drops the lock when the owner dies,
however it dies; whoever looks next removes the file. What has arrived in memory is seen in what the kernel says is
free, and is not counted again.

What computations take for themselves is not claimed: each has its limit, and installations say how high one may be.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from cloister.rooms.limits import MIB
from cloister.worker.sandbox import cgroups
from cloister.worker.sandbox.scratch import free_memory

DEFAULT_PLACE = Path("/run/cloister/memory")
RESERVE_BYTES = 256 * MIB
"""Of the machine's free memory, what inputs leave to everybody else."""
_LOCK = "lock"
_UNLIMITED = 1 << 60  # version 1 says some nine exbibytes where there is no limit


def free_in_groups(group: Path, *, unified: bool) -> int | None:
    """How many bytes the memory control group `group` and those above it leave; None where none has a limit.

    A worker that was itself put into a group, as in a pod, can't have more, whatever the machine has.
    """
    limit, used, cached = ("memory.max", "memory.current", "inactive_file")
    if not unified:
        limit, used, cached = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    left: list[int] = []
    for folder in (group, *group.parents):
        try:
            most = (folder / limit).read_text().strip()
            if not most.isdecimal() or int(most) >= _UNLIMITED:
                continue  # told before the rest is read, which takes the kernel milliseconds
            now = int((folder / used).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except OSError:
            break  # above the hierarchy, or its root
        # The kernel takes back the oldest part of the page cache before anything else.
        left.append(max(0, int(most) - now + int(stat.get(cached, 0))))
    return min(left, default=None)


def free_here() -> int:
    """How many bytes this process and its children could still take, of the machine's memory and of their groups'."""
    own = _own_group()
    in_groups = free_in_groups(own.memory, unified=own.unified) if own else None
    return free_memory() if in_groups is None else min(free_memory(), in_groups)


@functools.cache
def _own_group() -> cgroups.ControlGroup | None:
    try:
        return cgroups.ControlGroup.of(os.getpid(), cgroups.hierarchies())
    except OSError:
        return None


class Claim:
    """So many bytes of the machine's memory, until `release`."""

    def __init__(self, file: Path, descriptor: int, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._file = file
        self._descriptor = descriptor

    def arrived(self) -> None:
        """It is in memory now, as far as it ever will be: the kernel counts it."""
        os.pwrite(self._descriptor, _content(self.size_bytes, 0), 0)

    def release(self) -> None:
        """Give it back. Doing so twice is fine."""
        if self._descriptor >= 0:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


class MemoryBudget:
    """What this machine's workers may put into memory besides what computations take: inputs, waiting containers.

    Args:
        place: the folder of claims, the same for all workers of the machine; made if missing.
        most_bytes: how much all of them together may hold; None for what is free.
        free: how many bytes of memory there are to take.
    """

    def __init__(
        self, place: Path = DEFAULT_PLACE, most_bytes: int | None = None, free: Callable[[], int] = free_here
    ) -> None:
        self.most_bytes = most_bytes
        self._place = place
        self._free = free

    def claim(self, size_bytes: int, *, leaving: int = RESERVE_BYTES) -> Claim | None:
        """So much, or None where there isn't.

        Args:
            leaving: of the machine's free memory, what has to be free beyond it.
        """
        with self._locked():
            return self._make(size_bytes) if size_bytes <= self._left(leaving) else None

    def claim_what_there_is(self, size_bytes: int) -> Claim:
        """So much or, where there isn't, as much as there is."""
        with self._locked():
            return self._make(max(0, min(size_bytes, self._left(RESERVE_BYTES))))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _left(self, leaving: int) -> int:
        held, coming = self._claimed()
        left = self._free() - leaving - coming
        return left if self.most_bytes is None else min(left, self.most_bytes - held)

    def _claimed(self) -> tuple[int, int]:
        """What is claimed by all workers, and how much of that is yet to arrive. Claims of the dead are removed."""
        held = coming = 0
        for file in self._place.iterdir():
            if file.name == _LOCK:
                continue
            try:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue  # released this very moment
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                size, not_there = os.read(descriptor, 100).split()
                held, coming = held + int(size), coming + int(not_there)
            else:
                file.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
        return held, coming

    def _make(self, size_bytes: int) -> Claim:
        file = self._place / secrets.token_hex(8)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, _content(size_bytes, size_bytes))
        except BaseException:
            os.close(descriptor)
            raise
        return Claim(file, descriptor, size_bytes)


def _content(size: int, coming: int) -> bytes:
    # Of one length, so that it is overwritten in place by one write.
    return b"%020d %020d" % (size, coming)
