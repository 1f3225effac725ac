"""Run one job in one single-use container, and leave nothing behind.

Threat: a runtime that says "done" although it left a limit out. Before the job's code may run, the limits of its
very process are read back from the kernel; only then does the launcher inside get its `go`.

Threat: a worker that dies (`kill -9`) and leaves a container running without a wall-time limit. Before `go` the
launcher notices that its worker is gone; after it, the kernel kills tini, and with it the container, when its parent
dies: this process, which adopts it. What remains on disk and in mounts is swept by the next worker.

Threat: a container that does not want to end. It is killed from outside its process namespace, where no handler
counts.

There is no way to run a job without a container.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import secrets
import select
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import Limits
from cloister.worker import linux
from cloister.worker.sandbox import bundle, cgroups, frame, scratch
from cloister.worker.sandbox.capture import Capture
from cloister.worker.sandbox.runtime import Runtime, stop_starting

LimitName = Literal["memory", "pids", "wall time", "output size", "output files", "scratch"]
Stop = Literal["memory", "wall time", "cancelled"]

DEFAULT_DIRECTORY = Path("/run/cloister/sandboxes")
REPORT_DESCRIPTOR = 3
"""The launcher's file descriptor for reports."""

_START_SECONDS = 60.0
_TICK_SECONDS = 0.1
_CHUNK = 256 * 1024
_OPEN_FILES = 65_536
# Host numbers that nobody gives to users, services or other containers: a gap in systemd's list, uid ranges.
_FIRST_HOST_ID, _HOST_ID_RANGES, _IDS_PER_RANGE = 0x70000000, 4094, 65536


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run: trusted parameters around untrusted code."""

    argv: Sequence[str]
    """The program inside the container, started by tini. It must wait for the line `go` on its standard input."""
    image_root: Path
    """The image's root file system, a directory; never written to."""
    input_folder: Path
    """Staged inputs (regular files and folders only), seen read-only at /input. Gets an empty folder `code`."""
    code: Mapping[str, bytes]
    """Files seen read-only in `frame.code_target(input_folder)`, by relative name; nested names allowed."""
    launcher: str
    """The text of the file that is seen as `bundle.LAUNCHER`."""
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a container ended. Only `log` and `report` were chosen by the untrusted code."""

    exit_code: int
    """0 to 255 as a shell would say it: 128 + n where signal n ended it."""
    limit: LimitName | None
    """The limit that ended it, or that explains its failure. `pids` is for the caller to conclude."""
    refused_processes: bool
    """Whether it was refused a process or thread at some time: a possible cause where `limit` is None."""
    cancelled: bool
    wall_seconds: float
    peak_memory_bytes: int | None
    """The most memory it held at once, where the kernel tells."""
    log: bytes
    """Standard output and standard error: the head, then the tail, at most `Limits.log_bytes`."""
    report: bytes
    """What the launcher (or the script in its name) sent about a failure. Untrusted."""
    output: Path
    """The folder that was /output. Gone when the context ends."""


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

    def __init__(self, runtime: Runtime, directory: Path = DEFAULT_DIRECTORY) -> None:
        self._runtime = runtime
        sweep(directory)
        linux.become_subreaper()
        self._directory = scratch.Directory(directory)

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

    def memory_folder(self, size_bytes: int, files: int) -> AbstractContextManager[Path]:
        """An empty folder in memory that is never swapped out, for inputs in plaintext.

        Holds at most `size_bytes` (every file rounded up to 4096) and `files` files and folders; more is OSError
        with ENOSPC. Give room for one folder more: the `code` folder. Emptied, unmounted and removed at the end.
        """
        return self._directory.memory_folder(size_bytes, files)

    @contextmanager
    def run(self, job: Job, cancelled: threading.Event | None = None) -> Iterator[Outcome]:
        """Run `job` to its end, whatever that is, and yield how it ended while /output can still be read.

        Setting `cancelled` from any thread ends the container within a fraction of a second. Nothing is left when the
        context ends: processes, mounts, control groups, files.

        Raises:
            DefinitionInvalid: a code file's name isn't allowed.
            SandboxUnavailable: the container could not be started, or not with every limit enforced. The job's
                code has not run.
        """
        first_host_id = _FIRST_HOST_ID + _IDS_PER_RANGE * secrets.randbelow(_HOST_ID_RANGES)
        folder = self._directory.new_folder(for_group=first_host_id)
        name = group_name(self.directory.parent, self.directory.name, folder.name)
        where = cgroups.hierarchies()
        try:
            places = frame.lay_out(
                folder,
                image_root=job.image_root,
                input_folder=job.input_folder,
                code=job.code,
                launcher=job.launcher,
                limits=job.limits,
            )
            configuration = bundle.configuration(
                argv=job.argv,
                extra_environment=job.environment,
                places=places,
                limits=job.limits,
                first_host_id=first_host_id,
                cgroup=f"/{name}",
                machine=linux.machine(),
                open_files=min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
                swap_limit=cgroups.limits_swap(where),
            )
            (folder / "bundle").mkdir(mode=0o700)
            (folder / "bundle/config.json").write_text(json.dumps(configuration))
            with ExitStack() as open_things:
                outcome = self._run_to_end(job, folder, name, places, cancelled, open_things)
            yield outcome
        finally:
            self._runtime.forget(name, folder / "state")
            cgroups.remove(name, where)
            self._runtime.reap(range(first_host_id, first_host_id + _IDS_PER_RANGE))
            scratch.clear(folder)

    def _run_to_end(
        self,
        job: Job,
        folder: Path,
        name: str,
        places: bundle.Places,
        cancelled: threading.Event | None,
        open_things: ExitStack,
    ) -> Outcome:
        go_read, go_write = _pipe(open_things)
        log_read, log_write = _pipe(open_things)
        report_read, report_write = _pipe(open_things)
        process = self._runtime.start(
            name,
            bundle=folder / "bundle",
            state=folder / "state",
            descriptors=[go_read.fileno(), log_write.fileno(), log_write.fileno(), report_write.fileno()],
            timeout_seconds=_START_SECONDS,
        )
        container = open_things.enter_context(_Process(process))
        for ours_no_more in (go_read, log_write, report_write):
            ours_no_more.close()
        group = _verified_group(process, job.limits)

        started = time.monotonic()
        log = Capture(job.limits.log_bytes)
        with contextlib.suppress(BrokenPipeError):  # it ended before it began: its exit code tells
            go_write.write(bundle.ADOPTED + bundle.GO)
        stopped = _follow(
            container,
            log_read,
            log,
            group,
            deadline=started + job.limits.wall_seconds,
            cancelled=cancelled or threading.Event(),
        )
        exit_code = container.end()
        wall_seconds = time.monotonic() - started
        while chunk := _read_now(log_read):
            log.feed(chunk)
        facts = group.facts()
        return Outcome(
            exit_code=exit_code,
            limit=_limit(stopped, exit_code, facts, places),
            refused_processes=facts.refused_processes > 0,
            cancelled=stopped == "cancelled",
            wall_seconds=wall_seconds,
            peak_memory_bytes=facts.peak_memory,
            log=log.value(),
            report=_read_now(report_read) or b"",
            output=places.output,
        )


def sweep(directory: Path = DEFAULT_DIRECTORY) -> list[str]:
    """Remove what workers that no longer live have left under `directory`; their names.

    Processes are killed, control groups removed, mounts unmounted (as far as they are seen from here), files removed.
    """
    where = cgroups.hierarchies()
    swept = set()
    for left in scratch.abandoned(directory):
        stop_starting(left)
        _remove_groups(directory, left.name, where)
        scratch.clear(left)
        swept.add(left.name)
    # A runtime that was just starting something may have gone on for a moment after an earlier sweep.
    for name in cgroups.names(f"cloister-{_tag(directory)}-", where):
        worker = name.split("-")[2]
        if not (directory / worker).exists():
            cgroups.remove(name, where)
            swept.add(worker)
    return sorted(swept)


def _remove_groups(directory: Path, worker: str, where: cgroups.Hierarchies) -> None:
    for name in cgroups.names(group_name(directory, worker, ""), where):
        cgroups.remove(name, where)


def _tag(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(directory.absolute())).hexdigest()[:8]


def group_name(directory: Path, worker: str, run: str) -> str:
    """The name of a run's control group and container: it tells whose it is, so that it can be swept."""
    return f"cloister-{_tag(directory)}-{worker}-{run}"


class _Process:
    """A container's first process, our child by adoption; killed and reaped at the latest when the context ends."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit_code: int | None = None
        try:
            self.pidfd = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise SandboxUnavailable(
                "The container ended before it could be watched; look at the worker's log."
            ) from error

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()
        os.close(self.pidfd)

    def end(self) -> int:
        """Kill it if it still runs, and with it every process in its namespace; its exit code as a shell says it."""
        if self._exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._exit_code = code if code >= 0 else 128 - code
        return self._exit_code


def _pipe(open_things: ExitStack) -> tuple[io.FileIO, io.FileIO]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    return (
        open_things.enter_context(io.FileIO(read, "rb")),
        open_things.enter_context(io.FileIO(write, "wb")),
    )


def _read_now(pipe: io.FileIO) -> bytes | None:
    """What is there, up to a chunk; empty at the end, None where nothing is there now."""
    return pipe.read(_CHUNK)


def _verified_group(pid: int, limits: Limits) -> cgroups.ControlGroup:
    try:
        group = cgroups.ControlGroup.of(pid, cgroups.hierarchies())
    except OSError as error:
        raise SandboxUnavailable(f"The container has no control group: {error}. Nothing was run in it.") from error
    facts = group.facts()
    memory, pids = limits.memory_bytes // scratch.PAGE * scratch.PAGE, limits.pids + bundle.PIDS_OF_OUR_OWN
    if facts.memory_limit != memory or facts.pids_limit != pids:
        raise SandboxUnavailable(
            f"The runtime did not set the limits it was given: memory {facts.memory_limit} instead of {memory} bytes, "
            f"processes {facts.pids_limit} instead of {pids}. Nothing was run in it."
        )
    return group


def _follow(
    container: _Process,
    log_read: io.FileIO,
    log: Capture,
    group: cgroups.ControlGroup,
    *,
    deadline: float,
    cancelled: threading.Event,
) -> Stop | None:
    """Take in the log until the container ends by itself (None), or has to be ended for the reason returned."""
    poll = select.poll()
    poll.register(container.pidfd, select.POLLIN)
    poll.register(log_read.fileno(), select.POLLIN)
    next_look = 0.0
    while True:
        ready = dict(poll.poll(_TICK_SECONDS * 1000))
        if log_read.fileno() in ready:
            chunk = _read_now(log_read)
            if chunk:
                log.feed(chunk)
            else:  # every writer has closed it, though the container may go on
                poll.unregister(log_read.fileno())
        elif container.pidfd in ready:
            return None
        now = time.monotonic()
        if now >= deadline:
            return "wall time"
        if now >= next_look:
            next_look = now + _TICK_SECONDS
            if cancelled.is_set():
                return "cancelled"
            # The kernel kills one process of many; the rest would wait for it, perhaps for ever.
            if group.killed_for_memory():
                return "memory"


def _limit(stopped: Stop | None, exit_code: int, facts: cgroups.Facts, places: bundle.Places) -> LimitName | None:
    """Which limit ended it, or explains its failure.

    A full /output is named even where the script went on as if nothing were: its result would be incomplete.
    """
    if stopped == "cancelled":
        return None
    if stopped is not None:
        return stopped
    if exit_code != 0 and facts.killed_for_memory:
        return "memory"
    output, own = os.statvfs(places.output), os.statvfs(places.tmp)
    if output.f_bfree == 0:
        return "output size"
    if output.f_ffree == 0:
        return "output files"
    if exit_code != 0 and (own.f_bfree == 0 or own.f_ffree == 0):
        return "scratch"
    return None
