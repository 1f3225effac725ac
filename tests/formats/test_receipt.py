"""Receipts, as we verify them and as securesystemslib does."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError as ForeignVerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from cloister.errors import ReceiptInvalid
from cloister.formats.encoding import canonical
from cloister.formats.receipt import (
    Attested,
    Input,
    ReceiptBody,
    key_id,
    pre_authentication_encoding,
    sign_receipt,
    sigstore_bundle,
    verify_receipt,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x04" * 32)
RESULT = "77" * 32
BODY = ReceiptBody(
    room="11" * 32,
    node="report",
    definition="22" * 32,
    run="33" * 32,
    inputs=(Input(node="patients", manifest="44" * 32), Input(node="lab", manifest=None)),
    image="python",
    image_measurement="55" * 32,
    enclave=Attested(evidence="insecure-software", measurement="66" * 32),
    worker=Attested(evidence="insecure-software", measurement="88" * 32),
    log_index=9,
    checkpoint="a note\n",
    finished=1_700_000_000_000,
)
RECEIPT = sign_receipt(BODY, RESULT, "report.zip", KEY)


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(RECEIPT), **fields}).encode()


def signed(payload: bytes, *, key: Ed25519PrivateKey = KEY, kind: str = "application/vnd.in-toto+json") -> bytes:
    """An envelope with a good signature over whatever it holds."""
    signature = key.sign(pre_authentication_encoding(kind, payload))
    entry = {"keyid": key_id(PUBLIC), "sig": base64.b64encode(signature).decode()}
    body = {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": [entry]}
    return json.dumps(body).encode()


def payload(**fields: Any) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(RECEIPT)["payload"]))
    return {**statement, **fields}


def foreign_check(receipt: bytes, public: bytes = PUBLIC) -> bytes:
    """Verification by securesystemslib: its envelope, its key class, its reading of DSSE."""
    envelope = Envelope.from_dict(json.loads(receipt))
    key = SSlibKey(key_id(PUBLIC), "ed25519", "ed25519", {"public": public.hex()})
    envelope.verify([key], 1)
    return envelope.payload


def test_round_trip() -> None:
    assert verify_receipt(RECEIPT, PUBLIC, result=RESULT) == BODY


def test_securesystemslib_verifies_it() -> None:
    statement = json.loads(foreign_check(RECEIPT))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:cloister:receipt:v1"
    assert statement["subject"] == [{"name": "report.zip", "digest": {"sha256": RESULT}}]
    assert msgspec.convert(statement["predicate"], ReceiptBody) == BODY


def test_the_payload_is_canonical() -> None:
    data = base64.b64decode(json.loads(RECEIPT)["payload"])
    assert canonical(json.loads(data)) == data


@pytest.mark.parametrize(
    "receipt",
    [
        changed(payload=base64.b64encode(canonical(payload(_type="https://in-toto.io/Statement/v1 "))).decode()),
        changed(payload=base64.b64encode(canonical(payload(predicate={}))).decode()),
        changed(payloadType="application/json"),
        changed(signatures=[{"keyid": key_id(PUBLIC), "sig": base64.b64encode(bytes(64)).decode()}]),
        signed(canonical(payload()), key=OTHER),
    ],
    ids=["statement", "predicate", "type", "signature", "key"],
)
def test_changed_receipts_are_refused_by_both(receipt: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt, PUBLIC, result=RESULT)
    with pytest.raises(ForeignVerificationError):
        foreign_check(receipt)


def test_another_key_is_refused_by_both() -> None:
    other = OTHER.public_key().public_bytes_raw()
    with pytest.raises(ReceiptInvalid, match="not signed by the enclave"):
        verify_receipt(RECEIPT, other, result=RESULT)
    with pytest.raises(ForeignVerificationError):
        foreign_check(RECEIPT, other)


def test_a_receipt_of_another_result_is_refused() -> None:
    with pytest.raises(ReceiptInvalid, match="another result"):
        verify_receipt(RECEIPT, PUBLIC, result="78" * 32)


@pytest.mark.parametrize(
    "subject",
    [
        [],
        [{"name": "report.zip", "digest": {"sha256": RESULT}}] * 2,
        [{"name": "report.zip", "digest": {"sha256": RESULT, "sha512": "00"}}],
        [{"name": "report.zip", "digest": {"sha512": RESULT}}],
    ],
)
def test_exactly_one_subject(subject: list[dict[str, Any]]) -> None:
    with pytest.raises(ReceiptInvalid, match=r"about (another|one) result"):
        verify_receipt(signed(canonical(payload(subject=subject))), PUBLIC, result=RESULT)


@pytest.mark.parametrize(
    "receipt",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        changed(unknown=1),
        changed(payload="not base64!"),
        changed(payload=None),
        changed(signatures=[]),
        changed(signatures=json.loads(RECEIPT)["signatures"] * 2),
        changed(signatures=[{"keyid": key_id(PUBLIC), "sig": "!"}]),
        changed(signatures=[{"keyid": key_id(PUBLIC), "sig": ""}]),
        signed(b"not json"),
        signed(canonical(payload(unknown=1))),
        signed(canonical(payload(predicateType="urn:cloister:receipt:v2"))),
        signed(canonical(payload(_type="https://in-toto.io/Statement/v0.1"))),
        signed(canonical(payload()), kind="application/json"),
    ],
)
def test_malformed_receipts_are_refused(receipt: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt, PUBLIC, result=RESULT)


def test_the_sigstore_bundle_holds_the_same_envelope() -> None:
    bundle = sigstore_bundle(RECEIPT)
    assert bundle == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key_id(PUBLIC)}},
        "dsseEnvelope": json.loads(RECEIPT),
    }
    assert verify_receipt(json.dumps(bundle["dsseEnvelope"]).encode(), PUBLIC, result=RESULT) == BODY


def test_the_encoding_that_is_signed_delimits_its_fields() -> None:
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
