"""Checkpoints of a room's log: C2SP tlog-checkpoint text in a C2SP signed note, signed with Ed25519.

    cloister/room/<room id>
    <size>
    <root, base64>

    — <key name> <base64 of key hash and signature>

Sources: c2sp.org/tlog-checkpoint, c2sp.org/signed-note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloister.errors import LogTampered

KEY_NAME = "cloister-enclave"
_ED25519 = b"\x01"
_NOTE = re.compile(
    r"\Acloister/room/(?P<room>[0-9a-f]{64})\n(?P<size>0|[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"\n— " + re.escape(KEY_NAME) + r" (?P<signature>[A-Za-z0-9+/]{91}=)\n\Z"
)


@dataclass(frozen=True)
class Checkpoint:
    """A log's length and root at one moment."""

    room: str
    size: int
    root: bytes

    def body(self) -> str:
        """The text that is signed."""
        return f"cloister/room/{self.room}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_hash(public: bytes) -> bytes:
    """The four bytes by which a note names the key of a signature."""
    return hashlib.sha256(KEY_NAME.encode() + b"\n" + _ED25519 + public).digest()[:4]


def verifier_key(public: bytes) -> str:
    """The key in the text form that other tools for signed notes read."""
    encoded = base64.b64encode(_ED25519 + public).decode()
    return f"{KEY_NAME}+{key_hash(public).hex()}+{encoded}"


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The signed note."""
    body = checkpoint.body()
    signature = key_hash(key.public_key().public_bytes_raw()) + key.sign(body.encode())
    return f"{body}\n— {KEY_NAME} {base64.b64encode(signature).decode()}\n"


def verify_checkpoint(note: str, public: bytes, *, room: str) -> Checkpoint:
    """Reads a signed note.

    Raises:
        LogTampered: it is not a checkpoint of that room signed by that key.
    """
    # 1. The text has the one form there is.
    match = _NOTE.match(note)
    if match is None:
        raise LogTampered("The log's checkpoint is not in the form that checkpoints have.")
    try:
        signature = base64.b64decode(match["signature"], validate=True)
        root = base64.b64decode(match["root"], validate=True)
    except binascii.Error:
        raise LogTampered("The log's checkpoint is not in the form that checkpoints have.") from None
    checkpoint = Checkpoint(match["room"], int(match["size"]), root)
    # 2. The key is the attested one, and signed exactly this text.
    body = checkpoint.body()
    if signature[:4] != key_hash(public) or not note.startswith(body + "\n"):
        raise LogTampered("The log's checkpoint was signed by another key.")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], body.encode())
    except InvalidSignature:
        raise LogTampered("The signature of the log's checkpoint does not hold.") from None
    # 3. It speaks of the room that was asked about.
    if checkpoint.room != room:
        raise LogTampered("The log's checkpoint belongs to another room.")
    return checkpoint
