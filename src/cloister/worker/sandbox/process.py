"""A container's first process, and the pipes that lead into the container."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import threading
import time

from cloister.errors import SandboxUnavailable
from cloister.worker.sandbox import bundle, cgroups
from cloister.worker.sandbox.capture import Capture
from cloister.worker.sandbox.job import Stop

_TICK_SECONDS = 0.1
_CHUNK = 256 * 1024


class Process:
    """A container's first process, our child by adoption; killed and reaped at the latest by `end`.

    Raises:
        SandboxUnavailable: it is gone already.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit_code: int | None = None
        try:
            self.pidfd = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise SandboxUnavailable(
                "The container ended before it could be watched; look at the worker's log."
            ) from error

    def kill(self) -> None:
        """Kill it, and with it every process in its namespace."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return not select.select([self.pidfd], [], [], 0)[0]

    def end(self) -> int:
        """Kill it if it still runs; its exit code as a shell says it."""
        if self._exit_code is None:
            self.kill()
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._exit_code = code if code >= 0 else 128 - code
        return self._exit_code

    def close(self) -> None:
        """End it, and let go of it."""
        self.end()
        os.close(self.pidfd)


def pipe(open_things: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    """Both ends, closed with `open_things`. The reading one does not block."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    return (
        open_things.enter_context(io.FileIO(read, "rb")),
        open_things.enter_context(io.FileIO(write, "wb")),
    )


def opened_again(writing: io.FileIO, open_things: contextlib.ExitStack) -> io.FileIO:
    """The same end of a pipe, with a mode of its own: that one does not block doesn't make the other so."""
    return open_things.enter_context(io.FileIO(f"/proc/self/fd/{writing.fileno()}", "wb"))


def read_now(source: io.FileIO) -> bytes | None:
    """What is there, up to a chunk; empty at the end, None where nothing is there now."""
    return source.read(_CHUNK)


def wait_ready(process: Process, report: io.FileIO, seconds: float) -> None:
    """Wait until the launcher says that it is.

    Raises:
        SandboxUnavailable: it has ended instead, or says something else, or nothing in time.
    """
    poll = select.poll()
    poll.register(process.pidfd, select.POLLIN)
    poll.register(report.fileno(), select.POLLIN)
    said = b""
    deadline = time.monotonic() + seconds
    while said != bundle.READY:
        ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        more = report.read(len(bundle.READY) - len(said)) if report.fileno() in ready else None
        if not more:
            raise SandboxUnavailable("A container ended, or hung, before it got its task. Look at the worker's log.")
        said += more
        if not bundle.READY.startswith(said):
            raise SandboxUnavailable("A container's launcher is not the one that was put into it.")


def follow(
    process: Process,
    log_read: io.FileIO,
    log: Capture,
    group: cgroups.ControlGroup,
    *,
    deadline: float,
    cancelled: threading.Event,
) -> Stop | None:
    """Take in the log until the container ends by itself (None), or has to be ended for the reason returned."""
    poll = select.poll()
    poll.register(process.pidfd, select.POLLIN)
    poll.register(log_read.fileno(), select.POLLIN)
    next_look = 0.0
    while True:
        ready = dict(poll.poll(_TICK_SECONDS * 1000))
        if log_read.fileno() in ready:
            chunk = read_now(log_read)
            if chunk:
                log.feed(chunk)
            else:  # every writer has closed it, though the container may go on
                poll.unregister(log_read.fileno())
        elif process.pidfd in ready:
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
