"""A container: made, handed one task, run to its end, and gone with all it held.

It is made before its task is known, however little before. Until the hand-over its launcher waits, has perhaps
imported libraries already, and holds nothing of any task. So there is one path for containers that were made ahead
(pool.py) and those that were not.

Only when the kernel has said that it holds it to its task's limits (allowance.py) does the launcher get that task.

Threat: a worker that dies (`kill -9`) and leaves a container running without a wall-time limit. Before it has a task
the launcher notices that its worker is gone; always, the kernel kills tini, and with it the container, when its parent
dies: this process, which adopts it. What remains on disk and in mounts is swept by the next worker.

Threat: a container that does not want to end. It is killed from outside its process namespace, where no handler
counts.

There is no way to run a job without a container, and no container runs two.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import secrets
import select
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import GIB, Limits
from cloister.worker import linux
from cloister.worker.sandbox import allowance, bundle, cgroups, frame, scratch
from cloister.worker.sandbox.allowance import Allowance
from cloister.worker.sandbox.budget import Claim, MemoryBudget
from cloister.worker.sandbox.capture import Capture
from cloister.worker.sandbox.encrypted import Disk, DiskFull, DiskUnusable
from cloister.worker.sandbox.job import Blueprint, Job, Left, Outcome, limit_reached
from cloister.worker.sandbox.leftovers import DEFAULT_DIRECTORY, group_name, sweep
from cloister.worker.sandbox.process import Process, follow, opened_again, pipe, read_now, wait_ready
from cloister.worker.sandbox.runtime import Runtime

log = logging.getLogger("cloister.worker")

_START_SECONDS = 60.0
_OPEN_FILES = 65_536
_WAITING = Limits(memory_bytes=GIB)
"""What a container may use until it is handed its task."""
# Host numbers that nobody gives to users, services or other containers: a gap in systemd's list, uid ranges.
_FIRST_HOST_ID, _HOST_ID_RANGES, _IDS_PER_RANGE = 0x70000000, 4094, 65536


class Sandbox:
    """A worker's place for containers: one directory under /run, its lock, its mounts.

    Make one per worker process, from the main thread, before other threads start; close it at the end. Opening it
    sweeps what workers killed earlier have left, and makes this process adopt orphaned descendants. Its methods may
    be called from several threads.

    `linux.enter_private_mounts`, called by the worker before, hides its mounts from the rest of the machine, and lets
    the kernel drop them at once if the worker is killed.

    Raises:
        SandboxUnavailable: the directory can't be used.
    """

    def __init__(
        self,
        runtime: Runtime,
        directory: Path = DEFAULT_DIRECTORY,
        memory: MemoryBudget | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._runtime = runtime
        sweep(directory)
        linux.become_subreaper()
        self._directory = scratch.Directory(directory)
        self.memory = memory or MemoryBudget()
        """Of the whole machine; what is put into memory is claimed there first."""
        self.disk = disk
        """For what doesn't fit into memory; None where nothing may lie on a disk, encrypted or not."""

    @property
    def walls(self) -> bundle.Walls:
        """What stands between containers and the machine."""
        return self._runtime.walls

    @property
    def directory(self) -> Path:
        """This sandbox's own: empty while nothing runs, gone after `close`."""
        return self._directory.path

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the directory. Containers must have ended."""
        self._directory.close()

    @contextmanager
    def folder(self, size_bytes: int, files: int) -> Iterator[Path]:
        """An empty folder for archives in plaintext: in memory and never swapped out or, where they don't fit there,
        encrypted on a disk.

        Holds at least `size_bytes` (every file rounded up to 4096) and `files` files and folders. Where there is room
        for that nowhere, it holds what fits into memory; more is OSError with ENOSPC. Gone at the end.
        """
        with ExitStack() as held:
            claim = self.memory.claim(size_bytes)
            if claim is None and (on_disk := self._volume(held, size_bytes, files)) is not None:
                yield on_disk
                return
            claim = claim or self.memory.claim_what_there_is(size_bytes)
            held.callback(claim.release)
            yield held.enter_context(self._directory.memory_folder(claim.size_bytes, files))

    def _volume(self, held: ExitStack, size_bytes: int, files: int) -> Path | None:
        if self.disk is None:
            return None
        place = held.enter_context(self._directory.mount_point())
        try:
            return held.enter_context(
                self.disk.volume(place, size_bytes=size_bytes, files=files, mode=0o700, flags=scratch.PRIVATE)
            )
        except DiskUnusable as error:
            log.warning("%s", error)
            return None

    @contextmanager
    def container(
        self, blueprint: Blueprint, on_disk: Mapping[frame.DiskPlace, frame.Room] | None = None
    ) -> Iterator[Container]:
        """A container of its own for one job, made now and closed at the end; see `make`."""
        container = self.make(blueprint, on_disk)
        try:
            yield container
        finally:
            container.close()

    def make(self, blueprint: Blueprint, on_disk: Mapping[frame.DiskPlace, frame.Room] | None = None) -> Container:
        """Start a container, which then waits for its task; the caller closes it.

        Args:
            on_disk: what lies encrypted on the sandbox's disk instead of in memory, and how large that is to be.

        Raises:
            SandboxUnavailable: it could not be started, or not with every limit enforced.
            DiskUnusable: there is no disk, or not enough of it, for what is to lie there.
        """
        return Container(self._runtime, self._directory, blueprint, self.disk, on_disk or {})


class Container:
    """One container, for one job. Made by `Sandbox.make`; `kill` may be called from any thread, the rest from one."""

    def __init__(
        self,
        runtime: Runtime,
        directory: scratch.Directory,
        blueprint: Blueprint,
        disk: Disk | None,
        on_disk: Mapping[frame.DiskPlace, frame.Room],
    ) -> None:
        self.blueprint = blueprint
        self.ready_since = 0.0
        """On the monotonic clock; nothing before it is."""
        self._runtime = runtime
        self._directory = directory
        self._where = cgroups.hierarchies()
        self._first_host_id = _FIRST_HOST_ID + _IDS_PER_RANGE * secrets.randbelow(_HOST_ID_RANGES)
        self._folder = directory.new_folder(for_group=self._first_host_id)
        self._name = group_name(directory.path.parent, directory.path.name, self._folder.name)
        self._ready = False
        with ExitStack() as held:
            volumes = held.enter_context(ExitStack())
            held.callback(self._clear)
            self._on_disk = {place: self._volume(volumes, disk, place, room) for place, room in on_disk.items()}
            self._start(held)
            self._held = held.pop_all()

    def _start(self, held: ExitStack) -> None:
        blueprint, folder = self.blueprint, self._folder
        self._places = frame.lay_out(
            folder,
            image_root=blueprint.image_root,
            layers=blueprint.layers,
            code_target=blueprint.code_target,
            launcher=blueprint.launcher,
            on_disk=self._on_disk,
        )
        limits = msgspec.structs.replace(_WAITING, cpus=float(blueprint.threads))
        configuration = bundle.configuration(
            argv=blueprint.argv,
            places=self._places,
            limits=limits,
            first_host_id=self._first_host_id,
            cgroup=f"/{self._name}",
            machine=linux.machine(),
            open_files=min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            swap_limit=cgroups.limits_swap(self._where),
            walls=self._runtime.walls,
        )
        (folder / "bundle").mkdir(mode=0o700)
        (folder / "bundle/config.json").write_text(json.dumps(configuration))
        if self._runtime.walls == "gvisor":
            allowance.make_group(self._name, limits, self._where, self._runtime.walls)
        go_read, self._go = pipe(held)
        os.set_blocking(go_read.fileno(), True)  # it is the container that reads
        self._log, log_write = pipe(held)
        # gVisor takes in what it is handed one by one, and makes each not block at its own end. Were stdout and stderr
        # the same one, the script would find the second in that mode.
        errors_write = opened_again(log_write, held)
        self._report, report_write = pipe(held)
        pid = self._runtime.start(
            self._name,
            bundle=folder / "bundle",
            state=folder / "state",
            descriptors=[each.fileno() for each in (go_read, log_write, errors_write, report_write)],
            timeout_seconds=_START_SECONDS,
        )
        self._process = Process(pid)
        held.callback(self._process.close)
        for ours_no_more in (go_read, log_write, errors_write, report_write):
            ours_no_more.close()
        self._allowance = Allowance(self._name, pid, self._where, self._runtime.walls)
        self._allowance.check(limits)
        with contextlib.suppress(BrokenPipeError):  # it has ended: `wait_ready` tells
            self._go.write(bundle.ADOPTED + " ".join(blueprint.imports).encode() + b"\n")

    def _volume(self, held: ExitStack, disk: Disk | None, place: frame.DiskPlace, room: frame.Room) -> Path:
        if disk is None:
            raise DiskUnusable("This worker has no scratch on disk.")
        target = self._folder / f"{place}-disk"
        target.mkdir(mode=0o755)
        volume = disk.volume(
            target, size_bytes=room.size_bytes, files=room.files, mode=frame.MODES[place], flags=frame.FLAGS[place]
        )
        try:
            return held.enter_context(volume)
        except DiskFull as error:
            raise DiskFull(str(error), place) from None

    def keep(self, claim: Claim) -> None:
        """Hold a claim to memory for as long as it is there."""
        self._held.callback(claim.release)

    @property
    def name(self) -> str:
        """What its folder below the sandbox's is called; its control group's name ends so."""
        return self._folder.name

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.alive

    @property
    def descriptor(self) -> int:
        """Readable once it has ended, for poll(2)."""
        return self._process.pidfd

    @property
    def members(self) -> tuple[int, ...]:
        """Its processes, as the host sees them."""
        return self._allowance.group.members()

    @property
    def client(self) -> int:
        """The one of them that is this process's child: its first, or under gVisor the one that started it."""
        return self._process.pid

    def facts(self) -> cgroups.Facts:
        """What the kernel accounts to it."""
        return self._allowance.group.facts()

    def kill(self) -> None:
        """End it at once. What it held stays until `close`."""
        self._process.kill()

    def close(self) -> None:
        """End it; nothing is left: processes, mounts, control groups, files."""
        self._held.close()

    def wait_in_background(self, yielding_seconds: float) -> None:
        """Wait until it could be handed a task, while almost everything else that the machine has to do goes first.

        But for no longer than that: others may come to wait for what it holds meanwhile (a page of the image that it is
        reading), and on a machine that is always busy it would never be done. Not at all under gVisor, whose parts
        wait for each other.

        Raises:
            SandboxUnavailable: it has ended, or hangs.
        """
        if self._runtime.walls == "kernel":
            self._allowance.set_background(True)
            select.select([self._report.fileno(), self._process.pidfd], [], [], yielding_seconds)
            self._allowance.set_background(False)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it could be handed a task.

        Raises:
            SandboxUnavailable: it has ended, or hangs.
        """
        if not self._ready:
            wait_ready(self._process, self._report, _START_SECONDS)
            self._ready = True
            self.ready_since = time.monotonic()

    def input_folder(self, size_bytes: int, files: int) -> Path:
        """The folder that is seen read-only at /input, for inputs in plaintext: files and folders only.

        It lies on disk where the container was made so, with the size that it was made with. Else it lies in memory,
        which the caller has claimed: it then holds at most `size_bytes` (every file rounded up to 4096) and `files`
        files and folders; more is OSError with ENOSPC.
        """
        if "input" not in self._on_disk:
            frame.make_room(self._places, size_bytes, files)
        return self._places.input

    def run(self, job: Job, cancelled: threading.Event | None = None) -> Outcome:
        """Hand over the job, wait for its end, whatever that is, and tell how it ended. Once.

        Setting `cancelled` from any thread ends the container within a fraction of a second. /output can be read until
        the container is closed.

        Raises:
            DefinitionInvalid: a code file's name isn't allowed.
            SandboxUnavailable: the container is gone, or not every limit can be enforced: the job's code has not run.
                Or it was ended although it was within its limits.
        """
        self.wait_ready()
        frame.fill(self._places, job.code, job.limits, self._on_disk.keys())
        used_before = self._allowance.give(job.limits)
        log = Capture(job.limits.log_bytes)
        while read_now(self._log):
            pass  # what libraries had to say when they were imported is no part of the task's log
        if not self._process.alive:
            raise SandboxUnavailable("A container ended before it got its task. Look at the worker's log.")
        started = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # killed this very moment: its exit code tells
            self._go.write(f"{job.go}\n".encode())
        stopped = follow(
            self._process,
            self._log,
            log,
            self._allowance.group,
            deadline=started + job.limits.wall_seconds,
            cancelled=cancelled or threading.Event(),
        )
        exit_code = self._process.end()
        if not self._allowance.group.empty():  # whoever else is in there may still write
            raise SandboxUnavailable("Processes of a container can't be ended. Look at the machine's kernel log.")
        wall_seconds = time.monotonic() - started
        while chunk := read_now(self._log):
            log.feed(chunk)
        facts = self._allowance.group.facts()
        if facts.killed_for_memory and not facts.reached_memory_limit and (stopped == "memory" or exit_code != 0):
            raise SandboxUnavailable(
                "The kernel ended a computation for want of memory that was within its own limit: this machine, or the "
                "group that the worker was put into, has no more. Give it more memory, run fewer workers, or allow "
                "computations less (--max-memory)."
            )
        return Outcome(
            exit_code=exit_code,
            limit=limit_reached(
                stopped,
                exit_code,
                facts.killed_for_memory,
                _left(self._places.output),
                # Of two kinds where one lies on disk.
                [_left(self._places.tmp), _left(self._places.shared_memory)],
            ),
            refused_processes=facts.refused_processes > 0,
            cancelled=stopped == "cancelled",
            wall_seconds=wall_seconds,
            peak_memory_bytes=None if facts.peak_memory is None else max(0, facts.peak_memory - used_before),
            log=log.value(),
            report=read_now(self._report) or b"",
            output=self._places.output,
        )

    def _clear(self) -> None:
        self._runtime.forget(self._name, self._folder / "state")
        cgroups.remove(self._name, self._where)
        self._runtime.reap(range(self._first_host_id, self._first_host_id + _IDS_PER_RANGE))
        scratch.clear(self._folder)


def _left(folder: Path) -> Left:
    facts = os.statvfs(folder)
    return Left(facts.f_bavail, facts.f_favail)
