"""Backups of the enclave's store, where it is a file, and their return: never unnoticed.

A copy of the store is as sealed as the store; the sealing key is kept elsewhere. Putting a copy back is a rollback of
every room in it. So it leaves a note beside each log, and the enclave tells it in the log (see `declaration`).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from cloister.copies import copy_database
from cloister.enclave.declaration import NOTE, declaration
from cloister.errors import CloisterError


def backup_store(store: Path, target: Path) -> None:
    """Copies the store as it is at one moment, also while the enclave runs.

    Raises:
        CloisterError: it can't be read, or the copy can't be written.
    """
    copy_database(store, target)


def restore_store(source: Path, store: Path, now: int) -> None:
    """Puts a copy back where no store is, and declares that for all of its rooms.

    Args:
        now: milliseconds since 1970.

    Raises:
        CloisterError: there is a store already, or it can't be done.
    """
    if store.exists():
        raise CloisterError(f"There is a store already: {store}. Move it away if its rooms are to be forgotten.")
    note = declaration(os.urandom(32).hex(), now)
    copy_database(source, store, lambda copy: _declare(copy, note))


def declare_restored(store: Path | str, now: int) -> None:
    """Declares for all rooms of a store that it was put back by other means. The enclave must not run.

    Args:
        store: a file, or the URL of a PostgreSQL store.
        now: milliseconds since 1970.

    Raises:
        CloisterError: it can't be done.
    """
    note = declaration(os.urandom(32).hex(), now)
    if isinstance(store, str):
        # Imported here: who uses no PostgreSQL needs no driver in the trusted computing base.
        from cloister.enclave.postgres import PostgresStore

        with closing(PostgresStore(store)) as opened:
            opened.put_everywhere(NOTE, note)
        return
    try:
        with closing(sqlite3.connect(store.absolute().as_uri() + "?mode=rw", uri=True)) as database, database:
            _declare(database, note)
    except sqlite3.Error as error:
        raise CloisterError(f"{store} can't be changed: {error}. Is it the enclave's store?") from error


def _declare(database: sqlite3.Connection, note: bytes) -> None:
    database.execute(
        "INSERT OR REPLACE INTO secrets (room, name, sealed) SELECT DISTINCT room, ?, ? FROM rows", (NOTE, note)
    )
