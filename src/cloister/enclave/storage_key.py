"""The storage key, which everything that an enclave stores is sealed with (operators know it as the sealing key, in
`sealing.key`), and the signing key that outlives restarts."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.store import SealedStore
from cloister.formats.encoding import pack
from cloister.formats.sealed import open_secret, seal_secret
from cloister.kept import kept

KEY_SIZE = 32
_INSTALLATION = "installation"
_SIGNING = "signing-key"


def storage_key(file: Path) -> bytes:
    """The key in a file that only its owner may read; made at the first start.

    For software mode, where nothing protects from the operator. In a TEE the hardware or a key broker would give it to
    this measurement alone.

    Returns:
        32 bytes, the same after every restart.

    Raises:
        OSError: the file can't be read or written.
        ValueError: it doesn't hold a key.
    """
    fresh = os.urandom(KEY_SIZE).hex() + "\n"
    key = bytes.fromhex(kept(file, fresh.encode()).decode().strip())
    if len(key) != KEY_SIZE:
        raise ValueError(f"{file} does not hold a sealing key.")
    return key


def signing_key(store: SealedStore, key: bytes) -> Ed25519PrivateKey:
    """The enclave's signing key: made once, kept sealed in the store."""
    sealed = store.secret(_INSTALLATION, _SIGNING)
    if sealed is not None:
        return Ed25519PrivateKey.from_private_bytes(open_secret(key, _INSTALLATION, _SIGNING, sealed))
    signing = Ed25519PrivateKey.generate()
    sealed = seal_secret(key, _INSTALLATION, _SIGNING, signing.private_bytes_raw())
    store.append(_INSTALLATION, 0, [], put={_SIGNING: sealed})
    return signing


def blob_label(key: bytes, blob: str) -> str:
    """A blob's id (hex) as the store sees it: which room refers to which ciphertext is not the operator's to read."""
    return hmac.digest(key, pack("cloister/blob-label/v1", bytes.fromhex(blob)), "sha256").hex()


def secret_label(key: bytes, room: str, name: str) -> str:
    """The name of a secret as the store sees it: names of nodes are not the operator's to read, or to compare."""
    return hmac.digest(key, pack("cloister/secret-label/v1", room.encode(), name.encode()), "sha256").hex()
