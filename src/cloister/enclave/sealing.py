"""The key that everything an enclave stores is sealed with, and the signing key that outlives restarts."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.store import SealedStore
from cloister.formats.sealed import open_secret, seal_secret

KEY_SIZE = 32
_INSTALLATION = "installation"
_SIGNING = "signing-key"


class SealingRoot(Protocol):
    """Where the sealing key comes from.

    In a TEE the hardware or a key broker gives it to this measurement alone.
    """

    def key(self) -> bytes:
        """32 bytes, the same after every restart."""


class FileSealingRoot:
    """A key in a file that only its owner may read: for software mode, where nothing protects from the operator."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def key(self) -> bytes:
        """Reads the key; makes it at the first start.

        Raises:
            OSError: the file can't be read or written.
            ValueError: it doesn't hold a key.
        """
        if not self._path.exists():
            self._create()
        key = bytes.fromhex(self._path.read_text().strip())
        if len(key) != KEY_SIZE:
            raise ValueError(f"{self._path} does not hold a sealing key.")
        return key

    def _create(self) -> None:
        """Writes a fresh key beside the file and links it into place: a crash leaves the whole key or none."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(os.urandom(KEY_SIZE).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(fresh, self._path)
        finally:
            fresh.unlink(missing_ok=True)


def signing_key(store: SealedStore, key: bytes) -> Ed25519PrivateKey:
    """The enclave's signing key: made once, kept sealed in the store."""
    sealed = store.secret(_INSTALLATION, _SIGNING)
    if sealed is not None:
        return Ed25519PrivateKey.from_private_bytes(open_secret(key, _INSTALLATION, _SIGNING, sealed))
    signing = Ed25519PrivateKey.generate()
    sealed = seal_secret(key, _INSTALLATION, _SIGNING, signing.private_bytes_raw())
    store.append(_INSTALLATION, 0, [], put={_SIGNING: sealed})
    return signing
