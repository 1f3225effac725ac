"""The permission matrix: who asks, and for what. The expectations come from the one table in `rooms.permissions`.

In-process tests and tests over the wire ask the same questions of the same room:

    data: patients (required, attached), notes (optional, empty), lab (optional, empty),
        cohort (a table, optional, attached and validated)
    computations: joined (patients, lab), finished; other (lab)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum, auto

from cloister.formats.dataset import Part, encrypt_part, make_manifest
from cloister.formats.encoding import sha256
from cloister.protocol import (
    AttachDataset,
    AwaitJob,
    CancelJob,
    FetchDataset,
    FetchResult,
    ReadLog,
    ReadStatus,
    RemoveDataset,
    RetrieveRoom,
    RoomBody,
    RunComputation,
    StopRoom,
    UnbindKey,
)
from cloister.rooms.permissions import PERMISSIONS, Action, Role


class Credentials(Enum):
    """How somebody asks."""

    BOUND = auto()
    """With a device key that is bound to their email."""
    NO_SIGNATURE = auto()
    """Without signing."""
    NO_TOKEN = auto()
    """With a device key that is bound to nobody, and without an identity token."""
    OTHER_TOKEN = auto()
    """With such a key, and an identity token of somebody who isn't in the room."""
    STOLEN_TOKEN = auto()
    """With such a key, and the true identity token of the user for another device."""
    EXPIRED_TOKEN = auto()
    """With such a key, and an identity token for it that has expired."""
    EARLY_TOKEN = auto()
    """With such a key, and an identity token for it that is not valid yet."""
    FOREIGN_TOKEN = auto()
    """With such a key, and an identity token for it by an issuer that the room doesn't pin."""
    OTHER_USER = auto()
    """With a key that is bound to another participant."""
    FRESH_TOKEN = auto()
    """With a key that is bound to nobody, and a good identity token."""


TABLE = "cohort"
"""The data node that is a table."""

OWNER, HOSPITAL, LAB, ANALYST, OTHER_ANALYST, GUEST, ALL, OUTSIDER = (
    f"{name}@matrix.example"
    for name in ("owner", "hospital", "lab", "analyst", "other-analyst", "guest", "all", "outsider")
)

ROLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    OWNER: ((), ()),
    HOSPITAL: (("patients", "notes", TABLE), ()),
    LAB: (("lab",), ()),
    ANALYST: ((), ("joined",)),
    OTHER_ANALYST: ((), ("other",)),
    GUEST: ((), ()),
    ALL: (("patients", "notes", TABLE), ("joined",)),
}
"""Participant to the data nodes they own and the computations they are analyst of. The first owns the room."""


@dataclass(frozen=True)
class Asker:
    """Somebody, and what the table's roles say of them where the node is the one that is asked about."""

    name: str
    email: str
    held: frozenset[Role] = frozenset()
    """On the room and on the nodes that `REQUESTS` name. Empty for everybody whom the enclave must not know."""
    credentials: Credentials = Credentials.BOUND


def _participant(name: str, email: str, *more: Role, credentials: Credentials = Credentials.BOUND) -> Asker:
    return Asker(name, email, frozenset({Role.PARTICIPANT, *more}), credentials)


ASKERS = (
    _participant("owner", OWNER, Role.OWNER),
    _participant("data owner of the node", HOSPITAL, Role.DATA_OWNER),
    _participant("data owner of another node", LAB),
    _participant("analyst of the node", ANALYST, Role.ANALYST),
    _participant("analyst of another node", OTHER_ANALYST),
    _participant("plain participant", GUEST),
    _participant("data owner and analyst", ALL, Role.DATA_OWNER, Role.ANALYST),
    _participant("analyst on a second device", ANALYST, Role.ANALYST, credentials=Credentials.FRESH_TOKEN),
    Asker("outsider with a token", OUTSIDER, credentials=Credentials.FRESH_TOKEN),
    Asker("nobody", "", credentials=Credentials.NO_SIGNATURE),
    *(
        Asker(f"{who}, {credentials.name.lower().replace('_', ' ')}", email, credentials=credentials)
        for who, email in (("as owner", OWNER), ("as data owner", HOSPITAL), ("as analyst", ANALYST))
        for credentials in Credentials
        if credentials not in (Credentials.BOUND, Credentials.FRESH_TOKEN)
    ),
)

NOWHERE = "nowhere"
JOB = "ab" * 32
"""The job that has computed ``joined``."""
TABLE_JOB = "cd" * 32
"""The job that has validated the table."""

REQUESTS: dict[str, tuple[type[RoomBody], Action, str | None]] = {
    "retrieve room": (RetrieveRoom, Action.READ_DEFINITION, None),
    "read status": (ReadStatus, Action.READ_STATUS, None),
    "attach dataset": (AttachDataset, Action.ATTACH, "notes"),
    "remove dataset": (RemoveDataset, Action.REMOVE, "patients"),
    "fetch dataset": (FetchDataset, Action.FETCH_DATASET, "patients"),
    "run computation": (RunComputation, Action.RUN, "joined"),
    "await job": (AwaitJob, Action.RUN, "joined"),
    "cancel job": (CancelJob, Action.RUN, "joined"),
    "fetch result": (FetchResult, Action.FETCH_RESULT, "joined"),
    "validate table": (RunComputation, Action.VALIDATE, TABLE),
    "await validation": (AwaitJob, Action.VALIDATE, TABLE),
    "cancel validation": (CancelJob, Action.VALIDATE, TABLE),
    "fetch table": (FetchResult, Action.FETCH_TABLE, TABLE),
    "read log": (ReadLog, Action.READ_LOG, None),
    "stop room": (StopRoom, Action.STOP, None),
    "unbind key": (UnbindKey, Action.UNBIND_KEY, None),
}
"""Every request about a room, what the table calls it, and the node that it is about. The kinds of nodes are those that
the askers' roles are on."""


def make(kind: type[RoomBody], node: str | None) -> RoomBody:
    """A request of that kind."""
    if kind is UnbindKey:
        return UnbindKey(key=os.urandom(32).hex())
    if node is None:
        return kind()  # type: ignore[call-arg]  # those without a node have no fields
    if kind is AttachDataset:
        return attach(node)
    if kind is RemoveDataset:
        return RemoveDataset(node=node, request=os.urandom(32).hex())
    if kind is FetchDataset:
        return FetchDataset(node=node)
    if kind is RunComputation:
        return RunComputation(node=node, job=os.urandom(32).hex())
    if kind is AwaitJob:
        return AwaitJob(node=node, job=TABLE_JOB if node == TABLE else JOB)
    if kind is CancelJob:
        return CancelJob(node=node, job=os.urandom(32).hex())
    assert kind is FetchResult
    return FetchResult(node=node)


def attach(node: str) -> AttachDataset:
    """Attaches an empty dataset, whose ciphertext lies nowhere."""
    key, blob = os.urandom(32), os.urandom(32).hex()
    ciphertext = encrypt_part(key, blob, 0, last=True, plaintext=b"")
    part = Part(size=len(ciphertext), sha256=sha256(ciphertext).hex())
    manifest = make_manifest(key, blob, 0, [part])
    return AttachDataset(node=node, manifest=manifest, key=key, request=os.urandom(32).hex())


def expected(asker: Asker, action: Action) -> str:
    """What the table says: ``allowed``, ``forbidden``, or ``not_found`` for those whom the enclave must not know."""
    if not asker.held:
        return "not_found"
    return "allowed" if asker.held & PERMISSIONS[action] else "forbidden"
