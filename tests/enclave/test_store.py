"""What becomes of rooms whose store was changed by hand, rolled back, broken, or used by two enclaves at once."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloister.enclave.storage_key import signing_key, storage_key
from cloister.enclave.store import OutcomeUnknown, SqliteStore, StoreConflict, StoreFailed
from cloister.errors import DecryptionFailed, LogTampered, Refused
from cloister.protocol import FetchDataset, ReadLog, RetrieveRoom, StopRoom
from cloister.rooms.definition import Participant
from cloister.rooms.events import DatasetAttached, LogRead, RunFinished, RunStarted, RunVoided, Stopped
from cloister.rooms.permissions import NO_SUCH_ROOM
from tests.enclave.peers import Clock, Enclave, Meeting, Person, data, pull, python, stored_secrets, work

pytestmark = pytest.mark.anyio

OWNER = "owner@store.example"
NODES = (data("patients"), data("lab", required=False), python("mean", "patients"), python("next", "mean"))
ROLES = (Participant(user=OWNER, data_owner_of=("patients", "lab"), analyst_of=("mean", "next")),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rooms.db"


@pytest.fixture
async def rooms(path: Path) -> tuple[Meeting, Meeting]:
    """Two rooms with data and a result each; the enclave that made them has ended."""
    enclave = Enclave(path)
    made = [await make_room(enclave) for _ in range(2)]
    enclave.close()
    return made[0], made[1]


@pytest.fixture
def enclave(path: Path, rooms: tuple[Meeting, Meeting]) -> Iterator[Enclave]:
    """The next enclave on the same store, which has read nothing yet."""
    running = Enclave(path)
    yield running
    running.close()


async def make_room(enclave: Enclave) -> Meeting:
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(OWNER, "patients")
    job = await room.start(OWNER, "mean")
    await work(enclave)
    await room.wait(OWNER, "mean", job)
    return room


TAMPERING = {
    "changed": "UPDATE rows SET sealed = sealed || x'00' WHERE room = :one AND position = 2",
    "a bit flipped": "UPDATE rows SET sealed = substr(sealed, 1, 60) || x'ff' || substr(sealed, 62)"
    " WHERE room = :one AND position = 1",
    "emptied": "UPDATE rows SET sealed = x'' WHERE room = :one AND position = 3",
    "removed in the middle": "DELETE FROM rows WHERE room = :one AND position = 2",
    "removed at the start": "DELETE FROM rows WHERE room = :one AND position = 0",
    "removed, and the others moved up": "DELETE FROM rows WHERE room = :one AND position = 2;"
    "UPDATE rows SET position = position - 1 WHERE room = :one AND position > 2",
    "swapped": "UPDATE rows SET position = -1 WHERE room = :one AND position = 2;"
    "UPDATE rows SET position = 2 WHERE room = :one AND position = 3;"
    "UPDATE rows SET position = 3 WHERE room = :one AND position = -1",
    "duplicated at the end": "INSERT INTO rows SELECT room, 5, sealed FROM rows WHERE room = :one AND position = 4",
    "replaced by another of its room": "UPDATE rows SET sealed ="
    " (SELECT sealed FROM rows WHERE room = :one AND position = 1) WHERE room = :one AND position = 2",
    "replaced by that of another room": "UPDATE rows SET sealed ="
    " (SELECT sealed FROM rows WHERE room = :two AND position = 2) WHERE room = :one AND position = 2",
    "the whole log of another room": "DELETE FROM rows WHERE room = :one;"
    "INSERT INTO rows SELECT :one, position, sealed FROM rows WHERE room = :two",
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_a_tampered_log_closes_its_room_and_no_other(
    rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path, how: str
) -> None:
    one, two = (room.again(enclave) for room in rooms)
    change(path, TAMPERING[how], one=one.id, two=two.id)
    # Where not even the first row is what it was, nobody can be told from an outsider.
    known = how not in ("removed at the start", "the whole log of another room")
    told = r"was changed: Row \d+ .* Ask the operator to restore the store" if known else NO_SUCH_ROOM
    for ask in (one.events, lambda: one.start(OWNER, "mean"), lambda: one.fetch(OWNER, "mean")):
        one.people[OWNER].seen.clear()
        with pytest.raises(Refused, match=told) as caught:
            await ask()
        assert caught.value.code == ("failed" if known else "not_found")
    await two.fetch(OWNER, "mean")
    await two.events()


@pytest.mark.parametrize("how", TAMPERING)
async def test_outsiders_do_not_learn_of_a_tampered_room(
    rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path, how: str
) -> None:
    one, two = (room.again(enclave) for room in rooms)
    change(path, TAMPERING[how], one=one.id, two=two.id)
    await outsiders_learn_nothing(one)


async def outsiders_learn_nothing(room: Meeting) -> None:
    """Nobody but participants can tell the room from one that isn't there."""
    eve = Person("eve@store.example")
    impostor, twin = Person(OWNER), Person(OWNER)
    for person, token in (
        (eve, room.token(eve)),
        (eve, None),
        (impostor, None),
        (impostor, room.token(eve)),
        (twin, room.token(twin, age=3600)),
        (None, None),
    ):
        for body in (RetrieveRoom(), ReadLog(), StopRoom()):
            for asked in (room.id, "77" * 32):
                with pytest.raises(Refused) as caught:
                    await room.enclave.ask(person, body, asked, token=token)
                assert (caught.value.code, caught.value.message) == ("not_found", NO_SUCH_ROOM)


async def test_outsiders_do_not_learn_of_a_room_by_the_clock_or_a_store_that_is_full(path: Path) -> None:
    before = Enclave(path)
    room = await Meeting.publish(before, NODES, ROLES)
    await room.attach(OWNER, "patients")
    await room.start(OWNER, "mean")
    lease = await pull(before)
    await lease.given()
    before.close()
    # There is a run to be voided, which can't be written down.
    late = Enclave(path, clock=Clock(before.clock.now - 1001))
    await outsiders_learn_nothing(room.again(late))
    with pytest.raises(Refused, match="clock is behind"):
        await room.again(late).ask(OWNER, RetrieveRoom())
    late.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'full'); END")
    full = Enclave(path)
    await outsiders_learn_nothing(room.again(full))
    with pytest.raises(Refused, match="store can't be used"):
        await room.again(full).ask(OWNER, RetrieveRoom())
    change(path, "DROP TRIGGER full")
    await room.again(full).ask(OWNER, RetrieveRoom())
    assert await room.again(full).count(RunVoided) == 1
    full.close()


@pytest.mark.parametrize("how", TAMPERING)
async def test_tampering_while_the_room_is_open_is_noticed_when_its_log_is_read(
    rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path, how: str
) -> None:
    one, two = (room.again(enclave) for room in rooms)
    await one.ask(OWNER, RetrieveRoom())
    change(path, TAMPERING[how], one=one.id, two=two.id)
    with pytest.raises(Refused, match=r"was changed|changed by another process") as caught:
        await one.events()
    assert caught.value.code == "failed"
    await two.events()


async def test_a_room_whose_rows_are_all_gone_is_unknown(
    rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path
) -> None:
    one = rooms[0].again(enclave)
    change(path, "DELETE FROM rows WHERE room = :one", one=one.id)
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await one.events()


async def test_a_log_that_was_cut_off_is_noticed_by_who_has_seen_more(
    rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path
) -> None:
    """The enclave itself can't tell an old copy of its store from the newest one; clients can."""
    one = rooms[0].again(enclave)
    change(path, "DELETE FROM rows WHERE room = :one AND position >= 4", one=one.id)
    with pytest.raises(LogTampered, match="does not extend what it showed before"):
        await one.ask(OWNER, RetrieveRoom())
    # Also where the log has become longer again than what was seen.
    stranger = rooms[0].again(enclave)
    seen = stranger.people[OWNER].seen.pop(stranger.id)
    for _ in range(seen.size):
        await stranger.enclave.ask(stranger.people[OWNER], ReadLog(), stranger.id)
    stranger.people[OWNER].seen[stranger.id] = seen
    with pytest.raises(LogTampered):
        await one.ask(OWNER, RetrieveRoom())


async def test_a_log_under_another_storage_key_can_not_be_read(rooms: tuple[Meeting, Meeting], path: Path) -> None:
    store = SqliteStore(path)
    with closing(store), pytest.raises(DecryptionFailed):
        signing_key(store, b"x" * 32)


class TestSecrets:
    """Keys of datasets and results."""

    async def test_deleted_ones_are_missed_where_they_are_needed(
        self, rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path
    ) -> None:
        one = rooms[0].again(enclave)
        change(path, "DELETE FROM secrets WHERE room = :one", one=one.id)
        with pytest.raises(Refused, match="The key of this result is gone") as caught:
            await one.fetch(OWNER, "mean")
        assert caught.value.code == "failed"
        job = await one.start(OWNER, "next")
        with pytest.raises(Refused, match="The key of 'mean' is gone"):
            await one.wait(OWNER, "next", job)
        assert await one.count(RunStarted) == 1

    @pytest.mark.parametrize(
        "how",
        [
            "UPDATE secrets SET sealed = substr(sealed, 1, 60) || x'ff' || substr(sealed, 62) WHERE room = :one",
            "UPDATE secrets SET sealed = x'' WHERE room = :one",
            # Each gets the other one of its room, and then one of the other room.
            (
                "CREATE TEMP TABLE before AS SELECT * FROM secrets;"
                "UPDATE secrets SET sealed = (SELECT before.sealed FROM before WHERE before.room = :one"
                " AND before.name <> secrets.name) WHERE room = :one"
            ),
            (
                "UPDATE secrets SET sealed = (SELECT other.sealed FROM secrets AS other WHERE other.room = :two"
                " ORDER BY other.name LIMIT 1) WHERE room = :one"
            ),
        ],
        ids=["changed", "emptied", "swapped", "of another room"],
    )
    async def test_tampered_ones_are_never_used(
        self, rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path, how: str
    ) -> None:
        one, two = (room.again(enclave) for room in rooms)
        change(path, how, one=one.id, two=two.id)
        with pytest.raises(Refused, match=r"A stored secret was changed in the store\. Ask the operator") as caught:
            await one.fetch(OWNER, "mean")
        assert caught.value.code == "failed"
        job = await one.start(OWNER, "next")
        with pytest.raises(Refused, match="A stored secret was changed") as caught:
            await one.wait(OWNER, "next", job)
        assert caught.value.code == "failed"
        assert await one.count(RunStarted) == 1
        await two.fetch(OWNER, "mean")

    async def test_a_dataset_that_was_removed_is_not_put_back_by_its_old_row(
        self, rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path
    ) -> None:
        """It is sealed as it should be, to this room and this name; only the log tells that it was replaced."""
        one = rooms[0].again(enclave)
        change(path, KEEP, one=one.id)
        await one.remove(OWNER, "patients")
        attached = await one.attach(OWNER, "patients")
        events = len(await one.events())
        change(path, PUT_BACK, one=one.id)
        job = await one.start(OWNER, "mean")
        for ask in (
            lambda: one.wait(OWNER, "mean", job),
            lambda: one.ask(OWNER, FetchDataset(node="patients")),
            lambda: one.attach(OWNER, "lab"),
        ):
            with pytest.raises(Refused, match=r"not the one that its log tells of\. Ask the operator") as caught:
                await ask()
            assert caught.value.code == "failed"
        assert len(await one.events()) == events + 1  # and that the log was read
        # Somebody who removes it gets rid of it, whichever it is.
        await one.remove(OWNER, "patients")
        assert attached != await one.attach(OWNER, "patients")
        again = await one.start(OWNER, "mean")
        await work(enclave)
        await one.wait(OWNER, "mean", again)

    async def test_names_of_nodes_are_not_to_be_read_in_the_store(
        self, rooms: tuple[Meeting, Meeting], path: Path
    ) -> None:
        names = [name for _, name, _ in stored_secrets(path)]
        assert len(names) == len(set(names)) == 5  # and the signing key's
        for file in path.parent.iterdir():
            content = file.read_bytes()
            for word in (b"patients", b"mean", OWNER.encode()):
                assert word not in content


class TestTwoEnclaves:
    """Two processes on one store."""

    async def test_the_one_that_is_behind_can_write_nothing_more(
        self, rooms: tuple[Meeting, Meeting], path: Path
    ) -> None:
        first, second = Enclave(path), Enclave(path)
        assert first.public == second.public
        here, there = rooms[0].again(first), rooms[0].again(second)
        await here.events()
        await there.events()
        for ask in (here.events, lambda: here.attach(OWNER, "lab"), lambda: here.ask(OWNER, StopRoom())):
            with pytest.raises(Refused, match=r"was changed by another process\. Run one enclave") as caught:
                await ask()
            assert caught.value.code == "failed"
        # Who has seen what the other one wrote is not shown an older log.
        with pytest.raises(LogTampered):
            await here.ask(OWNER, RetrieveRoom())
        assert await there.count(Stopped) == 0
        first.close()
        second.close()

    async def test_a_run_that_ends_there_is_not_released(self, rooms: tuple[Meeting, Meeting], path: Path) -> None:
        first, second = Enclave(path), Enclave(path)
        here, there = rooms[0].again(first), rooms[0].again(second)
        job = await here.start(OWNER, "next")
        lease = await pull(first)
        await lease.given()
        await there.events()  # finds the run, which it takes for interrupted
        await lease.finish()
        with pytest.raises(Refused, match="was changed by another process") as caught:
            await here.wait(OWNER, "next", job)
        assert caught.value.code == "failed"
        assert await there.count(RunFinished) == 1
        assert await there.count(RunVoided) == 1
        first.close()
        second.close()

    def test_the_store_itself_refuses_what_does_not_follow(self, tmp_path: Path) -> None:
        with closing(SqliteStore(tmp_path / "store.db")) as one, closing(SqliteStore(tmp_path / "store.db")) as other:
            one.append("room", 0, [b"a", b"b"])
            for size in (0, 1, 3):
                with pytest.raises(StoreConflict):
                    other.append("room", size, [b"c"], put={"name": b"value"})
            assert other.secret("room", "name") is None
            other.append("room", 2, [b"c"], put={"name": b"value"})
            assert list(one.read("room")) == [b"a", b"b", b"c"]
            assert one.secret("room", "name") == b"value"


class TestBrokenStore:
    """A disk that fails."""

    async def test_it_is_said_and_nothing_is_taken_for_written(
        self, rooms: tuple[Meeting, Meeting], enclave: Enclave, path: Path
    ) -> None:
        one = rooms[0].again(enclave)
        before = await one.events()
        change(path, "ALTER TABLE rows RENAME TO lost")
        with pytest.raises(Refused, match=r"store can't be used \(SQLITE_ERROR\)\. Ask the operator") as caught:
            await one.attach(OWNER, "lab")
        assert caught.value.code == "failed"
        with pytest.raises(Refused, match="store can't be used"):
            await rooms[1].again(enclave).events()
        change(path, "ALTER TABLE lost RENAME TO rows")
        assert await one.events() == [*before, LogRead(size=len(before) + 1)]
        await one.attach(OWNER, "lab")

    def test_all_methods_say_so(self, tmp_path: Path) -> None:
        (tmp_path / "none.db").write_bytes(b"This is no database, however long one looks at it. " * 100)
        with pytest.raises(StoreFailed, match=r"SQLITE_NOTADB"):
            SqliteStore(tmp_path / "none.db")
        store = SqliteStore(tmp_path / "closed.db")
        store.close()
        with pytest.raises(StoreFailed):
            store.append("room", 0, [b"a"])
        with pytest.raises(StoreFailed):
            list(store.read("room"))
        with pytest.raises(StoreFailed):
            store.secret("room", "name")

    @pytest.mark.parametrize("why", ["somebody reads", "the disk fails"])
    def test_what_has_happened_is_never_said_not_to_have(
        self, tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Deleted bytes are overwritten once the row is written: where that can't be done at once, it is done later."""
        path, secret = tmp_path / "store.db", os.urandom(10_000)

        def is_there() -> bool:
            return any(secret[-40:] in file.read_bytes() for file in tmp_path.iterdir())

        with closing(SqliteStore(path, patience=0.0)) as store:
            # So that the secret lies beyond what `full_disk` leaves room for, and not in the write-ahead log.
            store.append("room", 0, [bytes(2_000_000)])
            store.append("room", 1, [], put={"name": secret}, delete=["another"])
            hinders = reading(path) if why == "somebody reads" else full_disk(1_000_000)
            with hinders:
                for number in range(1, 4):
                    store.append("room", number, [b"row"], delete=["name"])
                    assert is_there()
                assert store.secret("room", "name") is None
                assert len(list(store.read("room"))) == 4
            assert [record.message for record in caplog.records] == [
                "what was deleted may still be in the store's write-ahead log "
                + ("(others read it)" if why == "somebody reads" else "(SQLITE_IOERR_WRITE)")
            ]
            # Nothing more needs to be deleted for that.
            store.append("room", 4, [b"row"])
            assert not is_there()

    def test_what_an_enclave_before_it_has_left_is_overwritten(self, tmp_path: Path) -> None:
        path, secret = tmp_path / "store.db", os.urandom(40)
        store = SqliteStore(path, patience=0.0)
        store.append("room", 0, [b"row"], put={"name": secret})
        with reading(path):
            store.append("room", 1, [b"row"], delete=["name"])
        with closing(store), closing(SqliteStore(path)):
            assert not any(secret in file.read_bytes() for file in tmp_path.iterdir())

    def test_a_write_that_fails_while_it_is_made_certain_may_have_happened(self, tmp_path: Path) -> None:
        path = tmp_path / "store.db"
        with closing(SqliteStore(path)) as store:
            store.append("room", 0, [b"a"])
            with full_disk(100), pytest.raises(OutcomeUnknown, match=r"failed while it wrote \(SQLITE_"):
                store.append("room", 1, [b"b"])
            rows = list(store.read("room"))
            assert rows in ([b"a"], [b"a", b"b"])
            store.append("room", len(rows), [b"c"])
            assert list(store.read("room")) == [*rows, b"c"]

    def test_long_logs_are_read_in_order(self, tmp_path: Path) -> None:
        rows = [os.urandom(4) for _ in range(2500)]
        with closing(SqliteStore(tmp_path / "store.db")) as store:
            store.append("room", 0, rows)
            store.append("other", 0, rows[:3])
            assert list(store.read("room")) == rows
            assert list(store.read("nothing")) == []


class LosingStore(SqliteStore):
    """Loses its connection while it writes, when told to: before or after it is written."""

    lose: str = ""

    def append(self, *words: Any, **more: Any) -> None:
        how, self.lose = self.lose, ""
        if how != "before":
            super().append(*words, **more)
        if how:
            raise OutcomeUnknown("The enclave lost its store while it wrote.")


class TestLostWhileWriting:
    """A store of which nobody knows whether it has written."""

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_the_log_itself_tells_before_anything_follows(
        self, rooms: tuple[Meeting, Meeting], path: Path, when: str
    ) -> None:
        store = LosingStore(path)
        with closing(store):
            enclave = Enclave(path, store=store)
            room = rooms[0].again(enclave)
            before = await room.count(DatasetAttached)
            store.lose = when
            with pytest.raises(Refused, match="lost its store while it wrote") as caught:
                await room.attach(OWNER, "lab")
            assert caught.value.code == "failed"
            if when == "after":
                with pytest.raises(Refused, match="what was asked for last has happened"):
                    await room.events()
            assert await room.count(DatasetAttached) == before + (when == "after")
            await room.ask(OWNER, StopRoom())
            assert await room.count(Stopped) == 1


class TestClock:
    """The host's clock: best effort, but time never runs backwards in a log."""

    async def test_a_step_back_of_up_to_a_second_is_smoothed_over(self, enclave: Enclave) -> None:
        room = await make_room(enclave)
        enclave.clock.now -= 1000
        await room.attach(OWNER, "lab")

    async def test_more_is_refused_until_the_clock_is_set(self, enclave: Enclave) -> None:
        room = await make_room(enclave)
        job = await room.start(OWNER, "next")
        lease = await pull(enclave)
        await lease.given()
        enclave.clock.now -= 1001
        for ask in (lambda: room.attach(OWNER, "lab"), lambda: room.ask(OWNER, StopRoom())):
            with pytest.raises(Refused, match=r"clock is behind the room's last event\. Ask the operator") as caught:
                await ask()
            assert caught.value.code == "failed"
        # Reading goes on; a result that comes now is not released, as the log could not say so.
        await room.ask(OWNER, RetrieveRoom())
        await lease.finish()
        with pytest.raises(Refused, match="clock is behind"):
            await room.wait(OWNER, "next", job)
        enclave.clock.now += 1001
        with pytest.raises(Refused, match=r"still running|has no result"):
            await room.fetch(OWNER, "next", job)
        again = await room.start(OWNER, "next")
        await work(enclave)
        await room.wait(OWNER, "next", again)

    async def test_a_lost_worker_while_the_clock_is_wrong(self, enclave: Enclave) -> None:
        room = await make_room(enclave)
        job = await room.start(OWNER, "next")
        waiting = asyncio.create_task(room.wait(OWNER, "next", job))
        for _ in range(2):
            lease = await pull(enclave)
            await lease.given()
            enclave.clock.now -= 1001
            await lease.hang_up()
        with pytest.raises(Refused, match="lost its worker twice"):
            await waiting

    async def test_after_a_restart_too(self, rooms: tuple[Meeting, Meeting], path: Path) -> None:
        enclave = Enclave(path, clock=Clock(rooms[0].enclave.clock.now - 1001))
        with pytest.raises(Refused, match="clock is behind"):
            await rooms[0].again(enclave).attach(OWNER, "lab")
        enclave.close()


class TestStorageKey:
    """The key in a file: software mode."""

    def test_it_is_made_once_and_kept_to_its_owner(self, tmp_path: Path) -> None:
        file = tmp_path / "sealing.key"
        key = storage_key(file)
        assert len(key) == 32
        assert storage_key(file) == key
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [file]

    @pytest.mark.parametrize("content", ["", "abcd", "zz" * 32, "00" * 31])
    def test_a_file_that_holds_no_key_is_refused(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "sealing.key"
        file.write_text(content)
        with pytest.raises(ValueError, match=r"."):
            storage_key(file)
        assert file.read_text() == content


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """While another process reads the store's file, as it is now."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM rows").fetchone()
        yield


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """While no file of this process can be written to beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


KEEP = "CREATE TABLE kept AS SELECT name, sealed FROM secrets WHERE room = :one"
PUT_BACK = (
    "UPDATE secrets SET sealed = (SELECT kept.sealed FROM kept WHERE kept.name = secrets.name)"
    " WHERE room = :one AND name IN (SELECT name FROM kept)"
)
"""What somebody does with the store's file who has kept rows of before."""


def change(path: Path, statements: str, **rooms: str) -> None:
    """Edits the store's file as somebody does who has its disk. ``:one`` and ``:two`` are ids of rooms."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements.split(";"):
            named = {name: value for name, value in rooms.items() if f":{name}" in statement}
            assert database.execute(statement, named).rowcount != 0
