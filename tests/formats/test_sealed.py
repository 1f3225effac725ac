"""Sealed messages: nothing passes that wasn't made for this place, this request and these keys."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import DecryptionFailed, IdentityRejected, VerificationError
from cloister.formats.encoding import pack
from cloister.formats.sealed import (
    EnclaveKeys,
    SealingKey,
    addressed_to,
    open_report,
    open_request,
    open_row,
    open_secret,
    open_task,
    public_sealing_key,
    seal_report,
    seal_request,
    seal_row,
    seal_secret,
    seal_task,
    sign_keys,
    verify_keys,
)

SIGNING = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
DEVICE = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
DEVICE_PUBLIC = DEVICE.public_key().public_bytes_raw()
SEALING = SealingKey()
KEYS = EnclaveKeys(made=1_700_000_000_000, signing=SIGNING.public_key().public_bytes_raw(), sealing=SEALING.public)
OTHER_SEALING = SealingKey()
MESSAGE, EXCHANGE = seal_request(KEYS, b"a request", DEVICE)
HEADER, ENCAPSULATED = 33, 1120


def forge(response_key: bytes, device: bytes, signature: bytes, payload: bytes, *more: bytes, label: str = "") -> bytes:
    """A request that is sealed well, whatever it holds."""
    plaintext = pack(label, response_key, device, signature, payload, *more)
    return reseal(plaintext)


def reseal(plaintext: bytes) -> bytes:
    from cloister.formats.sealed import _SUITE, _info  # the sender is the attacker: it has all of it

    sealed = _SUITE.encrypt(plaintext, public_sealing_key(KEYS.sealing), info=_info("request", KEYS.digest()))
    return b"\x01" + KEYS.digest() + sealed


def sign(payload: bytes, response_key: bytes, digest: bytes = KEYS.digest()) -> bytes:
    return DEVICE.sign(pack("cloister/device-signature/v1", digest, response_key, payload))


# --- requests ---


@given(st.binary(max_size=3000))
def test_requests_round_trip(payload: bytes) -> None:
    message, exchange = seal_request(KEYS, payload, DEVICE)
    opened = open_request(message, SEALING, KEYS)
    assert (opened.payload, opened.device) == (payload, DEVICE_PUBLIC)
    assert opened.exchange == exchange
    assert addressed_to(message) == KEYS.digest()


def test_an_unsigned_request_is_nobodys() -> None:
    message, _ = seal_request(KEYS, b"hello", None)
    assert open_request(message, SEALING, KEYS).device is None


def test_no_two_requests_are_alike() -> None:
    again, exchange = seal_request(KEYS, b"a request", DEVICE)
    assert again[HEADER:] != MESSAGE[HEADER:]
    assert exchange.response_key != EXCHANGE.response_key


@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    changed = bytearray(MESSAGE)
    changed[data.draw(st.integers(0, len(MESSAGE) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(VerificationError):
        open_request(bytes(changed), SEALING, KEYS)


@given(st.integers(0, len(MESSAGE) - 1))
def test_any_truncation_is_noticed(length: int) -> None:
    with pytest.raises(VerificationError):
        open_request(MESSAGE[:length], SEALING, KEYS)


@given(st.binary(min_size=1, max_size=40))
def test_any_extension_is_noticed(more: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        open_request(MESSAGE + more, SEALING, KEYS)


@given(st.binary(max_size=1300))
def test_noise_is_refused(noise: bytes) -> None:
    for message in (noise, b"\x01" + KEYS.digest() + noise):
        with pytest.raises(VerificationError):
            open_request(message, SEALING, KEYS)


def test_a_useless_encapsulation_is_refused() -> None:
    """A point of small order, from anyone on the network."""
    for point in (bytes(32), b"\x01" + bytes(31)):
        start = HEADER + ENCAPSULATED - 32
        message = MESSAGE[:start] + point + MESSAGE[start + 32 :]
        with pytest.raises(DecryptionFailed):
            open_request(message, SEALING, KEYS)


def test_a_request_to_other_keys_is_refused() -> None:
    others = msgspec.structs.replace(KEYS, sealing=OTHER_SEALING.public)
    with pytest.raises(VerificationError, match="not a request to this enclave"):
        open_request(MESSAGE, OTHER_SEALING, others)
    readdressed = MESSAGE[:1] + others.digest() + MESSAGE[HEADER:]
    with pytest.raises(DecryptionFailed):
        open_request(readdressed, OTHER_SEALING, others)


def test_the_info_binds_the_signing_key_too() -> None:
    """The same sealing key shown under another signing key: what was sealed for one does not open for the other."""
    others = msgspec.structs.replace(KEYS, signing=DEVICE_PUBLIC)
    with pytest.raises(DecryptionFailed):
        open_request(b"\x01" + others.digest() + MESSAGE[HEADER:], SEALING, others)


def test_an_enclave_can_not_forward_a_request_to_another() -> None:
    """It can open what it got and seal it again, but the signature names the keys that the user chose."""
    elsewhere = EnclaveKeys(made=KEYS.made, signing=DEVICE_PUBLIC, sealing=OTHER_SEALING.public)
    message, exchange = seal_request(elsewhere, b"remove my data", DEVICE)
    opened = open_request(message, OTHER_SEALING, elsewhere)
    assert opened.device == DEVICE_PUBLIC
    stolen = sign(opened.payload, exchange.response_key, elsewhere.digest())
    with pytest.raises(IdentityRejected):
        open_request(forge(exchange.response_key, DEVICE_PUBLIC, stolen, opened.payload), SEALING, KEYS)


def test_signatures() -> None:
    key = os.urandom(32)
    good = sign(b"payload", key)
    assert open_request(forge(key, DEVICE_PUBLIC, good, b"payload"), SEALING, KEYS).device == DEVICE_PUBLIC
    other = SIGNING.public_key().public_bytes_raw()
    cases: list[tuple[bytes, bytes, bytes, bytes]] = [
        (key, DEVICE_PUBLIC, b"", b"payload"),
        (key, b"", good, b"payload"),
        (key, DEVICE_PUBLIC, good[:32], b"payload"),
        (key, DEVICE_PUBLIC, good + b"\0", b"payload"),
        (key, DEVICE_PUBLIC[:31], good, b"payload"),
        (key, DEVICE_PUBLIC + b"\0", good, b"payload"),
        (key, other, good, b"payload"),
        (key, DEVICE_PUBLIC, good, b"payloae"),
        (os.urandom(32), DEVICE_PUBLIC, good, b"payload"),
        (key, DEVICE_PUBLIC, bytes(64), b"payload"),
    ]
    for case in cases:
        with pytest.raises(IdentityRejected):
            open_request(forge(*case), SEALING, KEYS)


@pytest.mark.parametrize(
    "message",
    [
        forge(b"", b"", b"", b"payload"),
        forge(b"x" * 31, b"", b"", b"payload"),
        forge(b"x" * 32, b"", b"", b"payload", b""),
        forge(b"x" * 32, b"", b"", b"payload", label="x"),
        reseal(b""),
        reseal(pack("", b"x" * 32, b"", b"")),
        reseal(pack("", b"x" * 32, b"", b"", b"payload")[:-1]),
        reseal(pack("", b"x" * 32, b"", b"", b"payload") + b"\0" * 7),
        reseal(b"\xff" * 8),
        reseal(b"\xff" * 4096),
    ],
)
def test_malformed_requests_are_refused(message: bytes) -> None:
    with pytest.raises(VerificationError):
        open_request(message, SEALING, KEYS)


@given(st.binary(max_size=200))
def test_whatever_a_sender_seals_is_read_or_refused(plaintext: bytes) -> None:
    with pytest.raises(VerificationError):
        open_request(reseal(plaintext), SEALING, KEYS)


@pytest.mark.parametrize(
    "public",
    [b"", SEALING.public[:-1], SEALING.public + b"\0", b"\xff" * 1216, SEALING.public[:1184] + bytes(32)],
    ids=["empty", "short", "long", "no lattice", "small order"],
)
def test_nothing_is_sealed_to_a_key_that_is_none(public: bytes) -> None:
    with pytest.raises(VerificationError, match="not a public X-Wing key"):
        seal_request(msgspec.structs.replace(KEYS, sealing=public), b"secret", DEVICE)
    with pytest.raises(VerificationError, match="not a public X-Wing key"):
        seal_task(public, b"secret")


# --- responses ---


def test_frames_in_order() -> None:
    frames = [EXCHANGE.seal_frame(index, b"%d" % index, last=index == 2) for index in range(3)]
    for index, frame in enumerate(frames):
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert EXCHANGE.open_frame(index, frame[4:]) == (b"%d" % index, index == 2)


def test_frames_in_another_place_or_for_another_request_are_refused() -> None:
    frame = EXCHANGE.seal_frame(0, b"yes", last=True)[4:]
    with pytest.raises(DecryptionFailed, match="replayed"):
        EXCHANGE.open_frame(1, frame)
    _, other = seal_request(KEYS, b"a request", DEVICE)
    with pytest.raises(DecryptionFailed):
        other.open_frame(0, frame)
    # The same response key, as a client with a broken random generator would choose it, but another request.
    same_key = type(EXCHANGE)(EXCHANGE.response_key, other.request_digest)
    with pytest.raises(DecryptionFailed):
        same_key.open_frame(0, frame)


@given(st.data())
def test_any_changed_frame_is_noticed(data: st.DataObject) -> None:
    frame = EXCHANGE.seal_frame(3, b"twenty bytes of data", last=False)[4:]
    changed = bytearray(frame)
    changed[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for tampered in (bytes(changed), frame[: data.draw(st.integers(0, len(frame) - 1))], frame + b"\0"):
        with pytest.raises(DecryptionFailed):
            EXCHANGE.open_frame(3, tampered)


def test_keys_are_not_shown() -> None:
    opened = open_request(MESSAGE, SEALING, KEYS)
    for shown in (repr(EXCHANGE), repr(opened)):
        assert repr(EXCHANGE.response_key) not in shown
        assert "a request" not in shown


# --- keys ---


def test_newer_keys_are_followed_under_the_same_signing_key_only() -> None:
    newer = msgspec.structs.replace(KEYS, sealing=OTHER_SEALING.public)
    signed = sign_keys(newer, SIGNING)
    assert verify_keys(signed, signing=KEYS.signing) == newer
    with pytest.raises(VerificationError, match="another signing key"):
        verify_keys(signed, signing=DEVICE_PUBLIC)
    with pytest.raises(VerificationError, match="not signed by it"):
        verify_keys(msgspec.structs.replace(signed, keys=KEYS), signing=KEYS.signing)
    for signature in (b"", bytes(64), signed.signature[:-1], DEVICE.sign(b"x")):
        with pytest.raises(VerificationError, match="not signed by it"):
            verify_keys(msgspec.structs.replace(signed, signature=signature), signing=KEYS.signing)
    with pytest.raises(VerificationError):
        verify_keys(sign_keys(msgspec.structs.replace(newer, signing=b""), SIGNING), signing=b"")


def test_older_keys_than_those_that_were_seen_are_refused() -> None:
    """Whoever got hold of an old sealing key would like to have requests sealed to it."""
    keys = {made: msgspec.structs.replace(KEYS, made=made, sealing=OTHER_SEALING.public) for made in (0, 999, 1000)}
    signed = {made: sign_keys(each, SIGNING) for made, each in keys.items()}
    for made in (0, 999):
        with pytest.raises(VerificationError, match="older than those it had before"):
            verify_keys(signed[made], signing=KEYS.signing, after=1000)
    assert verify_keys(signed[1000], signing=KEYS.signing, after=1000) == keys[1000], "the same keys again"
    assert verify_keys(signed[1000], signing=KEYS.signing, after=999) == keys[1000]
    # Their age is signed, and part of what evidence and requests are bound to.
    renewed = msgspec.structs.replace(signed[0], keys=msgspec.structs.replace(keys[0], made=1000))
    with pytest.raises(VerificationError, match="not signed by it"):
        verify_keys(renewed, signing=KEYS.signing, after=1000)
    assert len({each.digest() for each in keys.values()}) == len(keys)


# --- tasks and reports ---


def test_tasks_open_for_their_worker_only() -> None:
    sealed = seal_task(SEALING.public, b"a task")
    assert open_task(sealed, SEALING) == b"a task"
    with pytest.raises(DecryptionFailed):
        open_task(sealed, OTHER_SEALING)


@given(st.data())
def test_changed_tasks_are_refused(data: st.DataObject) -> None:
    sealed = seal_task(SEALING.public, b"a task")
    changed = bytearray(sealed)
    changed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for tampered in (bytes(changed), sealed[: data.draw(st.integers(0, len(sealed) - 1))], sealed + b"\0"):
        with pytest.raises(DecryptionFailed):
            open_task(tampered, SEALING)


def test_tasks_and_requests_are_not_each_other() -> None:
    with pytest.raises(DecryptionFailed):
        open_task(MESSAGE[HEADER:], SEALING)
    with pytest.raises(DecryptionFailed):
        open_request(b"\x01" + KEYS.digest() + seal_task(SEALING.public, b""), SEALING, KEYS)


TASK_ID, SEALED_TASK, REPORT_KEY = b"\x05" * 32, b"a sealed task", b"\x06" * 32
REPORT = seal_report(TASK_ID, SEALED_TASK, REPORT_KEY, b"done")


def test_reports_belong_to_one_task_sealed_once() -> None:
    assert addressed_to(REPORT) == TASK_ID
    assert open_report(REPORT, TASK_ID, SEALED_TASK, REPORT_KEY) == b"done"
    elsewhere = b"\x07" * 32
    attempts: list[Callable[[], bytes]] = [
        lambda: open_report(REPORT, elsewhere, SEALED_TASK, REPORT_KEY),
        lambda: open_report(b"\x02" + elsewhere + REPORT[33:], elsewhere, SEALED_TASK, REPORT_KEY),
        lambda: open_report(REPORT, TASK_ID, b"sealed again", REPORT_KEY),
        lambda: open_report(REPORT, TASK_ID, SEALED_TASK, elsewhere),
        lambda: open_report(b"\x01" + REPORT[1:], TASK_ID, SEALED_TASK, REPORT_KEY),
        lambda: open_report(REPORT + b"\0", TASK_ID, SEALED_TASK, REPORT_KEY),
        lambda: open_report(MESSAGE, TASK_ID, SEALED_TASK, REPORT_KEY),
    ]
    for attempt in attempts:
        with pytest.raises(DecryptionFailed, match="does not belong"):
            attempt()


@given(st.integers(0, len(REPORT) - 1))
def test_truncated_reports_are_refused(length: int) -> None:
    with pytest.raises(VerificationError):
        open_report(REPORT[:length], TASK_ID, SEALED_TASK, REPORT_KEY)


# --- rows and secrets ---

STORE_KEY, ROOM, OTHER_ROOM, ROOT = b"\x08" * 32, "aa" * 32, "bb" * 32, b"\x09" * 32


def test_rows_stay_where_they_were_written() -> None:
    row = seal_row(STORE_KEY, ROOM, 3, ROOT, b"an event")
    assert open_row(STORE_KEY, ROOM, 3, ROOT, row) == b"an event"
    places: list[tuple[bytes, str, int, bytes]] = [
        (STORE_KEY, ROOM, 2, ROOT),
        (STORE_KEY, OTHER_ROOM, 3, ROOT),
        (STORE_KEY, ROOM, 3, bytes(32)),
        (b"\x0a" * 32, ROOM, 3, ROOT),
    ]
    for key, room, index, root in places:
        with pytest.raises(DecryptionFailed, match="log was changed"):
            open_row(key, room, index, root, row)
    for changed in (b"", row[:-1], row + b"\0", bytes([row[0] ^ 1]) + row[1:]):
        with pytest.raises(DecryptionFailed, match="Row 3"):
            open_row(STORE_KEY, ROOM, 3, ROOT, changed)


def test_secrets_stay_under_their_name() -> None:
    sealed = seal_secret(STORE_KEY, ROOM, "dataset/lab", b"a key")
    assert open_secret(STORE_KEY, ROOM, "dataset/lab", sealed) == b"a key"
    for key, room, name in [
        (STORE_KEY, ROOM, "dataset/la"),
        (STORE_KEY, OTHER_ROOM, "dataset/lab"),
        (STORE_KEY, ROOM + "d", "ataset/lab"),
        (b"\x0a" * 32, ROOM, "dataset/lab"),
    ]:
        with pytest.raises(DecryptionFailed, match="secret was changed"):
            open_secret(key, room, name, sealed)


def test_rows_and_secrets_are_not_each_other() -> None:
    row = seal_row(STORE_KEY, ROOM, 0, b"", b"an event")
    with pytest.raises(DecryptionFailed):
        open_secret(STORE_KEY, ROOM, "\0" * 8, row)
