"""What the enclave answers: any number of `Progress` frames, then one last `Answer` or `Refusal`."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloister.errors import Refused
from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Bytes32, Email, Hex32, Record, Size
from cloister.protocol.vaults import Items, VaultStatus
from cloister.protocol.workers import Accepted, Nonce, SealedTask
from cloister.rooms.definition import ImageReference, Reference
from cloister.rooms.environments import Lock
from cloister.rooms.events import Restored


class Done(Record, frozen=True, kw_only=True, tag_field="type", tag="done"):
    """It is so."""


class Description(Record, frozen=True, kw_only=True, tag_field="type", tag="description"):
    """The reference values for new rooms."""

    enclaves: tuple[Reference, ...]
    workers: tuple[Reference, ...]
    images: tuple[ImageReference, ...]


class ResolvedEnvironment(Record, frozen=True, kw_only=True, tag_field="type", tag="resolved_environment"):
    lock: Lock
    """To stand in the room's definition."""


class RoomContent(Record, frozen=True, kw_only=True, tag_field="type", tag="room_content"):
    definition: bytes
    """Canonical JSON; its SHA-256 is the room's id."""


class BoundKey(Record, frozen=True, kw_only=True):
    user: Email
    key: Hex32


class Attached(Record, frozen=True, kw_only=True):
    node: str
    manifest: Hex32


class Spent(Record, frozen=True, kw_only=True):
    """What the runs of a room have cost the privacy of one data node."""

    node: str
    epsilon: float


class RoomStatus(Record, frozen=True, kw_only=True, tag_field="type", tag="room_status"):
    stopped: bool
    attached: tuple[Attached, ...]
    keys: tuple[BoundKey, ...]
    """The device keys that speak for the participants: look before you attach data."""
    privacy: tuple[Spent, ...] | UnsetType = UNSET
    """The privacy ledger: of each data node that runs have cost anything."""


class Dataset(Record, frozen=True, kw_only=True, tag_field="type", tag="dataset"):
    manifest: Manifest
    key: Bytes32


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

    body: (
        Done
        | Description
        | ResolvedEnvironment
        | RoomContent
        | RoomStatus
        | Dataset
        | Result
        | Log
        | VaultStatus
        | Items
        | Nonce
    )
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


def refusal(error: Refused) -> Refusal:
    """A refusal as it is sent."""
    known = {} if error.retry_seconds is None else {"retry_seconds": error.retry_seconds}
    return msgspec.convert({"frame": "refusal", "code": error.code, "message": error.message, **known}, Refusal)
