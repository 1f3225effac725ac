"""A whole enclave in this process, and those who talk to it: people with device keys, workers that speak the protocol.

Everything is real but the network between them and the containers: sealed messages go in by the ASGI door and frames
come out of it; a worker's "container" is the test itself.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable, MutableMapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey
from msgspec import UNSET, UnsetType

from cloister.enclave.app import Application
from cloister.enclave.keys import KeyRing
from cloister.enclave.limits import Allowances, Meter
from cloister.enclave.open_rooms import MEMORY_BYTES
from cloister.enclave.service import Service
from cloister.enclave.storage_key import signing_key
from cloister.enclave.store import SqliteStore
from cloister.enclave.workers import Workers
from cloister.errors import Refused
from cloister.formats.checkpoint import Checkpoint, verify_checkpoint
from cloister.formats.dataset import Manifest, Part, make_manifest
from cloister.formats.encoding import sha256
from cloister.formats.merkle import EMPTY_ROOT, verify_consistency
from cloister.formats.sealed import EnclaveKeys, SealingKey, open_task, seal_report, seal_request
from cloister.hub.issuer import Issuer as HubIssuer
from cloister.protocol import (
    ACCOUNT_HEADER,
    Accepted,
    Answer,
    AttachDataset,
    AwaitJob,
    Done,
    Failed,
    FetchResult,
    Finished,
    Frame,
    GetNonce,
    HandedBack,
    Log,
    Nonce,
    Progress,
    PublishRoom,
    PullTask,
    ReadLog,
    Refusal,
    RemoveDataset,
    Report,
    Request,
    RequestBody,
    Resolved,
    Result,
    RunComputation,
    SealedTask,
    Task,
    Unable,
    offer_digest,
)
from cloister.rooms.definition import Definition, ImageReference, Issuer, Participant, Reference
from cloister.rooms.events import Body, Event
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import Node, PythonNode, RawDataNode, TableDataNode
from cloister.rooms.tables import Column
from cloister.trust import software
from cloister.trust.evidence import WORKER_LABEL, Evidence, SoftwareSource, report_data
from tests.parts import encrypted

T = TypeVar("T")

SECONDS = 20.0
"""After which a test that waits for an event fails."""
NOON = 1_700_000_000_000
"""When the tests' clock starts, in milliseconds since 1970."""
ENCLAVE = Reference(evidence=software.TYPE, measurement=software.measurement("enclave"))
WORKER = Reference(evidence=software.TYPE, measurement=software.measurement("worker"))
IMAGE = ImageReference(name="python", measurement="66" * 32)


@dataclass
class Clock:
    """The host's clock, in the hands of the test. Milliseconds since 1970."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now


class TokenIssuer(HubIssuer):
    """Whoever vouches for identities, with the public key by which rooms know it."""

    def __init__(self, key: OKPKey, name: str) -> None:
        super().__init__(key, name)
        self.public: bytes = cast(Any, key.raw_value).public_key().public_bytes_raw()


def token_issuer(name: str = "hub") -> TokenIssuer:
    """Whoever vouches for identities, with a fresh key."""
    return TokenIssuer(OKPKey.generate_key("Ed25519", private=True), name)


def pinned(issuer: TokenIssuer) -> Issuer:
    """That issuer as a room's definition names it."""
    return Issuer(name=issuer.name, keys=(issuer.public.hex(),))


@dataclass
class Person:
    """A user on one machine: an email, a device key, and what they remember of each room's log."""

    email: str
    device: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seen: dict[str, Checkpoint] = field(default_factory=dict)
    account: str = ""
    """What the hub says by which to tell them from others."""

    @property
    def key(self) -> bytes:
        return self.device.public_key().public_bytes_raw()


class Call:
    """One POST to the enclave's door. What it has sent so far waits in ``frames``."""

    def __init__(self, application: Application, message: bytes, account: str = "") -> None:
        self.status = 0
        self._bodies: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._message: bytes | None = message
        headers = [(ACCOUNT_HEADER.lower().encode(), account.encode())] if account else []
        scope = {"type": "http", "method": "POST", "path": "/messages", "query_string": b"", "headers": headers}
        self.task = asyncio.create_task(self._serve(application, scope))

    async def _serve(self, application: Application, scope: MutableMapping[str, Any]) -> None:
        try:
            await application(scope, self._receive, self._send)
        finally:
            self._bodies.put_nowait(None)

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._message is not None:
            body, self._message = self._message, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
        elif event["body"]:
            self._bodies.put_nowait(event["body"])

    async def bodies(self) -> AsyncGenerator[bytes]:
        """What is sent, piece by piece, to the end."""
        while (body := await asyncio.wait_for(self._bodies.get(), SECONDS)) is not None:
            yield body

    async def hang_up(self) -> None:
        """Ends it as a client does that goes away; returns when the enclave has noticed."""
        self._gone.set()
        await asyncio.wait_for(self.task, SECONDS)


@dataclass
class Enclave:
    """An enclave on a store. Several may be made on one file, one after the other, as a restart does."""

    path: Path | str = ":memory:"
    clock: Clock = field(default_factory=Clock)
    storage_key: bytes = b"s" * 32
    references: tuple[Reference, ...] = (WORKER,)
    store: SqliteStore = None  # type: ignore[assignment]  # on ``path``, unless given
    memory_bytes: int = MEMORY_BYTES
    monotonic: Callable[[], float] = time.monotonic
    """The clock of its queue and of its bounds, in seconds."""
    allowed: Allowances = field(default_factory=Allowances)

    def __post_init__(self) -> None:
        self.store = self.store or SqliteStore(self.path)
        self.signing = signing_key(self.store, self.storage_key)
        self.workers = Workers(self.references, allow_software=True, monotonic=self.monotonic)
        self.service = Service(
            self.store,
            self.storage_key,
            self.signing,
            self.workers,
            ENCLAVE,
            self.clock,
            memory_bytes=self.memory_bytes,
            meter=(meter := Meter(self.allowed)),
            monotonic=self.monotonic,
        )
        self.ring = KeyRing(self.signing, now=_monotonic(), clock=self.clock)
        self.application = Application(self.service, self.workers, self.ring, SoftwareSource("enclave"), meter)

    @property
    def keys(self) -> EnclaveKeys:
        return self.ring.current(_monotonic()).keys

    @property
    def public(self) -> bytes:
        return self.signing.public_key().public_bytes_raw()

    def close(self) -> None:
        self.store.close()

    async def post(self, message: bytes) -> tuple[int, bytes]:
        """Status and body of an answer that isn't streamed."""
        call = Call(self.application, message)
        body = b"".join([piece async for piece in call.bodies()])
        await call.task
        return call.status, body

    async def frames(
        self, request: Request, device: Ed25519PrivateKey | None, account: str = ""
    ) -> AsyncGenerator[bytes]:
        """The frames of an answer as they lie inside their seals."""
        message, exchange = seal_request(self.keys, msgspec.json.encode(request), device)
        call = Call(self.application, message, account)
        index = 0
        last = False
        try:
            async with aclosing(call.bodies()) as bodies:
                async for sealed in bodies:
                    assert call.status == 200, sealed
                    assert not last
                    assert int.from_bytes(sealed[:4], "big") == len(sealed) - 4
                    payload, last = exchange.open_frame(index, sealed[4:])
                    index += 1
                    yield payload
        finally:
            await call.hang_up()
        assert last, "the answer has no end"

    async def ask(
        self,
        person: Person | None,
        body: RequestBody,
        room: str | None = None,
        *,
        token: str | None = None,
        progress: list[Progress] | None = None,
    ) -> Any:
        """Asks as that person, checks all that a client checks, and returns the answer's body.

        Raises:
            Refused: as the enclave says.
        """
        seen = person.seen.get(room, Checkpoint(room, 0, EMPTY_ROOT)) if person and room else None
        request = Request(
            body=body,
            room=room,
            user=person.email if person else None,
            token=token,
            seen=seen.size if seen else 0,
        )
        final: Answer | Refusal | None = None
        async for payload in self.frames(request, *((person.device, person.account) if person else (None,))):
            frame = cast(Frame, msgspec.json.decode(payload, type=cast(Any, Frame)))
            if isinstance(frame, Progress):
                if progress is not None:
                    progress.append(frame)
            else:
                final = frame
        if isinstance(final, Refusal):
            seconds = None if isinstance(final.retry_seconds, UnsetType) else final.retry_seconds
            raise Refused(final.code, final.message, retry_seconds=seconds)
        assert final is not None
        if person is not None and room is not None and seen is not None:
            assert final.checkpoint is not None
            checkpoint = verify_checkpoint(final.checkpoint, self.public, room=room)
            verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, final.consistency)
            person.seen[room] = checkpoint
        return final.body


def _monotonic() -> int:
    return int(time.monotonic())


class Meeting:
    """One room in an enclave, its people, and the issuer that vouches for them."""

    def __init__(
        self, enclave: Enclave, definition: Definition, issuer: TokenIssuer, people: dict[str, Person]
    ) -> None:
        self.enclave = enclave
        self.definition = definition
        self.issuer = issuer
        self.people = people
        self.id = definition.id()

    @classmethod
    async def publish(
        cls, enclave: Enclave, nodes: Iterable[Node], roles: Iterable[Participant], **fields: Any
    ) -> Meeting:
        """Publishes a room of which the first participant is the owner."""
        issuer = fields.pop("issuer", None) or token_issuer()
        people = fields.pop("people", None) or {entry.user: Person(entry.user) for entry in roles}
        definition = make_definition(nodes, roles, issuer, **fields)
        meeting = cls(enclave, definition, issuer, people)
        owner = meeting.people[definition.owner]
        body = PublishRoom(definition=definition.canonical())
        await enclave.ask(owner, body, meeting.id, token=meeting.token(owner))
        return meeting

    def token(self, person: Person, *, email: str | None = None, age: int = 0) -> str:
        """An identity token for that person's device; ``age`` in seconds."""
        return self.issuer.issue(email or person.email, person.key, self.enclave.clock.now // 1000 - age)

    async def ask(self, who: str, body: RequestBody, *, progress: list[Progress] | None = None) -> Any:
        """Asks about this room, with an identity token where none was shown before."""
        person = self.people[who]
        token = None if self.id in person.seen else self.token(person)
        return await self.enclave.ask(person, body, self.id, token=token, progress=progress)

    async def attach(self, who: str, node: str, data: bytes = b"some data") -> Manifest:
        """Attaches a dataset for everybody's devices; its ciphertext lies nowhere, as no worker here reads it."""
        readers = tuple(person.key.hex() for person in self.people.values())
        body = msgspec.structs.replace(attachment(node, data), readers=readers)
        await self.ask(who, body)
        return body.manifest

    async def remove(self, who: str, node: str) -> None:
        await self.ask(who, RemoveDataset(node=node, request=os.urandom(32).hex()))

    async def start(self, who: str, node: str, job: str | None = None) -> str:
        """Starts a computation; the job's id."""
        job = job or os.urandom(32).hex()
        await self.ask(who, RunComputation(node=node, job=job))
        return job

    async def wait(self, who: str, node: str, job: str) -> list[tuple[str, str]]:
        """Waits for a job; the changes that were told meanwhile."""
        progress: list[Progress] = []
        await self.ask(who, AwaitJob(node=node, job=job), progress=progress)
        return [(each.node, each.status) for each in progress]

    async def fetch(self, who: str, node: str, job: str | None = None) -> Result:
        return checked(await self.ask(who, FetchResult(node=node, job=job)), Result)

    async def events(self, who: str | None = None) -> list[Body]:
        """What has happened in the room, as its log tells; the reading itself is left out."""
        log = checked(await self.ask(who or self.definition.owner, ReadLog()), Log)
        return [msgspec.json.decode(event, type=Event).body for event in log.events[:-1]]

    async def count(self, kind: type[object]) -> int:
        """How many events of that kind there are."""
        return sum(isinstance(event, kind) for event in await self.events())

    def again(self, enclave: Enclave) -> Meeting:
        """The same room and people at another enclave process."""
        return Meeting(enclave, self.definition, self.issuer, self.people)


def make_definition(
    nodes: Iterable[Node], roles: Iterable[Participant], issuer: TokenIssuer, **fields: Any
) -> Definition:
    participants = tuple(roles)
    defaults: dict[str, Any] = {
        "nonce": os.urandom(32).hex(),
        "title": "A room",
        "owner": participants[0].user,
        "issuers": (pinned(issuer),),
        "enclaves": (ENCLAVE,),
        "workers": (WORKER,),
        "images": (IMAGE,),
    }
    return Definition(nodes=tuple(nodes), participants=participants, **{**defaults, **fields})


def data(node: str, *, required: bool = True) -> RawDataNode:
    """A data node."""
    return RawDataNode(id=node, name=node, required=required)


def table(node: str, *columns: str, **fields: Any) -> TableDataNode:
    """A table data node, of columns of text."""
    described = tuple(Column(name=name, type="STRING", nullable=True) for name in columns or ("id", "value"))
    given: dict[str, Any] = {"name": node, "required": True, "image": "python", **fields}
    return TableDataNode(id=node, columns=described, **given)


def python(node: str, *dependencies: str, **fields: Any) -> PythonNode:
    """A computation."""
    given: dict[str, Any] = {"name": node, "script": f"# {node}", "image": "python", **fields}
    return PythonNode(id=node, dependencies=dependencies, **given)


def manifest_of(plaintext: bytes, key: bytes, blob: str) -> Manifest:
    """The manifest of a small dataset."""
    parts = [Part(size=len(part), sha256=sha256(part).hex()) for _, part, _ in encrypted([plaintext], key, blob)]
    return make_manifest(key, blob, len(plaintext), parts)


def attachment(node: str, data: bytes = b"some data") -> AttachDataset:
    """The request that attaches a fresh dataset."""
    key = os.urandom(32)
    manifest = manifest_of(data, key, os.urandom(32).hex())
    return AttachDataset(node=node, manifest=manifest, key=key, request=os.urandom(32).hex())


def stored_secrets(path: Path | str) -> list[tuple[str, str, bytes]]:
    """Room, name and sealed value of all secrets in a store's file, as somebody sees them who opens it."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT room, name, sealed FROM secrets ORDER BY room, name").fetchall()


def checked(body: object, kind: type[T]) -> T:
    """The body, which is of that kind."""
    assert isinstance(body, kind), body
    return body


# --- workers ----------------------------------------------------------------------------------------------------------


class Lease:
    """A pull of one task: the open answer, and the key that the task is sealed to."""

    def __init__(self, enclave: Enclave, frames: AsyncGenerator[bytes], key: SealingKey) -> None:
        self._enclave = enclave
        self._frames = frames
        self._key = key
        self.sealed: SealedTask | None = None
        self.task: Task | None = None

    async def accepted(self) -> None:
        """Raises:
        Refused: the enclave does not take this worker.
        """
        frame = await self._frame()
        if isinstance(frame, Refusal):
            raise Refused(frame.code, frame.message)
        assert frame == Progress(body=Accepted()), frame

    async def given(self) -> Task:
        """Waits for the task."""
        frame = await self._frame()
        assert isinstance(frame, Progress), frame
        self.sealed = checked(frame.body, SealedTask)
        self.task = msgspec.json.decode(open_task(self.sealed.sealed, self._key), type=Task)
        assert self.task.id == self.sealed.id
        return self.task

    def report(self, outcome: Finished | Failed | Resolved | Unable | HandedBack) -> bytes:
        """The message that reports this."""
        assert self.sealed is not None
        assert self.task is not None
        payload = msgspec.json.encode(Report(outcome=outcome))
        return seal_report(bytes.fromhex(self.task.id), self.sealed.sealed, self.task.report_key, payload)

    async def end(self, outcome: Finished | Failed | Resolved | Unable | HandedBack) -> None:
        """Reports, and waits until the enclave ends the lease."""
        assert await self._enclave.post(self.report(outcome)) == (200, b"{}")
        assert await self.over() == Answer(body=Done())

    async def finish(self, content: bytes = b"PK", withheld: bytes = b"PK") -> Finished:
        """Brings a result, and what is withheld of it where the task asks for that."""
        assert self.task is not None
        outcome = finished(self.task, content, withheld)
        await self.end(outcome)
        return outcome

    async def over(self) -> Answer | Refusal:
        """The last frame."""
        frame = await self._frame()
        assert isinstance(frame, Answer | Refusal), frame
        await self.hang_up()
        return frame

    async def hang_up(self) -> None:
        """The worker dies: its connection ends."""
        await self._frames.aclose()

    async def _frame(self) -> Frame:
        payload = await anext(self._frames)
        return cast(Frame, msgspec.json.decode(payload, type=cast(Any, Frame)))


def finished(task: Task, content: bytes = b"PK", withheld: bytes = b"PK") -> Finished:
    """What a worker reports that has stored its result, and what is withheld, where it was told."""
    manifest = manifest_of(content, task.result_key, task.result)
    place = task.withheld
    return Finished(
        manifest=manifest,
        commitment=hmac.digest(task.result_key, sha256(content), "sha256"),
        withheld=UNSET if place is UNSET else manifest_of(withheld, place.key, place.blob),
    )


async def pull(
    enclave: Enclave,
    *,
    images: Iterable[ImageReference] = (IMAGE,),
    only_room: str | None = None,
    limits: Limits | UnsetType = UNSET,
    reference: Reference = WORKER,
    label: str = WORKER_LABEL,
    nonce: bytes | None = None,
    public: bytes | None = None,
    offer: bytes | None = None,
    evidence: Evidence | None = None,
) -> Lease:
    """A worker asks for a task; by default one that the enclave accepts.

    Args:
        reference: what it says that it is: in software mode that is as good as being it.
        public: a key that isn't its own.
        offer: the digest that its evidence speaks of, where that isn't the digest of its offer.

    Raises:
        Refused: it was not accepted.
    """
    key, images = SealingKey(), tuple(images)
    public = key.public if public is None else public
    nonce = checked(await enclave.ask(None, GetNonce()), Nonce).nonce if nonce is None else nonce
    bound = report_data(label, nonce, offer or offer_digest(public, images, only_room, limits))
    honest = Evidence(type=software.TYPE, document=software.produce(bound, reference.measurement))
    body = PullTask(
        evidence=evidence or honest, nonce=nonce, key=public, images=images, only_room=only_room, limits=limits
    )
    lease = Lease(enclave, enclave.frames(Request(body=body), None), key)
    await lease.accepted()
    return lease


async def work(enclave: Enclave, content: bytes = b"PK") -> Task:
    """A worker does the next task."""
    lease = await pull(enclave)
    task = await lease.given()
    await lease.finish(content)
    return task
