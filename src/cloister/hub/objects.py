"""Where ciphertext lies: an object store (`obstore`), a folder by default.

Objects are written in a stream and appear whole or not at all. Nothing here knows what they are.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store, from_url

from cloister.errors import CloisterError
from cloister.hub.problems import Problem, full, not_found, unavailable
from cloister.hub.settings import MIB, HubSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig

    from cloister.hub.presign import Presigner

logger = logging.getLogger("cloister.hub")

_READ_BYTES = 2 * MIB
_FOLDER_BUFFER = 1 * MIB
# S3 and its likes take no smaller pieces of one object.
_REMOTE_BUFFER = 5 * MIB
# A client is told within seconds that the store is away, and tries again by itself; it wouldn't wait for longer.
_RETRY: RetryConfig = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_STORE_ERRORS = (BaseError, OSError)
_NO_SPACE = f"({errno.ENOSPC}|{errno.EDQUOT})"
_FULL = re.compile(rf"os error {_NO_SPACE}\b|\[Errno {_NO_SPACE}\]|InsufficientStorage|StorageFull|QuotaExceeded")


class Writer(Protocol):
    """Takes an object's bytes in order."""

    async def write(self, buffer: bytes, /) -> int: ...


class Objects:
    """One object store. Failures of the store itself become 503 `Problem`s; an object that it has lost is a 404."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        """``folder``: where ``store`` keeps its files, if it is a folder of this machine."""
        self._store = store
        self._folder = folder
        self._being_written: set[str] = set()
        self.presigner = _presigner(store)
        """For stores that take signed URLs."""

    async def check(self) -> None:
        """Raises a 503 `Problem` where the store can't be reached."""
        try:
            if self._folder is not None and not os.access(self._folder, os.W_OK | os.X_OK):
                raise _store_failed()
            await obstore.head_async(self._store, "readiness")
        except FileNotFoundError:
            return  # as it should be: there is no such object, and the store has said so
        except _STORE_ERRORS as error:
            raise _store_failed(error) from error

    @asynccontextmanager
    async def writing(self, key: str) -> AsyncIterator[Writer]:
        """Write one object under ``key``, which must be new.

        It exists, on disk, once the block has ended; after an exception inside the block it never does.
        """
        buffer = _REMOTE_BUFFER if self._folder is None else _FOLDER_BUFFER
        self._being_written.add(key)
        try:
            writer = obstore.open_writer_async(self._store, key, buffer_size=buffer, max_concurrency=1)
            # Leaving the writer unclosed throws away what it holds.
            yield writer
            await writer.close()
            if self._folder is not None:
                await asyncio.to_thread(_flush_to_disk, self._folder / key)
        except _STORE_ERRORS as error:
            raise _store_failed(error) from error
        finally:
            self._being_written.discard(key)

    async def reading(self, key: str, size: int) -> AsyncIterator[memoryview]:
        """The ``size`` bytes of an object, in pieces of at most 2 MiB."""
        try:
            for start in range(0, size, _READ_BYTES):
                end = min(start + _READ_BYTES, size)
                answer = await obstore.get_async(self._store, key, options={"range": (start, end)})
                # At the first piece: before anything is passed on of an object that has no end.
                if answer.meta["size"] < size:
                    raise _lost(key)
                piece = memoryview(await answer.bytes_async())
                if len(piece) != end - start:
                    raise _lost(key)
                yield piece
        except _STORE_ERRORS as error:
            raise (_lost(key) if await self._is_lost(key, size) else _store_failed(error)) from error

    async def size(self, key: str) -> int | None:
        """How long an object is, in bytes; None where there is none."""
        try:
            return (await obstore.head_async(self._store, key))["size"]
        except FileNotFoundError:
            return None
        except _STORE_ERRORS as error:
            raise _store_failed(error) from error

    async def _is_lost(self, key: str, size: int) -> bool:
        """Whether an object that could not be read is gone or too short, so that trying again is of no use."""
        try:
            return (await obstore.head_async(self._store, key))["size"] < size
        except FileNotFoundError:
            return True
        except _STORE_ERRORS:
            return False

    async def delete(self, key: str) -> None:
        """Remove one object; nothing happens if it isn't there."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except _STORE_ERRORS as error:
            raise _store_failed(error) from error

    async def delete_folder(self, prefix: str) -> None:
        """Remove every object whose key begins with ``prefix/``."""
        try:
            if self._folder is not None:
                # Also what a killed process had begun to write, which the store doesn't list.
                await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)
                return
            async for batch in obstore.list(self._store, prefix=prefix):
                await obstore.delete_async(self._store, [entry["path"] for entry in batch])
        except _STORE_ERRORS as error:
            raise _store_failed(error) from error

    async def tidy_folder(self, prefix: str, wanted: frozenset[str]) -> None:
        """Remove what lies under ``prefix/``, is not one of the ``wanted`` keys, and isn't being written."""
        spared = wanted | self._being_written
        try:
            if self._folder is not None:
                # Also what a killed process had begun to write, which the store doesn't list.
                await asyncio.to_thread(_tidy, self._folder, prefix, spared)
                return
            async for batch in obstore.list(self._store, prefix=prefix):
                if strays := [entry["path"] for entry in batch if entry["path"] not in spared]:
                    await obstore.delete_async(self._store, strays)
        except _STORE_ERRORS as error:
            raise _store_failed(error) from error


def open_objects(settings: HubSettings) -> Objects:
    """The object store that the settings name. `CloisterError` if there is none of that name."""
    url = settings.blob_store_url
    if url is None or url.startswith("file:"):
        folder = settings.blob_folder if url is None else Path(unquote(urlsplit(url).path))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Objects(LocalStore(folder), folder)
    try:
        return Objects(from_url(url, retry_config=_RETRY))
    except (BaseError, ValueError) as error:
        # The store's own message might repeat credentials from the URL.
        raise CloisterError(
            f"The blob store {urlsplit(url).scheme}:... can't be opened. Give a URL such as s3://bucket/prefix, "
            "gs://bucket or az://container, and its credentials in the environment."
        ) from error


def _presigner(store: ObjectStore) -> Presigner | None:
    if not isinstance(store, S3Store | GCSStore | AzureStore):
        return None
    # Imported here: botocore takes a while to load, and a folder has no need of it.
    from cloister.hub.presign import Presigner

    return Presigner(store)


def _flush_to_disk(file: Path) -> None:
    """Let neither the file nor its name be lost when the power fails."""
    for path in (file, file.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _tidy(root: Path, prefix: str, spared: frozenset[str]) -> None:
    for file in (root / prefix).iterdir():
        # The store writes an object under its key, "#" and a number, until it is whole.
        key = f"{prefix}/{file.name.partition('#')[0]}"
        if key not in spared:
            file.unlink(missing_ok=True)


def _lost(key: str) -> Problem:
    logger.error("the object %s of the blob store is gone or damaged: restore it from a backup", key)
    return not_found(
        "The part is gone from the hub's blob store, or damaged there. Ask whoever runs the hub to restore it, or "
        "upload the data again."
    )


def _store_failed(error: Exception | None = None) -> Problem:
    # The store's library wraps the system's error and leaves its number in the text only.
    if _FULL.search(str(error)):
        return full(
            "The hub's blob store has no room left. Try again later, and tell whoever runs the hub. Nothing that was "
            "stored before is lost."
        )
    return unavailable(
        "The hub's blob store can't be used now. Try again in a few seconds; if that does not help, tell whoever runs "
        "the hub."
    )
