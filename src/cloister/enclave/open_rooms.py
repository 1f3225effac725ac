"""The rooms that are in memory: opened once, whoever asks first, and let go when nobody has used them for longest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cloister.enclave.room import Room

MEMORY_BYTES = 1024 * 1024 * 1024
"""What rooms may take together before those that nobody uses are let go, in bytes, as `Room.memory` has it."""
_OPENING = 4
"""Rooms that are read at once. Reading has threads of its own: long logs must not hold up those who append."""


@dataclass(eq=False)
class _Place:
    """Where a room is, or will be."""

    users: int = 0
    memory: int = 0
    """As it was when somebody last let the room go."""
    opening: asyncio.Task[Room | None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def room(self) -> Room | None:
        task = self.opening
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None


class OpenRooms:
    """At most one `Room` for each log. Each is opened by itself: a long log delays nobody else.

    A room stays where it is while it is used here, while its lock is held, and while `Room.users` says so. Others go,
    the one that was used least recently first, once all together take more memory than they may.
    """

    def __init__(
        self,
        make: Callable[[str], Room],
        opened: Callable[[Room], Awaitable[None]],
        let_go: Callable[[Room], None],
        *,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """
        Args:
            make: a room that was not loaded yet.
            opened: called once with each room that has been read, before anybody gets it.
            let_go: called with each room that leaves.
        """
        self._make = make
        self._opened = opened
        self._let_go = let_go
        self._memory_bytes = memory_bytes
        self._memory = 0
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._threads = ThreadPoolExecutor(_OPENING, thread_name_prefix="cloister-open")

    def __len__(self) -> int:
        return sum(place.room is not None for place in self._places.values())

    @asynccontextmanager
    async def using(
        self, room_id: str, create: Callable[[Room], Awaitable[None]] | None = None
    ) -> AsyncIterator[Room | None]:
        """The room for as long as the block lasts; None where there is none.

        Args:
            create: makes a room that has no log, by appending to it.

        Raises:
            LogTampered: the store shows another log than was written.
            StoreFailed: it can't be read.
        """
        place = self._places.setdefault(room_id, _Place())
        self._places.move_to_end(room_id)
        place.users += 1
        try:
            room = await self._open(place, room_id)
            if room is None and create is not None:
                async with place.lock:
                    room = await self._open(place, room_id)
                    if room is None:
                        room = await self._outcome(place, self._new(room_id, create))
            yield room
        finally:
            place.users -= 1
            self._settle(room_id, place)

    async def _open(self, place: _Place, room_id: str) -> Room | None:
        task = place.opening
        if task is None or (task.done() and place.room is None):
            return await self._outcome(place, self._read(room_id))
        await asyncio.shield(task)
        return place.room

    async def _outcome(self, place: _Place, opening: Coroutine[None, None, Room | None]) -> Room | None:
        place.opening = task = asyncio.create_task(opening)
        # It fails for those who wait for it; where they have all gone, for nobody.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Shielded: whoever asked may go, others wait for the same room.
        await asyncio.shield(task)
        # Not the task's own: there is one room, that of the place, whatever was under way at once.
        return place.room

    async def _read(self, room_id: str) -> Room | None:
        room = self._make(room_id)
        await asyncio.get_running_loop().run_in_executor(self._threads, room.load)
        if room.state.definition is None:
            return None
        await self._opened(room)
        return room

    async def _new(self, room_id: str, create: Callable[[Room], Awaitable[None]]) -> Room:
        room = self._make(room_id)
        await create(room)
        return room

    def _settle(self, room_id: str, place: _Place) -> None:
        if place.users:
            return
        room = place.room
        if room is None:
            # Nothing is kept of rooms that there aren't. One that is still being read is the next one's to find.
            if place.opening is None or place.opening.done():
                self._forget(room_id, place)
            else:
                place.opening.add_done_callback(lambda _: self._settle(room_id, place))
            return
        if self._places.get(room_id) is place:
            self._memory += room.memory - place.memory
            place.memory = room.memory
        self._make_space()

    def _make_space(self) -> None:
        # The last one is in use, or was just now: also where it takes too much by itself.
        for room_id, place in list(self._places.items())[:-1] if self._memory > self._memory_bytes else ():
            room = place.room
            if room is None or place.users or room.users or room.lock.locked():
                continue
            self._forget(room_id, place)
            self._let_go(room)
            if self._memory <= self._memory_bytes:
                return

    def _forget(self, room_id: str, place: _Place) -> None:
        if self._places.get(room_id) is place:
            del self._places[room_id]
            self._memory -= place.memory
