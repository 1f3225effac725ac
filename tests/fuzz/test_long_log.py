"""Thousands of large events, read by the SDK from a real enclave: page by page, checked, never whole in memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any, cast

import pytest

from cloister.enclave.sealed_log import SealedLog
from cloister.formats.encoding import canonical
from cloister.formats.merkle import BLOCK
from cloister.protocol import ReadStatus
from cloister.rooms.audit import audit_line
from cloister.rooms.definition import Participant
from cloister.rooms.events import Event, ResultFetched
from cloister.rooms.nodes import RawDataNode
from cloister.sdk.link import RoomLink, Told
from cloister.sdk.room_log import read_log
from tests.enclave.peers import Enclave, Meeting
from tests.rooms.examples import python

OWNER = "owner@example.org"
EVENTS = 4_000
NAME = "m" * 7800
"""So that they are several pages."""


class Link:
    """What `read_log` asks, answered by an enclave without a hub between; the log's proofs are checked as always."""

    def __init__(self, runner: asyncio.Runner, room: Meeting) -> None:
        self._runner = runner
        self._room = room
        self.pages = 0

    def ask(self, body: Any, _kind: type[Any]) -> Told[Any]:
        self.pages += 1
        found = self._runner.run(self._room.ask(OWNER, body))
        return Told(body=found, checkpoint=self._room.people[OWNER].seen[self._room.id], trusted=cast(Any, None))


async def prepared(path: Path) -> Meeting:
    """A room in which much has happened, in an enclave that was just started."""
    first = Enclave(path)
    nodes = (RawDataNode(id="patients", name="patients", required=True), python("mean", "patients"))
    roles = (Participant(user=OWNER, data_owner_of=("patients",), analyst_of=("mean",)),)
    room = await Meeting.publish(first, nodes, roles)
    log = SealedLog(room.id, first.store, first.storage_key)
    log.load(lambda: lambda _event: None)
    while len(log) < EVENTS:
        size, rows = len(log), []
        for number in range(size, min(size + BLOCK, EVENTS)):
            body = ResultFetched(run=number.to_bytes(32, "big").hex(), node=NAME)
            entry = canonical(Event(time=first.clock.now + number, actor=OWNER, body=body))
            rows.append(log.row(entry))
            log.take(entry)
        first.store.append(room.id, size, rows)
    first.close()
    second = Enclave(path, clock=first.clock)
    second.clock.now += EVENTS
    return Meeting(second, room.definition, room.issuer, room.people)


@pytest.mark.slow
def test_a_long_log_is_never_whole_in_memory(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        room = runner.run(prepared(tmp_path / "rooms.db"))
        link = Link(runner, room)
        runner.run(room.ask(OWNER, ReadStatus()))
        tracemalloc.start()
        try:
            told, events = read_log(cast(RoomLink, link))
            page = tracemalloc.get_traced_memory()[1]
            lines = sum(1 for event in events if audit_line(event))
            whole = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert lines == told.checkpoint.size == EVENTS + 1, "that it is read is an event"
        assert link.pages > 3
        # Of enclave and SDK together. The page that was read lies there while the next one comes.
        assert whole < 1.5 * page
        room.enclave.close()
