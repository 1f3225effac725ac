"""Messages that only the two ends can read: client to enclave, enclave to client, enclave to worker and back.

A request is one HPKE message (RFC 9180, base mode, X-Wing + HKDF-SHA256 + AES-256-GCM) to the enclave's attested key.
Inside it are a fresh response key, the device key that signs the request, and the request. The signature also covers
the digest of the enclave's keys, so that an enclave can't forward it to another. Each frame of the response is a
Cobblestone-256 message under the response key, bound to the request, to its place and to whether it is the last.

    request   01 | SHA-256(enclave keys) | HPKE(pack(response key, device key, signature, payload))
    response  any number of: length (4 bytes) | Cobblestone-256(frame)
    report    02 | task id               | Cobblestone-256(payload) under the task's report key
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from cloister.errors import DecryptionFailed, IdentityRejected, VerificationError
from cloister.formats.encoding import Bytes32, Record, Size, canonical, number, pack, sha256

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_MLKEM768_PUBLIC = 1184

REQUEST = 1
REPORT = 2
MAX_FRAME = 64 * 1024 * 1024
"""Bytes; a longer frame is refused before it is read."""


class SealingKey:
    """A private X-Wing key: lives in memory only, is never stored."""

    def __init__(self) -> None:
        mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        self.private = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        """ML-KEM-768 then X25519 public key, 1216 bytes."""


class EnclaveKeys(Record, frozen=True, kw_only=True):
    """The public keys that evidence vouches for."""

    version: Literal[1] = 1
    made: Size
    """Milliseconds since 1970. Newer keys are never older than these: who has seen these takes no older ones."""
    signing: Bytes32
    """Ed25519, 32 bytes: signs checkpoints, receipts and newer `EnclaveKeys`."""
    sealing: bytes
    """X-Wing, 1216 bytes: requests are sealed to it. Replaced hourly."""

    def digest(self) -> bytes:
        """SHA-256 of the canonical form: what evidence binds and `info` names."""
        return sha256(canonical(self))


class SignedKeys(Record, frozen=True, kw_only=True):
    """`EnclaveKeys` under the signature of their own signing key, so that a client that has appraised the signing
    key once can follow the hourly change of the sealing key."""

    keys: EnclaveKeys
    signature: bytes


def sign_keys(keys: EnclaveKeys, signing: Ed25519PrivateKey) -> SignedKeys:
    """Signs the keys with their own signing key."""
    return SignedKeys(keys=keys, signature=signing.sign(_keys_text(keys)))


def verify_keys(signed: SignedKeys, *, signing: bytes, after: int = 0) -> EnclaveKeys:
    """The newer keys of an enclave whose signing key is known.

    Args:
        after: when the newest keys that the caller has seen were made: an old sealing key may be a stolen one.

    Raises:
        VerificationError: they are somebody else's.
    """
    if signed.keys.signing != signing:
        raise VerificationError("The enclave shows another signing key than before. Verify its evidence anew.")
    try:
        Ed25519PublicKey.from_public_bytes(signing).verify(signed.signature, _keys_text(signed.keys))
    except (InvalidSignature, ValueError):
        raise VerificationError("The enclave's new keys are not signed by it.") from None
    if signed.keys.made < after:
        raise VerificationError("The enclave's keys are older than those it had before. Verify its evidence anew.")
    return signed.keys


# --- requests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exchange:
    """What both ends hold to make and read the response to one request."""

    response_key: bytes = field(repr=False)
    request_digest: bytes

    def seal_frame(self, index: int, payload: bytes, *, last: bool) -> bytes:
        """One frame of the response, behind its length."""
        frame = _encrypt(self.response_key, self._context(index, last=last), payload)
        return len(frame).to_bytes(4, "big") + frame

    def open_frame(self, index: int, frame: bytes) -> tuple[bytes, bool]:
        """The payload of a frame (without its length), and whether it is the last.

        Raises:
            DecryptionFailed: it is not that frame of the response to this request.
        """
        for last in (False, True):
            try:
                return _decrypt(self.response_key, self._context(index, last=last), frame), last
            except InvalidTag:
                continue
        raise DecryptionFailed(
            "The answer is not the enclave's answer to this request: something between changed, replayed or dropped it."
        )

    def _context(self, index: int, *, last: bool) -> bytes:
        place = number(index), b"\x01" if last else b"\x00"
        return pack("cloister/response/v1", self.request_digest, *place)


@dataclass(frozen=True)
class OpenedRequest:
    """A request as the enclave sees it, its signature checked."""

    payload: bytes = field(repr=False)
    device: bytes | None
    """The Ed25519 key (32 bytes) that signed it; None where it wasn't signed, as a worker's requests are."""
    exchange: Exchange


def seal_request(keys: EnclaveKeys, payload: bytes, device: Ed25519PrivateKey | None) -> tuple[bytes, Exchange]:
    """Seals a request to the enclave; returns what to send, and what reads the response.

    Raises:
        VerificationError: nothing can be sealed to those keys.
    """
    response_key = os.urandom(32)
    digest = keys.digest()
    public = signature = b""
    if device is not None:
        public = device.public_key().public_bytes_raw()
        signature = device.sign(_request_text(digest, response_key, payload))
    plaintext = pack("", response_key, public, signature, payload)
    sealed = _seal(keys.sealing, plaintext, info=_info("request", digest))
    message = bytes([REQUEST]) + digest + sealed
    return message, Exchange(response_key, sha256(message))


def addressed_to(message: bytes) -> bytes:
    """The digest of the enclave keys that a request is sealed to, or the task id of a report: 32 bytes.

    Raises:
        VerificationError: the message is too short to be one.
    """
    if len(message) < 34:
        raise VerificationError("The message is too short to be a sealed one.")
    return message[1:33]


def open_request(message: bytes, key: SealingKey, keys: EnclaveKeys) -> OpenedRequest:
    """Opens a request and checks who signed it.

    Raises:
        DecryptionFailed: it was not sealed to this key.
        IdentityRejected: the signature inside does not hold.
        VerificationError: it is malformed.
    """
    # 1. It is a request, to these keys.
    digest = keys.digest()
    if message[:1] != bytes([REQUEST]) or addressed_to(message) != digest:
        raise VerificationError("The message is not a request to this enclave.")
    # 2. It was sealed to them.
    try:
        plaintext = _SUITE.decrypt(message[33:], key.private, info=_info("request", digest))
    except InvalidTag:
        raise DecryptionFailed("The request can't be opened with this enclave's key.") from None
    # 3. It has the one form there is.
    response_key, device, signature, payload = _fields(plaintext)
    if len(response_key) != 32:
        raise VerificationError("The request has no response key.")
    exchange = Exchange(response_key, sha256(message))
    if not device and not signature:
        return OpenedRequest(payload, None, exchange)
    # 4. Who it claims to be from has signed it, for this enclave.
    try:
        Ed25519PublicKey.from_public_bytes(device).verify(signature, _request_text(digest, response_key, payload))
    except (InvalidSignature, ValueError):
        raise IdentityRejected("The signature of the request does not hold.") from None
    return OpenedRequest(payload, device, exchange)


# --- tasks and their reports ----------------------------------------------------------------------------------------


def seal_task(worker_key: bytes, task: bytes) -> bytes:
    """Seals a task to the key (X-Wing, 1216 bytes) that a worker's evidence vouches for.

    Raises:
        VerificationError: nothing can be sealed to that key.
    """
    return _seal(worker_key, task, info=_info("task", sha256(worker_key)))


def open_task(sealed: bytes, key: SealingKey) -> bytes:
    """Raises:
    DecryptionFailed: it was not sealed to this worker.
    """
    try:
        return _SUITE.decrypt(sealed, key.private, info=_info("task", sha256(key.public)))
    except InvalidTag:
        raise DecryptionFailed("The task was not sealed to this worker.") from None


def seal_report(task_id: bytes, sealed_task: bytes, report_key: bytes, payload: bytes) -> bytes:
    """What a worker says about a task, as the message to send."""
    return bytes([REPORT]) + task_id + _encrypt(report_key, _report_context(task_id, sealed_task), payload)


def open_report(message: bytes, task_id: bytes, sealed_task: bytes, report_key: bytes) -> bytes:
    """Raises:
    DecryptionFailed: it is not the report on that task by the worker that it was sealed to.
    """
    try:
        if message[:1] != bytes([REPORT]) or addressed_to(message) != task_id:
            raise InvalidTag
        return _decrypt(report_key, _report_context(task_id, sealed_task), message[33:])
    except InvalidTag:
        raise DecryptionFailed("The report does not belong to the task.") from None


# --- sealed rows ----------------------------------------------------------------------------------------------------


def seal_row(key: bytes, room: str, index: int, previous_root: bytes, event: bytes) -> bytes:
    """One row of a room's log as it is stored: bound to the room, its index and the root of all rows before it."""
    return _encrypt(key, _row_context(room, index, previous_root), event)


def open_row(key: bytes, room: str, index: int, previous_root: bytes, row: bytes) -> bytes:
    """Raises:
    DecryptionFailed: it is not that row of that log.
    """
    try:
        return _decrypt(key, _row_context(room, index, previous_root), row)
    except InvalidTag:
        raise DecryptionFailed(f"Row {index} of the room's log was changed in the store.") from None


def seal_secret(key: bytes, room: str, name: str, value: bytes) -> bytes:
    """A secret that lies beside a room's log: bound to the room and its name."""
    return _encrypt(key, pack("cloister/secret/v1", room.encode(), name.encode()), value)


def open_secret(key: bytes, room: str, name: str, sealed: bytes) -> bytes:
    """Raises:
    DecryptionFailed: it is not that secret of that room.
    """
    try:
        return _decrypt(key, pack("cloister/secret/v1", room.encode(), name.encode()), sealed)
    except InvalidTag:
        raise DecryptionFailed("A stored secret was changed in the store.") from None


def public_sealing_key(raw: bytes) -> hpke.MLKEM768X25519PublicKey:
    """Reads the 1216 bytes of `SealingKey.public`.

    Raises:
        VerificationError: they are not such a key.
    """
    try:
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM768_PUBLIC]),
            X25519PublicKey.from_public_bytes(raw[_MLKEM768_PUBLIC:]),
        )
    except ValueError:
        raise VerificationError("This is not a public X-Wing key.") from None


def _seal(public: bytes, plaintext: bytes, *, info: bytes) -> bytes:
    recipient = public_sealing_key(public)
    try:
        return _SUITE.encrypt(plaintext, recipient, info=info)
    except ValueError:  # an X25519 point of small order: well-formed, and of no use
        raise VerificationError("This is not a public X-Wing key.") from None


def _encrypt(key: bytes, context: bytes, plaintext: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(key, context)
    return encryptor.update(plaintext) + encryptor.finalize()


def _decrypt(key: bytes, context: bytes, ciphertext: bytes) -> bytes:
    decryptor = Cobblestone256Decryptor(key, context)
    return decryptor.update(ciphertext) + decryptor.finalize()


def _fields(packed: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The four fields behind the empty label of a request's plaintext."""
    fields = list(_unpack(packed))
    if len(fields) != 5 or fields[0]:
        raise VerificationError("The request is not in the form that requests have.")
    return fields[1], fields[2], fields[3], fields[4]


def _unpack(packed: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(packed):
        end = position + 8 + int.from_bytes(packed[position : position + 8], "big")
        if position + 8 > len(packed) or end > len(packed):
            raise VerificationError("The request is not in the form that requests have.")
        yield packed[position + 8 : end]
        position = end


def _keys_text(keys: EnclaveKeys) -> bytes:
    return pack("cloister/enclave-keys/v1", canonical(keys))


def _request_text(keys_digest: bytes, response_key: bytes, payload: bytes) -> bytes:
    return pack("cloister/device-signature/v1", keys_digest, response_key, payload)


def _info(kind: str, digest: bytes) -> bytes:
    return pack(f"cloister/{kind}/v1", digest)


def _report_context(task_id: bytes, sealed_task: bytes) -> bytes:
    return pack("cloister/report/v1", task_id, sha256(sealed_task))


def _row_context(room: str, index: int, previous_root: bytes) -> bytes:
    return pack("cloister/row/v1", room.encode(), number(index), previous_root)
