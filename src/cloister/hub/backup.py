"""Backups of a hub that keeps its database and blobs in its folder, and their return."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cloister.copies import copy_database, copy_file
from cloister.errors import CloisterError
from cloister.hub.settings import HubSettings


@dataclass(frozen=True)
class Copied:
    """What a backup has done."""

    parts: int
    """Parts of blobs that the backup has now."""
    fresh: int
    """Of these, those that were not there from an earlier backup."""
    gone: int
    """Parts that were deleted while the backup ran."""


def backup_hub(settings: HubSettings, target: Path) -> Copied:
    """Copies database, keys and blobs, also while the hub runs. A second backup to the same place copies only what is
    new, and drops what the hub has deleted since.

    Raises:
        CloisterError: the hub keeps something elsewhere, or a copy can't be made.
    """
    _require_folder(settings)
    there = HubSettings(data=target)
    # 1. The database first: the blobs that it names are complete, and never change.
    copy_database(settings.sqlite_file, there.sqlite_file)
    copy_file(settings.issuer_file, there.issuer_file)
    kept = set()
    for key in settings.identity_folder.glob("*.pem"):
        copy_file(key, there.identity_folder / key.name)
        kept.add(key.name)
    for key in there.identity_folder.glob("*.pem"):
        if key.name not in kept:
            key.unlink()
    # 2. What it names. Parts are never written twice under one name.
    wanted, fresh, gone = set(), 0, 0
    for name, size in _parts(there.sqlite_file):
        wanted.add(name)
        copy = there.blob_folder / name
        if copy.exists() and copy.stat().st_size == size:
            continue
        try:
            copy_file(settings.blob_folder / name, copy)
            fresh += 1
        except FileNotFoundError:
            gone += 1
    # 3. What it does not name any more goes: a backup must not keep what users have deleted.
    for file in there.blob_folder.rglob("*"):
        if file.is_file() and str(file.relative_to(there.blob_folder)) not in wanted:
            file.unlink()
    return Copied(len(wanted) - gone, fresh, gone)


def restore_hub(source: Path, settings: HubSettings) -> None:
    """Puts a backup back where no hub is.

    Raises:
        CloisterError: there is a hub already, or it can't be done.
    """
    _require_folder(settings)
    if settings.sqlite_file.exists():
        raise CloisterError(f"There is a hub already: {settings.sqlite_file}. Move it away first.")
    there = HubSettings(data=source)
    for name, _ in _parts(there.sqlite_file):
        if (there.blob_folder / name).exists():
            copy_file(there.blob_folder / name, settings.blob_folder / name)
    for key in there.identity_folder.glob("*.pem"):
        copy_file(key, settings.identity_folder / key.name)
    copy_file(there.issuer_file, settings.issuer_file)
    # Last: it makes the folder a hub's.
    copy_database(there.sqlite_file, settings.sqlite_file)


def _require_folder(settings: HubSettings) -> None:
    if settings.database_url is not None or settings.blob_store_url is not None:
        raise CloisterError(
            "The hub keeps its database or its blobs elsewhere: back those up with their own tools, the enclave's "
            "store first, then the hub's database, then the blobs. docs/operating.md says more."
        )


def _parts(database: Path) -> Iterator[tuple[str, int]]:
    try:
        with closing(sqlite3.connect(database.absolute().as_uri() + "?mode=ro", uri=True)) as opened:
            yield from opened.execute("SELECT object_key, size FROM parts")
    except sqlite3.Error as error:
        raise CloisterError(f"{database} can't be read: {error}. Is it a hub's database?") from error
