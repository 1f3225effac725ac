"""What can happen in a room. The list of events is the room: its state, and its audit log.

No event says anything about content: they name ciphertext digests, nodes and people.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from cloister.formats.encoding import Email, Hex32, Record, Size
from cloister.formats.receipt import Attested, Input
from cloister.rooms.definition import Definition

ENCLAVE = "enclave"
"""The actor of events that no participant caused directly."""


class Published(Record, frozen=True, kw_only=True, tag_field="type", tag="published"):
    """The room came to be. Always the first event, and only that."""

    definition: Definition


class KeyBound(Record, frozen=True, kw_only=True, tag_field="type", tag="key_bound"):
    """From here on this device key speaks for this user."""

    user: Email
    key: Hex32
    issuer: str
    """The issuer whose identity token said so."""


class KeyUnbound(Record, frozen=True, kw_only=True, tag_field="type", tag="key_unbound"):
    """From here on this device key speaks for this user no more, and never will again."""

    user: Email
    key: Hex32


class DatasetAttached(Record, frozen=True, kw_only=True, tag_field="type", tag="dataset_attached"):
    node: str
    manifest: Hex32
    """Digest of the manifest, which lists digests of ciphertext."""
    request: Hex32
    """The caller's id of this request: one that is delivered again, ever so late, changes nothing."""
    readers: tuple[Hex32, ...] | UnsetType = UNSET
    """Device keys that may fetch it; without it none may."""


class DatasetRemoved(Record, frozen=True, kw_only=True, tag_field="type", tag="dataset_removed"):
    """The data is gone, with the keys of everything that was derived from it."""

    node: str
    manifest: Hex32
    request: Hex32
    """As in `DatasetAttached`."""


class DatasetFetched(Record, frozen=True, kw_only=True, tag_field="type", tag="dataset_fetched"):
    """A data owner of the node got what is attached there."""

    node: str
    manifest: Hex32


class RunStarted(Record, frozen=True, kw_only=True, tag_field="type", tag="run_started"):
    run: Hex32
    node: str
    cache_key: Hex32
    inputs: tuple[Input, ...]
    """Every data node that is read, directly or by way of other computations, and what was attached there."""
    epsilon: float | UnsetType = UNSET
    """The privacy that it costs each of them, unless it is voided, or fails before it has begun."""


class RunFinished(Record, frozen=True, kw_only=True, tag_field="type", tag="run_finished"):
    """The result may be fetched by those whom the definition names."""

    run: Hex32
    node: str
    manifest: Hex32
    worker: Attested
    withheld: Hex32 | UnsetType = UNSET
    """Digest of the manifest of what later computations alone may read of it."""


class RunFailed(Record, frozen=True, kw_only=True, tag_field="type", tag="run_failed"):
    """The computation did not end well. Why is for its analysts alone: how a script fails may depend on data."""

    run: Hex32
    node: str
    unspent: Literal[True] | UnsetType = UNSET
    """The privacy that it was to cost isn't spent: it had not begun, as an input couldn't be used."""


class RunVoided(Record, frozen=True, kw_only=True, tag_field="type", tag="run_voided"):
    """The run's result was never released and never will be."""

    run: Hex32
    node: str
    reason: Literal["input removed", "room stopped", "interrupted", "worker lost", "cancelled"]


class ResultLost(Record, frozen=True, kw_only=True, tag_field="type", tag="result_lost"):
    """By an analyst's word the hub doesn't have the result any more: it may be computed anew."""

    run: Hex32
    node: str


class ResultFetched(Record, frozen=True, kw_only=True, tag_field="type", tag="result_fetched"):
    run: Hex32
    node: str
    spent: Size | UnsetType = UNSET
    """Of a preview: how many bytes of the participant's quota that took. A result that they have had costs nothing."""


class LogRead(Record, frozen=True, kw_only=True, tag_field="type", tag="log_read"):
    size: Size
    """How many events were shown."""


class Stopped(Record, frozen=True, kw_only=True, tag_field="type", tag="stopped"):
    """Nothing can be attached, run or fetched any more."""


class Restored(Record, frozen=True, kw_only=True, tag_field="type", tag="restored"):
    """The operator has put back an old copy of the enclave's store: what followed the event before this one, if
    anything did, is lost. By the operator's word; the enclave can't tell."""

    restore: Hex32
    """Which restore it was; the same in all rooms."""
    declared: Size
    """When, in milliseconds since 1970, by the operator's clock."""


Body = (
    Published
    | KeyBound
    | KeyUnbound
    | DatasetAttached
    | DatasetRemoved
    | DatasetFetched
    | RunStarted
    | RunFinished
    | RunFailed
    | RunVoided
    | ResultLost
    | ResultFetched
    | LogRead
    | Stopped
    | Restored
)


class Event(Record, frozen=True, kw_only=True):
    """One entry of a room's log. Its canonical JSON is the leaf of the Merkle tree."""

    version: Literal[1] = 1
    time: Size
    """Milliseconds since 1970 by the enclave's host: best effort, never before the last event's."""
    actor: str
    """The participant whose request this follows from, or `ENCLAVE`."""
    body: Body
