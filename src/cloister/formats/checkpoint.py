"""Checkpoints of a room's log: C2SP tlog-checkpoint text in a C2SP signed note, signed with Ed25519.

    cloister/room/<room id>
    <size>
    <root, base64>

    — cloister/room/<room id> <base64 of key hash and signature>

The name of the signing key is the log's origin. Signatures of others below the same text (witnesses) are left to those
who know them.

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

_ED25519 = b"\x01"
_NOTE = re.compile(
    r"\A(?P<body>cloister/room/(?P<room>[0-9a-f]{64})\n(?P<size>0|[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)"
    r"\n(?P<signatures>(?:— [^\s+]{1,256} [A-Za-z0-9+/]{8,8192}={0,2}\n){1,16})\Z"
)


@dataclass(frozen=True)
class Checkpoint:
    """A log's length and root at one moment."""

    room: str
    size: int
    root: bytes

    def body(self) -> str:
        """The text that is signed."""
        return f"{origin(self.room)}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin(room: str) -> str:
    """The name of a room's log, and of the key that signs its checkpoints."""
    return f"cloister/room/{room}"


def key_hash(public: bytes, room: str) -> bytes:
    """The four bytes by which a note names the key of a signature."""
    return hashlib.sha256(origin(room).encode() + b"\n" + _ED25519 + public).digest()[:4]


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The signed note."""
    body = checkpoint.body()
    signature = key_hash(key.public_key().public_bytes_raw(), checkpoint.room) + key.sign(body.encode())
    return f"{body}\n— {origin(checkpoint.room)} {base64.b64encode(signature).decode()}\n"


def verify_checkpoint(note: str, public: bytes, *, room: str) -> Checkpoint:
    """Reads a signed note.

    Raises:
        LogTampered: it is not a checkpoint of that room signed by that key.
    """
    # 1. The text has the one form there is.
    match = _NOTE.match(note)
    if match is None:
        raise LogTampered("The log's checkpoint is not in the form that checkpoints have.")
    checkpoint = Checkpoint(match["room"], int(match["size"]), _decode(match["root"]))
    if checkpoint.body() != match["body"]:
        raise LogTampered("The log's checkpoint is not in the form that checkpoints have.")
    # 2. It speaks of the room that was asked about.
    if checkpoint.room != room:
        raise LogTampered("The log's checkpoint belongs to another room.")
    # 3. The attested key signed exactly this text. Signatures by keys that aren't known say nothing (signed-note).
    lines = (line.split(" ") for line in match["signatures"].splitlines())
    ours = [_decode(encoded) for _, name, encoded in lines if name == origin(room)]
    ours = [signature for signature in ours if signature[:4] == key_hash(public, room)]
    if not ours:
        raise LogTampered("The log's checkpoint was signed by another key.")
    try:
        for signature in ours:
            Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], checkpoint.body().encode())
    except InvalidSignature:
        raise LogTampered("The signature of the log's checkpoint does not hold.") from None
    return checkpoint


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise LogTampered("The log's checkpoint is not in the form that checkpoints have.") from None
