"""What this machine has seen of each room's log: the newest checkpoint, which every later one must extend."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from msgspec import UNSET, UnsetType

from cloister.errors import BadRequestError, CloisterError, LogTampered, RollbackDetected
from cloister.formats.checkpoint import Checkpoint, verify_checkpoint
from cloister.formats.encoding import Hex32, Record, canonical, decode
from cloister.formats.merkle import EMPTY_ROOT, verify_consistency
from cloister.rooms.events import Restored
from cloister.sdk.folder import StateFolder

_FOLDER = "checkpoints"


class _Record(Record, frozen=True, kw_only=True):
    """A remembered checkpoint: with its signature, so that it can be shown to others."""

    version: Literal[1] = 1
    signing: Hex32
    note: str
    restore: Hex32 | UnsetType = UNSET
    """The last restore that the log told of."""


@dataclass(frozen=True)
class Seen:
    """A checkpoint as it was signed, and the key that signed it (32 bytes)."""

    checkpoint: Checkpoint
    note: str
    signing: bytes
    restore: str | UnsetType = UNSET
    """The last restore that the log told of."""

    def record(self) -> bytes:
        """As it is kept on disk."""
        return canonical(_Record(signing=self.signing.hex(), note=self.note, restore=self.restore))


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

    def accept(
        self,
        seen: Checkpoint,
        note: str,
        signing: bytes,
        proof: tuple[bytes, ...],
        restored: Restored | UnsetType = UNSET,
    ) -> Checkpoint:
        """Checks a checkpoint that an answer came with, and remembers it.

        Args:
            seen: what `newest` said when the request was made.
            note: the signed checkpoint.
            signing: the enclave's attested signing key.
            proof: that it extends ``seen``.
            restored: the last restore that the operator has declared, as the enclave says.

        Raises:
            LogTampered: it is not a checkpoint of that room by that key.
            RollbackDetected: it does not extend what was seen. The message tells of a restore that was declared since.
        """
        checkpoint = verify_checkpoint(note, signing, room=seen.room)
        try:
            verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof)
        except LogTampered:
            raise self._rollback(seen, checkpoint, restored) from None
        self._remember(Seen(checkpoint, note, signing, _id(restored)), restored)
        return checkpoint

    def accept_restored(
        self, seen: Checkpoint, note: str, signing: bytes, proof: tuple[bytes, ...], restored: Restored | UnsetType
    ) -> Path | None:
        """Goes on from a checkpoint that does not extend what was seen, because a restore was declared since.

        Args: as `accept`.

        Returns:
            Where the signed checkpoint of what is lost is kept as evidence; None where nothing is lost.

        Raises:
            BadRequestError: no restore was declared since: there is nothing that could be accepted.
            LogTampered: it is not a checkpoint of that room by that key.
        """
        try:
            self.accept(seen, note, signing, proof, restored)
        except RollbackDetected:
            checkpoint = verify_checkpoint(note, signing, room=seen.room)
        else:
            return None
        evidence = f"{_FOLDER}/{seen.room}.lost-{seen.size}.json"
        with self._lock, self._folder.locked(_FOLDER):
            known = self._latest(seen.room)
            if isinstance(restored, UnsetType) or (known is not None and known.restore == restored.restore):
                raise BadRequestError(
                    "The operator has declared no restore of this room since this machine has last seen its log. There "
                    "is nothing that you could accept: ask the operator what happened."
                )
            if known is not None:
                self._folder.write(evidence, known.record())
            new = Seen(checkpoint, note, signing, restored.restore)
            self._folder.write(_file(seen.room), new.record())
            self._newest[seen.room] = new
        return self._folder.path / evidence

    def _remember(self, new: Seen, restored: Restored | UnsetType) -> None:
        room = new.checkpoint.room
        with self._lock:
            try:
                with self._folder.locked(_FOLDER):
                    if self._is_news(new, restored):
                        self._folder.write(_file(room), new.record())
                        self._newest[room] = new
            except OSError:
                # Better a memory that lasts as long as this process than none.
                if self._is_news(new, restored):
                    self._newest[room] = new

    def _is_news(self, new: Seen, restored: Restored | UnsetType) -> bool:
        """Whether it is longer than all that was seen. Others may have seen more since the request was made."""
        known = self._latest(new.checkpoint.room)
        if known is None or known.checkpoint.size < new.checkpoint.size:
            return True
        if known.checkpoint.size == new.checkpoint.size and known.checkpoint.root != new.checkpoint.root:
            raise self._rollback(known.checkpoint, new.checkpoint, restored)
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
            return Seen(verify_checkpoint(record.note, signing, room=room), record.note, signing, record.restore)
        except CloisterError:
            raise CloisterError(
                f"What this machine remembers of the room's log is damaged. Restore {self._folder.path / _file(room)} "
                "from a backup, or delete it to trust what the enclave shows now."
            ) from None

    def _rollback(self, seen: Checkpoint, shown: Checkpoint, restored: Restored | UnsetType) -> RollbackDetected:
        known = self._latest(seen.room)
        where = self._folder.path / _file(seen.room)
        what = (
            f"The room's log has {shown.size} events and does not extend the {seen.size} events that this machine has "
            "seen before: some were taken back or changed. "
        )
        if isinstance(restored, UnsetType) or (known is not None and known.restore == restored.restore):
            return RollbackDetected(
                f"{what}Somebody may have restored an old copy of the enclave's store. Attach no data and use no "
                f"result; ask the operator what happened. The signed proof of what was seen is in {where}."
            )
        when = datetime.fromtimestamp(restored.declared / 1000, UTC)
        return RollbackDetected(
            f"{what}The operator has declared that an old copy was restored on {when:%Y-%m-%d at %H:%M} UTC. Ask them "
            "whether that is so, and look what is missing: datasets that were removed since may be back. To go on from "
            f"what is there now, call client.accept_restored_log({seen.room!r}). The signed proof of what was seen is "
            f"in {where}, and is kept."
        )


def _id(restored: Restored | UnsetType) -> str | UnsetType:
    return UNSET if isinstance(restored, UnsetType) else restored.restore


def _file(room: str) -> str:
    return f"{_FOLDER}/{room}.json"
