"""The enclave's keys: the signing key that it is known by, and the sealing keys that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import CloisterError
from cloister.formats.encoding import sha256
from cloister.formats.sealed import (
    EnclaveKeys,
    OpenedRequest,
    SealingKey,
    SignedKeys,
    addressed_to,
    open_request,
    sign_keys,
)

LIFETIME = 3600
"""Seconds for which a sealing key is handed out."""
OVERLAP = 300
"""Seconds for which requests to the key before are still opened."""
MAX_REMEMBERED = 1_000_000
"""Requests to one sealing key, after which the next is made early: what was seen must be remembered as long as its
key lives."""


class StaleKeys(CloisterError):
    """The request is sealed to keys that this enclave doesn't have, or no longer."""


class Replayed(CloisterError):
    """The very same message has come before."""


@dataclass
class _Epoch:
    """One sealing key and what was sealed to it."""

    made: int
    private: SealingKey
    keys: EnclaveKeys
    signed: SignedKeys
    seen: set[bytes] = field(default_factory=set)


class KeyRing:
    """Opens requests, each at most once. Sealing keys live in memory only: after a restart old messages are noise."""

    def __init__(self, signing: Ed25519PrivateKey, *, now: int, clock: Callable[[], int]) -> None:
        """``now``: seconds since some start, as everywhere here. ``clock``: milliseconds since 1970."""
        self.signing = signing
        self._clock = clock
        self.signing_public = signing.public_key().public_bytes_raw()
        self._epochs = [self._make(now)]

    def current(self, now: int) -> SignedKeys:
        """The keys to hand out now (seconds since some start)."""
        newest = self._epochs[-1]
        if now - newest.made >= LIFETIME or len(newest.seen) >= MAX_REMEMBERED:
            self._epochs = [newest, self._make(now)]
        elif len(self._epochs) > 1 and now - newest.made >= OVERLAP:
            self._epochs = [newest]
        return self._epochs[-1].signed

    def open(self, message: bytes, now: int) -> OpenedRequest:
        """Opens a request.

        Raises:
            StaleKeys: it is sealed to other keys.
            Replayed: it has been opened before.
            VerificationError: as `open_request`.
        """
        self.current(now)
        digest = addressed_to(message)
        for epoch in self._epochs:
            if epoch.keys.digest() == digest:
                opened = open_request(message, epoch.private, epoch.keys)
                fingerprint = sha256(message)
                if fingerprint in epoch.seen:
                    raise Replayed("This message has been sent before.")
                epoch.seen.add(fingerprint)
                return opened
        raise StaleKeys("The enclave has newer keys. Fetch them and send the request again.")

    def _make(self, now: int) -> _Epoch:
        private = SealingKey()
        keys = EnclaveKeys(made=self._clock(), signing=self.signing_public, sealing=private.public)
        return _Epoch(now, private, keys, sign_keys(keys, self.signing))
