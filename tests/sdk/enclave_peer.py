"""A small enclave for the client's tests: real keys, seals, logs and receipts; computations are Python functions.

It decides little (the real one is tested elsewhere) and can be told to misbehave.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import Refused, VerificationError
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.dataset import Manifest, Part, check_key, check_manifest
from cloister.formats.dataset import make_manifest as manifest_of
from cloister.formats.encoding import canonical, sha256
from cloister.formats.merkle import MerkleTree
from cloister.formats.receipt import Attested, Input, ReceiptBody, sign_receipt
from cloister.formats.sealed import EnclaveKeys, Exchange, OpenedRequest, SealingKey, SignedKeys, sign_keys
from cloister.protocol import (
    Answer,
    AttachDataset,
    Attached,
    AwaitJob,
    BoundKey,
    Dataset,
    Describe,
    Description,
    Done,
    EnclaveEvidence,
    FetchDataset,
    FetchResult,
    Frame,
    Log,
    Progress,
    PublishRoom,
    ReadLog,
    ReadStatus,
    RemoveDataset,
    Request,
    Result,
    RetrieveRoom,
    RoomContent,
    RoomStatus,
    RunComputation,
    StopRoom,
    UnbindKey,
    VaultBody,
    refusal,
)
from cloister.rooms import decisions
from cloister.rooms.definition import Definition, ImageReference, Reference, read_definition
from cloister.rooms.events import (
    Body,
    Event,
    KeyBound,
    KeyUnbound,
    LogRead,
    Published,
    ResultFetched,
    RunFinished,
    RunStarted,
)
from cloister.rooms.nodes import RawDataNode, sources
from cloister.rooms.permissions import NO_SUCH_ROOM
from cloister.rooms.planning import leaves, node_digest, plan, run_id
from cloister.rooms.state import RoomState, fold
from cloister.rooms.vault import NO_SUCH_VAULT
from cloister.trust import software
from cloister.trust.evidence import ENCLAVE_LABEL, Evidence, SoftwareSource, report_data
from tests.parts import decrypted, encrypted
from tests.sdk.vault_peer import PeerVault

IMAGE = ImageReference(name="python", measurement=hashlib.sha256(b"image").hexdigest())
WORKER = Reference(evidence=software.TYPE, measurement=software.measurement("worker"))

Compute = Callable[[dict[str, bytes]], dict[str, bytes]]
"""Inputs by name to output files by name."""


def uppercase(inputs: dict[str, bytes]) -> dict[str, bytes]:
    """The computation unless a test wants another."""
    return {"uppercase.txt": b"".join(inputs.values()).upper()}


@dataclass
class PeerRoom:
    """A room's log and the secrets beside it."""

    id: str
    events: list[bytes] = field(default_factory=list)
    datasets: dict[str, tuple[Manifest, bytes]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    @property
    def state(self) -> RoomState:
        return fold(msgspec.json.decode(data, type=Event) for data in self.events)

    @property
    def definition(self) -> Definition:
        definition = self.state.definition
        assert definition is not None
        return definition

    def tree(self) -> MerkleTree:
        tree = MerkleTree()
        for data in self.events:
            tree.append(data)
        return tree

    def append(self, actor: str, body: Body) -> None:
        self.events.append(canonical(Event(time=1_700_000_000_000 + len(self.events), actor=actor, body=body)))


class PeerEnclave:
    """Answers requests from memory. Attributes that start with ``on_`` are how tests make it misbehave."""

    def __init__(self, blobs: dict[str, dict[int, bytes]]) -> None:
        self.blobs = blobs
        self.signing = Ed25519PrivateKey.generate()
        self.rooms: dict[str, PeerRoom] = {}
        self.vaults: dict[str, PeerVault] = {}
        self.images: tuple[ImageReference, ...] = (IMAGE,)
        self.compute: Compute = uppercase
        self.finish = threading.Event()
        """Computations end when this is set."""
        self.finish.set()
        self.source = SoftwareSource("enclave")
        self.made = 1_700_000_000_000
        """When the keys of now were made: what the clock says, in a test that never waits."""
        self.page = 1000
        """Most events in one answer."""
        self.on_answer: Callable[[Request, Answer], Answer] = lambda request, answer: answer
        self.refusals: list[Refused] = []
        """What the next requests get instead of an answer."""
        self.on_receipt: Callable[[ReceiptBody], ReceiptBody] = lambda body: body
        self.renew()

    # --- keys and evidence ---

    @property
    def public(self) -> bytes:
        return self.signing.public_key().public_bytes_raw()

    def renew(self) -> None:
        """New sealing keys, as every hour."""
        self.sealing = SealingKey()
        self.made += 1
        self.keys = EnclaveKeys(made=self.made, signing=self.public, sealing=self.sealing.public)

    def signed_keys(self) -> SignedKeys:
        return sign_keys(self.keys, self.signing)

    def evidence(self, nonce: bytes) -> EnclaveEvidence:
        document: Evidence = self.source.produce(report_data(ENCLAVE_LABEL, nonce, self.keys.digest()))
        return EnclaveEvidence(evidence=document, keys=self.signed_keys())

    # --- answers ---

    def respond(self, opened: OpenedRequest) -> Iterator[bytes]:
        """The sealed frames."""
        yield from seal(self.frames(opened), opened.exchange)

    def frames(self, opened: OpenedRequest) -> Iterator[Frame]:
        try:
            request = msgspec.json.decode(opened.payload, type=Request)
            if self.refusals:
                raise self.refusals.pop(0)
            yield from self._dispatch(request, opened.device)
        except Refused as error:
            yield refusal(error)
        except VerificationError as error:
            yield refusal(Refused("rejected", str(error)))

    def _dispatch(self, request: Request, device: bytes | None) -> Iterator[Frame]:
        body = request.body
        if isinstance(body, Describe):
            yield Answer(body=Description(enclaves=(self.source.reference,), workers=(WORKER,), images=self.images))
            return
        if isinstance(body, PublishRoom):
            definition = read_definition(body.definition)
            room = self.rooms.setdefault(definition.id(), PeerRoom(definition.id()))
            if not room.events:
                room.append(definition.owner, Published(definition=definition))
        if isinstance(body, VaultBody):
            if device is None or request.room is None:
                raise Refused("not_found", NO_SUCH_VAULT)
            vault = self.vaults.setdefault(request.room, PeerVault(request.room))
            yield self.on_answer(request, vault.answer(request, body, device.hex(), self.signing, page=self.page))
            return
        found = self.rooms.get(request.room or "")
        user = request.user
        if found is None or user is None or device is None:
            raise Refused("not_found", NO_SUCH_ROOM)
        if device.hex() not in found.state.keys.get(user, ()):
            if request.token != f"{user} has {device.hex()}" or found.definition.participant(user) is None:
                raise Refused("not_found", NO_SUCH_ROOM)
            if (user, device.hex()) in found.state.unbound:
                raise Refused("not_found", NO_SUCH_ROOM)
            found.append(user, KeyBound(user=user, key=device.hex(), issuer=found.definition.issuers[0].name))
        if isinstance(body, AwaitJob):
            yield Progress(node=body.node, status="running")
            self.finish.wait()
            yield Progress(node=body.node, status="finished")
            if body.fetch is True:
                request = msgspec.structs.replace(request, body=FetchResult(node=body.node, job=body.job))
        yield self.on_answer(request, self._answer(found, request, self._decide(found, user, device.hex(), request)))

    def _answer(
        self, room: PeerRoom, request: Request, body: Done | RoomContent | RoomStatus | Dataset | Result | Log
    ) -> Answer:
        tree = room.tree()
        note = sign_checkpoint(Checkpoint(room.id, len(tree), tree.root()), self.signing)
        proof = tree.consistency_proof(request.seen) if request.seen <= len(tree) else []
        return Answer(body=body, checkpoint=note, consistency=tuple(proof))

    def _decide(
        self, room: PeerRoom, user: str, asking: str, request: Request
    ) -> Done | RoomContent | RoomStatus | Dataset | Result | Log:
        state = room.state
        match request.body:
            case RetrieveRoom():
                return RoomContent(definition=room.definition.canonical())
            case ReadStatus():
                return RoomStatus(
                    stopped=state.stopped,
                    attached=tuple(Attached(node=node, manifest=found) for node, found in state.attached.items()),
                    keys=tuple(BoundKey(user=owner, key=key) for owner, keys in state.keys.items() for key in keys),
                )
            case AttachDataset(node=node, manifest=manifest, key=key, request=wish, readers=readers):
                check_manifest(manifest)
                check_key(key, manifest)
                for event in decisions.attach(state, node, manifest.digest(), wish, readers or ()):
                    room.append(user, event)
                    room.datasets[node] = (manifest, key)
            case RemoveDataset(node=node, request=wish):
                for event in decisions.remove(state, node, wish):
                    room.append(user, event)
            case FetchDataset(node=node):
                room.append(user, decisions.fetch_dataset(state, node, asking))
                manifest, key = room.datasets[node]
                return Dataset(manifest=manifest, key=key)
            case RunComputation(node=node, job=job):
                self._run(room, user, node, job)
            case FetchResult(node=node, job=job):
                result = room.results[job] if job else list(room.results.values())[-1]
                room.append(user, ResultFetched(run=run_id(job or "", node), node=node))
                return result
            case ReadLog(start=start):
                room.append(user, LogRead(size=len(room.events) + 1))
                return Log(events=tuple(room.events[start : start + self.page]))
            case UnbindKey(key=key):
                room.append(user, KeyUnbound(user=user, key=key))
            case StopRoom():
                for event in decisions.stop(state):
                    room.append(user, event)
        return Done()

    def _run(self, room: PeerRoom, user: str, node_id: str, job: str) -> None:
        if job in room.results:
            return
        definition, state = room.definition, room.state
        step = plan(definition, room.id, node_id, state.attached)[-1]
        node = definition.node(node_id)
        assert node is not None
        assert not isinstance(node, RawDataNode)
        image = definition.image(node.image)
        assert image is not None
        run, read = run_id(job, node_id), leaves(definition, node_id, state.attached)
        room.append(user, RunStarted(run=run, node=node_id, cache_key=step.cache_key, inputs=read))
        inputs = {each: self._read(*room.datasets[each]) for each in sources(node) if each in room.datasets}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as writer:
            for name, content in self.compute(inputs).items():
                writer.writestr(zipfile.ZipInfo(name), content)  # without the time: the same answer every time
        key, plaintext = os.urandom(32), archive.getvalue()
        manifest = self.store(plaintext, key)
        worker = Attested(evidence=WORKER.evidence, measurement=WORKER.measurement)
        room.append(user, RunFinished(run=run, node=node_id, manifest=manifest.digest(), worker=worker))
        tree = room.tree()
        body = ReceiptBody(
            room=room.id,
            node=node_id,
            definition=node_digest(node).hex(),
            run=run,
            inputs=tuple(Input(node=each, manifest=state.attached.get(each)) for each in sources(node)),
            image=image.name,
            image_measurement=image.measurement,
            enclave=Attested(evidence=software.TYPE, measurement=self.source.reference.measurement),
            worker=worker,
            log_index=len(tree) - 1,
            checkpoint=sign_checkpoint(Checkpoint(room.id, len(tree), tree.root()), self.signing),
            finished=1_700_000_000_000,
        )
        room.results[job] = Result(
            manifest=manifest,
            key=key,
            name=f"{node.name}.zip",
            receipt=sign_receipt(self.on_receipt(body), manifest.digest(), f"{node.name}.zip.manifest", self.signing),
            commitment=hmac.digest(key, hashlib.sha256(plaintext).digest(), "sha256"),
        )

    def _read(self, manifest: Manifest, key: bytes) -> bytes:
        return b"".join(decrypted(key, manifest, lambda index: self.blobs[manifest.dataset][index]))

    def store(self, plaintext: bytes, key: bytes) -> Manifest:
        """Encrypts something into the blob store."""
        dataset, parts = os.urandom(32).hex(), []
        for index, ciphertext, _ in encrypted(io.BytesIO(plaintext), key, dataset):
            self.blobs.setdefault(dataset, {})[index] = bytes(ciphertext)
            parts.append(Part(size=len(ciphertext), sha256=sha256(ciphertext).hex()))
        return manifest_of(key, dataset, len(plaintext), parts)


def seal(frames: Iterator[Frame], exchange: Exchange) -> Iterator[bytes]:
    """Frames as they are sent."""
    for index, frame in enumerate(frames):
        yield exchange.seal_frame(index, msgspec.json.encode(frame), last=not isinstance(frame, Progress))
