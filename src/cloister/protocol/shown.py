"""What the enclave says in the clear, to its hub and to whoever asks what it is."""

from __future__ import annotations

from typing import Annotated

import msgspec

from cloister.formats.encoding import Hex32, Record
from cloister.formats.sealed import SignedKeys
from cloister.trust.evidence import Evidence

ACCOUNT_HEADER = "Cloister-Account"
"""By which the hub tells its accounts apart before the enclave: a pseudonym that changes with each start of the hub."""
MAX_BLOBS = 1000
"""In one `Blobs`."""


class EnclaveEvidence(Record, frozen=True, kw_only=True):
    """What the enclave shows to anyone who sends a nonce, in the clear."""

    evidence: Evidence
    """Binds the nonce and the digest of the keys."""
    keys: SignedKeys


class Blobs(Record, frozen=True, kw_only=True):
    """What the hub asks the enclave, in the clear: which of these blobs are still of use?"""

    blobs: Annotated[tuple[Hex32, ...], msgspec.Meta(max_length=MAX_BLOBS)]


class Held(Record, frozen=True, kw_only=True):
    """Those that are: some room or vault has the key to them. Anything but this answer means that all are."""

    held: tuple[Hex32, ...]
