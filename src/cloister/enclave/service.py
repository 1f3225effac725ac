"""Answers requests: who asks, may they, what follows, and what they get to see."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET

from cloister.enclave.admission import Asker, admit, identify
from cloister.enclave.declaration import read_declaration
from cloister.enclave.execution import Executor
from cloister.enclave.limits import Allowances, Meter
from cloister.enclave.metrics import REQUESTS
from cloister.enclave.open_rooms import MEMORY_BYTES, OpenRooms
from cloister.enclave.requests import Requests
from cloister.enclave.resolving import resolve
from cloister.enclave.room import Growth, LogClosed, Room
from cloister.enclave.storage_key import blob_label
from cloister.enclave.store import SealedStore, StoreFailed
from cloister.enclave.vault import Vaults
from cloister.enclave.workers import Workers
from cloister.errors import DefinitionInvalid, LogTampered, Refused, VerificationError
from cloister.formats.encoding import decode, normal_email, sha256
from cloister.formats.sealed import OpenedRequest
from cloister.protocol import (
    AdmitDevice,
    Answer,
    AttachDataset,
    AwaitJob,
    CancelJob,
    Dataset,
    Describe,
    Description,
    DismissDevice,
    Done,
    FetchDataset,
    FetchResult,
    Frame,
    GetNonce,
    ListItems,
    Log,
    Nonce,
    OpenVault,
    PublishRoom,
    PullTask,
    PutItem,
    PutItems,
    ReadItem,
    ReadLog,
    ReadStatus,
    RemoveDataset,
    RemoveItem,
    Request,
    ResolveEnvironment,
    Result,
    RetrieveRoom,
    RoomBody,
    RoomContent,
    RoomStatus,
    RunComputation,
    StopRoom,
    UnbindKey,
    refusal,
)
from cloister.rooms import decisions
from cloister.rooms.decisions import published
from cloister.rooms.definition import Definition, Reference, read_definition
from cloister.rooms.events import ENCLAVE, KeyBound, Published, RunVoided
from cloister.rooms.nodes import RawDataNode, TableDataNode
from cloister.rooms.permissions import NO_SUCH_ROOM, Action, authorise

ACTIONS: dict[type[RoomBody], Action] = {
    RetrieveRoom: Action.READ_DEFINITION,
    ReadStatus: Action.READ_STATUS,
    AttachDataset: Action.ATTACH,
    RemoveDataset: Action.REMOVE,
    FetchDataset: Action.FETCH_DATASET,
    RunComputation: Action.RUN,
    AwaitJob: Action.RUN,
    CancelJob: Action.RUN,
    FetchResult: Action.FETCH_RESULT,
    ReadLog: Action.READ_LOG,
    StopRoom: Action.STOP,
    UnbindKey: Action.UNBIND_KEY,
}
"""What each request is, in the words of the permission table."""
OF_TABLES: dict[type[RoomBody], Action] = {
    RunComputation: Action.VALIDATE,
    AwaitJob: Action.VALIDATE,
    CancelJob: Action.VALIDATE,
    FetchResult: Action.FETCH_TABLE,
}
"""What some of them are instead where they are about a table data node."""
COUNTED = (AttachDataset, FetchDataset, RunComputation, FetchResult, ReadLog, UnbindKey)
"""What leaves an event and may be asked for over and over. Keys that speak for somebody can be ended in a full room
too, as it can be stopped, and data removed, none of which can be repeated for ever."""
COSTLY = (RetrieveRoom, AwaitJob)
"""What leaves none, also in a full room, but takes as long."""


def action_of(body: RoomBody, definition: Definition) -> Action:
    """What a request is, in the words of the permission table."""
    node = getattr(body, "node", None)
    if type(body) in OF_TABLES and isinstance(definition.node(node) if node else None, TableDataNode):
        if isinstance(body, RunComputation) and body.lost is not UNSET:
            return Action.FETCH_TABLE  # that a result is lost is said by who would get it
        return OF_TABLES[type(body)]
    return ACTIONS[type(body)]


class Service:
    """The enclave behind its sealed door. One per process; runs in one event loop."""

    def __init__(
        self,
        store: SealedStore,
        key: bytes,
        signing: Ed25519PrivateKey,
        workers: Workers,
        reference: Reference,
        clock: Callable[[], int],
        *,
        memory_bytes: int = MEMORY_BYTES,
        meter: Meter | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            memory_bytes: what rooms may take in memory, see `OpenRooms`; vaults a quarter of that besides.
            meter: what users and rooms may ask for; by default, the defaults.
            monotonic: seconds since some start, for rates.
        """
        self._meter = meter or Meter(Allowances())
        self._monotonic = monotonic
        self._store = store
        self._key = key
        self._signing = signing
        self._workers = workers
        self._reference = reference
        self._clock = clock
        self._vaults = Vaults(store, key, signing, clock, self._meter, monotonic, memory_bytes // 4)
        self._executor = Executor(workers, reference, signing, clock, self._meter, monotonic)
        self._requests = Requests(self._executor, clock, self._meter)
        self._growing: WeakValueDictionary[str, Growth] = WeakValueDictionary()
        """Of rooms that are in memory, or waited for: who waits is told by whoever has the room next."""
        self._undone: set[str] = set()
        """Rooms in memory to which something has happened before that their logs don't say yet."""
        self._rooms = OpenRooms(self._make, self._opened, self._let_go, memory_bytes=memory_bytes)

    @property
    def rooms_open(self) -> int:
        """How many rooms are in memory."""
        return len(self._rooms)

    async def check(self) -> None:
        """Raises:
        StoreFailed: the store doesn't answer.
        """
        await asyncio.to_thread(self._store.secret, "", "")

    async def answer(self, opened: OpenedRequest, account: str = "") -> AsyncGenerator[Frame]:
        """The frames that answer one request; the last is an `Answer` or a `Refusal`.

        ``account``: by which the hub tells its accounts apart, for what counts across rooms.
        """
        try:
            request = decode(opened.payload, Request, what="a request")
            REQUESTS.labels(str(request.body.__struct_config__.tag)).inc()
            async with aclosing(self._dispatch(request, opened.device, account)) as frames:
                async for frame in frames:
                    yield frame
        except Refused as error:
            yield refusal(error)
        except DefinitionInvalid as error:
            yield refusal(Refused("bad_request", str(error)))
        except (LogTampered, StoreFailed) as error:
            yield refusal(Refused("failed", str(error)))
        except VerificationError as error:
            yield refusal(Refused("rejected", str(error)))

    async def _dispatch(self, request: Request, device: bytes | None, account: str) -> AsyncGenerator[Frame]:
        if request.token is not None:
            # To look at one takes time, whoever has made it.
            self._meter.identity(account or (request.user or ""), self._monotonic())
        match request.body:
            case Describe():
                yield Answer(body=self._describe())
            case ResolveEnvironment() as body:
                self._meter.resolution(account, self._monotonic())
                yield Answer(body=await resolve(self._workers, body, account))
            case GetNonce():
                yield Answer(body=Nonce(nonce=self._workers.nonce()))
            case PullTask() as body:
                async with aclosing(self._workers.pull(body)) as frames:
                    async for frame in frames:
                        yield frame
            case (
                OpenVault()
                | PutItem()
                | PutItems()
                | ReadItem()
                | ListItems()
                | RemoveItem()
                | AdmitDevice()
                | DismissDevice()
            ) as body:
                yield await self._vaults.answer(request, device, body, account)
            case PublishRoom(definition=definition):
                yield await self._publish(request, device, definition, account)
            case body:
                async with aclosing(self._in_room(request, device, body, account)) as frames:
                    async for frame in frames:
                        yield frame

    def _describe(self) -> Description:
        return Description(
            enclaves=(self._reference,), workers=tuple(self._workers.references), images=self._workers.images
        )

    async def held(self, blobs: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the blobs that some room or vault has the key to.

        Raises:
            StoreFailed: the store can't be read.
        """
        labels = {blob_label(self._key, blob): blob for blob in blobs}
        found = await asyncio.to_thread(self._store.held, list(labels))
        return tuple(blob for label, blob in labels.items() if label in found)

    # --- rooms and who is in them ---

    @asynccontextmanager
    async def _open(self, room_id: str, request: Request, device: bytes | None) -> AsyncIterator[Room]:
        """The room, from memory or from the store, for as long as the block lasts.

        Raises:
            Refused: ``not_found``, where there is none.
            LogTampered: the store shows another log than was written; told to participants alone.
        """
        try:
            async with self._rooms.using(room_id) as room:
                if room is None:
                    raise Refused("not_found", NO_SUCH_ROOM)
                yield room
        except LogClosed as error:
            # That it exists is told to those alone whom the sound part of its log knows.
            admit(error.state, request, device, self._clock())
            raise

    def _make(self, room_id: str) -> Room:
        growth = self._growing.setdefault(room_id, Growth())
        return Room(room_id, self._store, self._key, self._signing, growth)

    async def _opened(self, room: Room) -> None:
        self._undone.add(room.id)
        room.growth.tell(room.state.size)
        # Where it can't be done now, whoever turns out to be a participant is told.
        with contextlib.suppress(Refused, StoreFailed):
            await self._catch_up(room)

    def _let_go(self, room: Room) -> None:
        self._undone.discard(room.id)
        self._executor.forget(room)

    async def _catch_up(self, room: Room) -> None:
        """Appends what has happened to a room while it was not in memory. Nobody else uses the room meanwhile."""
        if room.id not in self._undone:
            return
        declared = await asyncio.to_thread(read_declaration, self._store, room.id)
        for body in decisions.restored(room.state, declared) if declared else ():
            await room.append(room.prepare(ENCLAVE, body, self._clock()))
        for run in list(room.state.running.values()):
            # Nothing is under way in a room that was only just opened: an enclave before this one was at it.
            voided = RunVoided(run=run, node=room.state.runs[run].node, reason="interrupted")
            await room.append(room.prepare(ENCLAVE, voided, self._clock()))
        self._undone.discard(room.id)

    async def _admit(self, room: Room, request: Request, device: bytes | None) -> Asker:
        """Who asks. Binds the device key first where an identity token says so, then does what opening the room has
        left undone: all that can go wrong with that is told to participants alone.

        Raises:
            Refused: as `admit`.
        """
        asker = admit(room.state, request, device, self._clock())
        if asker.issuer is not None:
            self._meter.event(room.id, asker.user, room.state.size, self._monotonic())
        if asker.issuer is not None or room.id in self._undone:
            async with room.lock:
                if asker.issuer is not None and asker.key not in room.state.keys.get(asker.user, ()):
                    bound = KeyBound(user=asker.user, key=asker.key, issuer=asker.issuer)
                    await room.append(room.prepare(asker.user, bound, self._clock()))
                await self._catch_up(room)
        return asker

    async def _publish(self, request: Request, device: bytes | None, data: bytes, account: str) -> Answer:
        # In a thread: a large definition must not hold up everybody else.
        definition = await asyncio.to_thread(read_definition, data)
        # 1. The author may publish in this name: their key is pinned, or an issuer that the room trusts vouches.
        user = normal_email(request.user or "")
        if user != definition.owner:
            raise Refused("forbidden", f"Only {definition.owner} may publish this room: it names them as its owner.")
        entry = definition.participant(user)
        pinned = entry is not None and device is not None and device.hex() in entry.keys
        now = self._clock()
        issuer = None if pinned or device is None else identify(definition, user, device, request.token, now)
        if not pinned and issuer is None:
            raise Refused(
                "rejected", "Your identity could not be confirmed. Check your clock and token, and try again."
            )
        # 2. It is a room for this enclave and the workers that it knows.
        if self._reference not in definition.enclaves or self._workers.references.isdisjoint(definition.workers):
            raise Refused(
                "bad_request", "The room is made for another enclave or worker. Build it anew and publish that."
            )
        # 3. Its computations ask for no more than workers allow, as far as workers are there to tell.
        for node in definition.nodes:
            if not isinstance(node, RawDataNode):
                self._executor.check_fits(definition, node)
        self._meter.publication(account or user, self._monotonic())
        # 4. It becomes the first event of its own log.

        async def create(room: Room) -> None:
            await room.append(room.prepare(definition.owner, Published(definition=definition), self._clock()))

        async with self._rooms.using(sha256(data).hex(), create) as room:
            assert room is not None
            await self._admit(room, request, device)
            return await self._answer(room, request, Done())

    # --- requests about a room ---

    async def _in_room(
        self, request: Request, device: bytes | None, body: RoomBody, account: str
    ) -> AsyncGenerator[Frame]:
        if request.room is None:
            raise Refused("bad_request", "The request does not say which room it is about.")
        async with self._open(request.room, request, device) as room:
            asker = await self._admit(room, request, device)
            user = asker.user
            node = getattr(body, "node", None)
            authorise(published(room.state), action_of(body, published(room.state)), user, node)
            if isinstance(body, COUNTED + COSTLY):
                bound = isinstance(body, UnbindKey) and body.key in room.state.keys.get(user, ())
                size = 0 if bound or isinstance(body, COSTLY) else room.state.size
                self._meter.event(room.id, user, size, self._monotonic())
            again: RoomBody
            if isinstance(body, ReadStatus) and body.after is not UNSET:
                growth, again = room.growth, ReadStatus()
            elif isinstance(body, AwaitJob):
                async with aclosing(self._executor.watch(room, body.node, user, body.job)) as changes:
                    async for progress in changes:
                        yield progress
                if body.fetch is not True:
                    yield await self._answer(room, request, Done())
                    return
                again = FetchResult(node=body.node, job=body.job)
            else:
                async with room.lock:
                    answer = await self._answer(room, request, await self._requests.decide(room, asker, body, account))
                yield answer
                return
        if isinstance(body, ReadStatus) and body.after is not UNSET:
            del room  # to wait for it keeps no room in memory
            with self._meter.watching(account or user):
                await growth.beyond(body.after, self._meter.allowed.watching_seconds)
        # Whoever was let in before the wait may have lost the right to the answer since: all is asked anew.
        async with aclosing(self._in_room(request, device, again, account)) as frames:
            async for frame in frames:
                yield frame

    @staticmethod
    async def _answer(
        room: Room, request: Request, body: Done | RoomContent | RoomStatus | Dataset | Result | Log
    ) -> Answer:
        checkpoint, consistency = await room.proven(request.seen)
        return Answer(body=body, checkpoint=checkpoint, consistency=consistency, restored=room.state.restored or UNSET)
