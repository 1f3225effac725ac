"""Receipts: an enclave's signed statement of what a result was computed from, by what, and under which log.

An in-toto Statement v1 in a DSSE envelope, also as a Sigstore bundle, so that other people's tools verify it.
Sources: in-toto attestation framework v1, DSSE v1.0.2, Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloister.errors import ReceiptInvalid, VerificationError
from cloister.formats.encoding import Hex32, Record, Size, canonical, decode, sha256

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Literal["urn:cloister:receipt:v1"] = "urn:cloister:receipt:v1"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class Attested(Record, frozen=True, kw_only=True):
    """What a piece of the system proved to be."""

    evidence: str
    """The evidence's type. ``insecure-software`` means: nothing protected this from the machine's operator."""
    measurement: Hex32


class Input(Record, frozen=True, kw_only=True):
    """One dependency of the computation."""

    node: str
    manifest: Hex32 | None
    """Digest of the manifest (of ciphertext); None where an optional input was absent."""


class ReceiptBody(Record, frozen=True, kw_only=True):
    """What the enclave vouches for. Names ciphertext digests only: a receipt can be shared without helping anyone
    to guess the data."""

    room: Hex32
    node: str
    definition: Hex32
    """SHA-256 of the computation's canonical definition."""
    run: Hex32
    inputs: tuple[Input, ...]
    image: str
    image_measurement: Hex32
    enclave: Attested
    worker: Attested
    log_index: Size
    """Where the room's log says that the run finished."""
    checkpoint: str
    """The signed checkpoint right after that."""
    finished: Size
    """Milliseconds since 1970, by the host's clock: best effort."""


class Descriptor(Record, frozen=True, kw_only=True):
    name: str
    digest: dict[str, str]


class Statement(Record, frozen=True, kw_only=True):
    """in-toto Statement v1."""

    statement_type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type", default=STATEMENT_TYPE)
    subject: tuple[Descriptor, ...]
    predicate_type: Literal["urn:cloister:receipt:v1"] = msgspec.field(name="predicateType", default=PREDICATE_TYPE)
    predicate: ReceiptBody


class Signature(Record, frozen=True, kw_only=True):
    keyid: Hex32
    sig: str


class Envelope(Record, frozen=True, kw_only=True):
    """DSSE envelope."""

    payload: str
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[Signature, ...]


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """PAE of DSSE v1: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_receipt(body: ReceiptBody, result: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """The receipt of a result, as DSSE JSON.

    Args:
        result: digest of the result's manifest (hex).
        name: the file name under which the result is handed out.
    """
    statement = Statement(subject=(Descriptor(name=name, digest={"sha256": result}),), predicate=body)
    payload = canonical(statement)
    signature = Signature(
        keyid=key_id(key.public_key().public_bytes_raw()),
        sig=base64.b64encode(key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))).decode(),
    )
    envelope = Envelope(payload=base64.b64encode(payload).decode(), payload_type=PAYLOAD_TYPE, signatures=(signature,))
    return msgspec.json.encode(envelope)


def verify_receipt(receipt: bytes, signing: bytes, *, result: str) -> ReceiptBody:
    """Checks a receipt and returns what it vouches for.

    The caller compares the body with the definition, the log and the evidence that it knows.

    Raises:
        ReceiptInvalid: it is not the enclave's receipt of that result.
    """
    subject, body = read_receipt(receipt, signing)
    if subject != result:
        raise ReceiptInvalid("The receipt is about another result.")
    return body


def read_receipt(receipt: bytes, signing: bytes) -> tuple[str, ReceiptBody]:
    """Checks a receipt without its result: the digest of the result's manifest (hex), and what is vouched for.

    Raises:
        ReceiptInvalid: it is not a receipt of the enclave's.
    """
    try:
        # 1. One envelope, one signature, of the type that receipts have.
        envelope = decode(receipt, Envelope, what="a receipt")
        if envelope.payload_type != PAYLOAD_TYPE or len(envelope.signatures) != 1:
            raise ReceiptInvalid("The receipt is not an in-toto statement with one signature.")
        payload = base64.b64decode(envelope.payload, validate=True)
        signature = base64.b64decode(envelope.signatures[0].sig, validate=True)
        # 2. Signed by the attested key.
        text = pre_authentication_encoding(envelope.payload_type, payload)
        Ed25519PublicKey.from_public_bytes(signing).verify(signature, text)
        # 3. About one result.
        statement = decode(payload, Statement, what="a receipt")
    except InvalidSignature:
        raise ReceiptInvalid("The receipt was not signed by the enclave, or was changed since.") from None
    except (binascii.Error, ValueError) as error:
        raise ReceiptInvalid("The receipt can't be read.") from error
    except VerificationError as error:
        raise ReceiptInvalid(str(error)) from None
    digests = [descriptor.digest for descriptor in statement.subject]
    if len(digests) != 1 or list(digests[0]) != ["sha256"]:
        raise ReceiptInvalid("The receipt is not about one result.")
    return digests[0]["sha256"], statement.predicate


def sigstore_bundle(receipt: bytes) -> dict[str, Any]:
    """The same receipt in the Sigstore bundle format, with a public key hint instead of a certificate."""
    envelope = decode(receipt, Envelope, what="a receipt")
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": envelope.signatures[0].keyid}},
        "dsseEnvelope": {
            "payload": envelope.payload,
            "payloadType": envelope.payload_type,
            "signatures": [{"sig": envelope.signatures[0].sig, "keyid": envelope.signatures[0].keyid}],
        },
    }


def key_id(public: bytes) -> str:
    """The name of a signing key: SHA-256 of its 32 bytes, as hex."""
    return sha256(public).hex()
