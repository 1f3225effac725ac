"""One message of each kind, all fields filled: for the tests of the protocol and for its vectors."""

from __future__ import annotations

import msgspec

from cloister.formats.dataset import Manifest, Part
from cloister.formats.sealed import EnclaveKeys, SignedKeys
from cloister.protocol import (
    Accepted,
    AdmitDevice,
    Answer,
    AttachDataset,
    Attached,
    AwaitJob,
    BoundKey,
    CancelJob,
    Dataset,
    Describe,
    Description,
    DismissDevice,
    Done,
    EnclaveEvidence,
    Failed,
    FetchDataset,
    FetchResult,
    Finished,
    Frame,
    GetNonce,
    HandedBack,
    Item,
    Items,
    ListItems,
    Log,
    Nonce,
    OpenVault,
    Progress,
    PublishRoom,
    PullTask,
    PutItem,
    PutItems,
    ReadItem,
    ReadLog,
    ReadStatus,
    Refusal,
    RemoveDataset,
    RemoveItem,
    Report,
    Request,
    RequestBody,
    Resolved,
    ResolvedEnvironment,
    ResolveEnvironment,
    Result,
    RetrieveRoom,
    RoomContent,
    RoomStatus,
    RunComputation,
    SealedTask,
    StopRoom,
    Task,
    TaskEnvironment,
    TaskInput,
    Unable,
    UnbindKey,
    VaultDevice,
    VaultStatus,
)
from cloister.rooms.definition import ImageReference, Reference
from cloister.rooms.environments import LockedPackage
from cloister.rooms.events import Restored
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import TextFile
from cloister.trust.evidence import Evidence

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32
KEY = bytes(range(32))
MANIFEST = Manifest(dataset=A, size=20, parts=(Part(size=92, sha256=B),), commitment=C)
REFERENCE = Reference(evidence="insecure-software", measurement=A)
IMAGE = ImageReference(name="python", measurement=B)
LOCK = (LockedPackage(name="pandas", version="2.1.1", sha256=(A,)),)
EVIDENCE = Evidence(type="insecure-software", document=b"{}")

BODIES: tuple[RequestBody, ...] = (
    Describe(),
    ResolveEnvironment(image=IMAGE, requirements="pandas>=2\n"),
    PublishRoom(definition=b"{}"),
    RetrieveRoom(),
    ReadStatus(),
    AttachDataset(node="lab", manifest=MANIFEST, key=KEY, request=A),
    AttachDataset(node="lab", manifest=MANIFEST, key=KEY, request=A, readers=(B,)),
    RemoveDataset(node="lab", request=A),
    FetchDataset(node="lab"),
    RunComputation(node="report", job=A),
    RunComputation(node="report", job=A, lost=B),
    AwaitJob(node="report", job=A),
    AwaitJob(node="report", job=A, fetch=True),
    CancelJob(node="report", job=A),
    FetchResult(node="report", job=A),
    ReadLog(start=3),
    StopRoom(),
    UnbindKey(key=A),
    OpenVault(definition=b"{}"),
    PutItem(item=f"dataset/{A}", value=b"{}", request=B, replaces=C, blob=A),
    PutItems(items=(PutItem(item=f"key/{A}", value=KEY, request=B),)),
    ReadItem(item=f"dataset/{A}"),
    ListItems(kind="dataset", after=f"dataset/{A}"),
    RemoveItem(item=f"dataset/{A}", revision=B),
    AdmitDevice(key=A),
    DismissDevice(key=A),
    GetNonce(),
    PullTask(evidence=EVIDENCE, nonce=KEY, key=b"\x01" * 1216, images=(IMAGE,), only_room=C),
)
REQUESTS = tuple(Request(body=body, room=B, user="user@example.org", token="a.b.c", seen=7) for body in BODIES)

FRAMES: tuple[Frame, ...] = (
    Progress(),
    Progress(body=Accepted()),
    Progress(body=SealedTask(id=A, sealed=KEY)),
    Progress(node="report", status="running"),
    Progress(node="report", status="queued", waiting_for="a worker that is free"),
    *(
        Answer(body=body, checkpoint="a note\n", consistency=(b"\x02" * 32, b"\x03" * 32))
        for body in (
            Done(),
            Description(enclaves=(REFERENCE,), workers=(REFERENCE,), images=(IMAGE,)),
            ResolvedEnvironment(lock=LOCK),
            RoomContent(definition=b"{}"),
            RoomStatus(
                stopped=True,
                attached=(Attached(node="lab", manifest=A),),
                keys=(BoundKey(user="user@example.org", key=A),),
            ),
            Dataset(manifest=MANIFEST, key=KEY),
            Result(manifest=MANIFEST, key=KEY, name="report.zip", receipt=b"{}", commitment=KEY),
            Log(events=(b"{}",)),
            VaultStatus(devices=(VaultDevice(key=A, bound_at=1_700_000_000_000, admitted=True),)),
            Items(items=(Item(item=f"dataset/{A}", revision=B, value=b"{}"),), more=True),
            Nonce(nonce=KEY),
        )
    ),
    Answer(body=Done(), checkpoint="a note\n", restored=Restored(restore=A, declared=1_700_000_000_000)),
    Refusal(code="not_found", message="There is no such room."),
    Refusal(code="busy", message="Try again in 5 seconds.", retry_seconds=5),
)

TASK = Task(
    id=A,
    room=C,
    kind="python",
    name="report",
    script="pass\n",
    files=(TextFile(name="helper.py", content=""),),
    inputs=(TaskInput(mount="lab results", kind="file", manifest=MANIFEST, key=KEY),),
    image=IMAGE,
    limits=Limits(),
    logs_on_error=True,
    logs_on_success=False,
    result=B,
    result_key=KEY,
    report_key=KEY,
)
SCRIPT_WITH_PACKAGES = msgspec.structs.replace(
    TASK, environment=TaskEnvironment(requirements="pandas>=2\n", lock=LOCK, limits=Limits())
)
REPORTS = tuple(
    Report(outcome=outcome)
    for outcome in (
        Finished(manifest=MANIFEST, commitment=KEY),
        Failed(message="The script failed.", log="Traceback"),
        Resolved(lock=LOCK),
        Unable(message="The image is missing."),
        HandedBack(),
    )
)
SHOWN = EnclaveEvidence(
    evidence=EVIDENCE,
    keys=SignedKeys(keys=EnclaveKeys(made=1_700_000_000_000, signing=KEY, sealing=b"\x01" * 1216), signature=KEY * 2),
)
