"""Workers as processes on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from cloister.errors import CloisterError

log = logging.getLogger("cloister.engine")

Start = Callable[[int], Awaitable[asyncio.subprocess.Process]]
QUICK = 5.0
"""Seconds; a worker that ends sooner than that after its start may not have got to work."""
MAX_QUICK_ENDS = 3
PAUSES = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the next start, after that many quick ends in a row; the last one goes on."""
STOP_SECONDS = 10.0


class WorkersKeepFailing(CloisterError):
    """Workers end as soon as they are started."""


class LocalEngine:
    """Keeps a number of workers running: one that ends, however it ends, is followed by another.

    Args:
        start: starts one worker process; it is told the worker's place among them, from 0 on.
        workers: how many there are to be. Each runs one computation at a time.
        served: whether a worker has ever got to work here. If so this machine can run them, and what ends them now
            passes or is mended; until then, keeping on would only hide what is wrong.
        grace: seconds that a worker's task may take to end when it is stopped.
    """

    def __init__(self, start: Start, workers: int, *, served: Callable[[], bool], grace: float = 0.0) -> None:
        self._start = start
        self._grace = grace
        self._workers = workers
        self._served = served

    async def run(self) -> None:
        """Runs until cancelled, then stops all workers.

        Raises:
            WorkersKeepFailing: see there.
        """
        async with asyncio.TaskGroup() as group:
            for place in range(self._workers):
                group.create_task(self._keep(place))

    async def _keep(self, place: int) -> None:
        quick_ends = 0
        while True:
            started = time.monotonic()
            process = await self._start(place)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await stop(process, self._grace)
                raise
            quick_ends = quick_ends + 1 if time.monotonic() - started < QUICK else 0
            if quick_ends >= MAX_QUICK_ENDS and not self._served():
                raise WorkersKeepFailing("Workers end as soon as they start. Their messages above say why.")
            pause = PAUSES[min(quick_ends, len(PAUSES) - 1)]
            log.warning("a worker has ended (exit code %s); starting another in %g seconds", code, pause)
            await asyncio.sleep(pause)


async def stop(process: asyncio.subprocess.Process, grace: float = 0.0) -> None:
    """Asks a process to end (SIGTERM), and ends it (SIGKILL) where it doesn't within its grace and `STOP_SECONDS`."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), grace + STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
