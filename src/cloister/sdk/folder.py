"""The folder where a user's machine remembers: private to the user, safe for several processes at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class StateFolder:
    """Small files, each whole or not there. Methods raise `OSError` where the folder can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytes | None:
        """The file's content, or None where there is none. ``name`` may have a folder before it."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Puts a file there, readable by this user alone, in place of the one before."""
        target = self.path / name
        self._prepare(target.parent)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    @contextlib.contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """Only one process at a time is inside, for each sub-folder."""
        self._prepare(self.path / folder)
        descriptor = os.open(self.path / folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[BinaryIO | None]:
        """A file to be read and written by one process at a time, made if not there; None while another has it.

        Left empty, it is deleted.
        """
        target = self.path / name
        self._prepare(target.parent)
        with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_ino != target.stat().st_ino:
                    raise BlockingIOError  # Whoever had it has just deleted it.
            except (BlockingIOError, FileNotFoundError):
                yield None
                return
            try:
                yield file
            finally:
                if os.fstat(file.fileno()).st_size == 0:
                    target.unlink(missing_ok=True)

    def sweep(self, folder: str, *, before: float) -> None:
        """Deletes the files of a sub-folder that nobody has written since then (seconds since 1970)."""
        for file in (self.path / folder).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < before:
                    file.unlink()

    def _prepare(self, folder: Path) -> None:
        for each in (self.path, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
