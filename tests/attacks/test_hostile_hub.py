"""A hub that lies, between real clients and a real enclave: what it can't do, and what only in plain sight."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.cli.operators.layout import Layout
from cloister.errors import (
    AuthorizationError,
    CloisterError,
    DecryptionFailed,
    EnclaveError,
    EvidenceRejected,
    NotFoundError,
    RollbackDetected,
    ServerError,
    VerificationError,
)
from cloister.formats.encoding import decode
from cloister.protocol import (
    Done,
    EnclaveEvidence,
    Items,
    ListItems,
    OpenVault,
    PublishRoom,
    ReadItem,
    ReadStatus,
    RoomStatus,
    VaultStatus,
)
from cloister.sdk.checkpoints import CheckpointMemory
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.link import Identity, RoomLink
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from tests.attacks.liar import EVIDENCE, KEYS, MESSAGES, Asked, Liar, Said, frames
from tests.attacks.recorder import traces
from tests.installation import Installation, attach, compute_node, data_node, run
from tests.issuers import open_issuer, shown_keys

ALICE, BOB = "alice@hostile.example", "bob@hostile.example"
IMPATIENT = Patience(pauses=())
UPPER = """
with open("/input/text") as source, open("/output/upper.txt", "w") as file:
    file.write(source.read().upper())
"""


@dataclass
class World:
    """An honest installation, a second one that has nothing to do with it, and a lying hub before the first."""

    one: Installation
    two: Installation
    liar: Liar

    def client(self, email: str = ALICE, **options: object) -> Client:
        """A client that reaches the first installation through the liar."""
        return self.one.client(email, url=self.liar.url, patience=IMPATIENT, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hostile")
    one, two = (Installation(folder / name / "data", folder / name / "homes") for name in ("one", "two"))
    with contextlib.ExitStack() as running:
        for each in (one, two):
            each.start()
            running.callback(each.stop)
        yield World(one, two, running.enter_context(Liar(one.url)))


@pytest.fixture
def world(whole: World) -> Iterator[World]:
    whole.liar.honest()
    yield whole
    whole.liar.honest()


def draft(client: Client) -> AnalyticsDcrBuilder:
    """Alice has data, Bob computes."""
    return (
        AnalyticsDcrBuilder(client=client)
        .with_name("Hostile")
        .with_owner(ALICE)
        .add_node_definition(RawDataNodeDefinition("text", is_required=True))
        .add_node_definition(PythonComputeNodeDefinition("upper", UPPER, dependencies=["text"]))
        .add_participant(ALICE, data_owner_of=["text"], analyst_of=["upper"])
        .add_participant(BOB, analyst_of=["upper"])
    )


@pytest.fixture
def room(world: World) -> AnalyticsDcr:
    """Published by Alice while the hub was honest, and seen by this machine of hers."""
    client = world.client()
    published = client.publish_analytics_dcr(draft(client).build())
    world.liar.honest()
    return published


def foreign(world: World, email: str) -> Hub:
    """The second installation's hub, as a user of that one."""
    return Hub(world.two.url, world.two.token(email))


# --- answers that aren't the enclave's answer to this request ---------------------------------------------------------


def test_an_answer_to_another_request_is_noticed(world: World, room: AnalyticsDcr) -> None:
    other = room.client.publish_analytics_dcr(draft(room.client).build())
    bob = world.client(BOB).retrieve_analytics_dcr(room.id)
    answers: list[Said] = []

    def keep(asked: Asked, said: Said) -> Said:
        answers.append(said)
        return said

    def last(asked: Asked, said: Said) -> Said:
        return answers[-1] if asked.path == MESSAGES else said

    for before in (room.status, other.status, bob.status):
        # An old answer of the same kind, one about another room, and the one that somebody else was given.
        world.liar.lie = keep
        before()
        world.liar.lie = last
        with pytest.raises(DecryptionFailed):
            room.status()


FRAMES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], type[CloisterError]]] = {
    "the first is dropped": (lambda found: found[1:], VerificationError),
    "the last is dropped": (lambda found: found[:-1], ServerError),
    "all are dropped": (lambda found: [], ServerError),
    "they come in another order": (lambda found: found[::-1], VerificationError),
    "one comes twice": (lambda found: [found[0], *found], VerificationError),
    "the last comes twice": (lambda found: [*found, found[-1]], VerificationError),
    "one is cut short": (lambda found: [*found[:-1], found[-1][:-1]], ServerError),
    "one is changed": (lambda found: [found[0][:-1] + bytes([found[0][-1] ^ 1]), *found[1:]], VerificationError),
    "something follows": (lambda found: [*found, b"\0"], VerificationError),
}


def test_frames_that_are_dropped_moved_or_repeated_are_noticed(world: World, room: AnalyticsDcr) -> None:
    attach(room, "text", b"frames")
    upper = compute_node(room, "upper")
    upper.run_computation()
    for name, (change, error) in FRAMES.items():
        for cut in (False, True):
            counted: list[int] = []

            def lie(asked: Asked, said: Said, change=change, cut=cut, counted=counted) -> Said:  # type: ignore[no-untyped-def]
                if asked.path != MESSAGES:
                    return said
                found = frames(said.body)
                counted.append(len(found))
                return Said(200, b"".join(change(found)), cut=cut)

            world.liar.lie = lie
            # A connection that breaks after a wrong frame is no worse: the frame, or what is missing, is noticed.
            with pytest.raises((error, ServerError) if cut else error):
                upper.get_results_as_bytes()
            # The answer had at least a frame of progress and the last one, or the changes would have changed nothing.
            assert counted[0] >= 2, name
    world.liar.honest()
    assert upper.get_results_as_zip().read("upper.txt") == b"FRAMES"


def test_other_bytes_of_a_result_are_refused(world: World, room: AnalyticsDcr) -> None:
    attach(room, "text", b"parts")
    upper = compute_node(room, "upper")
    upper.run_computation()

    def changed(body: bytes) -> bytes:
        return body[:100] + bytes([body[100] ^ 1]) + body[101:]

    for lie in (changed, lambda body: body[:-1], lambda body: b"", lambda body: os.urandom(len(body))):
        world.liar.lie = lambda asked, said, lie=lie: (  # type: ignore[misc]
            replace(said, body=lie(said.body)) if "/parts/" in asked.path else said
        )
        with pytest.raises(DecryptionFailed):
            upper.get_results_as_bytes()
    world.liar.honest()
    with upper.get_results_as_zip() as archive:
        assert archive.read("upper.txt") == b"PARTS"


def test_other_bytes_of_a_dataset_never_reach_a_script(world: World, room: AnalyticsDcr) -> None:
    blobs = Layout(world.one.data).hub_settings().data / "blobs"
    before = set(blobs.rglob("*"))
    attach(room, "text", b"stored")
    (stored,) = [path for path in blobs.rglob("*") if path not in before and path.is_file()]
    ciphertext = stored.read_bytes()
    stored.write_bytes(ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    with pytest.raises(EnclaveError, match="'text' is not what was attached") as told:
        run(room, "upper")
    assert "stored" not in str(told.value).replace("stored bytes", "")


# --- enclaves that aren't the one that it must be ---------------------------------------------------------------------


def _shown(said: Said) -> EnclaveEvidence:
    return decode(said.body, EnclaveEvidence, what="evidence")


def test_evidence_that_is_not_fresh_or_mixed_is_refused(world: World) -> None:
    seen: list[Said] = []
    with contextlib.closing(foreign(world, ALICE)) as hub:
        other = decode(hub.evidence(os.urandom(32)), EnclaveEvidence, what="evidence")

    def keep(asked: Asked, said: Said) -> Said:
        seen.append(said)
        return said

    def with_other_keys(asked: Asked, said: Said) -> Said:
        mixed = msgspec.structs.replace(_shown(said), keys=other.keys)
        return replace(said, body=msgspec.json.encode(mixed))

    def with_other_evidence(asked: Asked, said: Said) -> Said:
        mixed = msgspec.structs.replace(_shown(said), evidence=other.evidence)
        return replace(said, body=msgspec.json.encode(mixed))

    world.liar.lie = keep
    world.client().publish_analytics_dcr(draft(world.client()).build())
    old = next(said for said in seen if said.body.startswith(b'{"evidence"'))
    for lie in (lambda asked, said: old, with_other_keys, with_other_evidence):
        world.liar.honest()
        world.liar.lie = lambda asked, said, lie=lie: lie(asked, said) if asked.path == EVIDENCE else said  # type: ignore[misc]
        client = world.client()
        with pytest.raises(EvidenceRejected):
            client.publish_analytics_dcr(draft(client).build())
        assert world.liar.asked(MESSAGES) == []


def test_software_evidence_needs_consent_whatever_the_hub_says(world: World) -> None:
    client = world.client(allow_software=False)
    with pytest.raises(EvidenceRejected, match="CLOISTER_TRUST_SOFTWARE_ENCLAVE=1"):
        client.publish_analytics_dcr(draft(client).build())
    assert world.liar.asked(MESSAGES) == []


def _to_the_other(world: World, *paths: str) -> Callable[[Asked], tuple[str, Asked] | None]:
    """Sends what clients ask for at these paths to the second installation, with a token that is good there."""
    authorization = {"authorization": f"Bearer {world.two.token(ALICE)}"}

    def elsewhere(asked: Asked) -> tuple[str, Asked] | None:
        if asked.path not in paths:
            return None
        return world.two.url, replace(asked, headers={**asked.headers, **authorization})

    return elsewhere


def test_requests_that_are_passed_to_another_enclave_are_not_opened(world: World, room: AnalyticsDcr) -> None:
    # Sealed to the first enclave's keys, they are noise to the second. It says so; the client gets the keys anew, and
    # doesn't ask for ever.
    world.liar.elsewhere = _to_the_other(world, MESSAGES)
    with pytest.raises(ServerError, match="newer keys"):
        attach(room, "text", b"passed on")
    assert len(world.liar.asked(MESSAGES)) == 2
    assert [asked for asked in world.liar.seen if asked.path.startswith("/v1/blobs")] == []


def test_keys_of_another_enclave_need_its_own_proof(world: World, room: AnalyticsDcr) -> None:
    # Its keys alone, where the first enclave claims that the ones in use are stale.
    stale = json.dumps({"error": {"code": "stale_keys", "message": "The enclave has newer keys."}}).encode()
    world.liar.elsewhere = _to_the_other(world, KEYS)
    world.liar.lie = lambda asked, said: (
        Said(409, stale, "application/json") if asked.path == MESSAGES and len(world.liar.asked(KEYS)) == 0 else said
    )
    # The proof is the first one's: so are the keys that are used, and all is well.
    assert room.status().attached == ()
    assert len(world.liar.asked(EVIDENCE)) == 1
    # Stale for ever: an error.
    world.liar.honest()
    world.liar.lie = lambda asked, said: Said(409, stale, "application/json") if asked.path == MESSAGES else said
    with pytest.raises(ServerError, match="newer keys"):
        room.status()


def test_another_enclave_of_the_same_software_does_not_have_the_room(world: World, room: AnalyticsDcr) -> None:
    # With everything redirected, the second enclave proves itself well: it is genuine. But it has no such room.
    world.liar.elsewhere = _to_the_other(world, MESSAGES, KEYS, EVIDENCE)
    client = world.client()
    with pytest.raises(NotFoundError):
        client.retrieve_analytics_dcr(room.id)
    # Nor does a client that has it open already go on there.
    with pytest.raises(NotFoundError):
        attach(room, "text", b"redirected")
    assert [asked for asked in world.liar.seen if asked.path.startswith("/v1/blobs")] == []


def _impostor(world: World, email: str, folder: Path, channel: Channel, room: str) -> RoomLink:
    """What whoever has the hub's identity key can be: a user of their choice, with a device key of their own."""

    class Forged(Identity):
        def token(self, room: str | None = None) -> str:
            issuer = open_issuer(Layout(world.one.data).hub_settings())
            return issuer.issue(email, self.device_key, int(time.time()))

    with contextlib.closing(Hub(world.one.url, world.one.token(email))) as hub:
        identity = Forged(hub, email, Ed25519PrivateKey.generate())
    return RoomLink(channel, identity, CheckpointMemory(StateFolder(folder)), room)


def test_a_room_that_is_put_up_again_elsewhere_gets_no_data(world: World, room: AnalyticsDcr, tmp_path: Path) -> None:
    # The hub and one participant, who knows the definition, publish it once more in the second enclave, as Alice.
    with contextlib.closing(foreign(world, ALICE)) as hub:
        channel = Channel(hub, allow_software=True)
        clone = _impostor(world, ALICE, tmp_path, channel, room.id)
        clone.ask(PublishRoom(definition=room.definition.canonical()), Done)
        analyst = _impostor(world, BOB, tmp_path, channel, room.id)
        analyst.ask(ReadStatus(), RoomStatus)
        # Alice has seen the room's log: it is not this one. Neither her data nor its key are sent.
        world.liar.elsewhere = _to_the_other(world, MESSAGES, KEYS, EVIDENCE)
        with pytest.raises(RollbackDetected):
            attach(room, "text", b"cloned")
        assert [asked for asked in world.liar.seen if asked.path.startswith("/v1/blobs")] == []
        # Nor are they where the change comes between looking and attaching.
        world.liar.honest()
        there = room.client.retrieve_analytics_dcr(room.id)
        key = Key()
        world.liar.lie = _switch_after_upload(world)
        with pytest.raises(EvidenceRejected, match="Another enclave answers now"):
            data_node(there, "text").upload_and_publish_dataset(b"cloned", key, "text")
        status = analyst.ask(ReadStatus(), RoomStatus).body
        assert status.attached == ()
        assert traces({"key": key.material}, [asked.body for asked in world.liar.seen]) == set()
        # A machine that has never seen the room can't tell. It is shown foreign keys that speak for Alice and for Bob.
        world.liar.honest()
        world.liar.elsewhere = _to_the_other(world, MESSAGES, KEYS, EVIDENCE)
        newcomer = world.client(machine="newcomer")
        shown = newcomer.retrieve_analytics_dcr(room.id).bound_keys()
    assert clone.identity.device_key.hex() in shown[ALICE]
    assert analyst.identity.device_key.hex() in shown[BOB]


def _switch_after_upload(world: World) -> Callable[[Asked, Said], Said]:
    """Honest until the dataset is stored; from then on the second enclave answers."""

    def lie(asked: Asked, said: Said) -> Said:
        # A dataset of one part is stored and closed in one request.
        if asked.path.startswith("/v1/blobs") and asked.method != "GET":
            world.liar.elsewhere = _to_the_other(world, MESSAGES, KEYS, EVIDENCE)
        return said

    return lie


def test_a_vault_that_is_put_up_again_elsewhere_gets_no_keys(world: World, tmp_path: Path) -> None:
    client, key = world.client(), Key()
    digest = client.upload_dataset(b"data", key, "name")
    with contextlib.closing(Hub(world.one.url, world.one.token(ALICE))) as hub:
        definition = hub.vault().encode()
    # The hub, which may sign as the issuer that the vault trusts, makes the same one in the second enclave.
    with contextlib.closing(foreign(world, ALICE)) as hub:
        impostor = _impostor(world, ALICE, tmp_path, Channel(hub, allow_software=True), client.vault_id)
        devices = impostor.ask(OpenVault(definition=definition), VaultStatus).body.devices
    assert [each.admitted for each in devices] == [True]
    # In the middle of an upload, another enclave is not the one that was shown.
    world.liar.honest()
    world.liar.lie = _switch_after_upload(world)
    with pytest.raises(EvidenceRejected, match="Another enclave answers now"):
        client.upload_dataset(b"other", Key(), "other")
    # Nor is it at the start: the vault has forgotten what this machine has seen.
    world.liar.honest()
    world.liar.elsewhere = _to_the_other(world, MESSAGES, KEYS, EVIDENCE)
    with pytest.raises(RollbackDetected):
        world.client().upload_dataset(b"other", key, "other")
    assert [asked for asked in world.liar.seen if asked.path.startswith("/v1/blobs")] == []
    world.liar.honest()
    assert world.client().get_dataset_key(digest) == key


def test_the_hub_can_not_fetch_keys_that_are_kept(world: World, tmp_path: Path) -> None:
    """With a device of its own, which the issuer binds to the user: in plain sight, and in vain."""
    client, key = world.client(BOB), Key()
    digest = client.upload_dataset(b"data", key, "name")
    with contextlib.closing(Hub(world.one.url, world.one.token(BOB))) as hub:
        definition = hub.vault().encode()
        impostor = _impostor(world, BOB, tmp_path, Channel(hub, allow_software=True), client.vault_id)
        impostor.ask(OpenVault(definition=definition), VaultStatus)
        with pytest.raises(AuthorizationError, match="not admitted"):
            impostor.ask(ReadItem(item=f"key/{digest}"), Items)
        assert impostor.ask(ListItems(kind="key"), Items).body.items == ()
    intruder = impostor.identity.device_key.hex()
    again = world.client(BOB)
    with pytest.warns(UserWarning, match=intruder):
        kept = again.get_dataset_key(digest)
    assert kept == key
    again.dismiss_device(intruder)
    assert [each["key"] for each in again.vault_keys()] == [client.device_key]


# --- refusals in the enclave's place ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 409])
def test_the_hub_can_not_say_that_a_key_is_gone(world: World, status: int) -> None:
    client, key = world.client(), Key()
    digest = client.upload_dataset(b"data", key, "name")

    # The first message looks for the dataset, the next for its manifest, the third for its key.
    for message in (1, 2, 3):
        world.liar.honest()
        world.liar.lie = lambda asked, said, message=message: (  # type: ignore[misc]
            _refused(status) if asked.path == MESSAGES and len(world.liar.asked(MESSAGES)) == message else said
        )
        with pytest.raises(ServerError, match="The hub itself says: There is no such thing"):
            client.delete_dataset(digest)
    world.liar.honest()
    assert client.get_dataset_key(digest) == key
    client.delete_dataset(digest)
    assert client.get_dataset(digest) is None


@pytest.mark.parametrize(("path", "time"), [("/v1/identity", 1), (MESSAGES, 4)])
def test_the_hub_can_not_say_that_a_room_is_gone(world: World, room: AnalyticsDcr, path: str, time: int) -> None:
    """A dataset that is attached is not deleted unasked; whether it is, the room is asked after the vault."""
    client, key = room.client, Key()
    attach(room, "text", b"data", key)
    (digest,) = (each["id"] for each in client.get_available_datasets() if client.get_dataset_key(each["id"]) == key)
    world.liar.honest()
    world.liar.lie = lambda asked, said: (
        _refused(404) if asked.path == path and len(world.liar.asked(path)) == time else said
    )
    with pytest.raises(ServerError, match="The hub itself says: There is no such thing"):
        client.delete_dataset(digest)
    world.liar.honest()
    assert client.get_dataset_key(digest) == key


def _refused(status: int) -> Said:
    body = {"error": {"code": "not_found", "message": "There is no such thing."}}
    return Said(status, json.dumps(body).encode(), "application/json")


# --- identities -------------------------------------------------------------------------------------------------------


def test_the_hub_can_speak_for_a_participant_only_in_plain_sight(
    world: World, room: AnalyticsDcr, tmp_path: Path
) -> None:
    honest = room.bound_keys()
    with contextlib.closing(Hub(world.one.url, world.one.token(BOB))) as hub:
        impostor = _impostor(world, BOB, tmp_path, Channel(hub, allow_software=True), room.id)
        impostor.ask(ReadStatus(), RoomStatus)
    key = impostor.identity.device_key.hex()
    # It is Bob from now on; Alice sees that before she attaches anything, and so does the log for ever.
    assert room.bound_keys() == {**honest, BOB: [key]}
    assert f"Device key has been bound to {BOB} on the word of" in room.retrieve_audit_log()
    assert f",bind key,{key}\n" in room.retrieve_audit_log()


def test_the_hub_can_not_speak_for_a_participant_where_keys_are_pinned(world: World, tmp_path: Path) -> None:
    alice, bob = (world.one.client(email) for email in (ALICE, BOB))
    builder = AnalyticsDcrBuilder(client=alice).with_name("Pinned").with_owner(ALICE).with_pinned_keys_only()
    for client in (alice, bob):
        builder.add_participant(client.user_email, device_keys=[client.device_key])
    room = alice.publish_analytics_dcr(builder.build())
    # Whom the definition names is in, whatever the hub says; and nobody else, whatever the hub says.
    theirs = bob.retrieve_analytics_dcr(room.id)
    with contextlib.closing(Hub(world.one.url, world.one.token(ALICE))) as hub:
        for email in (ALICE, BOB):
            impostor = _impostor(world, email, tmp_path, Channel(hub, allow_software=True), room.id)
            with pytest.raises(NotFoundError):
                impostor.ask(ReadStatus(), RoomStatus)
    assert theirs.bound_keys() == {client.user_email: [client.device_key] for client in (alice, bob)}


def test_a_token_about_somebody_else_opens_nothing(world: World, room: AnalyticsDcr) -> None:
    issuer = open_issuer(Layout(world.one.data).hub_settings())
    device = bytes.fromhex(room.client.device_key)
    # Of another user with this device, and of this user with another device.
    forged = (
        issuer.issue("carol@hostile.example", device, int(time.time())),
        issuer.issue(BOB, os.urandom(32), int(time.time())),
    )
    for token in forged:
        world.liar.lie = lambda asked, said, token=token: (  # type: ignore[misc]
            replace(said, body=json.dumps({"token": token}).encode()) if asked.path == "/v1/identity" else said
        )
        with pytest.raises(NotFoundError):
            world.client(BOB, machine="fresh").retrieve_analytics_dcr(room.id)
    assert BOB not in room.bound_keys()


def test_an_issuer_that_the_hub_makes_up_stands_in_the_definition(world: World, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    jwks = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "made-up"}], "issuer": "made-up"}
    world.liar.lie = lambda asked, said: (
        replace(said, body=json.dumps(jwks).encode()) if asked.path == "/.well-known/jwks.json" else said
    )
    # As long as it doesn't also make up the owner's identity, the room can't even be published.
    client = world.client()
    with pytest.raises(AuthorizationError, match="identity could not be confirmed"):
        client.publish_analytics_dcr(draft(client).build())

    # If it does, the room believes it: by default the hub is the issuer, and what it shows is who it is. That gives it
    # no more than it has anyhow, to speak for participants in plain sight; whom the room believes stands in its
    # definition, for every participant to compare; and pinned keys take it away.
    fake = Layout(tmp_path / "fake").hub_settings()
    issuer = open_issuer(fake)
    jwks = {"keys": shown_keys(fake), "issuer": issuer.name}
    known = issuer.name

    def identity(asked: Asked, said: Said) -> Said:
        if asked.path != "/v1/identity":
            return world_jwks(asked, said)
        device = bytes.fromhex(json.loads(asked.body)["device_key"])
        return replace(said, body=json.dumps({"token": issuer.issue(ALICE, device, int(time.time()))}).encode())

    def world_jwks(asked: Asked, said: Said) -> Said:
        return replace(said, body=json.dumps(jwks).encode()) if asked.path == "/.well-known/jwks.json" else said

    world.liar.lie = identity
    room = client.publish_analytics_dcr(draft(client).build())
    (trusted,) = room.definition.issuers
    assert trusted.name == known
    honest = Hub(world.one.url, world.one.token(ALICE))
    with contextlib.closing(honest):
        assert trusted.keys[0] not in {_hex(each.x) for each in honest.issuer_keys().keys}
    assert f"on the word of {known}" in room.retrieve_audit_log()


def _hex(x: str) -> str:
    return base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)).hex()
