"""The sealing keys that come and go: what is opened, once, and for how long."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.keys import LIFETIME, OVERLAP, KeyRing, Replayed, StaleKeys
from cloister.errors import DecryptionFailed, VerificationError
from cloister.formats.sealed import EnclaveKeys, seal_request, verify_keys
from cloister.protocol import MAX_REQUEST, Describe, Request, RetrieveRoom
from cloister.rooms.definition import Participant
from tests.enclave.peers import NOON, Clock, Enclave, Meeting, Person, data

OWNER = "owner@ring.example"
START = 5000
"""Seconds, of a clock that counts from some start."""


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing(Ed25519PrivateKey.generate(), now=START, clock=Clock())


def message(keys: EnclaveKeys, payload: bytes = b"payload") -> bytes:
    return seal_request(keys, payload, Ed25519PrivateKey.generate())[0]


def test_each_message_is_opened_once(ring: KeyRing) -> None:
    keys = ring.current(START).keys
    first, second = message(keys), message(keys)
    assert ring.open(first, START).payload == b"payload"
    for now in (START, START + 10, START + LIFETIME - 1):
        with pytest.raises(Replayed):
            ring.open(first, now)
    assert ring.open(second, START).payload == b"payload"


def test_a_replay_is_refused_after_the_keys_have_changed_too(ring: KeyRing) -> None:
    sent = message(ring.current(START).keys)
    ring.open(sent, START)
    with pytest.raises(Replayed):
        ring.open(sent, START + LIFETIME)
    with pytest.raises(Replayed):
        ring.open(sent, START + LIFETIME + OVERLAP - 1)
    with pytest.raises(StaleKeys):
        ring.open(sent, START + LIFETIME + OVERLAP)


def test_keys_are_replaced_when_they_are_old_and_the_last_ones_serve_a_while(ring: KeyRing) -> None:
    first = ring.current(START).keys
    assert ring.current(START + LIFETIME - 1).keys == first
    second = ring.current(START + LIFETIME).keys
    assert second.sealing != first.sealing
    assert second.signing == first.signing
    assert ring.open(message(first), START + LIFETIME).payload == b"payload"
    assert ring.open(message(second), START + LIFETIME).payload == b"payload"
    assert ring.open(message(first), START + LIFETIME + OVERLAP - 1).payload == b"payload"
    with pytest.raises(StaleKeys, match="Fetch them and send the request again"):
        ring.open(message(first), START + LIFETIME + OVERLAP)
    assert ring.current(START + LIFETIME + OVERLAP).keys == second


def test_messages_that_come_after_a_long_silence_find_new_keys(ring: KeyRing) -> None:
    first = ring.current(START).keys
    sent = message(first)
    assert ring.open(sent, START + 10 * LIFETIME).payload == b"payload"
    assert ring.current(START + 10 * LIFETIME).keys != first
    with pytest.raises(StaleKeys):
        ring.open(message(first), START + 10 * LIFETIME + OVERLAP)


def test_new_keys_are_signed_by_the_old_ones_signer_and_never_older() -> None:
    clock = Clock()
    ring = KeyRing(Ed25519PrivateKey.generate(), now=START, clock=clock)
    first = ring.current(START)
    clock.now += LIFETIME * 1000
    second = ring.current(START + LIFETIME)
    assert (first.keys.made, second.keys.made) == (NOON, NOON + LIFETIME * 1000)
    verify_keys(second, signing=first.keys.signing, after=first.keys.made)
    with pytest.raises(VerificationError, match="older than those it had before"):
        verify_keys(first, signing=first.keys.signing, after=second.keys.made)


def test_another_enclave_with_the_same_signing_key_opens_nothing(ring: KeyRing) -> None:
    """A restart: sealing keys live in memory alone."""
    after = KeyRing(ring.signing, now=START, clock=Clock())
    with pytest.raises(StaleKeys):
        after.open(message(ring.current(START).keys), START)


@pytest.mark.parametrize("place", [0, 33, 40, 1200, 1300, -1])
def test_changed_messages_are_refused_and_do_not_use_up_the_true_one(ring: KeyRing, place: int) -> None:
    sent = message(ring.current(START).keys)
    changed = bytearray(sent)
    changed[place] ^= 1
    with pytest.raises(VerificationError):
        ring.open(bytes(changed), START)
    assert ring.open(sent, START).payload == b"payload"


@pytest.mark.parametrize("length", [0, 1, 33, 34, 1000, 1300])
def test_cut_off_messages_are_refused(ring: KeyRing, length: int) -> None:
    sent = message(ring.current(START).keys)
    with pytest.raises((VerificationError, DecryptionFailed)):
        ring.open(sent[:length], START)


class TestDoor:
    """The same at the enclave's door, where the answer says what to do."""

    @pytest.mark.anyio
    async def test_statuses(self, enclave: Enclave) -> None:
        before = Enclave()
        before.close()
        request = Request(body=Describe())
        sent, _ = seal_request(enclave.keys, msgspec.json.encode(request), None)
        stale, _ = seal_request(before.keys, msgspec.json.encode(request), None)
        assert (await enclave.post(sent))[0] == 200
        for content, status, code in (
            (sent, 409, b"replayed"),
            (stale, 409, b"stale_keys"),
            (sent[:-1], 400, b"rejected"),
            (b"", 400, b"rejected"),
            (b"\x00" * 100, 409, b"stale_keys"),
            (bytes(MAX_REQUEST + 1), 413, b"too_large"),
        ):
            answered, body = await enclave.post(content)
            assert (answered, code in body) == (status, True)

    @pytest.mark.anyio
    async def test_a_replayed_request_has_no_effect_and_no_answer(self, enclave: Enclave) -> None:
        """Not even a read: the log of a room isn't told twice."""
        room = await Meeting.publish(enclave, [data("a")], [Participant(user=OWNER)])
        owner = room.people[OWNER]
        request = Request(body=RetrieveRoom(), room=room.id, user=OWNER)
        sent, _ = seal_request(enclave.keys, msgspec.json.encode(request), owner.device)
        assert (await enclave.post(sent))[0] == 200
        before = len(list(enclave.store.read(room.id)))
        assert (await enclave.post(sent))[0] == 409
        assert len(list(enclave.store.read(room.id))) == before

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "payload",
        [b"", b"{}", b"\xff", b'{"version":2,"body":{"type":"describe"}}', b'{"body":{"type":"open_sesame"}}'],
        ids=["empty", "no body", "not JSON", "another version", "unknown request"],
    )
    async def test_requests_that_are_none_are_rejected(self, enclave: Enclave, payload: bytes) -> None:
        sent, exchange = seal_request(enclave.keys, payload, Person(OWNER).device)
        status, body = await enclave.post(sent)
        frame, last = exchange.open_frame(0, body[4:])
        assert (status, last) == (200, True)
        assert msgspec.json.decode(frame)["code"] == "rejected"
