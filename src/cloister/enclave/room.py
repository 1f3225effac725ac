"""One room as the enclave holds it: its log, the state that the log folds into, and the secrets beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.metrics import APPEND_SECONDS, EVENTS
from cloister.enclave.sealed_log import SealedLog
from cloister.enclave.storage_key import blob_label, secret_label
from cloister.enclave.store import OutcomeUnknown, SealedStore, StoreFailed
from cloister.errors import LogTampered, VerificationError
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.encoding import canonical, decode
from cloister.formats.sealed import open_secret, seal_secret
from cloister.rooms.decisions import event_time
from cloister.rooms.events import Body, Event
from cloister.rooms.state import RoomState

T = TypeVar("T")


class LogClosed(LogTampered):
    """A log that can't be read to its end."""

    def __init__(self, message: str, state: RoomState) -> None:
        """``state``: after all events before the first that is not as it was written: for telling who may know."""
        super().__init__(message)
        self.state = state


class Growth:
    """How long a room's log is, for those who wait for more of it: they need not keep the room in memory."""

    def __init__(self) -> None:
        self._size = 0
        self._event = asyncio.Event()

    def tell(self, size: int) -> None:
        """Wakes everybody who waits for fewer events than there are now."""
        event, self._event, self._size = self._event, asyncio.Event(), size
        event.set()

    async def beyond(self, size: int, seconds: float) -> None:
        """Waits until the log has more than ``size`` events, so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._size <= size:
                    await self._event.wait()


class Room:
    """The single writer of one room's log.

    Decisions and the appends that follow from them happen while `lock` is held, so that what was decided on is what
    it is appended to.
    """

    def __init__(
        self, room: str, store: SealedStore, key: bytes, signing: Ed25519PrivateKey, growth: Growth | None = None
    ) -> None:
        """``growth``: told how long the log is."""
        self.id = room
        self.growth = growth or Growth()
        self.lock = asyncio.Lock()
        self.users = 0
        """What is under way in the room beside requests: computations."""
        self.state = RoomState()
        self._definition_bytes = 0
        self._store = store
        self._key = key
        self._signing = signing
        self._log = SealedLog(room, store, key)
        self._unsure = False

    def load(self) -> None:
        """Reads the log from the store and folds it.

        Raises:
            LogClosed: a row was changed, moved or taken out. The room stays closed; others are not affected.
        """

        def fresh() -> Callable[[Event], None]:
            self.state = RoomState()
            return self.state.apply

        try:
            self._log.load(fresh)
        except VerificationError as error:
            sound, self.state = self.state, RoomState()
            raise LogClosed(str(_changed(error)), sound) from None

    @property
    def memory(self) -> int:
        """About how many bytes of memory the room takes: what was measured of rooms of many shapes."""
        if not self._definition_bytes and self.state.definition is not None:
            self._definition_bytes = len(msgspec.json.encode(self.state.definition))
        return 30_000 + 4 * self._definition_bytes + 1000 * len(self.state.runs) + 300 * len(self.state.answered)

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

        Raises:
            StoreFailed: nothing was written; or (`OutcomeUnknown`) it isn't known yet.
        """
        if self._unsure:
            await self._settle()
        write = asyncio.ensure_future(asyncio.to_thread(self._write, event, put or {}, holds or {}, tuple(delete)))
        try:
            entry = await asyncio.shield(write)
        except asyncio.CancelledError:
            # Whoever asked has gone, but the write goes on: what is on disk must be what is in memory.
            await asyncio.wait([write])
            if write.exception() is None:
                self._take(event, write.result())
            raise
        self._take(event, entry)

    def _write(self, event: Event, put: Mapping[str, object], holds: Mapping[str, str], gone: Iterable[str]) -> bytes:
        """The entry that was written. In a thread, with all that takes long where the event or a secret is large."""
        entry = canonical(event)
        sealed = {self._label(name): self._seal(name, value) for name, value in put.items()} | self._log.segment_due()
        held = {self._label(name): blob_label(self._key, blob) for name, blob in holds.items()}
        labels = [self._label(name) for name in gone]
        rows = [self._log.row(entry)]
        try:
            with APPEND_SECONDS.time():
                self._store.append(self.id, len(self._log), rows, put=sealed, holds=held, delete=labels)
        except OutcomeUnknown:
            self._unsure = True
            raise
        return entry

    async def _settle(self) -> None:
        """Finds out whether the last event was written, from the log itself.

        Raises:
            StoreFailed: it was; what was to be appended now was decided on without it. Or the store is still away.
        """
        again = Room(self.id, self._store, self._key, self._signing)
        await asyncio.to_thread(again.load)
        written = len(again._log) != len(self._log)
        self._log, self.state, self._unsure = again._log, again.state, False
        self.growth.tell(len(self._log))
        if written:
            raise StoreFailed(
                "The enclave had lost its store and found it again: what was asked for last has happened, although it "
                "seemed to have failed. Look at the room again."
            )

    def _take(self, event: Event, entry: bytes) -> None:
        EVENTS.labels(str(event.body.__struct_config__.tag)).inc()
        self._log.take(entry)
        self.state.apply(event)
        self.growth.tell(len(self._log))

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
        return sign_checkpoint(Checkpoint(self.id, len(self._log), self._log.root()), self._signing)

    def checkpoint_with(self, event: Event) -> str:
        """The signed checkpoint of the log as it will be once this event is appended."""
        root = self._log.root_with(canonical(event))
        return sign_checkpoint(Checkpoint(self.id, len(self._log) + 1, root), self._signing)

    async def proven(self, seen: int) -> tuple[str, tuple[bytes, ...]]:
        """The signed checkpoint of now, and proof that its log extends the one of ``seen`` events. The proof is empty
        where there can't be one: the client that has seen more than there is will notice.

        Raises:
            LogTampered: as `load`.
        """
        seen = seen if seen <= len(self._log) else 0
        # Somebody else may have had another block read meanwhile.
        while not self._log.is_recalled(seen):
            try:
                await asyncio.to_thread(self._log.recall, seen)
            except VerificationError as error:
                raise _changed(error) from None
        return self.checkpoint(), self._log.consistency(seen)

    def events(self, start: int, most_bytes: int) -> tuple[bytes, ...]:
        """Events from an index on, as they are hashed: one at least, and then as many as fit.

        Raises:
            LogTampered: as `load`.
        """
        try:
            return self._log.entries(start, most_bytes)
        except VerificationError as error:
            raise _changed(error) from None

    def _seal(self, name: str, value: object) -> bytes:
        return seal_secret(self._key, self.id, name, canonical(value))

    def _label(self, name: str) -> str:
        return secret_label(self._key, self.id, name)


def _changed(error: VerificationError) -> LogTampered:
    return LogTampered(
        f"What the enclave has stored of this room was changed: {error} Ask the operator to restore the store."
    )
