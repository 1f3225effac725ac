"""Where sealed rows and secrets lie. Nothing readable ever comes here."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cloister.enclave.logs import log
from cloister.errors import CloisterError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    room TEXT NOT NULL, position INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (room, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secrets (
    room TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (room, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    room TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (room, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_blobs ON held (blob);
"""
_BATCH = 1000


class StoreFailed(CloisterError):
    """The store can't be read or written. What was asked has not happened."""


class StoreConflict(StoreFailed):
    """Somebody else has written to the room's log: two enclaves run on one store, or it was changed by hand."""


class OutcomeUnknown(StoreFailed):
    """The store was lost while it wrote: all of it is written or nothing, and the log has to be read to know."""


class SealedStore(Protocol):
    """Logs of sealed rows, and the secrets that lie beside them.

    What is written is on disk when `append` returns, all of it or nothing. What is deleted is overwritten in the live
    store; while somebody else reads it, with what is written later. Old backups may still hold it.
    """

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
        """Adds rows to a room's log, and changes its secrets, in one transaction.

        Args:
            put: secrets by name.
            holds: for names in ``put``, the label of the blob that is of no use without that secret: it is held for as
                long as the secret is there.

        Raises:
            StoreConflict: the log doesn't have ``expected_size`` rows.
            OutcomeUnknown: it may have happened, whole.
            StoreFailed: as all methods: the store is broken, or its disk is full.
        """

    def read(self, room: str, start: int = 0) -> Iterator[bytes]:
        """The rows of a room in order, from an index on; none where there is no such room."""

    def secret(self, room: str, name: str) -> bytes | None:
        """One secret, or None."""

    def held(self, blobs: Sequence[str]) -> frozenset[str]:
        """Those of these labels whose blobs some secret holds."""

    def close(self) -> None:
        """Ends the use of the store."""


class SqliteStore:
    """A store in one SQLite file, or in memory (``:memory:``). Safe to use from several threads."""

    def __init__(self, path: Path | str, *, patience: float = 5.0) -> None:
        """``patience``: seconds to wait for other processes that use the file, a backup for instance."""
        self._lock = threading.Lock()
        self._patience = patience
        self._due = False
        """Whether what was deleted may still be in the write-ahead log."""
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        with self._using():
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("PRAGMA secure_delete=ON")
            self._wait_for_others(patience)
            self._database.executescript(_SCHEMA)
            # An enclave before this one may not have come to it.
            self._empty_log()

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
        gone = [(room, name) for name in delete]
        with self._using():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._write(room, expected_size, rows, put or {}, holds or {}, gone)
            except BaseException:
                self._roll_back()
                raise
            self._commit()
            # From here on it has happened, whatever else fails.
            if gone or self._due:
                self._empty_log()

    def _commit(self) -> None:
        try:
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._roll_back()
            # A disk that fails while it is told to keep what it was given may keep it all the same.
            raise OutcomeUnknown(
                f"The enclave's store failed while it wrote ({_name(error)}). Ask the operator to look at its disk. "
                "Then look whether it has happened, or try again."
            ) from error

    def _roll_back(self) -> None:
        # Some failures have ended the transaction already.
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def _empty_log(self) -> None:
        """Overwrites what was deleted in the write-ahead log, too, or leaves that to the next append: while others read
        they need it, and what was asked for has happened anyhow."""
        failed = ""
        try:
            # Whoever was waited for in vain may read for long: the next ones need not wait as well.
            self._wait_for_others(0.0 if self._due else self._patience)
            try:
                if self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    failed = "others read it"
            finally:
                self._wait_for_others(self._patience)
        except sqlite3.Error as error:
            failed = _name(error)
        if failed and not self._due:
            log.warning("what was deleted may still be in the store's write-ahead log (%s)", failed)
        self._due = bool(failed)

    def _wait_for_others(self, seconds: float) -> None:
        self._database.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")

    def _write(
        self,
        room: str,
        expected_size: int,
        rows: Sequence[bytes],
        put: Mapping[str, bytes],
        holds: Mapping[str, str],
        gone: Sequence[tuple[str, str]],
    ) -> None:
        execute = self._database.execute
        last = execute("SELECT max(position) FROM rows WHERE room = ?", (room,)).fetchone()[0]
        size = 0 if last is None else last + 1
        if size != expected_size:
            raise StoreConflict("The store of the enclave was changed by another process. Run one enclave on it.")
        for offset, row in enumerate(rows):
            execute("INSERT INTO rows VALUES (?, ?, ?)", (room, expected_size + offset, row))
        for name, sealed in put.items():
            execute("INSERT OR REPLACE INTO secrets VALUES (?, ?, ?)", (room, name, sealed))
            execute("DELETE FROM held WHERE room = ? AND name = ?", (room, name))
        for name, blob in holds.items():
            execute("INSERT INTO held VALUES (?, ?, ?)", (room, name, blob))
        for key in gone:
            execute("DELETE FROM secrets WHERE room = ? AND name = ?", key)
            execute("DELETE FROM held WHERE room = ? AND name = ?", key)

    def read(self, room: str, start: int = 0) -> Iterator[bytes]:
        position = start - 1
        while True:
            with self._using():
                batch = self._database.execute(
                    "SELECT position, CAST(sealed AS BLOB) FROM rows WHERE room = ? AND position > ?"
                    " ORDER BY position LIMIT ?",
                    (room, position, _BATCH),
                ).fetchall()
            yield from (sealed for _, sealed in batch)
            if len(batch) < _BATCH:
                return
            position = batch[-1][0]

    def secret(self, room: str, name: str) -> bytes | None:
        with self._using():
            found = self._database.execute(
                "SELECT CAST(sealed AS BLOB) FROM secrets WHERE room = ? AND name = ?", (room, name)
            ).fetchone()
        return None if found is None else bytes(found[0])

    def held(self, blobs: Sequence[str]) -> frozenset[str]:
        with self._using():
            found = self._database.execute(
                "SELECT DISTINCT blob FROM held WHERE blob IN (SELECT value FROM json_each(?))",
                (json.dumps(list(blobs)),),
            ).fetchall()
        return frozenset(blob for (blob,) in found)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise StoreFailed(
                    f"The enclave's store can't be used ({_name(error)}). Ask the operator to look at its disk, then "
                    "try again."
                ) from error


def _name(error: sqlite3.Error) -> str:
    """What it was. Never the library's words: they may name values."""
    return getattr(error, "sqlite_errorname", type(error).__name__)
