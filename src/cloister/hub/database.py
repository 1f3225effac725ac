"""The database: opening it, bringing it up to date, and running short transactions on threads."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from cloister.errors import CloisterError
from cloister.hub.settings import HubSettings

Answer = TypeVar("Answer")

_THREADS = 8
_BUSY_SECONDS = 30
_WRITING = "cloister_writing"
_PATIENCE_SECONDS = 10
"""How long a request waits for a connection of the pool."""
# Sessions of ours, whatever the server's own settings are: nothing is answered for written that isn't on disk, and
# nothing waits longer for the database than a client waits for the hub.
_POSTGRES_OPTIONS = "-c synchronous_commit=on -c statement_timeout=30s -c lock_timeout=20s -c timezone=UTC"
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "application_name": "cloister-hub",
    "options": _POSTGRES_OPTIONS,
}
_POSTGRES_FULL = "53100"
# SQLSTATEs of transactions that did nothing and may succeed if they are tried again: deadlocks, and conflicts.
_POSTGRES_AGAIN = frozenset({"40P01", "40001"})
_ATTEMPTS = 5
_MIGRATION_LOCK = 0x636C6F6973746572
"""An advisory lock's number, the same for all hubs on one database."""


class DatabaseFailed(CloisterError):
    """The database can't be reached or used now. What was asked has not happened, as far as is known."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        """``full``: it has no room left."""
        super().__init__(message)
        self.full = full


class Database:
    """Short transactions over one engine. Safe to use from several threads and processes.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing_engine = engine.execution_options(**{_WRITING: True})
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub-database")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for running transactions and release every connection."""
        self._threads.shutdown()
        self._engine.dispose()

    def read(self, work: Callable[[Session], Answer]) -> Answer:
        """Run ``work`` in a transaction that changes nothing. `DatabaseFailed`, as from all of these."""
        try:
            return self._read_once(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise _failed(error) from None
        with _translated():
            return self._read_once(work)

    def _read_once(self, work: Callable[[Session], Answer]) -> Answer:
        with _translated(but=DBAPIError), Session(self._engine, expire_on_commit=False) as session, session.begin():
            return work(session)

    def write(self, work: Callable[[Session], Answer]) -> Answer:
        """Run ``work`` in a transaction of its own and commit it.

        Where somebody else has just inserted what ``work`` wanted to insert, or stood in its way, it runs once more
        and finds it there; so ``work`` must have no effect outside the session.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._write_once(work)
            except DBAPIError as error:
                if not _worth_another_try(error):
                    raise _failed(error) from None
        with _translated(but=IntegrityError):
            return self._write_once(work)

    def _write_once(self, work: Callable[[Session], Answer]) -> Answer:
        with (
            _translated(but=DBAPIError),
            Session(self._writing_engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            return work(session)

    async def looking_up(self, query: Executable, values: dict[str, object]) -> tuple[object, ...] | None:
        """The one row that ``query`` finds, if any; on a thread, without the object mapper, which takes longer
        than a small query does."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, query, values)

    def _look_up(self, query: Executable, values: dict[str, object]) -> tuple[object, ...] | None:
        try:
            return self._look_up_once(query, values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise _failed(error) from None
        with _translated():
            return self._look_up_once(query, values)

    def _look_up_once(self, query: Executable, values: dict[str, object]) -> tuple[object, ...] | None:
        with _translated(but=DBAPIError), self._engine.connect() as connection:
            row = connection.execute(query, values).one_or_none()
        return None if row is None else tuple(row)

    async def reading(self, work: Callable[[Session], Answer]) -> Answer:
        """`read` on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, work)

    async def writing(self, work: Callable[[Session], Answer]) -> Answer:
        """`write` on a thread. A cancelled caller doesn't stop a transaction that has begun."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.write, work)


def open_database(settings: HubSettings) -> Database:
    """The hub's database, made and migrated if need be. Several processes may do this at once.

    Raises `DatabaseFailed` where it can't be reached or used.
    """
    settings.prepare_folder()
    engine = _create_engine(settings)
    try:
        with (
            _translated(),
            _one_process_at_a_time(settings.data / "hub.lock"),
            engine.connect() as connection,
            _one_machine_at_a_time(connection),
        ):
            _migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _create_engine(settings: HubSettings) -> Engine:
    url = _url(settings)
    postgres = url.get_backend_name() == "postgresql"
    try:
        engine = create_engine(
            url,
            # An error of the database must not carry an email or a token's hash into a log.
            hide_parameters=True,
            pool_size=_THREADS,
            max_overflow=2,
            pool_timeout=_PATIENCE_SECONDS,
            # A database that was restarted has ended the connections of the pool.
            pool_pre_ping=postgres,
            connect_args=_POSTGRES if postgres else {},
        )
    except (ArgumentError, ImportError):
        raise _no_such_database() from None
    if engine.dialect.name == "sqlite":
        _teach_sqlite(engine)
    return engine


def _url(settings: HubSettings) -> URL:
    if settings.database_url is None:
        return URL.create("sqlite", database=str(settings.sqlite_file))
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        raise _no_such_database() from None
    # What PostgreSQL's own programs take, with the driver that is installed.
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


def _no_such_database() -> CloisterError:
    # Not repeated: it may hold a password.
    return CloisterError(
        "The hub's database URL can't be used. Write it like postgresql://user:password@host:5432/name, or leave it "
        "out: the hub keeps an SQLite file then."
    )


def _teach_sqlite(engine: Engine) -> None:
    """What SQLite needs so that it behaves as other databases do, in this one place."""

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        # The driver's own habit is to begin transactions late and to end them early; we begin them below.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {_BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail where somebody wrote in between.
        writing = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _migrate(connection: Connection) -> None:
    # Imported here: only a start needs it, and it takes longer than all else.
    from alembic import command
    from alembic.config import Config

    config = Config()
    here = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(here).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _translated(but: type[DBAPIError] | None = None) -> Iterator[None]:
    """Turns the library's errors, except ``but``, into `DatabaseFailed`. They are let go of, not chained: a driver's
    message may name values, hosts and users."""
    try:
        yield
    except PoolExhausted as error:
        raise _failed(error) from None
    except DBAPIError as error:
        if but is not None and isinstance(error, but):
            raise
        raise _failed(error) from None


def _worth_another_try(error: DBAPIError) -> bool:
    return isinstance(error, IntegrityError) or getattr(error.orig, "sqlstate", None) in _POSTGRES_AGAIN


def _failed(error: DBAPIError | PoolExhausted) -> DatabaseFailed:
    cause = error.orig if isinstance(error, DBAPIError) else None
    name = getattr(cause, "sqlite_errorname", None) or type(cause or error).__name__
    if name == "SQLITE_FULL" or getattr(cause, "sqlstate", None) == _POSTGRES_FULL:
        return DatabaseFailed(
            "The hub's database has no room left. Try again later, and tell whoever runs the hub.", full=True
        )
    return DatabaseFailed(
        f"The hub's database can't be used now ({name}). Try again in a few seconds; if that does not help, tell "
        "whoever runs the hub."
    )


@contextmanager
def _one_machine_at_a_time(connection: Connection) -> Iterator[None]:
    """On PostgreSQL, where the hubs of several machines may start at once."""
    if connection.dialect.name != "postgresql":
        yield
        return
    values = {"number": _MIGRATION_LOCK}
    connection.execute(text("SELECT pg_advisory_lock(:number)"), values)
    connection.commit()
    yield
    # Where this is not reached, the connection's end gives it back.
    connection.execute(text("SELECT pg_advisory_unlock(:number)"), values)
    connection.commit()


@contextmanager
def _one_process_at_a_time(lock_file: Path) -> Iterator[None]:
    with lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
