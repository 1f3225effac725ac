"""What every sealed store keeps to: in memory, in a file, and in PostgreSQL."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from cloister.enclave.postgres import PostgresStore
from cloister.enclave.store import SealedStore, StoreConflict, StoreFailed
from cloister.enclave.stores import open_store
from tests.postgres import PostgresServer


@pytest.fixture(params=["memory", "file", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SealedStore]:
    match request.param:
        case "memory":
            opened = open_store(":memory:")
        case "file":
            opened = open_store(tmp_path / "store.db")
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            opened = open_store(server.fresh())
    with closing(opened):
        yield opened


class TestContract:
    """The same for all."""

    def test_rows_are_read_as_they_were_written(self, store: SealedStore) -> None:
        rows = [os.urandom(size) for size in (0, 1, 40, 100_000)]
        store.append("room", 0, rows[:1])
        store.append("room", 1, rows[1:])
        assert list(store.read("room")) == rows
        assert list(store.read("room", 2)) == rows[2:]
        assert list(store.read("room", 9)) == []
        assert list(store.read("nothing")) == []

    def test_long_logs_are_read_in_order(self, store: SealedStore) -> None:
        rows = [os.urandom(4) for _ in range(2500)]
        store.append("room", 0, rows)
        store.append("other", 0, rows[:3])
        assert list(store.read("room")) == rows
        assert list(store.read("room", 1500)) == rows[1500:]

    @pytest.mark.parametrize("size", [0, 1, 3, 2**40])
    def test_what_does_not_follow_is_refused_whole(self, store: SealedStore, size: int) -> None:
        store.append("room", 0, [b"a", b"b"], put={"kept": b"kept", "name": b"old"})
        with pytest.raises(StoreConflict, match="Run one enclave"):
            store.append("room", size, [b"c"], put={"name": b"new", "more": b"more"}, delete=["kept"])
        assert list(store.read("room")) == [b"a", b"b"]
        assert [store.secret("room", name) for name in ("name", "kept", "more")] == [b"old", b"kept", None]
        store.append("room", 2, [b"c"])

    def test_secrets_are_of_their_room_and_end_when_deleted(self, store: SealedStore) -> None:
        store.append("one", 0, [], put={"name": b"1", "other": b"x"})
        store.append("two", 0, [b"row"], put={"name": b"2"})
        store.append("one", 0, [], put={"name": b"3"}, delete=["other", "never there"])
        assert [store.secret(room, "name") for room in ("one", "two", "three")] == [b"3", b"2", None]
        assert store.secret("one", "other") is None

    def test_blobs_are_held_for_as_long_as_the_secret_is_there(self, store: SealedStore) -> None:
        store.append("one", 0, [], put={"name": b"1", "other": b"2"}, holds={"name": "a", "other": "b"})
        store.append("two", 0, [], put={"name": b"1"}, holds={"name": "b"})
        assert store.held(["a", "b", "c"]) == {"a", "b"}
        store.append("one", 0, [], delete=["other"])
        assert store.held(["a", "b", "c"]) == {"a", "b"}
        store.append("two", 0, [], put={"name": b"2"})
        assert store.held(["a", "b", "c"]) == {"a"}

    def test_of_writers_at_once_one_comes_first(self, store: SealedStore) -> None:
        def write(row: bytes) -> bool:
            try:
                store.append("room", 0, [row])
            except StoreConflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(write, [bytes([number]) for number in range(8)]))
        assert done.count(True) == 1
        assert list(store.read("room")) == [bytes([done.index(True)])]

    def test_nothing_is_done_once_it_is_closed(self, store: SealedStore) -> None:
        store.close()
        for use in (
            lambda: store.append("room", 0, [b"a"]),
            lambda: list(store.read("room")),
            lambda: store.secret("room", "name"),
            lambda: store.held(["a"]),
        ):
            with pytest.raises(StoreFailed):
                use()


def test_other_places_are_refused_without_repeating_them() -> None:
    with pytest.raises(StoreFailed, match="must be a path, or a URL") as caught:
        open_store("mysql://secret@host/x")
    assert "secret" not in str(caught.value)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.fresh()


@pytest.fixture
def away(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, for tests that stop it."""
    yield postgres
    postgres.stop()
    postgres.start()


class TestPostgres:
    """What is PostgreSQL's own."""

    def test_a_second_enclave_is_refused_until_the_first_has_ended(self, url: str) -> None:
        with closing(PostgresStore(url, lock_seconds=1)) as first:
            first.append("room", 0, [b"a"])
            with pytest.raises(StoreConflict, match="Another enclave uses this store"):
                PostgresStore(url, lock_seconds=1)
        with closing(PostgresStore(url)) as second:
            assert list(second.read("room")) == [b"a"]

    def test_a_second_enclave_waits_for_one_that_is_just_ending(self, url: str) -> None:
        first = PostgresStore(url)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(PostgresStore, url)
            first.append("room", 0, [b"a"])
            first.close()
            with closing(second.result()) as store:
                assert list(store.read("room")) == [b"a"]

    def test_who_has_lost_the_store_to_another_writes_nothing_more(self, postgres: PostgresServer, url: str) -> None:
        """A connection that breaks takes the lock with it."""
        with closing(PostgresStore(url, lock_seconds=1)) as first:
            first.append("room", 0, [b"a"])
            with ThreadPoolExecutor(1) as pool:
                coming = pool.submit(PostgresStore, url)
                postgres.end_lock_holders(url)
                with closing(coming.result()):
                    for use in (lambda: first.append("room", 1, [b"b"]), lambda: list(first.read("room"))):
                        with pytest.raises(StoreFailed, match=r"Another enclave|can't be used|lost its database"):
                            use()
            assert list(first.read("room")) == [b"a"]

    def test_it_is_found_again_after_the_database_was_restarted(self, away: PostgresServer, url: str) -> None:
        with closing(PostgresStore(url)) as store:
            store.append("room", 0, [b"a"], put={"name": b"value"})
            away.stop()
            away.start()
            store.append("room", 1, [b"b"])
            away.stop()
            away.start()
            assert list(store.read("room")) == [b"a", b"b"]
            assert store.secret("room", "name") == b"value"

    def test_while_it_is_away_it_is_said_and_nothing_is_taken_for_written(self, away: PostgresServer, url: str) -> None:
        with closing(PostgresStore(url)) as store:
            store.append("room", 0, [b"a"])
            away.stop()
            for use in (
                lambda: list(store.read("room")),
                lambda: store.secret("room", "name"),
                lambda: store.append("room", 1, [b"b"]),
            ):
                with pytest.raises(StoreFailed, match="Try again in a few seconds") as caught:
                    use()
                said = f"{caught.value!r} {caught.value.__cause__!r}"
                assert away.password not in said
            with pytest.raises(StoreFailed):
                PostgresStore(url)
            away.start()
            again = store_again(store)
            assert again == [b"a"]
            store.append("room", 1, [b"b"])

    def test_an_append_whose_connection_breaks_happens_once(self, postgres: PostgresServer, url: str) -> None:
        """Whatever the moment: the log itself tells whether it was committed."""
        ending = threading.Event()

        def cut() -> None:
            while not ending.is_set():
                postgres.end_connections()

        with closing(PostgresStore(url)) as store, ThreadPoolExecutor(1) as pool:
            cutting = pool.submit(cut)
            written: list[bytes] = []
            try:
                for number in range(40):
                    row = bytes([number])
                    try:
                        store.append("room", len(written), [row], put={"last": row})
                    except StoreConflict:
                        raise
                    except StoreFailed:
                        # It may have happened: then the log has it, whole.
                        written = store_again(store)
                        continue
                    written.append(row)
            finally:
                ending.set()
                cutting.result()
            assert store_again(store) == written
            assert written
            assert store.secret("room", "last") == written[-1]

    def test_a_full_or_read_only_database_is_said_as_such(self, postgres: PostgresServer, url: str) -> None:
        with closing(PostgresStore(url)) as store:
            store.append("room", 0, [b"a"])
            with psycopg.connect(url, autocommit=True) as operator:
                operator.execute("REVOKE ALL ON sealed_rows FROM owner")
                operator.execute("ALTER TABLE sealed_secrets RENAME TO elsewhere")
            with pytest.raises(StoreFailed, match=r"can't be used \(UndefinedTable\)"):
                store.append("room", 1, [b"b"], put={"name": b"value"})
            assert list(store.read("room")) == [b"a"]

    @pytest.mark.parametrize(
        "wrong", ["postgresql://nobody:secret@127.0.0.1:1/none", "postgresql://127.0.0.1/%", "postgresql://x?y=secret"]
    )
    def test_a_url_that_is_of_no_use_is_said_without_its_password(self, wrong: str) -> None:
        with pytest.raises(StoreFailed, match="can't be used") as caught:
            PostgresStore(wrong)
        assert "secret" not in str(caught.value)


def store_again(store: SealedStore) -> list[bytes]:
    """The rows, once the store answers again."""
    while True:
        try:
            return list(store.read("room"))
        except StoreConflict:
            raise
        except StoreFailed:
            continue
