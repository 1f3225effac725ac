"""Containers that wait for their task, with the libraries that most scripts need imported already.

Threat: something of one task that reaches the next. A container is handed one task and closed; here are only ones that
have had none.

Threat: a pool that takes what computations need. It makes containers in a thread of its own, one after the other, which
get little processor time at first where others want it; none while memory is short; and those that wait are the first
that the kernel ends where it runs out all the same.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import select
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import MIB
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.frame import DiskPlace, Room
from cloister.worker.sandbox.job import Blueprint

log = logging.getLogger("cloister.worker")

DEFAULT_IMPORTS = ("numpy", "pandas", "duckdb")
"""What takes longest of what most scripts import. A module belongs here only if importing it writes no file and reads
no setting that a script may want to change before."""
CONTAINER_BYTES = 128 * MIB
"""What one that waits needs, roughly."""
LEFT_BYTES = 512 * MIB
"""Of the machine's free memory, what those that wait leave to tasks and everybody else."""
MAX_AGE_SECONDS = 600.0
"""A waiting container is replaced when it is older: what it has drawn from the machine's clock and random numbers is
never far from its task."""
YIELDING_SECONDS = 5.0
"""How long one that is made lets others go first. After that it has its share, so that it is done some time."""
SETTLE_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""How long to wait where one could not be made, or memory is short."""


class Pool:
    """Keeps containers waiting and hands them out, each once; where none fits, makes one.

    Those that wait are of the kind that was asked for last. Nothing depends on whether a task's container has waited
    but the time that it takes.

    Args:
        size: how many wait, at most.
        imports: modules that they have imported, of Python, or of another language with its name before: ``r:dplyr``.
            One that the image lacks is left out.
        first: the kind of container to begin with.
        max_age_seconds, yielding_seconds: see `MAX_AGE_SECONDS`, `YIELDING_SECONDS`.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        size: int,
        first: Blueprint,
        imports: Sequence[str] = DEFAULT_IMPORTS,
        *,
        max_age_seconds: float = MAX_AGE_SECONDS,
        yielding_seconds: float = YIELDING_SECONDS,
    ) -> None:
        self._sandbox = sandbox
        self._size = size
        self._imports: dict[str, tuple[str, ...]] = {}
        for each in imports:
            language, _, module = each.rpartition(":")
            self._imports[language or "python"] = (*self._imports.get(language or "python", ()), module)
        self._max_age = max_age_seconds
        self._yielding = yielding_seconds
        self._lock = threading.Condition()
        self._wanted = self._warm(first)
        self._waiting: list[Container] = []
        self._making: Container | None = None
        self._closing = False
        self._not_before = 0.0
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._keep, name="pool")
        self._thread.start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End those that wait. Those handed out are their takers' to close."""
        with self._lock:
            self._closing = True
            if self._making is not None:
                self._making.kill()
        self._wake()
        self._thread.join()
        while self._waiting:
            self._waiting.pop().close()
        os.close(self._woken)

    @contextmanager
    def take(
        self,
        blueprint: Blueprint,
        *,
        libraries: bool = True,
        on_disk: Mapping[DiskPlace, Room] | None = None,
    ) -> Iterator[Container]:
        """A container for one task, closed at the end. Another is made in its place then, or meanwhile if that takes
        longer than `SETTLE_SECONDS`: sooner, it would only be in the way.

        Args:
            libraries: whether the task seems to use libraries. If not, the one that is made in its place imports
                nothing ahead, and so is there many times sooner; either kind serves either task.
            on_disk: see `Sandbox.make`; none that waits has any of it, or layers over its image.

        Raises:
            SandboxUnavailable, DiskUnusable: none could be made.
        """
        waiting = None if on_disk or blueprint.layers else self._waiting_one(blueprint, libraries)
        container = waiting or self._sandbox.make(blueprint, on_disk)
        self._not_before = time.monotonic() + SETTLE_SECONDS
        self._wake()
        try:
            yield container
        finally:
            container.close()
            self._not_before = 0.0
            self._wake()

    def wait_full(self, timeout_seconds: float) -> bool:
        """Wait until as many wait as may, of the kind asked for last. Whether they do."""
        with self._lock:
            return self._lock.wait_for(self._is_full, timeout_seconds)

    @property
    def waiting(self) -> tuple[Container, ...]:
        """Those that wait now."""
        with self._lock:
            return tuple(self._waiting)

    def _warm(self, blueprint: Blueprint, libraries: bool = True) -> Blueprint:
        return dataclasses.replace(blueprint, imports=self._imports.get(blueprint.language, ()) if libraries else ())

    def _is_full(self) -> bool:
        fit = [each for each in self._waiting if each.blueprint == self._wanted and self._is_good(each)]
        return len(fit) >= self._size

    def _is_good(self, container: Container) -> bool:
        return container.alive and time.monotonic() < container.ready_since + self._max_age

    def _waiting_one(self, blueprint: Blueprint, libraries: bool) -> Container | None:
        with self._lock:
            self._wanted = self._warm(blueprint, libraries)
            kinds = (self._wanted, self._warm(blueprint, not libraries))
            for kind in kinds:
                for container in self._waiting:
                    if container.blueprint == kind and self._is_good(container):
                        self._waiting.remove(container)
                        return container
        return None

    def _wake(self) -> None:
        os.eventfd_write(self._woken, 1)

    def _keep(self) -> None:
        """The thread."""
        pause = 0.0
        while not self._closing:
            self._drop_bad()
            pause = pause or max(0.0, self._not_before - time.monotonic())
            if pause == 0.0 and not self._is_full():
                pause = self._make_one()
            else:
                self._sleep(pause)
                pause = 0.0

    def _make_one(self) -> float:
        """How many seconds to wait before anything else is made."""
        claim = self._sandbox.memory.claim(CONTAINER_BYTES, leaving=LEFT_BYTES)
        if claim is None:
            return RETRY_SECONDS
        with self._lock:
            wanted = self._wanted
        try:
            container = self._sandbox.make(wanted)
        except (SandboxUnavailable, OSError) as error:
            claim.release()
            log.warning("no container can be made ahead: %s", error)
            return RETRY_SECONDS
        container.keep(claim)
        with self._lock:
            self._making = None if self._closing else container
        try:
            if self._making is None:
                raise SandboxUnavailable("The worker ends.")
            container.wait_in_background(self._yielding)
            claim.arrived()
        except SandboxUnavailable as error:
            container.close()
            if not self._closing:
                log.warning("no container can be made ahead: %s", error)
            return RETRY_SECONDS
        finally:
            self._making = None
        with self._lock:
            self._waiting.append(container)
            self._lock.notify_all()
        return 0.0

    def _drop_bad(self) -> None:
        """Close those that have died, are too old, or that nobody seems to want any more while others are."""
        with self._lock:
            bad = [each for each in self._waiting if not self._is_good(each)]
            others = [each for each in self._waiting if each not in bad and each.blueprint != self._wanted]
            bad += others[: max(0, len(self._waiting) - len(bad) + 1 - self._size)] if not self._is_full() else []
            self._waiting = [each for each in self._waiting if each not in bad]
        for container in bad:
            container.close()

    def _sleep(self, seconds: float) -> None:
        """Until something is to be done: another is wanted, one has ended or is too old, or the time has come."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        with self._lock:
            for container in self._waiting:
                poll.register(container.descriptor, select.POLLIN)
            ends = [container.ready_since + self._max_age - time.monotonic() for container in self._waiting]
        if seconds:
            ends.append(seconds)
        poll.poll(max(0.0, min(ends)) * 1000 + 1 if ends else None)
        try:
            os.eventfd_read(self._woken)
        except BlockingIOError:
            return
