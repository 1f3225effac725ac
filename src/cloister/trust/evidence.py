"""Evidence and its appraisal, in the words of RATS (RFC 9334).

An attester (enclave or worker) shows *evidence*: a document, by a root of trust that its type names, which says what
software runs (the *measurement*) and binds 64 bytes of *report data*. The verifier appraises it against *reference
values*. Appraisal raises, or returns what was proven; it never returns a bool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, Protocol

from cloister.errors import EvidenceRejected
from cloister.formats.encoding import Record, pack
from cloister.formats.receipt import Attested
from cloister.rooms.definition import Reference
from cloister.trust import software

ENCLAVE_LABEL = "cloister/enclave-evidence/v1"
WORKER_LABEL = "cloister/worker-evidence/v1"
NONCE_SIZE = 32


class Evidence(Record, frozen=True, kw_only=True):
    """A document and the type that says how to read it."""

    version: Literal[1] = 1
    type: str
    document: bytes


class EvidenceSource(Protocol):
    """Where a process gets evidence about itself."""

    @property
    def reference(self) -> Reference:
        """The values that this source's evidence will show."""

    def produce(self, report_data: bytes) -> Evidence:
        """Evidence that binds these 64 bytes."""


class SoftwareSource:
    """Evidence of a process that runs outside a TEE: says so, and proves nothing."""

    def __init__(self, part: Literal["enclave", "worker"]) -> None:
        self._measurement = software.measurement(part)

    @property
    def reference(self) -> Reference:
        return Reference(evidence=software.TYPE, measurement=self._measurement)

    def produce(self, report_data: bytes) -> Evidence:
        return Evidence(type=software.TYPE, document=software.produce(report_data, self._measurement))


def report_data(label: str, nonce: bytes, keys_digest: bytes) -> bytes:
    """What evidence binds: SHA-512 of the label, the verifier's nonce and the digest of the attester's keys."""
    return hashlib.sha512(pack(label, nonce, keys_digest)).digest()


def appraise(
    evidence: Evidence,
    *,
    label: str,
    nonce: bytes,
    keys_digest: bytes,
    references: Iterable[Reference],
    allow_software: bool,
) -> Attested:
    """Checks evidence against the reference values that the relying party accepts.

    Args:
        label: `ENCLAVE_LABEL` or `WORKER_LABEL`: one can't pass for the other.
        nonce: the 32 bytes that this verifier has just made.
        keys_digest: SHA-256 of the keys that the evidence is to vouch for.
        allow_software: whether the relying party has said that evidence which proves nothing will do.

    Raises:
        EvidenceRejected: naming what does not hold, and what to do.
    """
    # 1. The type is one that this version can appraise, and that the relying party accepts.
    if evidence.type != software.TYPE:
        raise EvidenceRejected(
            f"Evidence of the type {evidence.type[:40]!a} is unknown to this version of Cloister. Update the client."
        )
    if not allow_software:
        raise EvidenceRejected(
            "This enclave runs without a trusted execution environment: nothing would protect your data from the "
            "operator of its machine. If that is what you want (to try Cloister out, or because you are the operator), "
            "set CLOISTER_TRUST_SOFTWARE_ENCLAVE=1."
        )
    # 2. The document is sound and fresh, and binds these keys.
    bound, measurement = software.read(evidence.document)
    if bound != report_data(label, nonce, keys_digest):
        raise EvidenceRejected(
            "The evidence is stale, or vouches for other keys than the ones shown. Somebody between may be replaying "
            "it: try again, and tell the operator if it stays so."
        )
    # 3. The software is the one that the reference values name.
    proven = Attested(evidence=evidence.type, measurement=measurement)
    if Reference(evidence=proven.evidence, measurement=proven.measurement) not in list(references):
        raise EvidenceRejected(
            f"The software that runs there (measurement {measurement}) is not one that was agreed to. Update the "
            "client if the service was updated, or use a room that names it."
        )
    return proven
