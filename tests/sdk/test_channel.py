"""A hub that cheats, an enclave that isn't the right one, and connections that break."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.responses import RedirectResponse, Response

from cloister.errors import (
    ApiError,
    AuthorizationError,
    BadRequestError,
    CloisterError,
    DecryptionFailed,
    EnclaveError,
    EvidenceRejected,
    NotFoundError,
    Refused,
    ServerError,
    VerificationError,
)
from cloister.formats.sealed import MAX_FRAME, SealingKey, SignedKeys, open_request, sign_keys
from cloister.protocol import Answer, Done, Progress, PublishRoom, Refusal, Request
from cloister.rooms.definition import Reference
from cloister.sdk.key import Key
from cloister.trust import software
from cloister.trust.evidence import WORKER_LABEL, Evidence, SoftwareSource, report_data
from cloister.wire.channel import REFUSALS
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience, Unavailable

from .conftest import BOB, Room, World, definition
from .enclave_peer import PeerEnclave, seal
from .hub_peer import problem

Publish = Callable[..., Room]
Stream = Iterator[bytes]


def _posted(world: World) -> list[tuple[str, str]]:
    return [entry for entry in world.hub.seen if entry[1] == "/v1/enclave/messages"]


# --- evidence: refused before anything is sent ------------------------------------------------------------------------


def test_software_evidence_is_refused_unless_allowed(world: World) -> None:
    client = world.client(allow_software=False)
    with pytest.raises(EvidenceRejected, match="CLOISTER_TRUST_SOFTWARE_ENCLAVE=1"):
        client.publish_analytics_dcr(definition(client))
    assert _posted(world) == []


def test_no_data_leaves_before_the_enclave_has_proven_itself(publish: Publish, world: World) -> None:
    room = publish()
    stranger = world.client(BOB, allow_software=False)
    with pytest.raises(EvidenceRejected):
        stranger.retrieve_analytics_dcr(room.dcr.id)
    # The same for a client whose enclave turns out to be another one between retrieving and attaching.
    world.hub.enclave.signing = Ed25519PrivateKey.generate()
    world.hub.enclave.renew()
    world.hub.on_evidence = lambda nonce, shown: msgspec.structs.replace(
        shown, evidence=SoftwareSource("worker").produce(report_data(WORKER_LABEL, nonce, b""))
    )
    with pytest.raises(EvidenceRejected):
        room.text.upload_and_publish_dataset(b"secret", Key(), "x")
    (room_peer,) = world.hub.enclave.rooms.values()
    assert room_peer.datasets == {}


EVIDENCE_ATTACKS: dict[str, Callable[[PeerEnclave, bytes], object]] = {
    "of an older nonce": lambda enclave, nonce: enclave.evidence(b"\x00" * 32),
    "of a worker": lambda enclave, nonce: msgspec.structs.replace(
        enclave.evidence(nonce),
        evidence=SoftwareSource("worker").produce(report_data(WORKER_LABEL, nonce, enclave.keys.digest())),
    ),
    "of other software": lambda enclave, nonce: msgspec.structs.replace(
        enclave.evidence(nonce), evidence=_measured(enclave, nonce, "11" * 32)
    ),
    "of another enclave, with these keys": lambda enclave, nonce: msgspec.structs.replace(
        PeerEnclave({}).evidence(nonce), keys=enclave.signed_keys()
    ),
    "with keys that somebody else signed": lambda enclave, nonce: msgspec.structs.replace(
        enclave.evidence(nonce), keys=sign_keys(enclave.keys, Ed25519PrivateKey.generate())
    ),
    "with the hub's own sealing key": lambda enclave, nonce: msgspec.structs.replace(
        enclave.evidence(nonce), keys=_with_sealing_key(enclave.signed_keys())
    ),
    "of an unknown type": lambda enclave, nonce: msgspec.structs.replace(
        enclave.evidence(nonce), evidence=Evidence(type="tdx-2040", document=b"")
    ),
    "with a field too many": lambda enclave, nonce: {
        **msgspec.to_builtins(enclave.evidence(nonce)),
        "trust_me": True,
    },
    "that is none": lambda enclave, nonce: [],
}


def _measured(enclave: PeerEnclave, nonce: bytes, measurement: str) -> Evidence:
    bound = report_data("cloister/enclave-evidence/v1", nonce, enclave.keys.digest())
    return Evidence(type=software.TYPE, document=software.produce(bound, measurement))


def _with_sealing_key(signed: SignedKeys) -> SignedKeys:
    keys = msgspec.structs.replace(signed.keys, sealing=SealingKey().public)
    return msgspec.structs.replace(signed, keys=keys)


@pytest.mark.parametrize("attack", EVIDENCE_ATTACKS)
def test_evidence_that_proves_nothing_is_refused(attack: str, world: World) -> None:
    world.hub.on_evidence = lambda nonce, shown: EVIDENCE_ATTACKS[attack](world.hub.enclave, nonce)
    client = world.client()
    with pytest.raises(VerificationError):
        client.publish_analytics_dcr(definition(client))
    assert _posted(world) == []


def test_the_proof_is_asked_for_once(publish: Publish, world: World) -> None:
    room = publish()
    room.dcr.status()
    room.dcr.status()
    assert [path for _, path in world.hub.seen].count("/v1/enclave/evidence") == 1


# --- keys that change -------------------------------------------------------------------------------------------------


def test_new_sealing_keys_are_followed(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.enclave.renew()
    assert not room.dcr.status().stopped
    assert [path for _, path in world.hub.seen].count("/v1/enclave/evidence") == 1


def test_new_sealing_keys_must_be_signed_by_the_enclave(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.enclave.renew()
    world.hub.on_keys = lambda shown: _with_sealing_key(shown)
    with pytest.raises(VerificationError, match="not signed"):
        room.dcr.status()


def test_keys_that_are_older_than_those_before_are_refused(publish: Publish, world: World) -> None:
    """A hub that has an old sealing key, from wherever, can't have anything sealed to it."""
    enclave = world.hub.enclave
    old, old_sealing = enclave.signed_keys(), enclave.sealing
    enclave.renew()
    room = publish()
    newer = enclave.signed_keys()
    enclave.keys, enclave.sealing = old.keys, old_sealing
    before = len(_posted(world))
    with pytest.raises(VerificationError, match="older than those it had before"):
        room.dcr.status()
    assert len(_posted(world)) == before + 1, "it was told that its keys are stale, and sent nothing more"
    # Nor are they taken later; newer ones are.
    enclave.made = newer.keys.made
    enclave.renew()
    assert not room.dcr.status().stopped
    assert [path for _, path in world.hub.seen].count("/v1/enclave/evidence") == 1


def test_a_new_signing_key_needs_a_new_proof(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.enclave.signing = Ed25519PrivateKey.generate()
    world.hub.enclave.renew()
    assert not room.dcr.status().stopped
    assert [path for _, path in world.hub.seen].count("/v1/enclave/evidence") == 2


def test_keys_that_are_always_stale_end_in_an_error(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.on_request = lambda request: (
        problem(409, "stale_keys", "The enclave has newer keys.") if request.url.path.endswith("/messages") else None
    )
    with pytest.raises(ServerError, match="newer keys"):
        room.dcr.status()


# --- a hub that tampers with answers ----------------------------------------------------------------------------------


def _replayed(recorded: list[list[bytes]]) -> Callable[[bytes, Stream], Stream]:
    """Answers every request with what the first one was answered with."""

    def answer(message: bytes, frames: Stream) -> Stream:
        recorded.append(list(frames))
        return iter(recorded[0])

    return answer


def test_an_answer_to_another_request_is_noticed(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.on_stream = _replayed([])
    room.dcr.status()
    with pytest.raises(DecryptionFailed, match="replayed"):
        room.dcr.status()


def test_answers_of_two_requests_can_not_be_swapped(publish: Publish, world: World) -> None:
    room = publish()
    meeting = threading.Barrier(2, timeout=30)
    answers: dict[int, list[bytes]] = {}

    def swap(message: bytes, frames: Stream) -> Stream:
        mine = list(frames)
        place = meeting.wait()
        answers[place] = mine
        meeting.wait()
        yield from answers[1 - place]

    world.hub.on_stream = swap
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(room.dcr.status), pool.submit(room.dcr.status)
        for future in (first, second):
            with pytest.raises(DecryptionFailed):
                future.result()


STREAM_ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "drops the last frame": lambda frames: frames[:-1],
    "drops the first frame": lambda frames: frames[1:],
    "sends a frame twice": lambda frames: [frames[0], *frames],
    "changes the order": lambda frames: [frames[1], frames[0], *frames[2:]],
    "sends nothing": lambda frames: [],
    "cuts a frame": lambda frames: [*frames[:-1], frames[-1][:-1]],
    "cuts a length": lambda frames: [*frames[:-1], frames[-1][:3]],
    "flips a bit": lambda frames: [*frames[:-1], frames[-1][:-1] + bytes([frames[-1][-1] ^ 1])],
    "adds a frame": lambda frames: [*frames, frames[-1]],
    "adds a byte": lambda frames: [*frames, b"\x00"],
    "adds bytes in the same chunk": lambda frames: [*frames[:-1], frames[-1] + b"\x00\x00\x00\x01\x00"],
    "claims an endless frame": lambda frames: [(MAX_FRAME + 1).to_bytes(4, "big"), *frames],
}


@pytest.mark.parametrize("attack", STREAM_ATTACKS)
def test_a_changed_stream_is_noticed(attack: str, publish: Publish, world: World) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"x", Key(), "x")
    room.upper.run_computation()
    world.hub.on_stream = lambda message, frames: iter(STREAM_ATTACKS[attack](list(frames)))
    with pytest.raises((VerificationError, ServerError)):
        room.upper.get_results_as_bytes()


def test_how_the_stream_is_cut_into_chunks_does_not_matter(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.on_stream = lambda message, frames: (bytes([byte]) for frame in frames for byte in frame)
    assert not room.dcr.status().stopped


def test_an_answer_that_is_not_the_last_frame_is_no_answer(publish: Publish, world: World) -> None:
    room = publish()
    enclave = world.hub.enclave

    def unfinished(message: bytes, frames: Stream) -> Stream:
        opened = open_request(message, enclave.sealing, enclave.keys)
        yield opened.exchange.seal_frame(0, msgspec.json.encode(Answer(body=Done())), last=False)

    world.hub.on_stream = unfinished
    with pytest.raises(VerificationError, match="ends"):
        room.dcr.status()


def test_progress_is_never_the_last_frame(publish: Publish, world: World) -> None:
    room = publish()
    enclave = world.hub.enclave

    def ended(message: bytes, frames: Stream) -> Stream:
        opened = open_request(message, enclave.sealing, enclave.keys)
        yield opened.exchange.seal_frame(0, msgspec.json.encode(Progress()), last=True)

    world.hub.on_stream = ended
    with pytest.raises(VerificationError, match="ends"):
        room.dcr.status()


def test_an_answer_of_another_kind_is_refused(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.enclave.on_answer = lambda request, answer: msgspec.structs.replace(answer, body=Done())
    with pytest.raises(VerificationError, match="something else"):
        room.dcr.status()


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_every_refusal_has_an_exception() -> None:
    assert set(REFUSALS) == Refused.CODES


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("not_found", NotFoundError),
        ("forbidden", AuthorizationError),
        ("rejected", AuthorizationError),
        ("bad_request", BadRequestError),
        ("conflict", BadRequestError),
        ("busy", ServerError),
        ("failed", EnclaveError),
    ],
)
def test_refusals_become_the_documented_errors(
    code: str, error: type[CloisterError], publish: Publish, world: World
) -> None:
    room = publish()
    enclave = world.hub.enclave

    def refusing(message: bytes, frames: Stream) -> Stream:
        opened = open_request(message, enclave.sealing, enclave.keys)
        no = msgspec.convert({"frame": "refusal", "code": code, "message": "No, because."}, Refusal)
        return seal(iter([no]), opened.exchange)

    world.hub.on_stream = refusing
    with pytest.raises(error, match="No, because") as caught:
        room.dcr.status()
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequestError),
        (401, AuthorizationError),
        (403, AuthorizationError),
        (404, NotFoundError),
        (409, BadRequestError),
        (413, BadRequestError),
        (429, ServerError),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_what_the_hub_says_becomes_the_documented_errors(status: int, error: type[ApiError], world: World) -> None:
    world.hub.on_request = lambda request: problem(status, "why", "The hub says why.")
    client = world.client()
    with pytest.raises(error, match="The hub says why") as caught:
        client.get_data_room_descriptions()
    assert world.tokens[client.user_email] not in repr(caught.value)


@pytest.mark.parametrize("status", [400, 404, 408, 409, 413])
def test_what_the_hub_says_never_passes_for_the_enclaves_word(status: int, publish: Publish, world: World) -> None:
    room = publish()
    world.hub.on_request = lambda request: (
        problem(status, "not_found", "There is no such thing.") if request.url.path.endswith("/messages") else None
    )
    with pytest.raises(ServerError, match="The hub itself says: There is no such thing") as caught:
        room.dcr.status()
    assert not isinstance(caught.value, Unavailable)
    world.hub.on_request = lambda request: Response("<html>", status)
    with pytest.raises(ServerError, match=f"status {status} and no explanation"):
        room.dcr.status()
    world.hub.on_request = lambda request: RedirectResponse("https://elsewhere.invalid/")
    with pytest.raises(ServerError, match="moved"):
        room.dcr.status()


@pytest.mark.parametrize("path", ["/v1/me", "/v1/identity", "/v1/enclave/evidence", "/v1/enclave/keys"])
def test_nor_does_what_it_says_before_a_message_is_sent(path: str, publish: Publish, world: World) -> None:
    room = publish()
    world.hub.enclave.renew()
    world.hub.on_request = lambda request: (
        problem(404, "not_found", "There is no such thing.") if request.url.path == path else None
    )
    with pytest.raises(ServerError, match="The hub itself says: There is no such thing"):
        room.dcr.status() if path.endswith("/keys") else world.client().retrieve_analytics_dcr(room.dcr.id)


def test_answers_that_are_no_hubs_are_told_so(world: World) -> None:
    client = world.client()
    world.hub.on_request = lambda request: Response("<html>", 200)
    with pytest.raises(ServerError, match="a Cloister hub"):
        client.get_data_room_descriptions()
    world.hub.on_request = lambda request: Response("<html>", 418)
    with pytest.raises(BadRequestError, match="418"):
        client.get_data_room_descriptions()
    # The token isn't carried to wherever a hub points.
    world.hub.on_request = lambda request: RedirectResponse("https://elsewhere.invalid/")
    with pytest.raises(BadRequestError, match="moved"):
        client.get_data_room_descriptions()


def test_an_endless_answer_is_not_read_to_its_end(world: World) -> None:
    client = world.client()
    world.hub.on_request = lambda request: Response(b" " * (17 * 1024 * 1024), 200)
    with pytest.raises(VerificationError, match="longer"):
        client.get_data_room_descriptions()


# --- connections that break -------------------------------------------------------------------------------------------


def _breaking(times: int) -> Callable[[bytes, Stream], Stream]:
    """The answers to the first requests break off in the middle of their first frame."""
    count = itertools.count()

    def answer(message: bytes, frames: Stream) -> Stream:
        data = b"".join(frames)
        if next(count) < times:
            yield data[:20]
            raise ConnectionError("as planned")
        yield data

    return answer


def test_a_broken_connection_is_tried_again(publish: Publish, world: World) -> None:
    pauses: list[float] = []
    room = publish(patience=Patience(pauses=(0.1, 0.2), sleep=pauses.append))
    world.hub.on_stream = _breaking(2)
    room.text.upload_and_publish_dataset(b"x", Key(), "x")
    assert pauses == [0.1, 0.2]
    (peer,) = world.hub.enclave.rooms.values()
    assert "dataset_attached" in peer.events[-1].decode()
    assert sum(b"dataset_attached" in event for event in peer.events) == 1


def test_patience_ends(publish: Publish, world: World) -> None:
    room = publish(patience=Patience(pauses=(0.1, 0.2), sleep=lambda seconds: None))
    world.hub.on_stream = _breaking(3)
    with pytest.raises(ServerError, match="broke"):
        room.dcr.status()
    assert not room.dcr.status().stopped


def test_a_busy_hub_is_waited_for_as_it_asks(publish: Publish, world: World) -> None:
    pauses: list[float] = []
    room = publish(patience=Patience(pauses=(0.1,), sleep=pauses.append))
    answers = iter([problem(429, "busy", "Try again in 3 seconds.", **{"Retry-After": "3"})])
    world.hub.on_request = lambda request: next(answers, None)
    room.dcr.status()
    assert pauses == [3.0]


def test_a_busy_enclave_is_waited_for_where_that_is_not_for_long(publish: Publish, world: World) -> None:
    pauses: list[float] = []
    room = publish(patience=Patience(pauses=(0.1, 0.1), sleep=pauses.append))
    world.hub.enclave.refusals = [Refused("busy", "Try again in 7 seconds.", retry_seconds=7)]
    room.dcr.status()
    assert pauses == [7.0]
    # Whoever would have to wait for an hour is told so at once, as is whoever asks for what nobody can say.
    for seconds in (3600, None):
        world.hub.enclave.refusals = [Refused("busy", "Try again later.", retry_seconds=seconds)]
        with pytest.raises(ServerError, match="later"):
            room.dcr.status()
    assert pauses == [7.0]


def test_nobody_at_the_address_is_told_at_once(world: World) -> None:
    hub = Hub("http://127.0.0.1:1", "token")
    try:
        with pytest.raises(ServerError, match="CLOISTER_URL"):
            hub.rooms()
    finally:
        hub.close()


def test_a_hub_that_never_answers_is_given_up(world: World) -> None:
    going = threading.Event()

    def silent(message: bytes, frames: Stream) -> Stream:
        going.wait()
        yield b""

    client = world.client(timeout=0.2)
    world.hub.on_stream = silent
    try:
        with pytest.raises(ServerError, match="in time"):
            client.publish_analytics_dcr(definition(client))
    finally:
        going.set()


# --- who is asked about what ------------------------------------------------------------------------------------------


def test_a_room_of_another_enclave_is_refused(publish: Publish, world: World) -> None:
    room = publish()
    other, own = Reference(evidence="sev-snp", measurement="22" * 32), world.hub.enclave.source.reference
    before = len(_posted(world))
    none: tuple[Reference, ...] = ()
    for enclaves in ((other,), (other, msgspec.structs.replace(own, evidence="sev-snp")), none):
        room.dcr._context.link.enclaves = enclaves
        with pytest.raises(EvidenceRejected, match="other software"):
            room.dcr.status()
    assert len(_posted(world)) == before
    room.dcr._context.link.enclaves = (other, own)
    assert not room.dcr.status().stopped


def test_requests_are_signed_by_the_device_and_carry_a_token_only_at_first(publish: Publish, world: World) -> None:
    requests: list[Request] = []

    def note(request: Request, answer: Answer) -> Answer:
        requests.append(request)
        return answer

    world.hub.enclave.on_answer = note
    room = publish()
    room.dcr.status()
    assert [request.token is not None for request in requests] == [True, False]
    # A room that doesn't know the key any more gets a token once more. (The peer binds it at the same time as before,
    # so that its log is the one that was seen.)
    del world.hub.enclave.rooms[room.dcr.id].events[1:]
    room.dcr.status()
    assert requests[-1].token is not None


def test_a_request_that_is_too_long_is_not_sent(world: World) -> None:
    channel = world.client()._channel
    with pytest.raises(BadRequestError, match="32 MiB"):
        channel.ask(Request(body=PublishRoom(definition=bytes(32 * 1024 * 1024))), None)
    assert world.hub.seen == []
