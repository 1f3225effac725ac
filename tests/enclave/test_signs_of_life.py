"""Answers that take their time hold signs of life, so that silence means that somebody is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import msgspec
import pytest

from cloister.enclave.app import seal_frames
from cloister.formats.sealed import Exchange
from cloister.protocol import Answer, Done, Frame, Progress

pytestmark = pytest.mark.anyio


async def test_they_come_until_something_else_does() -> None:
    exchange = Exchange(os.urandom(32), os.urandom(32))
    heard = asyncio.Event()

    async def answering() -> AsyncIterator[Frame]:
        await heard.wait()
        yield Answer(body=Done())

    opened: list[tuple[Frame, bool]] = []
    async with contextlib.aclosing(seal_frames(answering(), exchange, 0.01)) as sealed:
        async for data in sealed:
            content, last = exchange.open_frame(len(opened), data[4:])
            opened.append((msgspec.json.decode(content, type=Progress | Answer), last))
            if len(opened) == 3:
                heard.set()
    assert opened[:3] == [(Progress(), False)] * 3
    assert opened[-1] == (Answer(body=Done()), True)
