"""Rooms with long logs: opened from segments, proven from blocks, and never wrong for it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave import segments
from cloister.enclave.room import Room
from cloister.enclave.storage_key import secret_label
from cloister.enclave.store import SqliteStore
from cloister.errors import LogTampered
from cloister.formats.checkpoint import Checkpoint, verify_checkpoint
from cloister.formats.encoding import canonical
from cloister.formats.merkle import BLOCK, MerkleTree, leaf_hash, verify_consistency
from cloister.rooms.events import Body, DatasetAttached, DatasetRemoved, Event, ResultFetched
from cloister.rooms.state import RoomState

pytestmark = pytest.mark.anyio

KEY = b"k" * 32
SIGNING = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
ROOM, OTHER = "aa" * 32, "bb" * 32
SIZE = 2 * BLOCK + 5
PAGE = 32 * 1024
"""Bytes: less than a block."""


class CountingStore(SqliteStore):
    """A store that counts what is read from it."""

    rows = 0
    secrets = 0

    def read(self, room: str, start: int = 0) -> Iterator[bytes]:
        for row in super().read(room, start):
            self.rows += 1
            yield row

    def secret(self, room: str, name: str) -> bytes | None:
        self.secrets += 1
        return super().secret(room, name)


def event_body(number: int, salt: str = "00") -> Body:
    """Something that happened; some of it matters to the state."""
    name = number.to_bytes(31, "big").hex() + salt
    if number % 100 == 0:
        return DatasetAttached(node=f"node {number % 7}", manifest=name, request=name)
    if number % 100 == 50:
        return DatasetRemoved(node=f"node {number % 7}", manifest=name, request=name)
    return ResultFetched(run=name, node="mean")


async def lengthen(path: Path, size: int, *, room: str = ROOM, salt: str = "00") -> tuple[RoomState, Checkpoint]:
    """Opens a room and appends until it has ``size`` events; what it is then."""
    with closing(SqliteStore(path)) as store:
        # Thousands of appends, none of which needs to outlive a power failure.
        store._database.execute("PRAGMA synchronous=OFF")
        one = Room(room, store, KEY, SIGNING)
        one.load()
        for number in range(one.state.size, size):
            await one.append(one.prepare("a@long.example", event_body(number, salt), number))
        return one.state, checkpoint_of(one)


def checkpoint_of(room: Room) -> Checkpoint:
    return verify_checkpoint(room.checkpoint(), SIGNING.public_key().public_bytes_raw(), room=room.id)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RoomState, Checkpoint]:
    """A store with two long rooms; state and checkpoint of the first."""
    path = tmp_path_factory.mktemp("long") / "rooms.db"
    await lengthen(path, SIZE, room=OTHER, salt="11")
    return path, *await lengthen(path, SIZE)


@pytest.fixture
def path(made: tuple[Path, RoomState, Checkpoint], tmp_path: Path) -> Path:
    """A copy of that store."""
    return Path(shutil.copy(made[0], tmp_path / "rooms.db"))


def opened(store: SqliteStore) -> Room:
    room = Room(ROOM, store, KEY, SIGNING)
    room.load()
    return room


def change(path: Path, script: str, **values: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for statement in script.split(";"):
            database.execute(statement, values)
        database.commit()


def label(block: int, room: str = ROOM) -> str:
    return secret_label(KEY, room, segments.name(block))


async def test_a_long_room_opens_from_its_segments(made: tuple[Path, RoomState, Checkpoint], path: Path) -> None:
    _, state, checkpoint = made
    with closing(CountingStore(path)) as store:
        room = opened(store)
        assert (store.rows, store.secrets) == (SIZE - 2 * BLOCK, 3)
    assert room.state == state
    assert checkpoint_of(room) == checkpoint


FALSE_SEGMENTS = {
    "gone": "DELETE FROM secrets WHERE name IN (:first, :second)",
    "the first gone": "DELETE FROM secrets WHERE name = :first",
    "the last gone": "DELETE FROM secrets WHERE name = :second",
    "changed": "UPDATE secrets SET sealed = sealed || x'00' WHERE name = :first",
    "a bit flipped": "UPDATE secrets SET sealed = substr(sealed, 1, 60) || x'ff' || substr(sealed, 62)"
    " WHERE name = :second",
    "emptied": "UPDATE secrets SET sealed = x'' WHERE name = :first",
    "swapped": "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = :second) WHERE name = :first",
    "of another room": "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = :foreign)"
    " WHERE name = :first",
}


@pytest.mark.parametrize("how", FALSE_SEGMENTS)
async def test_a_false_segment_costs_time_and_nothing_else(
    made: tuple[Path, RoomState, Checkpoint], path: Path, how: str
) -> None:
    _, state, checkpoint = made
    change(path, FALSE_SEGMENTS[how], first=label(0), second=label(1), foreign=label(0, OTHER))
    with closing(CountingStore(path)) as store:
        room = opened(store)
        assert store.rows >= BLOCK
        assert (room.state, checkpoint_of(room)) == (state, checkpoint)
        # It is mended by that.
        store.rows = 0
        assert opened(store).state == state
        assert store.rows == SIZE - 2 * BLOCK


async def test_a_segment_of_another_past_is_not_believed(tmp_path: Path) -> None:
    """An operator restores an old copy of the store; the enclave goes on from there; then its newer segment comes back:
    genuine, of this room and block, and still not what happened."""
    path, old = tmp_path / "rooms.db", tmp_path / "old.db"
    await lengthen(path, BLOCK + 500)
    shutil.copy(path, old)
    await lengthen(path, SIZE, salt="22")
    with closing(SqliteStore(path)) as store:
        genuine = store.secret(ROOM, label(1))
    assert genuine is not None
    state, checkpoint = await lengthen(old, SIZE, salt="33")
    with closing(SqliteStore(old)) as store:
        store.append(ROOM, SIZE, [], put={label(1): genuine})
        room = opened(store)
        assert (room.state, checkpoint_of(room)) == (state, checkpoint)
        # Also where it is put back while the room is open.
        store.append(ROOM, SIZE, [], put={label(1): genuine})
        number = BLOCK + 600
        event = Event(time=number, actor="a@long.example", body=event_body(number, "33"))
        assert room.events(number, 1) == (canonical(event),)


async def test_segments_do_not_bring_back_rows_that_are_gone(path: Path) -> None:
    """A log that was cut off is a shorter log, as ever: those who have seen more of it notice."""
    for size in (2 * BLOCK, 2 * BLOCK - 1, BLOCK, 7):
        change(path, f"DELETE FROM rows WHERE room = '{ROOM}' AND position >= {size}")
        with closing(SqliteStore(path)) as store:
            assert opened(store).state.size == size


async def test_rows_that_were_changed_are_found_where_no_segment_stands_for_them(path: Path) -> None:
    change(path, f"DELETE FROM rows WHERE room = '{ROOM}' AND position = 3")
    with closing(SqliteStore(path)) as store:
        room = opened(store)
        assert len(room.events(0, PAGE)) > 100
        store.append(ROOM, SIZE, [], delete=[label(0)])
        with pytest.raises(LogTampered, match="was changed"):
            room.events(0, PAGE)
        with pytest.raises(LogTampered, match="was changed"):
            await room.proven(17)
        with pytest.raises(LogTampered, match="was changed"):
            opened(store)


@pytest.mark.parametrize("segments_there", [True, False])
async def test_all_pages_of_a_long_log_are_what_was_signed(
    made: tuple[Path, RoomState, Checkpoint], path: Path, segments_there: bool
) -> None:
    with closing(CountingStore(path)) as store:
        room = opened(store)
        if not segments_there:
            store.append(ROOM, SIZE, [], delete=[label(0), label(1)])
        entries: list[bytes] = []
        pages = 0
        while len(entries) < SIZE:
            store.rows = 0
            entries += room.events(len(entries), PAGE)
            pages += 1
            assert store.rows <= 3 * BLOCK
        assert 6 < pages < 30
        assert room.events(SIZE, PAGE) == ()
    assert MerkleTree(map(leaf_hash, entries)).root() == made[2].root


async def test_proofs_for_whoever_has_seen_less(made: tuple[Path, RoomState, Checkpoint], path: Path) -> None:
    with closing(CountingStore(path)) as store:
        room = opened(store)
        tree = MerkleTree(map(leaf_hash, entries_of(room)))
        for seen in (0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, SIZE - 1, SIZE):
            note, proof = await room.proven(seen)
            assert verify_checkpoint(note, SIGNING.public_key().public_bytes_raw(), room=ROOM) == made[2]
            verify_consistency(seen, tree.root(seen), SIZE, made[2].root, proof)
        assert (await room.proven(SIZE + 1))[1] == ()
        # Nothing is read for those who are up to date.
        store.rows = store.secrets = 0
        await room.proven(SIZE - 1)
        assert (store.rows, store.secrets) == (0, 0)


def entries_of(room: Room) -> list[bytes]:
    entries: list[bytes] = []
    while page := room.events(len(entries), 2**30):
        entries += page
    return entries


async def test_an_event_costs_the_same_however_long_the_log(path: Path) -> None:
    with closing(CountingStore(path)) as store:
        room = opened(store)
        store.rows = store.secrets = 0
        for number in range(SIZE, SIZE + 100):
            await room.append(room.prepare("a@long.example", event_body(number), number))
        assert (store.rows, store.secrets) == (0, 0)


async def test_a_room_that_a_full_disk_keeps_from_its_segments_opens(path: Path) -> None:
    change(path, "DELETE FROM secrets")
    with closing(SqliteStore(path)) as store:
        store._database.execute("PRAGMA query_only=ON")
        assert opened(store).state.size == SIZE
