"""What clients ask of the enclave about rooms, and what every request is sealed in."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Bytes32, Email, Hex32, Record, Size
from cloister.protocol.vaults import VaultBody
from cloister.protocol.workers import WorkerBody
from cloister.rooms.definition import ImageReference

MAX_READERS = 10_000
"""Device keys that one dataset may be attached for."""


class Describe(Record, frozen=True, kw_only=True, tag_field="type", tag="describe"):
    """What this enclave is and which images its workers offer. Answered with `Description`."""


class ResolveEnvironment(Record, frozen=True, kw_only=True, tag_field="type", tag="resolve_environment"):
    """Asks which Python packages fit, for a room that is to be published. Answered with `ResolvedEnvironment`."""

    image: ImageReference
    """One of the `Description`."""
    requirements: str
    """As a ``requirements.txt``; plain requirements only."""


class PublishRoom(Record, frozen=True, kw_only=True, tag_field="type", tag="publish_room"):
    """Publishes a room; the asker must be its owner. Answered with `Done`; asking twice is no error."""

    definition: bytes
    """Canonical JSON."""


class RetrieveRoom(Record, frozen=True, kw_only=True, tag_field="type", tag="retrieve_room"):
    """Answered with `RoomContent`."""


class ReadStatus(Record, frozen=True, kw_only=True, tag_field="type", tag="read_status"):
    """Answered with `RoomStatus`."""

    after: Size | UnsetType = UNSET
    """The size of a log that the asker has seen: the answer waits until there is more, though no longer than some
    seconds. Without it, it comes at once."""


class AttachDataset(Record, frozen=True, kw_only=True, tag_field="type", tag="attach_dataset"):
    """Answered with `Done`."""

    node: str
    manifest: Manifest
    key: Bytes32
    """Kept sealed beside the log; deleted when the dataset is removed."""
    request: Hex32
    """Chosen by the caller; a request that is delivered again, ever so late, changes nothing."""
    readers: Annotated[tuple[Hex32, ...], msgspec.Meta(max_length=MAX_READERS)] | UnsetType = UNSET
    """Device keys that may fetch the dataset, as far as they speak for data owners of the node by now: those that the
    caller has looked at. Without it none may."""


class RemoveDataset(Record, frozen=True, kw_only=True, tag_field="type", tag="remove_dataset"):
    """Answered with `Done`."""

    node: str
    request: Hex32
    """As in `AttachDataset`."""


class FetchDataset(Record, frozen=True, kw_only=True, tag_field="type", tag="fetch_dataset"):
    """Answered with `Dataset`: what a data owner of the node has attached, for the devices that it was attached for."""

    node: str


class RunComputation(Record, frozen=True, kw_only=True, tag_field="type", tag="run_computation"):
    """Starts what has to be computed. Answered with `Done` once all of it is planned and queued."""

    node: str
    job: Hex32
    """Chosen by the caller; sending the request again with the same one starts nothing more."""
    lost: Hex32 | UnsetType = UNSET
    """The run whose result the hub doesn't have any more: it is not to be taken as the answer."""


class AwaitJob(Record, frozen=True, kw_only=True, tag_field="type", tag="await_job"):
    """Answered with `Progress` at every change, and `Done` once the result can be fetched."""

    node: str
    job: Hex32
    fetch: bool | UnsetType = UNSET
    """Whether it is fetched then: the answer is that of `FetchResult`, as if that was asked for at that moment."""


class CancelJob(Record, frozen=True, kw_only=True, tag_field="type", tag="cancel_job"):
    """Ends what runs for a job that the asker has started. What other jobs wait for too goes on.

    Answered with `Done`, also where nothing (any more) runs for it: a result that is there by then can be fetched.
    """

    node: str
    job: Hex32


class FetchResult(Record, frozen=True, kw_only=True, tag_field="type", tag="fetch_result"):
    """Answered with `Result`."""

    node: str
    job: Hex32 | None = None
    """The run that this job led to; without it, the result over the data that is attached now."""


class ReadLog(Record, frozen=True, kw_only=True, tag_field="type", tag="read_log"):
    """Answered with `Log`. Reading is an event itself; the end of the log holds it too."""

    start: Size = 0
    """Index of the first event that is wanted."""


class StopRoom(Record, frozen=True, kw_only=True, tag_field="type", tag="stop_room"):
    """Answered with `Done`."""


class UnbindKey(Record, frozen=True, kw_only=True, tag_field="type", tag="unbind_key"):
    """Ends one of the asker's own device keys in the room, for good, also before it was ever bound. Answered with
    `Done`."""

    key: Hex32


RoomBody = (
    RetrieveRoom
    | ReadStatus
    | AttachDataset
    | RemoveDataset
    | FetchDataset
    | RunComputation
    | AwaitJob
    | CancelJob
    | FetchResult
    | ReadLog
    | StopRoom
    | UnbindKey
)
RequestBody = Describe | ResolveEnvironment | PublishRoom | RoomBody | VaultBody | WorkerBody


class Request(Record, frozen=True, kw_only=True):
    """What is sealed and, but for workers, `Describe` and `ResolveEnvironment`, signed by a device key."""

    version: Literal[1] = 1
    body: RequestBody
    room: Hex32 | None = None
    """The room, or the vault, that it is about."""
    user: Email | None = None
    """Who the device key speaks for, by the sender's word; the enclave checks it."""
    token: str | None = None
    """Identity token that binds the device key, where it may not be bound in this room yet."""
    seen: Size = 0
    """Size of the newest checkpoint of the room that the client has seen: the answer proves that it extends it."""
