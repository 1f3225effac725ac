"""Every message between clients, enclave and workers: one typed union each way.

They travel sealed (`cloister.formats.sealed`) as JSON. A request is answered by any number of `Progress` frames and
one last `Answer` or `Refusal`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloister.errors import Refused
from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Bytes32, Email, Hex32, Record, Size, canonical, pack, sha256
from cloister.formats.sealed import SignedKeys
from cloister.rooms.definition import ImageReference, Reference
from cloister.rooms.events import Restored
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import TextFile
from cloister.rooms.vault import ItemName
from cloister.trust.evidence import Evidence

MAX_REQUEST = 32 * 1024 * 1024
"""Bytes of a sealed message; the relay and the enclave refuse longer ones."""
ACCOUNT_HEADER = "Cloister-Account"
"""By which the hub tells its accounts apart before the enclave: a pseudonym that changes with each start of the hub."""
MAX_BLOBS = 1000
"""In one `Blobs`."""


class EnclaveEvidence(Record, frozen=True, kw_only=True):
    """What the enclave shows to anyone who sends a nonce, in the clear."""

    evidence: Evidence
    """Binds the nonce and the digest of the keys."""
    keys: SignedKeys


class Blobs(Record, frozen=True, kw_only=True):
    """What the hub asks the enclave, in the clear: which of these blobs are still of use?"""

    blobs: Annotated[tuple[Hex32, ...], msgspec.Meta(max_length=MAX_BLOBS)]


class Held(Record, frozen=True, kw_only=True):
    """Those that are: some room or vault has the key to them. Anything but this answer means that all are."""

    held: tuple[Hex32, ...]


# --- what clients ask -------------------------------------------------------------------------------------------


class Describe(Record, frozen=True, kw_only=True, tag_field="type", tag="describe"):
    """What this enclave is and which images its workers offer. Answered with `Description`."""


class PublishRoom(Record, frozen=True, kw_only=True, tag_field="type", tag="publish_room"):
    """Publishes a room; the asker must be its owner. Answered with `Done`; asking twice is no error."""

    definition: bytes
    """Canonical JSON."""


class RetrieveRoom(Record, frozen=True, kw_only=True, tag_field="type", tag="retrieve_room"):
    """Answered with `RoomContent`."""


class ReadStatus(Record, frozen=True, kw_only=True, tag_field="type", tag="read_status"):
    """Answered with `RoomStatus`."""


class AttachDataset(Record, frozen=True, kw_only=True, tag_field="type", tag="attach_dataset"):
    """Answered with `Done`."""

    node: str
    manifest: Manifest
    key: Bytes32
    """Kept sealed beside the log; deleted when the dataset is removed."""
    request: Hex32
    """Chosen by the caller; a request that is delivered again, ever so late, changes nothing."""


class RemoveDataset(Record, frozen=True, kw_only=True, tag_field="type", tag="remove_dataset"):
    """Answered with `Done`."""

    node: str
    request: Hex32
    """As in `AttachDataset`."""


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


# --- what users ask of their vaults -----------------------------------------------------------------------------


class OpenVault(Record, frozen=True, kw_only=True, tag_field="type", tag="open_vault"):
    """Opens a vault, which comes to be where it isn't there yet. Answered with `VaultStatus`."""

    definition: bytes
    """Canonical JSON."""


class PutItem(Record, frozen=True, kw_only=True, tag_field="type", tag="put_item"):
    """Puts an item into the vault. Answered with `Done`.

    A request that is delivered again, ever so late, changes nothing: it creates what isn't there, once, or replaces
    the very revision that it names.
    """

    item: ItemName
    value: bytes
    request: Hex32
    """Chosen by the caller; the item's revision from then on."""
    replaces: Hex32 | None = None
    """The revision that it takes the place of; None for an item that isn't there."""
    blob: Hex32 | None = None
    """What the hub is to keep for as long as the item is there."""


class ReadItem(Record, frozen=True, kw_only=True, tag_field="type", tag="read_item"):
    """Answered with `Items`: the one item."""

    item: ItemName


class ListItems(Record, frozen=True, kw_only=True, tag_field="type", tag="list_items"):
    """Answered with `Items`: those of one kind, in the order of their names; as many as fit into an answer."""

    kind: Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{1,32}\Z")]
    after: str = ""
    """The name that the list goes on behind."""


class RemoveItem(Record, frozen=True, kw_only=True, tag_field="type", tag="remove_item"):
    """Answered with `Done`, also where the item is not there."""

    item: ItemName
    revision: Hex32
    """The one that is meant: an item that was put there since stays."""


class AdmitDevice(Record, frozen=True, kw_only=True, tag_field="type", tag="admit_device"):
    """Lets another of the user's devices see the keys that are kept. Answered with `Done`."""

    key: Hex32


class DismissDevice(Record, frozen=True, kw_only=True, tag_field="type", tag="dismiss_device"):
    """Puts a device out of the vault, for good. Answered with `Done`."""

    key: Hex32


# --- what workers ask -------------------------------------------------------------------------------------------


class GetNonce(Record, frozen=True, kw_only=True, tag_field="type", tag="get_nonce"):
    """Answered with `Nonce`."""


class PullTask(Record, frozen=True, kw_only=True, tag_field="type", tag="pull_task"):
    """Asks for one task. Answered with `Accepted`, then with `SealedTask` as soon as there is one.

    The response stays open while the task runs: it is the worker's lease. If it breaks, the enclave takes the worker
    for lost and the worker takes the task for withdrawn. It ends with `Done` once the report has arrived.
    """

    evidence: Evidence
    """Binds the nonce and `offer_digest`."""
    nonce: Bytes32
    key: bytes
    """Fresh X-Wing key; the task is sealed to it."""
    images: tuple[ImageReference, ...]
    """All that it can run. Of several with the same name the first is the one for new rooms."""
    only_room: Hex32 | None = None
    """The one room that this worker takes tasks of, as those do that serve one room until they are started anew."""
    limits: Limits | UnsetType = UNSET
    """The most that it allows a computation; without it, as much as one asks for."""


def offer_digest(
    key: bytes,
    images: tuple[ImageReference, ...],
    only_room: str | None,
    limits: Limits | UnsetType = UNSET,
) -> bytes:
    """What a worker's evidence vouches for, 32 bytes: its key, and all that it says of itself in `PullTask`."""
    said = {"images": images, "only_room": only_room} | ({} if limits is UNSET else {"limits": limits})
    return sha256(pack("cloister/worker-offer/v1", key, canonical(said)))


WorkerBody = GetNonce | PullTask
RoomBody = (
    RetrieveRoom
    | ReadStatus
    | AttachDataset
    | RemoveDataset
    | RunComputation
    | AwaitJob
    | CancelJob
    | FetchResult
    | ReadLog
    | StopRoom
    | UnbindKey
)
VaultBody = OpenVault | PutItem | ReadItem | ListItems | RemoveItem | AdmitDevice | DismissDevice
RequestBody = Describe | PublishRoom | RoomBody | VaultBody | WorkerBody


class Request(Record, frozen=True, kw_only=True):
    """What is sealed and, but for workers and `Describe`, signed by a device key."""

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


# --- answers ----------------------------------------------------------------------------------------------------


class Done(Record, frozen=True, kw_only=True, tag_field="type", tag="done"):
    """It is so."""


class Description(Record, frozen=True, kw_only=True, tag_field="type", tag="description"):
    """The reference values for new rooms."""

    enclaves: tuple[Reference, ...]
    workers: tuple[Reference, ...]
    images: tuple[ImageReference, ...]


class RoomContent(Record, frozen=True, kw_only=True, tag_field="type", tag="room_content"):
    definition: bytes
    """Canonical JSON; its SHA-256 is the room's id."""


class BoundKey(Record, frozen=True, kw_only=True):
    user: Email
    key: Hex32


class Attached(Record, frozen=True, kw_only=True):
    node: str
    manifest: Hex32


class RoomStatus(Record, frozen=True, kw_only=True, tag_field="type", tag="room_status"):
    stopped: bool
    attached: tuple[Attached, ...]
    keys: tuple[BoundKey, ...]
    """The device keys that speak for the participants: look before you attach data."""


class Result(Record, frozen=True, kw_only=True, tag_field="type", tag="result"):
    manifest: Manifest
    key: Bytes32
    name: str
    """File name to hand it out under."""
    receipt: bytes
    """DSSE JSON; can be shared."""
    commitment: Bytes32
    """HMAC-SHA256 of the plaintext under the result key: for its analyst alone."""


class Log(Record, frozen=True, kw_only=True, tag_field="type", tag="log"):
    events: tuple[bytes, ...]
    """Canonical JSON, in order: leaves of the Merkle tree of the checkpoint beside them. Where they end before the
    log does, the rest is asked for from there on."""


class VaultDevice(Record, frozen=True, kw_only=True):
    """A device that may open the vault."""

    key: Hex32
    bound_at: Size
    """Milliseconds since 1970."""
    admitted: bool
    """Whether it may see keys that other devices have put."""


class VaultStatus(Record, frozen=True, kw_only=True, tag_field="type", tag="vault_status"):
    devices: tuple[VaultDevice, ...]
    """In the order in which they came."""


class Item(Record, frozen=True, kw_only=True):
    item: ItemName
    revision: Hex32
    value: bytes


class Items(Record, frozen=True, kw_only=True, tag_field="type", tag="items"):
    items: tuple[Item, ...]
    more: bool = False
    """Whether the list goes on behind the last of them."""


class Nonce(Record, frozen=True, kw_only=True, tag_field="type", tag="nonce"):
    nonce: Bytes32


class Accepted(Record, frozen=True, kw_only=True, tag_field="type", tag="accepted"):
    """The worker's evidence was appraised and accepted; a task will come."""


class SealedTask(Record, frozen=True, kw_only=True, tag_field="type", tag="sealed_task"):
    """A `Task`, sealed to the worker's key."""

    id: Hex32
    sealed: bytes


class Progress(Record, frozen=True, kw_only=True, tag_field="frame", tag="progress"):
    """Not the last frame."""

    body: Accepted | SealedTask | None = None
    node: str = ""
    status: Literal["", "queued", "running", "finished"] = ""
    """For `AwaitJob`: what has just become of ``node``."""
    waiting_for: str | UnsetType = UNSET
    """What a queued computation waits for, in words."""


class Answer(Record, frozen=True, kw_only=True, tag_field="frame", tag="answer"):
    """The last frame, where all went well."""

    body: Done | Description | RoomContent | RoomStatus | Result | Log | VaultStatus | Items | Nonce
    checkpoint: str | None = None
    """The signed checkpoint of the room or vault after the request; None where it was about neither."""
    consistency: tuple[bytes, ...] = ()
    """RFC 6962 proof from ``seen`` of the request to the checkpoint."""
    restored: Restored | UnsetType = UNSET
    """The last time that the operator has declared to have put back an old copy of the room's log, if ever."""


class Refusal(Record, frozen=True, kw_only=True, tag_field="frame", tag="refusal"):
    """The last frame, where it didn't."""

    code: Literal["not_found", "forbidden", "bad_request", "conflict", "busy", "failed", "rejected"]
    message: str
    retry_seconds: Size | UnsetType = UNSET
    """When to try again, where that helps and is known."""


Frame = Progress | Answer | Refusal


# --- tasks ------------------------------------------------------------------------------------------------------


class TaskInput(Record, frozen=True, kw_only=True):
    """One dependency: a dataset or a result, and where the script finds it."""

    mount: str
    """Name below /input."""
    kind: Literal["file", "zip"]
    """``file``: the plaintext is the file itself; ``zip``: the plaintext's members lie in a folder of that name."""
    manifest: Manifest
    key: Bytes32


class Task(Record, frozen=True, kw_only=True):
    """All that a worker learns: one computation, its inputs and keys, and the key for its result."""

    version: Literal[1] = 1
    id: Hex32
    room: Hex32
    kind: Literal["python", "r"]
    name: str
    """Of the computation."""
    script: str
    files: tuple[TextFile, ...]
    inputs: tuple[TaskInput, ...]
    image: ImageReference
    limits: Limits
    logs_on_error: bool
    logs_on_success: bool
    result: Hex32
    """Id of the blob that the result is to be stored under."""
    result_key: Bytes32
    report_key: Bytes32
    """The report is sealed with it."""


class Finished(Record, frozen=True, kw_only=True, tag_field="type", tag="finished"):
    manifest: Manifest
    commitment: Bytes32


class Failed(Record, frozen=True, kw_only=True, tag_field="type", tag="failed"):
    message: str
    """A safe error: says nothing that depends on the data but where the script failed."""
    log: str = ""
    """The console, where the definition's ``logs_on_error`` says so: for the analysts of that node alone."""


class Unable(Record, frozen=True, kw_only=True, tag_field="type", tag="unable"):
    """The worker, not the script, is at fault: the task may be given to another."""

    message: str


class HandedBack(Record, frozen=True, kw_only=True, tag_field="type", tag="handed_back"):
    """The worker is to end and can't bring the task to an end before: another is to have it, at once."""


class Report(Record, frozen=True, kw_only=True):
    """What became of a task."""

    version: Literal[1] = 1
    outcome: Finished | Failed | Unable | HandedBack


def refusal(error: Refused) -> Refusal:
    """A refusal as it is sent."""
    known = {} if error.retry_seconds is None else {"retry_seconds": error.retry_seconds}
    return msgspec.convert({"frame": "refusal", "code": error.code, "message": error.message, **known}, Refusal)
