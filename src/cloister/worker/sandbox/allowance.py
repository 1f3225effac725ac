"""What a container may use: set from outside, on top of what it needed before it had a task, and read back.

Threat: a runtime that says "done" although it left a limit out. So what the kernel holds a container to is compared
with what was asked, once it is made and again when the task's own limits were set; what differs ends it.
"""

from __future__ import annotations

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import Limits
from cloister.worker.sandbox import bundle, cgroups, scratch


def make_group(name: str, limits: Limits, where: cgroups.Hierarchies, walls: bundle.Walls) -> None:
    """Make a control group for a container whose runtime does not.

    Raises:
        SandboxUnavailable: it can't be made, or not with these limits.
    """
    try:
        cgroups.create(name, where).set_limits(
            memory_bytes=limits.memory_bytes,
            pids=bundle.host_processes(limits.pids, walls),
            cpu_quota=bundle.cpu_quota(limits),
        )
    except OSError as error:
        raise SandboxUnavailable(f"A container's control group can't be made: {error}.") from error


class Allowance:
    """The control group of one container, named `name`, whose first process is `pid`.

    Raises:
        SandboxUnavailable: it has none of its own.
    """

    def __init__(self, name: str, pid: int, where: cgroups.Hierarchies, walls: bundle.Walls) -> None:
        self._walls = walls
        try:
            self.group = cgroups.ControlGroup.of(pid, where)
        except OSError as error:
            raise SandboxUnavailable(f"The container has no control group: {error}. Nothing was run in it.") from error
        if not self.group.is_only(name):
            raise SandboxUnavailable("The runtime did not set the limits it was given: the container has no own group.")

    def give(self, limits: Limits) -> int:
        """Set a task's limits, on top of what the container needed before it had a task; the memory of that.

        So a task has as much for itself wherever it runs.

        Raises:
            SandboxUnavailable: they can't be set, or are not what the kernel holds it to then.
        """
        facts = self.group.facts()
        memory = facts.memory_used or 0
        # tini and the launcher are counted with the task; threads that libraries have started are not.
        threads = max(0, (facts.pids_used or 0) - bundle.PIDS_OF_OUR_OWN - 1)
        try:
            self.group.set_limits(
                memory_bytes=limits.memory_bytes + memory,
                pids=bundle.host_processes(limits.pids, self._walls) + threads,
                cpu_quota=bundle.cpu_quota(limits),
            )
        except OSError as error:
            raise SandboxUnavailable(f"A container's limits can't be set: {error}. Nothing was run in it.") from error
        self.check(limits, memory, threads)
        return memory

    def check(self, limits: Limits, more_memory: int = 0, more_pids: int = 0) -> None:
        """Compare what the kernel holds it to with what it was given.

        Raises:
            SandboxUnavailable: they differ.
        """
        facts = self.group.facts()
        memory = (limits.memory_bytes + more_memory) // scratch.PAGE * scratch.PAGE
        pids = bundle.host_processes(limits.pids, self._walls) + more_pids
        quota = bundle.cpu_quota(limits)
        if (facts.memory_limit, facts.pids_limit, facts.cpu_quota) != (memory, pids, quota):
            raise SandboxUnavailable(
                f"The runtime did not set the limits it was given: memory {facts.memory_limit} instead of {memory} "
                f"bytes, processes {facts.pids_limit} instead of {pids}, processor time {facts.cpu_quota} instead of "
                f"{quota}. Nothing was run in it."
            )

    def set_background(self, background: bool) -> None:
        """Whether almost everything else goes first where the processor is wanted by others.

        Raises:
            SandboxUnavailable: it can't be set.
        """
        try:
            self.group.set_background(background)
        except OSError as error:
            raise SandboxUnavailable(f"A container's priority can't be set: {error}.") from error
