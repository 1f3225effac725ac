"""An old copy of the store is put back: declared or not, what the log says, and what it costs nobody."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from cloister.enclave.backup import backup_store, declare_restored, restore_store
from cloister.enclave.declaration import NOTE
from cloister.enclave.postgres import PostgresStore
from cloister.errors import CloisterError, LogTampered, Refused
from cloister.formats.sealed import seal_request
from cloister.protocol import Log, ReadLog, Request, RetrieveRoom
from cloister.rooms.definition import Participant
from cloister.rooms.events import ENCLAVE, Restored
from tests.enclave.peers import Enclave, Meeting, checked, data, pull, python, stored_secrets, work
from tests.postgres import PostgresServer

pytestmark = pytest.mark.anyio

OWNER = "owner@restore.example"
NODES = (data("patients"), data("lab", required=False), python("mean", "patients"))
ROLES = (Participant(user=OWNER, data_owner_of=("patients", "lab"), analyst_of=("mean",)),)
DECLARED = 1_700_000_500_000


async def make_room(enclave: Enclave) -> Meeting:
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(OWNER, "patients")
    job = await room.start(OWNER, "mean")
    await work(enclave)
    await room.wait(OWNER, "mean", job)
    return room


async def restored_events(room: Meeting) -> list[Restored]:
    return [event for event in await room.events() if isinstance(event, Restored)]


async def test_a_complete_restore_raises_no_alarm_and_is_told_once(tmp_path: Path) -> None:
    before = Enclave(tmp_path / "old.db")
    room = await make_room(before)
    await room.fetch(OWNER, "mean")
    backup_store(tmp_path / "old.db", tmp_path / "backup.db")
    before.close()
    restore_store(tmp_path / "backup.db", tmp_path / "new.db", DECLARED)
    for _ in range(2):
        after = Enclave(tmp_path / "new.db", clock=before.clock)
        # `Meeting.ask` checks that the log extends what was seen.
        again = room.again(after)
        await again.fetch(OWNER, "mean")
        [event] = await restored_events(again)
        assert event.declared == DECLARED
        # A room that came to be afterwards has not been restored.
        assert await restored_events(await Meeting.publish(after, NODES, ROLES)) == []
        after.close()
    log = [event for event in stored_secrets(tmp_path / "new.db") if event[1] == NOTE]
    assert [name for name, _, _ in log] == [room.id]


async def test_who_has_seen_more_notices_and_others_do_not(tmp_path: Path) -> None:
    before = Enclave(tmp_path / "old.db")
    room = await make_room(before)
    # While the enclave runs.
    backup_store(tmp_path / "old.db", tmp_path / "backup.db")
    await room.remove(OWNER, "patients")
    before.close()
    restore_store(tmp_path / "backup.db", tmp_path / "new.db", DECLARED)
    after = Enclave(tmp_path / "new.db", clock=before.clock)
    with pytest.raises(LogTampered):
        await room.again(after).ask(OWNER, RetrieveRoom())
    room.people[OWNER].seen.clear()
    again = room.again(after)
    assert len(await restored_events(again)) == 1
    # What was removed since is back, and so is its result.
    await again.fetch(OWNER, "mean")
    after.close()


async def test_a_second_restore_is_told_again_and_by_whom(tmp_path: Path) -> None:
    before = Enclave(tmp_path / "0.db")
    room = await make_room(before)
    before.close()
    for index in range(2):
        restore_store(tmp_path / f"{index}.db", tmp_path / f"{index + 1}.db", DECLARED + index)
        enclave = Enclave(tmp_path / f"{index + 1}.db", clock=before.clock)
        await room.again(enclave).ask(OWNER, RetrieveRoom())
        enclave.close()
    declare_restored(tmp_path / "2.db", DECLARED + 2)
    last = Enclave(tmp_path / "2.db", clock=before.clock)
    again = room.again(last)
    told = await restored_events(again)
    assert [event.declared for event in told] == [DECLARED, DECLARED + 1, DECLARED + 2]
    assert len({event.restore for event in told}) == 3
    log = checked(await again.ask(OWNER, ReadLog()), Log)
    entry = next(event for event in log.events if b'"restored"' in event)
    assert f'"actor":"{ENCLAVE}"'.encode() in entry
    last.close()


async def test_what_was_under_way_is_voided_and_old_messages_are_noise(tmp_path: Path) -> None:
    before = Enclave(tmp_path / "old.db")
    room = await make_room(before)
    await room.remove(OWNER, "patients")
    await room.attach(OWNER, "patients")
    job = await room.start(OWNER, "mean")
    lease = await pull(before)
    await lease.given()
    person = room.people[OWNER]
    payload = Request(body=RetrieveRoom(), room=room.id, user=OWNER)
    message, _ = seal_request(before.keys, msgspec.json.encode(payload), person.device)
    backup_store(tmp_path / "old.db", tmp_path / "backup.db")
    before.close()
    restore_store(tmp_path / "backup.db", tmp_path / "new.db", DECLARED)
    after = Enclave(tmp_path / "new.db", clock=before.clock)
    # The enclave is the one that clients know; the keys that messages are sealed to are fresh.
    assert after.public == before.public
    assert (await after.post(message))[0] == 409
    again = room.again(after)
    with pytest.raises(Refused, match="interrupted by a restart"):
        await again.wait(OWNER, "mean", job)
    # It can be run again; tasks, blobs and keys are new ones.
    await again.start(OWNER, "mean")
    task = await work(after)
    assert lease.task is not None
    assert {task.id, task.result}.isdisjoint({lease.task.id, lease.task.result})
    after.close()


async def test_a_store_in_postgresql_is_declared_as_well(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    before = Enclave(store=cast(Any, PostgresStore(url)))
    room = await make_room(before)
    before.close()
    for declared in (DECLARED, DECLARED + 1):
        declare_restored(url, declared)
    after = Enclave(store=cast(Any, PostgresStore(url)), clock=before.clock)
    assert [event.declared for event in await restored_events(room.again(after))] == [DECLARED + 1]
    after.close()


@pytest.mark.parametrize("note", [b"", b"{}", b'{"type":"restored","restore":"x","declared":1}', b"\xff" * 1000])
async def test_a_declaration_that_is_none_harms_nobody(tmp_path: Path, note: bytes) -> None:
    before = Enclave(tmp_path / "rooms.db")
    room = await make_room(before)
    before.close()
    with closing(sqlite3.connect(tmp_path / "rooms.db")) as database, database:
        database.execute("INSERT INTO secrets (room, name, sealed) VALUES (?, ?, ?)", (room.id, NOTE, note))
    after = Enclave(tmp_path / "rooms.db", clock=before.clock)
    await room.again(after).fetch(OWNER, "mean")
    assert await restored_events(room.again(after)) == []
    after.close()


async def test_nothing_is_overwritten_and_nothing_half_is_left(tmp_path: Path) -> None:
    enclave = Enclave(tmp_path / "rooms.db")
    await make_room(enclave)
    with pytest.raises(CloisterError, match="store already"):
        restore_store(tmp_path / "rooms.db", tmp_path / "rooms.db", DECLARED)
    enclave.close()
    (tmp_path / "junk.db").write_bytes(b"no database" * 100)
    with pytest.raises(CloisterError, match="can't be copied"):
        restore_store(tmp_path / "junk.db", tmp_path / "new" / "rooms.db", DECLARED)
    with pytest.raises(CloisterError, match="can't be copied"):
        backup_store(tmp_path / "nowhere.db", tmp_path / "new" / "rooms.db")
    assert list((tmp_path / "new").iterdir()) == []
