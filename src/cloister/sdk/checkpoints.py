"""What this machine has seen of each room's log: the newest checkpoint, which every later one must extend."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from cloister.errors import CloisterError, LogTampered, RollbackDetected
from cloister.formats.checkpoint import Checkpoint, verify_checkpoint
from cloister.formats.encoding import Hex32, Record, canonical, decode
from cloister.formats.merkle import EMPTY_ROOT, verify_consistency
from cloister.sdk.folder import StateFolder

_FOLDER = "checkpoints"


class _Record(Record, frozen=True, kw_only=True):
    """A remembered checkpoint: with its signature, so that it can be shown to others."""

    version: Literal[1] = 1
    signing: Hex32
    note: str


@dataclass(frozen=True)
class Seen:
    """A checkpoint as it was signed, and the key that signed it (32 bytes)."""

    checkpoint: Checkpoint
    note: str
    signing: bytes


class CheckpointMemory:
    """The newest checkpoint of each room, on disk where that can be had, in memory where not.

    It is kept by room alone and not by signing key: the log of a room goes on whatever key signs it, so that an
    enclave with a fresh key has to extend what was seen like any other. Safe for threads and processes.
    """

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._newest: dict[str, Seen] = {}

    def newest(self, room: str) -> Checkpoint:
        """The newest checkpoint that was seen; of an empty log where none was.

        Raises:
            CloisterError: the file that remembers it is damaged.
        """
        with self._lock:
            seen = self._latest(room)
        return seen.checkpoint if seen else Checkpoint(room, 0, EMPTY_ROOT)

    def accept(self, seen: Checkpoint, note: str, signing: bytes, proof: tuple[bytes, ...]) -> Checkpoint:
        """Checks a checkpoint that an answer came with, and remembers it.

        Args:
            seen: what `newest` said when the request was made.
            note: the signed checkpoint.
            signing: the enclave's attested signing key.
            proof: that it extends ``seen``.

        Raises:
            LogTampered: it is not a checkpoint of that room by that key.
            RollbackDetected: it does not extend what was seen.
        """
        checkpoint = verify_checkpoint(note, signing, room=seen.room)
        try:
            verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof)
        except LogTampered:
            raise self._rollback(seen, checkpoint) from None
        self._remember(Seen(checkpoint, note, signing))
        return checkpoint

    def _remember(self, new: Seen) -> None:
        room = new.checkpoint.room
        with self._lock:
            try:
                with self._folder.locked(_FOLDER):
                    if self._is_news(new):
                        record = _Record(signing=new.signing.hex(), note=new.note)
                        self._folder.write(_file(room), canonical(record))
                        self._newest[room] = new
            except OSError:
                # Better a memory that lasts as long as this process than none.
                if self._is_news(new):
                    self._newest[room] = new

    def _is_news(self, new: Seen) -> bool:
        """Whether it is longer than all that was seen. Others may have seen more since the request was made."""
        known = self._latest(new.checkpoint.room)
        if known is None or known.checkpoint.size < new.checkpoint.size:
            return True
        if known.checkpoint.size == new.checkpoint.size and known.checkpoint.root != new.checkpoint.root:
            raise self._rollback(known.checkpoint, new.checkpoint)
        return False

    def _latest(self, room: str) -> Seen | None:
        in_memory, on_disk = self._newest.get(room), self._read(room)
        if in_memory is None or on_disk is None:
            return on_disk or in_memory
        return max(in_memory, on_disk, key=lambda seen: seen.checkpoint.size)

    def _read(self, room: str) -> Seen | None:
        try:
            stored = self._folder.read(_file(room))
        except OSError:
            return None
        if stored is None:
            return None
        try:
            record = decode(stored, _Record, what="a remembered checkpoint")
            signing = bytes.fromhex(record.signing)
            return Seen(verify_checkpoint(record.note, signing, room=room), record.note, signing)
        except CloisterError:
            raise CloisterError(
                f"What this machine remembers of the room's log is damaged. Restore {self._folder.path / _file(room)} "
                "from a backup, or delete it to trust what the enclave shows now."
            ) from None

    def _rollback(self, seen: Checkpoint, shown: Checkpoint) -> RollbackDetected:
        return RollbackDetected(
            f"The room's log has {shown.size} events and does not extend the {seen.size} events that this machine has "
            "seen before: some were taken back or changed. Somebody may have restored an old copy of the enclave's "
            "store. Attach no data and use no result; ask the operator what happened. The signed proof of what was "
            f"seen is in {self._folder.path / _file(seen.room)}."
        )


def _file(room: str) -> str:
    return f"{_FOLDER}/{room}.json"
