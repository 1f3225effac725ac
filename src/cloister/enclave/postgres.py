"""The sealed store on PostgreSQL, for installations that outgrow one machine.

One connection, used by one thread at a time. It holds an advisory lock for as long as it lives: PostgreSQL itself
sees to it that of several enclaves on one store a single one can write, also where a connection is lost and made anew.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from cloister.enclave.store import OutcomeUnknown, StoreConflict, StoreFailed

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sealed_rows (
    room TEXT NOT NULL, position BIGINT NOT NULL, sealed BYTEA NOT NULL, PRIMARY KEY (room, position)
);
CREATE TABLE IF NOT EXISTS sealed_secrets (
    room TEXT NOT NULL, name TEXT NOT NULL, sealed BYTEA NOT NULL, PRIMARY KEY (room, name)
);
CREATE TABLE IF NOT EXISTS sealed_held (
    room TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (room, name)
);
CREATE INDEX IF NOT EXISTS sealed_held_blobs ON sealed_held (blob);
"""
_BATCH = 1000
_CONNECT_SECONDS = 5
_LOCK_SECONDS = 10
_PAUSE_SECONDS = 1.0
"""After a connection could not be made, how long nobody tries again: those who wait for it are told at once."""
# What a session of ours is like, whatever the server's or the URL's settings say. The server must notice a host that is
# gone within seconds, as the next enclave waits for the lock; and nothing may be answered for written that isn't.
_SESSION = """
SET synchronous_commit = 'on';
SET default_transaction_isolation = 'read committed';
SET statement_timeout = '60s';
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 2;
SET tcp_user_timeout = 15000;
"""
_CLIENT_SIDE = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "application_name": "cloister-enclave",
}
# Of the schema that the tables lie in, so that installations may share a database.
_LOCK = "SELECT pg_advisory_lock(hashtextextended('cloister sealed store ' || current_schema(), 0))"


class PostgresStore:
    """A store in a PostgreSQL database. Safe to use from several threads.

    What is deleted is gone for every reader, but PostgreSQL doesn't overwrite it: its pages keep it until they are
    vacuumed, its write-ahead log and every replica for as long as those are kept.
    """

    def __init__(self, url: str, *, lock_seconds: float = _LOCK_SECONDS) -> None:
        """``lock_seconds``: how long to wait for another enclave that is just ending.

        Raises:
        StoreConflict: another enclave uses the store.
        StoreFailed: the database can't be reached or used.
        """
        self._url = url
        self._lock_seconds = lock_seconds
        self._lock = threading.Lock()
        self._open: psycopg.Connection[tuple[Any, ...]] | None = None
        self._not_before = 0.0
        self._closed = False
        with self._lock:
            self._connected()

    def append(
        self,
        room: str,
        expected_size: int,
        rows: Sequence[bytes],
        *,
        put: Mapping[str, bytes] | None = None,
        holds: Mapping[str, str] | None = None,
        delete: Iterable[str] = (),
    ) -> None:
        gone = list(delete)

        def write(database: psycopg.Connection[tuple[Any, ...]]) -> None:
            with database.transaction():
                _write(database, room, expected_size, rows, put or {}, holds or {}, gone)

        with self._lock:
            try:
                self._use(write)
            except StoreConflict:
                raise
            except _Broken:
                self._write_again(write, room, expected_size, rows)

    def _write_again(
        self,
        write: Callable[[psycopg.Connection[tuple[Any, ...]]], None],
        room: str,
        expected_size: int,
        rows: Sequence[bytes],
    ) -> None:
        """After the connection broke: it may have happened or not. Nobody else has written if the lock is ours again,
        so the log itself tells."""
        try:
            there = self._use(lambda database: _rows_from(database, room, expected_size, len(rows) + 1))
            if rows and there == list(rows):
                return
            self._use(write)
        except _Broken as error:
            raise _unknown() from error
        except StoreConflict:
            raise
        except StoreFailed as error:
            raise (_unknown() if self._open is None else error) from error

    def read(self, room: str, start: int = 0) -> Iterator[bytes]:
        position = start
        while True:
            batch = self._read(lambda database, after=position: _rows_from(database, room, after, _BATCH))  # type: ignore[misc]
            yield from batch
            if len(batch) < _BATCH:
                return
            position += len(batch)

    def secret(self, room: str, name: str) -> bytes | None:
        def find(database: psycopg.Connection[tuple[Any, ...]]) -> bytes | None:
            query = "SELECT sealed FROM sealed_secrets WHERE room = %s AND name = %s"
            row = database.execute(query, (room, name)).fetchone()
            return None if row is None else bytes(row[0])

        return self._read(find)

    def held(self, blobs: Sequence[str]) -> frozenset[str]:
        query = "SELECT DISTINCT blob FROM sealed_held WHERE blob = ANY(%s)"
        return self._read(lambda database: frozenset(row[0] for row in database.execute(query, (list(blobs),))))

    def put_everywhere(self, name: str, value: bytes) -> None:
        """Puts the same value under that name beside every log; what was there goes.

        Raises:
            StoreFailed: as all methods.
        """
        statement = (
            "INSERT INTO sealed_secrets (room, name, sealed) SELECT DISTINCT room, %s::text, %s::bytea FROM sealed_rows"
            " ON CONFLICT (room, name) DO UPDATE SET sealed = EXCLUDED.sealed"
        )
        # Doing it twice does no harm.
        self._read(lambda database: database.execute(statement, (name, value)).rowcount)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._drop()

    def _read(self, work: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        with self._lock:
            try:
                return self._use(work)
            except _Broken:
                pass
            try:
                return self._use(work)
            except _Broken as error:
                raise _failed("the connection broke") from error

    def _use(self, work: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        """Does something on the connection, which is made where there is none.

        Raises:
            _Broken: the connection is lost; whether the work was done isn't known.
            StoreFailed: it was not done.
        """
        database = self._connected()
        try:
            return work(database)
        except psycopg.Error as error:
            if database.broken or isinstance(error, errors.AdminShutdown | errors.CrashShutdown):
                self._drop()
                raise _Broken from error
            raise _failed(_name(error)) from error
        except BaseException:
            if database.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._drop()
            raise

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._closed:
            raise _failed("it was closed")
        if self._open is not None:
            return self._open
        if time.monotonic() < self._not_before:
            raise _failed("it can't be reached")
        try:
            self._open = _connect(self._url, self._lock_seconds)
        except psycopg.Error as error:
            self._not_before = time.monotonic() + _PAUSE_SECONDS
            raise _failed(_name(error)) from error
        return self._open

    def _drop(self) -> None:
        if self._open is not None:
            with contextlib.suppress(psycopg.Error):
                self._open.close()
        self._open = None


class _Broken(Exception):
    """The connection is lost."""


def _connect(url: str, lock_seconds: float) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection that holds the store's lock."""
    database = psycopg.connect(url, autocommit=True, **_CLIENT_SIDE)  # type: ignore[arg-type]
    try:
        database.execute(_SESSION)
        database.execute("SELECT set_config('lock_timeout', %s, false)", (f"{round(lock_seconds * 1000)}ms",))
        try:
            database.execute(_LOCK)
        except errors.LockNotAvailable as error:
            raise StoreConflict(
                "Another enclave uses this store. Run one enclave on it, or wait until the other one has ended."
            ) from error
        database.execute(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _write(
    database: psycopg.Connection[tuple[Any, ...]],
    room: str,
    expected_size: int,
    rows: Sequence[bytes],
    put: Mapping[str, bytes],
    holds: Mapping[str, str],
    gone: Sequence[str],
) -> None:
    last = database.execute("SELECT max(position) FROM sealed_rows WHERE room = %s", (room,)).fetchone()
    size = 0 if last is None or last[0] is None else last[0] + 1
    if size != expected_size:
        raise StoreConflict("The store of the enclave was changed by another process. Run one enclave on it.")
    with database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sealed_rows VALUES (%s, %s, %s)",
            [(room, expected_size + offset, row) for offset, row in enumerate(rows)],
        )
        cursor.executemany(
            "INSERT INTO sealed_secrets VALUES (%s, %s, %s)"
            " ON CONFLICT (room, name) DO UPDATE SET sealed = EXCLUDED.sealed",
            [(room, name, sealed) for name, sealed in put.items()],
        )
        cursor.executemany(
            "DELETE FROM sealed_held WHERE room = %s AND name = %s", [(room, name) for name in (*put, *gone)]
        )
        cursor.executemany(
            "INSERT INTO sealed_held VALUES (%s, %s, %s)", [(room, name, blob) for name, blob in holds.items()]
        )
        cursor.executemany("DELETE FROM sealed_secrets WHERE room = %s AND name = %s", [(room, name) for name in gone])


def _rows_from(database: psycopg.Connection[tuple[Any, ...]], room: str, position: int, most: int) -> list[bytes]:
    query = "SELECT sealed FROM sealed_rows WHERE room = %s AND position >= %s ORDER BY position LIMIT %s"
    return [bytes(sealed) for (sealed,) in database.execute(query, (room, position, most))]


def _name(error: psycopg.Error) -> str:
    """What it was. Never the library's words: they may name hosts, users and values."""
    return type(error).__name__


def _failed(what: str) -> StoreFailed:
    return StoreFailed(
        f"The enclave's store can't be used ({what}). Try again in a few seconds; if that does not help, ask the "
        "operator to look at its database."
    )


def _unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "The enclave lost its database while it wrote. Look whether it has happened, or try again in a few seconds."
    )
