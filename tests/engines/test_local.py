"""The local engine, with processes that end by themselves."""

from __future__ import annotations

import asyncio

import pytest

from cloister.engines.local import MAX_QUICK_ENDS, LocalEngine, WorkersKeepFailing


async def _quits(_place: int = 0) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("false")


async def _stays() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("sleep", "infinity")


def test_workers_that_never_serve_are_given_up() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(LocalEngine(_quits, 1, served=lambda: False).run())
    assert caught.group_contains(WorkersKeepFailing, match="Their messages above say why")


def test_workers_that_have_served_are_replaced_however_often_they_end() -> None:
    async def scene() -> int:
        started: list[asyncio.subprocess.Process] = []
        last = asyncio.Event()

        async def start(_place: int) -> asyncio.subprocess.Process:
            started.append(await (_quits() if len(started) < MAX_QUICK_ENDS else _stays()))
            if len(started) > MAX_QUICK_ENDS:
                last.set()
            return started[-1]

        running = asyncio.create_task(LocalEngine(start, 1, served=lambda: True).run())
        await last.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        # The last one was stopped with the engine.
        assert started[-1].returncode is not None
        return len(started)

    assert asyncio.run(scene()) == MAX_QUICK_ENDS + 1
