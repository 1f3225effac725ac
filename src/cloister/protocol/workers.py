"""Between enclave and workers: how a worker gets a task, all that it learns by it, and how it reports."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Bytes32, Hex32, Record, canonical, pack, sha256
from cloister.rooms.definition import ImageReference
from cloister.rooms.environments import Lock
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import TextFile
from cloister.trust.evidence import Evidence


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


class Nonce(Record, frozen=True, kw_only=True, tag_field="type", tag="nonce"):
    nonce: Bytes32


class Accepted(Record, frozen=True, kw_only=True, tag_field="type", tag="accepted"):
    """The worker's evidence was appraised and accepted; a task will come."""


class SealedTask(Record, frozen=True, kw_only=True, tag_field="type", tag="sealed_task"):
    """A `Task`, sealed to the worker's key."""

    id: Hex32
    sealed: bytes


class TaskInput(Record, frozen=True, kw_only=True):
    """One dependency: a dataset or a result, and where the script finds it."""

    mount: str
    """Name below /input."""
    kind: Literal["file", "zip", "table"]
    """``file``: the plaintext is the file itself; ``zip``: the plaintext's members lie in a folder of that name;
    ``table``: so too, but only if its report says that it is valid."""
    manifest: Manifest
    key: Bytes32


NO_ROOM = "00" * 32
"""The room of tasks that belong to none."""


class TaskEnvironment(Record, frozen=True, kw_only=True):
    """Python packages: to be installed, or found by a script."""

    requirements: str
    lock: Lock
    limits: Limits
    """Of installing them."""


class TaskResult(Record, frozen=True, kw_only=True):
    """Where to store something, and under which key."""

    blob: Hex32
    key: Bytes32


class Task(Record, frozen=True, kw_only=True):
    """All that a worker learns: one computation, its inputs and keys, and the key for its result."""

    version: Literal[1] = 1
    id: Hex32
    room: Hex32
    kind: Literal["python", "r", "program", "python_environment", "resolve"]
    """``program``: one of Cloister's own, which ``script`` starts; ``python_environment``: install packages and tell
    which; ``resolve``: lock requirements, for no room."""
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
    environment: TaskEnvironment | UnsetType = UNSET
    """What to install or to resolve, or what the script finds installed."""
    withheld: TaskResult | UnsetType = UNSET
    """Where what lies below /output/.withheld is to be stored, apart from the result."""


class Finished(Record, frozen=True, kw_only=True, tag_field="type", tag="finished"):
    manifest: Manifest
    commitment: Bytes32
    withheld: Manifest | UnsetType = UNSET
    """Of what is for later computations alone."""


class Failed(Record, frozen=True, kw_only=True, tag_field="type", tag="failed"):
    message: str
    """A safe error: says nothing that depends on the data but where the script failed."""
    log: str = ""
    """The console, where the definition's ``logs_on_error`` says so: for the analysts of that node alone."""
    unread: Literal[True] | UnsetType = UNSET
    """It had not begun: an input couldn't be used."""


class Resolved(Record, frozen=True, kw_only=True, tag_field="type", tag="resolved"):
    """Of a task that is to ``resolve``."""

    lock: Lock


class Unable(Record, frozen=True, kw_only=True, tag_field="type", tag="unable"):
    """The worker, not the script, is at fault: the task may be given to another."""

    message: str


class HandedBack(Record, frozen=True, kw_only=True, tag_field="type", tag="handed_back"):
    """The worker is to end and can't bring the task to an end before: another is to have it, at once."""


class Report(Record, frozen=True, kw_only=True):
    """What became of a task."""

    version: Literal[1] = 1
    outcome: Finished | Failed | Resolved | Unable | HandedBack
