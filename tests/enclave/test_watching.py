"""Waiting for a room to change: told at once, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest

from cloister.enclave.limits import Allowances
from cloister.errors import Refused
from cloister.protocol import ReadLog, ReadStatus, RetrieveRoom, RoomStatus, UnbindKey
from cloister.rooms.definition import Participant
from tests.enclave.peers import SECONDS, Enclave, Meeting, Person, checked, data, python

pytestmark = pytest.mark.anyio

OWNER, OTHER, STRANGER = "owner@watch.example", "other@watch.example", "stranger@watch.example"
ROLES = (Participant(user=OWNER, data_owner_of=("letter",)), Participant(user=OTHER, analyst_of=("shout",)))
NODES = (data("letter"), python("shout", "letter"))


@pytest.fixture
def enclave() -> Iterator[Enclave]:
    with closing(Enclave(allowed=Allowances(watching_seconds=SECONDS, watching_per_user=2))) as enclave:
        yield enclave


async def watched(room: Meeting, who: str, after: int) -> RoomStatus:
    return checked(await room.ask(who, ReadStatus(after=after)), RoomStatus)


async def made(enclave: Enclave) -> tuple[Meeting, int]:
    """A room that both have been in, and the size of its log."""
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.ask(OTHER, RetrieveRoom())
    await room.ask(OWNER, RetrieveRoom())
    return room, room.people[OWNER].seen[room.id].size


async def test_who_has_seen_less_is_told_at_once(enclave: Enclave) -> None:
    room, size = await made(enclave)
    for after in range(size):
        assert (await watched(room, OTHER, after)).attached == ()


async def test_a_change_is_told_to_all_who_wait(enclave: Enclave) -> None:
    room, size = await made(enclave)
    waiting = [asyncio.create_task(watched(room, who, size)) for who in (OWNER, OTHER)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    await room.attach(OWNER, "letter")
    for each in waiting:
        assert [there.node for there in (await each).attached] == ["letter"]


async def test_who_waits_holds_nobody_up_and_may_go(enclave: Enclave) -> None:
    room, size = await made(enclave)
    waiting = asyncio.create_task(watched(room, OTHER, size + 1000))
    await asyncio.sleep(0)
    await room.attach(OWNER, "letter")
    assert len((await room.ask(OWNER, ReadLog())).events) > size
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await watched(room, OTHER, 0)).attached


async def test_without_a_change_the_answer_comes_all_the_same() -> None:
    with closing(Enclave(allowed=Allowances(watching_seconds=0.01))) as enclave:
        room, size = await made(enclave)
        assert (await watched(room, OTHER, size)).attached == ()


async def test_waiting_keeps_no_room_in_memory() -> None:
    with closing(Enclave(memory_bytes=0, allowed=Allowances(watching_seconds=SECONDS))) as enclave:
        room, size = await made(enclave)
        waiting = asyncio.create_task(watched(room, OTHER, size))
        await asyncio.sleep(0)
        other, _ = await made(enclave)
        assert enclave.service.rooms_open == 1
        # It is told all the same by whoever uses the room next.
        await room.attach(OWNER, "letter")
        assert [there.node for there in (await waiting).attached] == ["letter"]
        await other.ask(OWNER, RetrieveRoom())
        assert enclave.service.rooms_open == 1


async def test_waiting_is_for_participants_and_only_for_as_long_as_they_are(enclave: Enclave) -> None:
    room, size = await made(enclave)
    stranger = Person(STRANGER)
    with pytest.raises(Refused, match="no such room"):
        await enclave.ask(stranger, ReadStatus(after=size), room.id, token=room.token(stranger))
    # A device that is put out while it waits is told nothing.
    second = Person(OTHER)
    await enclave.ask(second, RetrieveRoom(), room.id, token=room.token(second))
    size = second.seen[room.id].size
    waiting = asyncio.create_task(enclave.ask(second, ReadStatus(after=size), room.id))
    await asyncio.sleep(0)
    await room.ask(OTHER, UnbindKey(key=second.key.hex()))
    with pytest.raises(Refused, match="no such room"):
        await waiting


async def test_one_account_waits_for_so_many_at_once(enclave: Enclave) -> None:
    room, size = await made(enclave)
    waiting = [asyncio.create_task(watched(room, OTHER, size)) for _ in range(3)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(Refused, match=r"wait for too many rooms to change at once.*in 30 seconds"):
        await done.pop()
    # Others may, and once there is a change, so may this one.
    of_owner = asyncio.create_task(watched(room, OWNER, size))
    await room.attach(OWNER, "letter")
    assert (await of_owner).attached
    for each in waiting:
        if not each.done() or each.exception() is None:
            assert (await each).attached
    assert (await watched(room, OTHER, 0)).attached
