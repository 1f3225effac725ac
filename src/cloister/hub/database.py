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

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from cloister.hub.settings import HubSettings

Answer = TypeVar("Answer")

_THREADS = 8
_BUSY_SECONDS = 30
_WRITING = "cloister_writing"


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
        """Run ``work`` in a transaction that changes nothing."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            return work(session)

    def write(self, work: Callable[[Session], Answer]) -> Answer:
        """Run ``work`` in a transaction of its own and commit it.

        Where somebody else has just inserted what ``work`` wanted to insert, it runs once more and finds
        it there; so ``work`` must have no effect outside the session.
        """
        try:
            return self._write_once(work)
        except IntegrityError:
            return self._write_once(work)

    def _write_once(self, work: Callable[[Session], Answer]) -> Answer:
        with Session(self._writing_engine, expire_on_commit=False) as session, session.begin():
            return work(session)

    async def looking_up(self, query: Executable, values: dict[str, object]) -> tuple[object, ...] | None:
        """The one row that ``query`` finds, if any; on a thread, without the object mapper, which takes longer
        than a small query does."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, query, values)

    def _look_up(self, query: Executable, values: dict[str, object]) -> tuple[object, ...] | None:
        with self._engine.connect() as connection:
            row = connection.execute(query, values).one_or_none()
        return None if row is None else tuple(row)

    async def reading(self, work: Callable[[Session], Answer]) -> Answer:
        """`read` on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, work)

    async def writing(self, work: Callable[[Session], Answer]) -> Answer:
        """`write` on a thread. A cancelled caller doesn't stop a transaction that has begun."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.write, work)


def open_database(settings: HubSettings) -> Database:
    """The hub's database, made and migrated if need be. Several processes may do this at once."""
    settings.prepare_folder()
    engine = _create_engine(settings)
    try:
        with _one_process_at_a_time(settings.data / "hub.lock"), engine.connect() as connection:
            _migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _create_engine(settings: HubSettings) -> Engine:
    url = (
        make_url(settings.database_url)
        if settings.database_url is not None
        else URL.create("sqlite", database=str(settings.sqlite_file))
    )
    # hide_parameters: an error of the database must not carry an email or a token's hash into a log.
    engine = create_engine(url, hide_parameters=True, pool_size=_THREADS, max_overflow=2, pool_pre_ping=False)
    if engine.dialect.name == "sqlite":
        _teach_sqlite(engine)
    return engine


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
def _one_process_at_a_time(lock_file: Path) -> Iterator[None]:
    with lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
