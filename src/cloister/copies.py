"""Copies of files and SQLite databases that are whole or not there, taken while others write."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cloister.errors import CloisterError


def copy_database(source: Path, target: Path, change: Callable[[sqlite3.Connection], None] | None = None) -> None:
    """Copies a SQLite database as it is at one moment, also while it is written to. Replaces ``target``.

    Args:
        change: is given the copy before it appears.

    Raises:
        CloisterError: it can't be read, or the copy can't be written.
    """
    draft = _draft(target)
    try:
        draft.touch(mode=0o600)
        with closing(sqlite3.connect(source.absolute().as_uri() + "?mode=rw", uri=True)) as original:
            original.execute("PRAGMA busy_timeout=30000")
            with closing(sqlite3.connect(draft)) as copy:
                original.backup(copy)
                # One file, whatever the original's way of writing was.
                copy.execute("PRAGMA journal_mode=DELETE")
                if change is not None:
                    change(copy)
                    copy.commit()
        _settle(draft, target)
    except (OSError, sqlite3.Error) as error:
        raise CloisterError(
            f"{source} can't be copied to {target}: {error}. Look at both disks and try again."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def copy_file(source: Path, target: Path) -> None:
    """Copies a file, readable by this user alone. Replaces ``target``.

    Raises:
        FileNotFoundError: there is no such file.
        CloisterError: it can't be read, or the copy can't be written.
    """
    draft = _draft(target)
    try:
        draft.touch(mode=0o600)
        shutil.copyfile(source, draft)
        _settle(draft, target)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CloisterError(
            f"{source} can't be copied to {target}: {error}. Look at both disks and try again."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _draft(target: Path) -> Path:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CloisterError(f"{target.parent} can't be made: {error.strerror}. Name another folder.") from error
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}")


def _settle(draft: Path, target: Path) -> None:
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.replace(target)
