"""Has the hub all that it needs? For whoever keeps it running; no token is asked for.

Strangers may ask as often as they like: what it takes to find out is done once a second at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import BaseModel
from sqlalchemy import select

from cloister.hub.database import Database
from cloister.hub.objects import Objects
from cloister.hub.upstream import Upstream

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
State = Literal["ok", "failing", "not asked"]


class Readiness(BaseModel):
    """Whether the hub can serve, and which part of it can't."""

    status: Literal["ok", "not ready", "stopping"]
    database: State = "not asked"
    blobs: State = "not asked"
    enclave: State = "not asked"


class Checks:
    """What the hub needs, looked at together. Those who ask at the same time get the same answer."""

    def __init__(self, database: Database, objects: Objects, upstream: Upstream) -> None:
        self._database = database
        self._objects = objects
        self._upstream = upstream
        self._lock = asyncio.Lock()
        self._last = Readiness(status="not ready")
        self._until = 0.0

    async def readiness(self) -> Readiness:
        """What was found in the last second, or is found now."""
        async with self._lock:
            if time.monotonic() >= self._until:
                database, blobs, enclave = await asyncio.gather(
                    _state(self._ask_database), _state(self._objects.check), _state(self._upstream.check)
                )
                well = database == blobs == enclave == "ok"
                self._last = Readiness(
                    status="ok" if well else "not ready", database=database, blobs=blobs, enclave=enclave
                )
                self._until = time.monotonic() + FRESH_SECONDS
            return self._last

    async def _ask_database(self) -> None:
        await self._database.looking_up(select(1), {})


async def _state(check: Callable[[], Awaitable[None]]) -> State:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await check()
    except Exception:
        return "failing"
    return "ok"
