"""Datasets on their way to the hub, from whatever a script holds them in, and back."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cloister.errors import ApiError, BadRequestError, NotFoundError
from cloister.formats.dataset import PART_SIZE, Bytes, Manifest
from cloister.sdk.key import Key
from cloister.sdk.progress import Reporter
from cloister.sdk.resume import UploadRecord, UploadRecords
from cloister.wire.hub import Hub, StoredBlob
from cloister.wire.patience import Patience
from cloister.wire.transfers import PARALLEL, Told, stream
from cloister.wire.transfers import upload as upload_chunks

_READ_SIZE = 1024 * 1024
_KEPT = (
    "What has arrived of the upload is kept for some days: upload the same file with the same key again, and only the "
    "rest is sent."
)

Data = IO[bytes] | bytes | bytearray | memoryview | Path


@dataclass(frozen=True)
class Transfers:
    """How one user moves data: to which hub, with how much patience, telling whom, remembering where."""

    hub: Hub
    patience: Patience
    reporter: Reporter = Reporter()  # noqa: RUF009 - says nothing, and has nothing to change
    records: UploadRecords | None = None

    def upload(self, data: Data, key: Key, name: str = "", *, parallel: int = PARALLEL) -> Manifest:
        """Encrypts a dataset and stores it with the hub; see `cloister.wire.transfers.upload`.

        A file of this machine (a path, or one that was opened with ``open(path, "rb")``) is taken up where an earlier
        try with the same key has stopped, whatever ended that.

        Args:
            name: for people who watch.

        Raises:
            TypeError: ``data`` is not bytes, or a file that was opened as text.
            BadRequestError: the file was changed while it was read.
            ApiError: the hub refused, or stayed away.
        """
        with _opened(data) as source, self.reporter.transfer("upload", name, source.size) as told:
            if self.records is None or source.file is None or not source.whole or (source.size or 0) <= PART_SIZE:
                return self._upload(source, key, os.urandom(32).hex(), parallel, told, None)
            with self.records.of(os.fstat(source.file), key.material) as record:
                if record is None:
                    return self._upload(source, key, os.urandom(32).hex(), parallel, told, None)
                return self._go_on(source, key, record, parallel, told)

    @contextlib.contextmanager
    def stream(self, manifest: Manifest, key: bytes, name: str = "") -> Iterator[Iterator[Bytes]]:
        """Fetches, checks and decrypts; as `cloister.wire.transfers.stream`."""
        with (
            self.reporter.transfer("download", name, manifest.size) as told,
            contextlib.closing(stream(self.hub, manifest, key, patience=self.patience, told=told)) as pieces,
        ):
            yield pieces

    def _go_on(self, source: _Source, key: Key, record: UploadRecord, parallel: int, told: Told) -> Manifest:
        if record.stale is not None:
            self._delete(record.stale)
        if record.begun:
            record.confirm(self._stored(record.dataset).parts)
        try:
            manifest = self._upload(source, key, record.dataset, parallel, told, record)
        except BadRequestError:
            # Trying again would not help, and what is there counts as this user's.
            self._delete(record.dataset)
            record.forget()
            raise
        except BaseException as error:
            error.add_note(_KEPT)
            raise
        record.forget()
        return manifest

    def _upload(
        self, source: _Source, key: Key, dataset: str, parallel: int, told: Told, record: UploadRecord | None
    ) -> Manifest:
        before = source.content()
        manifest = upload_chunks(
            self.hub,
            source.chunks,
            key.material,
            dataset,
            patience=self.patience,
            parallel=parallel,
            told=told,
            ledger=record,
        )
        if source.content() != before:
            self._delete(dataset)
            raise BadRequestError("The file was changed while it was uploaded. Upload it again when it is finished.")
        return manifest

    def _stored(self, dataset: str) -> StoredBlob:
        """What the hub has of an unfinished upload."""
        try:
            return self.patience.run(lambda: self.hub.blob(dataset))
        except NotFoundError:
            return StoredBlob(complete=False, parts=())

    def _delete(self, dataset: str) -> None:
        # What can't be deleted now is thrown away by the hub some day.
        with contextlib.suppress(ApiError):
            self.hub.delete_blob(dataset)


def upload(hub: Hub, data: Data, key: Key, *, patience: Patience, parallel: int = PARALLEL) -> Manifest:
    """As `Transfers.upload`, with nobody watching and nothing remembered."""
    return Transfers(hub, patience).upload(data, key, parallel=parallel)


@dataclass(frozen=True)
class _Source:
    """What is uploaded."""

    chunks: Iterator[bytes]
    size: int | None
    """Bytes, where that is known."""
    file: int | None = None
    """Descriptor, where it is a regular file."""
    whole: bool = True
    """Whether it is read from its start."""

    def content(self) -> tuple[int, int] | None:
        """Something that differs where the file was changed meanwhile."""
        if self.file is None:
            return None
        now = os.fstat(self.file)
        return now.st_size, now.st_mtime_ns


@contextlib.contextmanager
def _opened(data: Data) -> Iterator[_Source]:
    """
    Raises:
        TypeError: it is nothing that bytes come from.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data).cast("B")
        pieces = (bytes(view[start : start + _READ_SIZE]) for start in range(0, len(view), _READ_SIZE))
        yield _Source(pieces, len(view))
    elif isinstance(data, Path):
        with data.open("rb") as file, _opened(file) as source:
            yield source
    elif type(data) in (io.BufferedReader, io.BufferedRandom, io.FileIO) and stat.S_ISREG(
        os.fstat(data.fileno()).st_mode
    ):
        # Exactly these: others, as of gzip, have the descriptor of a file whose bytes are not the ones that they give.
        place, size = data.tell(), os.fstat(data.fileno()).st_size
        yield _Source(_read(data), max(0, size - place), data.fileno(), whole=place == 0)
    elif hasattr(data, "read"):
        yield _Source(_read(data), len(data.getbuffer()) - data.tell() if isinstance(data, io.BytesIO) else None)
    else:
        raise TypeError("The data must be bytes, a path, or a file opened with open(path, 'rb').")


def _read(data: IO[bytes]) -> Iterator[bytes]:
    while chunk := data.read(_READ_SIZE):
        if not isinstance(chunk, bytes | bytearray):
            raise TypeError("The file was opened as text. Open it with open(path, 'rb').")
        yield bytes(chunk)
