"""What a request about a room leads to, once it is known who asks and that they may: events, and what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import UNSET, UnsetType

from cloister.enclave.admission import Asker
from cloister.enclave.execution import Executor
from cloister.enclave.limits import Meter
from cloister.enclave.room import Room
from cloister.enclave.tasks import StoredDataset, dataset_of, result_of
from cloister.errors import Refused, VerificationError
from cloister.formats.dataset import Manifest, check_key, check_manifest
from cloister.protocol import (
    AttachDataset,
    Attached,
    AwaitJob,
    BoundKey,
    CancelJob,
    Dataset,
    Done,
    FetchDataset,
    FetchResult,
    Log,
    ReadLog,
    ReadStatus,
    RemoveDataset,
    Result,
    RetrieveRoom,
    RoomBody,
    RoomContent,
    RoomStatus,
    RunComputation,
    Spent,
    StopRoom,
    UnbindKey,
)
from cloister.rooms import decisions
from cloister.rooms.decisions import published
from cloister.rooms.events import LogRead, ResultFetched
from cloister.rooms.nodes import PreviewNode, TableDataNode
from cloister.rooms.planning import derived
from cloister.rooms.state import Run

LOG_BYTES = 8 * 1024 * 1024
"""Of events in one answer; the rest is asked for."""


class Requests:
    """Decides for all rooms, one request of a room at a time."""

    def __init__(self, executor: Executor, clock: Callable[[], int], meter: Meter) -> None:
        self._executor = executor
        self._clock = clock
        self._meter = meter

    async def decide(
        self, room: Room, asker: Asker, body: RoomBody, account: str
    ) -> Done | RoomContent | RoomStatus | Dataset | Result | Log:
        """Decides, and appends what follows. The room's lock is held.

        Raises:
            Refused: it may not happen.
            LogTampered: a secret was changed in the store.
            StoreFailed: as `Room.append`.
        """
        state, user = room.state, asker.user
        match body:
            case RetrieveRoom():
                return RoomContent(definition=await asyncio.to_thread(published(state).canonical))
            case ReadStatus():
                return self._status(room)
            case AttachDataset():
                return await self._attach(room, user, body)
            case RemoveDataset(node=node, request=request):
                try:
                    for event in decisions.remove(state, node, request):
                        await room.append(room.prepare(user, event, self._clock()), delete=self._secrets_of(room, node))
                finally:
                    # Whoever has asked may have gone while it was written, now or when it was first asked.
                    self._executor.withdraw(room)
                return Done()
            case FetchDataset(node=node):
                shown = decisions.fetch_dataset(state, node, asker.key)
                data = dataset_of(room, node)
                if data is None:
                    raise Refused("failed", f"The key of {node!r} is gone. Remove its data and attach it again.")
                await room.append(room.prepare(user, shown, self._clock()))
                return Dataset(manifest=data.manifest, key=data.key)
            case RunComputation(node=node, job=job, lost=lost):
                for event in decisions.lose(state, node, lost) if lost is not UNSET else ():
                    gone = [f"result/{lost}", f"withheld/{lost}"]
                    await room.append(room.prepare(user, event, self._clock()), delete=gone)
                self._executor.start(room, node, user, job, account)
                return Done()
            case CancelJob(job=job):
                self._executor.cancel(room, user, job)
                return Done()
            case FetchResult(node=node, job=job):
                run = decisions.fetch(state, room.id, node, self._executor.run_of(room, node, job) if job else None)
                return await self._fetch(room, asker, node, run)
            case ReadLog(start=start):
                size = state.size + 1
                await room.append(room.prepare(user, LogRead(size=size), self._clock()))
                return Log(events=await asyncio.to_thread(room.events, start, LOG_BYTES))
            case StopRoom():
                try:
                    for event in decisions.stop(state):
                        await room.append(room.prepare(user, event, self._clock()), delete=self._all_keys(room))
                finally:
                    self._executor.withdraw(room)
                return Done()
            case UnbindKey(key=key):
                for event in decisions.unbind(state, user, key, asker.key):
                    await room.append(room.prepare(user, event, self._clock()))
                return Done()
            case AwaitJob():
                raise AssertionError("watched without the lock")

    async def _attach(self, room: Room, user: str, body: AttachDataset) -> Done:
        # 1. The node is free.
        if not decisions.attachable(room.state, body.node, body.request):
            return Done()
        # 2. The manifest makes sense and the key is the dataset's. It may have as many parts as fit into a message.
        try:
            digest = await asyncio.to_thread(_checked, body.manifest, body.key)
        except VerificationError as error:
            raise Refused("bad_request", str(error)) from None
        for event in decisions.attach(room.state, body.node, digest, body.request, body.readers or ()):
            # 3. The room has space for it. The log tells no sizes, so they are those of what is there.
            self._meter.attachment(await asyncio.to_thread(_attached, room), _ciphertext(body.manifest))
            stored = StoredDataset(manifest=body.manifest, key=body.key)
            await room.append(
                room.prepare(user, event, self._clock()),
                put={f"dataset/{body.node}": stored},
                holds={f"dataset/{body.node}": body.manifest.dataset},
            )
        return Done()

    async def _fetch(self, room: Room, asker: Asker, node: str, run: Run) -> Result:
        user, definition_node = asker.user, published(room.state).node(node)
        if isinstance(definition_node, TableDataNode):
            decisions.fetch_table(room.state, node, asker.key)
        stored = result_of(room, run)
        if stored is None:
            raise Refused("failed", f"The key of this result is gone. Run {node!r} again.")
        spent: int | UnsetType = UNSET
        if isinstance(definition_node, PreviewNode):
            spent = decisions.preview(room.state, user, definition_node, run.id, stored.manifest.size)
        await room.append(room.prepare(user, ResultFetched(run=run.id, node=node, spent=spent), self._clock()))
        return Result(
            manifest=stored.manifest,
            key=stored.key,
            name=f"{definition_node.name if definition_node else node}.zip",
            receipt=stored.receipt,
            commitment=stored.commitment,
        )

    @staticmethod
    def _secrets_of(room: Room, data_node: str) -> list[str]:
        """Names of the secrets that end with a dataset: its own, and those of everything derived from it."""
        reading = derived(published(room.state), data_node)
        runs = [run.id for run in room.state.runs.values() if run.node in reading]
        return [
            f"dataset/{data_node}",
            *(f"{kind}/{run}" for run in runs for kind in ("result", "withheld", "failure")),
        ]

    @staticmethod
    def _all_keys(room: Room) -> list[str]:
        """Names of the secrets that nobody can ask for any more once the room is stopped."""
        state = room.state
        results = [f"{kind}/{run}" for run in state.results.values() for kind in ("result", "withheld")]
        failures = [f"failure/{run}" for run in state.runs]
        return [*(f"dataset/{node}" for node in state.attached), *results, *failures]

    @staticmethod
    def _status(room: Room) -> RoomStatus:
        state = room.state
        return RoomStatus(
            stopped=state.stopped,
            attached=tuple(Attached(node=node, manifest=digest) for node, digest in sorted(state.attached.items())),
            keys=tuple(
                BoundKey(user=user, key=key) for user, keys in sorted(state.keys.items()) for key in sorted(keys)
            ),
            privacy=tuple(
                Spent(node=node, epsilon=float(spent)) for node, spent in sorted(state.privacy.items()) if spent
            )
            or UNSET,
        )


def _checked(manifest: Manifest, key: bytes) -> str:
    """The digest of a manifest that makes sense, and that the key belongs to."""
    check_manifest(manifest)
    check_key(key, manifest)
    return manifest.digest()


def _attached(room: Room) -> int:
    """How many bytes the hub keeps of all that is attached. Nothing changes in the room meanwhile."""
    others = (dataset_of(room, node) for node in room.state.attached)
    return sum(_ciphertext(other.manifest) for other in others if other is not None)


def _ciphertext(manifest: Manifest) -> int:
    """How many bytes the hub keeps of a dataset."""
    return sum(part.size for part in manifest.parts)
