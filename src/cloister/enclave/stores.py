"""Which sealed store an enclave uses: a file of its own, or a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

from cloister.enclave.store import SealedStore, SqliteStore, StoreFailed


def open_store(place: str | Path) -> SealedStore:
    """The store at that path (SQLite), or at that URL (``postgresql://``).

    Raises:
        StoreFailed: it can't be reached or used.
        StoreConflict: another enclave uses it.
    """
    if isinstance(place, Path) or "://" not in place:
        return SqliteStore(place)
    if not place.startswith(("postgresql://", "postgres://")):
        raise StoreFailed("The enclave's store must be a path, or a URL that begins with postgresql://.")
    # Imported here: who uses no PostgreSQL needs no driver in the trusted computing base.
    from cloister.enclave.postgres import PostgresStore

    return PostgresStore(place)
