"""One room as the enclave holds it: its log, the state that the log folds into, and the secrets beside it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.sealing import blob_label
from cloister.enclave.store import SealedStore
from cloister.errors import LogTampered, VerificationError
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.encoding import canonical, decode, decode_canonical, pack
from cloister.formats.merkle import MerkleTree
from cloister.formats.sealed import open_row, open_secret, seal_row, seal_secret
from cloister.rooms.decisions import event_time
from cloister.rooms.events import Body, Event
from cloister.rooms.state import RoomState

T = TypeVar("T")


class Room:
    """The single writer of one room's log.

    Decisions and the appends that follow from them happen while `lock` is held, so that what was decided on is what
    it is appended to.
    """

    def __init__(self, room: str, store: SealedStore, key: bytes, signing: Ed25519PrivateKey) -> None:
        self.id = room
        self.lock = asyncio.Lock()
        self.state = RoomState()
        self._store = store
        self._key = key
        self._signing = signing
        self._tree = MerkleTree()

    def load(self) -> None:
        """Reads the log from the store and folds it.

        Raises:
            LogTampered: a row was changed, moved or taken out. The room stays closed; others are not affected.
        """
        tree, state = MerkleTree(), RoomState()
        for data in self._read(tree):
            try:
                state.apply(decode_canonical(data, Event, what="an event"))
            except VerificationError as error:
                raise _changed(error) from None
            tree.append(data)
        self._tree, self.state = tree, state

    def prepare(self, actor: str, body: Body, now: int) -> Event:
        """The event that `append` would write at this time (milliseconds since 1970)."""
        return Event(time=event_time(self.state, now), actor=actor, body=body)

    async def append(
        self,
        event: Event,
        *,
        put: Mapping[str, object] | None = None,
        holds: Mapping[str, str] | None = None,
        delete: Iterable[str] = (),
    ) -> None:
        """Writes an event, and changes secrets with it, all or nothing; on disk when it returns.

        Args:
            put: secrets by name; values are made canonical JSON.
            holds: for names in ``put``, the blob that the secret opens: the hub is to keep it as long.
            delete: names of secrets that end with this event.
        """
        entry = canonical(event)
        row = seal_row(self._key, self.id, len(self._tree), self._tree.root(), entry)
        sealed = {self._label(name): self._seal(name, value) for name, value in (put or {}).items()}
        held = {self._label(name): blob_label(self._key, blob) for name, blob in (holds or {}).items()}
        gone = [self._label(name) for name in delete]
        write = asyncio.ensure_future(
            asyncio.to_thread(self._store.append, self.id, len(self._tree), [row], put=sealed, holds=held, delete=gone)
        )
        try:
            await asyncio.shield(write)
        except asyncio.CancelledError:
            # Whoever asked has gone, but the write goes on: what is on disk must be what is in memory.
            await asyncio.wait([write])
            if write.exception() is None:
                self._take(event, entry)
            raise
        self._take(event, entry)

    def _take(self, event: Event, entry: bytes) -> None:
        self._tree.append(entry)
        self.state.apply(event)

    def secret(self, name: str, kind: type[T]) -> T | None:
        """A secret that was put beside the log.

        Raises:
            LogTampered: it was changed in the store.
        """
        sealed = self._store.secret(self.id, self._label(name))
        if sealed is None:
            return None
        try:
            return decode(open_secret(self._key, self.id, name, sealed), kind, what="a secret of this room")
        except VerificationError as error:
            raise _changed(error) from None

    def checkpoint(self) -> str:
        """The signed checkpoint of the log as it is now."""
        return sign_checkpoint(Checkpoint(self.id, len(self._tree), self._tree.root()), self._signing)

    def checkpoint_with(self, event: Event) -> str:
        """The signed checkpoint of the log as it will be once this event is appended."""
        root = self._tree.root_with(canonical(event))
        return sign_checkpoint(Checkpoint(self.id, len(self._tree) + 1, root), self._signing)

    def consistency(self, seen: int) -> tuple[bytes, ...]:
        """Proof that the log extends the one of ``seen`` events. Empty where there can't be one: the client that has
        seen more than there is will notice."""
        return tuple(self._tree.consistency_proof(seen)) if seen <= len(self._tree) else ()

    def events(self, start: int, most_bytes: int) -> tuple[bytes, ...]:
        """Events from an index on, as they are hashed: one at least, and then as many as fit.

        Raises:
            LogTampered: as `load`.
        """
        entries: list[bytes] = []
        size = 0
        for entry in self._read(self._tree, start):
            size += len(entry)
            if entries and size > most_bytes:
                break
            entries.append(entry)
        return tuple(entries)

    def _read(self, tree: MerkleTree, start: int = 0) -> Iterator[bytes]:
        """Events from an index on, as they lie in the store. Each is in ``tree`` by the time the next is asked for."""
        try:
            for index, row in enumerate(self._store.read(self.id, start), start):
                yield open_row(self._key, self.id, index, tree.root(index), row)
        except VerificationError as error:
            raise _changed(error) from None

    def _seal(self, name: str, value: object) -> bytes:
        return seal_secret(self._key, self.id, name, canonical(value))

    def _label(self, name: str) -> str:
        """The name of a secret as the store sees it: names of nodes are not the operator's to read, or to compare."""
        label = pack("cloister/secret-label/v1", self.id.encode(), name.encode())
        return hmac.digest(self._key, label, "sha256").hex()


def _changed(error: VerificationError) -> LogTampered:
    return LogTampered(
        f"What the enclave has stored of this room was changed: {error} Ask the operator to restore the store."
    )
