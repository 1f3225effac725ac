"""The device key: what this machine signs requests with, one for each hub and user.

A hub is known by its host, whatever its port: so a trial on this machine that is started again on another port finds
the device that it knows.
"""

from __future__ import annotations

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloister.errors import CloisterError
from cloister.formats.encoding import normal_email, pack, sha256
from cloister.sdk.folder import StateFolder
from cloister.wire.hub import is_loopback

_FOLDER = "devices"


def open_device_key(folder: StateFolder, hub: str, email: str, *, passphrase: str | None = None) -> Ed25519PrivateKey:
    """This machine's key for that hub (its URL) and user, made at the first call.

    Where the folder can't be written the key lives in memory only, and the next process has another one: which an
    identity token binds as visibly as this one.

    Raises:
        CloisterError: the file is there and can't be used.
    """
    host = httpx.URL(hub).host
    place = "localhost" if is_loopback(host) else host
    digest = sha256(pack("cloister/device-file/v2", place.encode(), normal_email(email).encode())).hex()
    name = f"{_FOLDER}/{digest}.pem"
    secret = passphrase.encode() if passphrase else None
    try:
        with folder.locked(_FOLDER):
            stored = folder.read(name)
            if stored is None:
                fresh = Ed25519PrivateKey.generate()
                folder.write(name, _to_pem(fresh, secret))
                return fresh
    except OSError:
        stored = _readable(folder, name)
        if stored is None:
            return Ed25519PrivateKey.generate()
    return _from_pem(stored, secret, folder, name)


def _readable(folder: StateFolder, name: str) -> bytes | None:
    try:
        return folder.read(name)
    except OSError:
        return None


def _to_pem(key: Ed25519PrivateKey, secret: bytes | None) -> bytes:
    protection: KeySerializationEncryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def _from_pem(stored: bytes, secret: bytes | None, folder: StateFolder, name: str) -> Ed25519PrivateKey:
    where = folder.path / name
    protected = b"BEGIN ENCRYPTED PRIVATE KEY" in stored
    if protected and not secret:
        raise CloisterError(f"The device key {where} has a passphrase. Set CLOISTER_DEVICE_PASSPHRASE to it.")
    try:
        key = load_pem_private_key(stored, secret if protected else None)
    except ValueError:
        raise CloisterError(
            f"The device key {where} can't be read: "
            + ("CLOISTER_DEVICE_PASSPHRASE is not its passphrase." if protected else "the file is damaged.")
            + " If it is lost, move the file away: the next use makes a new key, which the rooms will show as new."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CloisterError(f"The device key {where} is not an Ed25519 key. Move the file away to get a new one.")
    return key
