"""Uploads that outlive their process: what has arrived of a file is written down, so that only the rest is sent.

A record is a file in the user's state folder: a line that says which file and which dataset it is, then a line for
each part that has arrived. It holds no secret and tells nothing about the content: its name and its seals are keyed by
the dataset's key, which only the caller has. Whoever calls again with the same file and the same key goes on.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import BinaryIO, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.errors import VerificationError
from cloister.formats.dataset import Bytes, Part
from cloister.formats.encoding import Hex32, Record, Size, canonical, decode, number, pack, sha256
from cloister.sdk.folder import StateFolder
from cloister.wire.hub import StoredPart

_FOLDER = "uploads"
KEPT_SECONDS = 14 * 24 * 3600
"""After which a record that nobody came back for is deleted. The hub throws unfinished uploads away before that."""


class _Header(Record, frozen=True, kw_only=True):
    """The first line: which file it is, as the file system tells it, and which dataset it becomes."""

    version: Literal[1] = 1
    dataset: Hex32
    size: Size
    modified: str
    """Nanoseconds since 1970: more than a number in JSON carries."""
    inode: str
    """Number of the device and of the file on it."""


class _Line(Record, frozen=True, kw_only=True):
    """Every other line: a part that has arrived."""

    index: Size
    part: Part
    seal: Hex32
    """See `UploadRecord._seal`."""


class UploadRecords:
    """The records of one user at one hub."""

    def __init__(self, folder: StateFolder, hub: str, email: str) -> None:
        self._folder = folder
        self._whose = (hub.encode(), email.encode())

    @contextlib.contextmanager
    def of(self, file: os.stat_result, key: bytes) -> Iterator[UploadRecord | None]:
        """The record of a file under a key; None where it can't be kept, or another process is at it right now."""
        info = pack("cloister/upload-record/v1", *self._whose)
        secret = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)
        name = f"{_FOLDER}/{hmac.digest(secret, pack('file', _inode(file).encode()), 'sha256').hex()}.jsonl"
        with contextlib.ExitStack() as stack:
            record: UploadRecord | None = None
            with contextlib.suppress(OSError):
                self._folder.sweep(_FOLDER, before=time.time() - KEPT_SECONDS)
                opened = stack.enter_context(self._folder.held(name))
                if opened is not None:
                    hashing = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="cloister-record"))
                    record = UploadRecord(opened, secret, file, hashing)
            yield record


class UploadRecord:
    """What has arrived of one file. A `cloister.wire.transfers.Ledger`. Its file is held open by `UploadRecords`."""

    def __init__(self, record: BinaryIO, secret: bytes, file: os.stat_result, hashing: Executor) -> None:
        self._record = record
        self._secret = secret
        self._hashing = hashing
        self._digests: dict[int, Future[bytes]] = {}
        header, self._before = self._read()
        ours = _Header(
            dataset=header.dataset if header else os.urandom(32).hex(),
            size=file.st_size,
            modified=str(file.st_mtime_ns),
            inode=_inode(file),
        )
        self.stale: str | None = None
        """The dataset of a former upload, where the file was changed since: nobody wants that any more."""
        if header is not None and header != ours:
            self.stale = header.dataset
            ours = _Header(dataset=os.urandom(32).hex(), size=ours.size, modified=ours.modified, inode=ours.inode)
        self.dataset = ours.dataset
        """The id that the upload is stored under."""
        if header != ours:
            self._begin(ours)

    @property
    def begun(self) -> bool:
        """Whether something had arrived before."""
        return bool(self._before)

    def confirm(self, there: Iterable[StoredPart]) -> None:
        """What the hub really has: all else is sent again."""
        stored = {part.index: (part.size, part.sha256) for part in there}
        self._before = {
            index: line
            for index, line in self._before.items()
            if stored.get(index) == (line.part.size, line.part.sha256)
        }

    def known(self, index: int, plaintext: Bytes) -> Part | None:
        # Beside the encryption, which takes longer: so keeping a record costs no time where there is a second core.
        digest = self._digests[index] = self._hashing.submit(sha256, plaintext)
        line = self._before.get(index)
        if line is not None and hmac.compare_digest(line.seal, self._seal(index, line.part, digest.result())):
            del self._digests[index]
            return line.part
        return None

    def arrived(self, index: int, part: Part) -> None:
        seal = self._seal(index, part, self._digests.pop(index).result())
        # A record that can't be written any more is no reason to end an upload that works.
        with contextlib.suppress(OSError):
            self._write(_Line(index=index, part=part, seal=seal))

    def forget(self) -> None:
        """There is nothing left to take up."""
        with contextlib.suppress(OSError):
            self._record.truncate(0)

    def _seal(self, index: int, part: Part, digest: bytes) -> str:
        """Binds a part's ciphertext to its content, for those who have the key; to others it tells nothing."""
        fields = (bytes.fromhex(self.dataset), number(index), bytes.fromhex(part.sha256), digest)
        return hmac.digest(self._secret, pack("part", *fields), "sha256").hex()

    def _read(self) -> tuple[_Header | None, dict[int, _Line]]:
        """The lines that are whole; what comes after them is cut off."""
        header: _Header | None = None
        lines: dict[int, _Line] = {}
        good = 0
        self._record.seek(0)
        try:
            for text in self._record:
                if not text.endswith(b"\n"):
                    break
                if header is None:
                    header = decode(text, _Header, what="a record of an upload")
                else:
                    line = decode(text, _Line, what="a record of an upload")
                    lines[line.index] = line
                good += len(text)
        except VerificationError:
            pass
        self._record.truncate(good)
        self._record.seek(good)
        return header, lines

    def _begin(self, header: _Header) -> None:
        self._before = {}
        self._record.truncate(0)
        self._record.seek(0)
        self._write(header)

    def _write(self, line: Record) -> None:
        self._record.write(canonical(line) + b"\n")
        self._record.flush()


def _inode(file: os.stat_result) -> str:
    return f"{file.st_dev}:{file.st_ino}"
