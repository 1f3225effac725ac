"""Rooms in memory: each opened once and by itself; those that nobody uses go when memory is short."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.open_rooms import OpenRooms
from cloister.enclave.room import Room
from cloister.enclave.store import SqliteStore, StoreFailed
from cloister.errors import Refused
from cloister.protocol import ReadStatus
from cloister.rooms.definition import Participant
from cloister.rooms.events import Published
from tests.enclave.peers import SECONDS, Clock, Enclave, Meeting, data, pull, python, work

pytestmark = pytest.mark.anyio

SEALING = b"s" * 32
SIGNING = Ed25519PrivateKey.generate()
OWNER = "owner@open.example"
NODES = (data("letter"), python("shout", "letter"))
ROLES = (Participant(user=OWNER, data_owner_of=("letter",), analyst_of=("shout",)),)


class SlowStore(SqliteStore):
    """A store in which one room's log can be held up, as a long one is, or broken."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.slow = ""
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.broken = False
        self.reads: list[str] = []

    def read(self, room: str, start: int = 0) -> Iterator[bytes]:
        self.reads.append(room)
        if self.broken:
            raise StoreFailed("The store is away.")
        if room == self.slow:
            self.asked.set()
            assert self.go_on.wait(SECONDS)
        return super().read(room, start)


async def made(path: Path, count: int) -> list[Meeting]:
    """So many rooms; the enclave that made them has ended."""
    enclave = Enclave(path)
    rooms = [await Meeting.publish(enclave, NODES, ROLES) for _ in range(count)]
    for room in rooms:
        await room.attach(OWNER, "letter")
    enclave.close()
    return rooms


async def test_a_long_log_delays_nobody_else(tmp_path: Path) -> None:
    one, two = await made(tmp_path / "rooms.db", 2)
    store = SlowStore(tmp_path / "rooms.db")
    with closing(store):
        enclave = Enclave(store=store)
        store.slow = one.id
        asking = [asyncio.create_task(one.again(enclave).ask(OWNER, ReadStatus())) for _ in range(3)]
        await asyncio.to_thread(store.asked.wait, SECONDS)
        await two.again(enclave).ask(OWNER, ReadStatus())
        new = await Meeting.publish(enclave, NODES, ROLES)
        await new.attach(OWNER, "letter")
        assert not any(task.done() for task in asking)
        # Whoever goes does not end it for the others.
        asking.pop(0).cancel()
        store.go_on.set()
        await asyncio.gather(*asking)
        assert store.reads.count(one.id) == 1


async def test_a_room_that_could_not_be_read_is_read_again(tmp_path: Path) -> None:
    (one,) = await made(tmp_path / "rooms.db", 1)
    store = SlowStore(tmp_path / "rooms.db")
    with closing(store):
        room = one.again(Enclave(store=store))
        store.broken = True
        with pytest.raises(Refused, match="The store is away"):
            await room.ask(OWNER, ReadStatus())
        store.broken = False
        await room.ask(OWNER, ReadStatus())


async def test_rooms_that_nobody_uses_go_and_come_back_as_they_were(tmp_path: Path) -> None:
    rooms = await made(tmp_path / "rooms.db", 5)
    enclave = Enclave(tmp_path / "rooms.db", memory_bytes=100_000)
    with closing(enclave):
        rooms = [room.again(enclave) for room in rooms]
        job = await rooms[0].start(OWNER, "shout")
        for room in rooms[1:]:
            await room.ask(OWNER, ReadStatus())
        # The first is in use: something waits in it for a worker.
        assert enclave.service.rooms_open == 2
        await work(enclave)
        await rooms[0].wait(OWNER, "shout", job)
        for room in rooms[1:]:
            await room.ask(OWNER, ReadStatus())
        assert enclave.service.rooms_open == 2
        assert not enclave.service._executor._jobs
        assert not enclave.service._executor._changes
        await rooms[0].wait(OWNER, "shout", job)
        await rooms[0].fetch(OWNER, "shout", job)


class Rooms:
    """`OpenRooms` on a store, and what it has let go."""

    def __init__(self, store: SqliteStore, memory_bytes: int = 0) -> None:
        self.gone: list[str] = []
        self.opened: list[str] = []
        self.open = OpenRooms(
            lambda room: Room(room, store, SEALING, SIGNING),
            self.note,
            lambda room: self.gone.append(room.id),
            memory_bytes=memory_bytes,
        )

    async def note(self, room: Room) -> None:
        self.opened.append(room.id)


async def test_what_is_used_stays(tmp_path: Path) -> None:
    meetings = await made(tmp_path / "rooms.db", 4)
    ids = [meeting.id for meeting in meetings]
    with closing(SqliteStore(tmp_path / "rooms.db")) as store:
        rooms = Rooms(store)
        async with AsyncExitStack() as stack:
            used = await stack.enter_async_context(rooms.open.using(ids[0]))
            async with rooms.open.using(ids[1]) as locked, rooms.open.using(ids[2]) as computing:
                assert used is not None
                assert locked is not None
                assert computing is not None
                await locked.lock.acquire()
                computing.users += 1
            async with rooms.open.using(ids[3]):
                pass
            assert (rooms.gone, len(rooms.open)) == ([], 4)
            locked.lock.release()
            computing.users -= 1
            async with rooms.open.using(ids[0]) as again:
                assert again is used
        assert (rooms.gone, len(rooms.open)) == ([ids[1], ids[2], ids[3]], 1)
        assert rooms.opened == ids
        # There is no such room, and nothing is left of asking for it.
        async with rooms.open.using("00" * 32) as missing:
            assert missing is None
        assert "00" * 32 not in rooms.open._places


async def test_a_room_is_made_once_however_many_make_it(tmp_path: Path) -> None:
    (meeting,) = await made(tmp_path / "other.db", 1)
    with closing(SqliteStore(tmp_path / "rooms.db")) as store:
        rooms = Rooms(store)
        makers: list[Room] = []

        async def create(room: Room) -> None:
            makers.append(room)
            await room.append(room.prepare(OWNER, Published(definition=meeting.definition), Clock()()))

        async def publish() -> Room | None:
            async with rooms.open.using(meeting.id, create) as room:
                return room

        async def look() -> Room | None:
            async with rooms.open.using(meeting.id) as room:
                return room

        published = await asyncio.gather(*(each() for each in [look, publish, look, publish, publish, look]))
        assert len(makers) == 1
        assert set(published) <= {makers[0], None}
        assert published[1] is published[3] is published[4] is makers[0]
        assert makers[0].state.size == 1
        assert await look() is makers[0]


async def test_an_enclave_keeps_a_task_that_waits_while_its_room_is_unused(tmp_path: Path) -> None:
    """The room of a computation under way is never opened a second time beside it."""
    one, two = await made(tmp_path / "rooms.db", 2)
    enclave = Enclave(tmp_path / "rooms.db", memory_bytes=0)
    with closing(enclave):
        room = one.again(enclave)
        job = await room.start(OWNER, "shout")
        await two.again(enclave).ask(OWNER, ReadStatus())
        worker = await pull(enclave)
        await worker.given()
        await two.again(enclave).ask(OWNER, ReadStatus())
        await worker.finish()
        await room.wait(OWNER, "shout", job)
        assert await room.fetch(OWNER, "shout", job)
