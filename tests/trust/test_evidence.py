"""Evidence: fresh, for these keys, of this part, of this software, of a type that was asked for. Or refused."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import EvidenceRejected
from cloister.formats.encoding import canonical, sha256
from cloister.formats.receipt import Attested
from cloister.protocol import offer_digest
from cloister.rooms.definition import ImageReference, Reference
from cloister.trust import software
from cloister.trust.evidence import (
    ENCLAVE_LABEL,
    WORKER_LABEL,
    Evidence,
    SoftwareSource,
    appraise,
    report_data,
)

NONCE, KEYS = b"\x01" * 32, b"\x02" * 32
SOURCE = SoftwareSource("enclave")
EVIDENCE = SOURCE.produce(report_data(ENCLAVE_LABEL, NONCE, KEYS))


def check(evidence: Evidence = EVIDENCE, **changes: Any) -> Attested:
    arguments: dict[str, Any] = {
        "label": ENCLAVE_LABEL,
        "nonce": NONCE,
        "keys_digest": KEYS,
        "references": [SOURCE.reference],
        "allow_software": True,
    }
    return appraise(evidence, **{**arguments, **changes})


def test_what_was_proven_is_returned() -> None:
    assert check() == Attested(evidence="insecure-software", measurement=software.measurement("enclave"))


def test_software_is_refused_unless_asked_for() -> None:
    with pytest.raises(EvidenceRejected, match="CLOISTER_TRUST_SOFTWARE_ENCLAVE=1"):
        check(allow_software=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": b"\x03" * 32},
        {"nonce": b""},
        {"nonce": NONCE + KEYS, "keys_digest": b""},
        {"keys_digest": b"\x03" * 32},
        {"nonce": KEYS, "keys_digest": NONCE},
        {"label": WORKER_LABEL},
        {"label": ENCLAVE_LABEL + "1"},
    ],
)
def test_stale_evidence_other_keys_and_other_parts_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EvidenceRejected, match="stale, or vouches for other keys"):
        check(**changes)


def test_a_worker_can_not_pass_for_the_enclave() -> None:
    """Not by its measurement, and not by its label, even where both references are accepted."""
    worker = SoftwareSource("worker")
    both = [SOURCE.reference, worker.reference]
    evidence = worker.produce(report_data(WORKER_LABEL, NONCE, KEYS))
    assert check(evidence, label=WORKER_LABEL, references=both).measurement == software.measurement("worker")
    with pytest.raises(EvidenceRejected, match="stale, or vouches for other keys"):
        check(evidence, references=both)
    relabelled = worker.produce(report_data(ENCLAVE_LABEL, NONCE, KEYS))
    with pytest.raises(EvidenceRejected, match="not one that was agreed to"):
        check(relabelled)


def test_a_workers_evidence_is_for_its_key_its_images_and_its_room() -> None:
    """Whoever stands between can't have it take other tasks than it offers to."""
    worker = SoftwareSource("worker")
    key, room = b"\x01" * 1216, "aa" * 32
    image, other = (ImageReference(name="python", measurement=measurement * 32) for measurement in ("66", "67"))
    images = (image, other)
    digest = offer_digest(key, images, room)
    evidence = worker.produce(report_data(WORKER_LABEL, NONCE, digest))
    accepted: dict[str, Any] = {"label": WORKER_LABEL, "references": [worker.reference]}
    assert check(evidence, keys_digest=digest, **accepted).measurement == software.measurement("worker")
    for offer in (
        (b"\x02" * 1216, images, room),
        (key, (image,), room),
        (key, (other, image), room),
        (key, (*images, ImageReference(name="r", measurement="66" * 32)), room),
        (key, (), room),
        (key, images, "bb" * 32),
        (key, images, None),
    ):
        with pytest.raises(EvidenceRejected, match="stale, or vouches for other keys"):
            check(evidence, keys_digest=offer_digest(*offer), **accepted)
    with pytest.raises(EvidenceRejected, match="stale, or vouches for other keys"):
        check(evidence, keys_digest=sha256(key), **accepted)


@pytest.mark.parametrize(
    "references",
    [
        [],
        [Reference(evidence="insecure-software", measurement="00" * 32)],
        [Reference(evidence="sev-snp", measurement=software.measurement("enclave"))],
        [Reference(evidence="", measurement=software.measurement("enclave"))],
    ],
)
def test_software_that_nobody_agreed_to_is_refused(references: list[Reference]) -> None:
    with pytest.raises(EvidenceRejected, match="not one that was agreed to"):
        check(references=references)


@pytest.mark.parametrize("kind", ["sev-snp", "tdx", "", "Insecure-Software", "insecure-software ", "x" * 5000, "\x1b["])
def test_unknown_types_are_refused(kind: str) -> None:
    with pytest.raises(EvidenceRejected, match="unknown to this version") as caught:
        check(msgspec.structs.replace(EVIDENCE, type=kind))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def document(**changes: Any) -> bytes:
    return canonical({**msgspec.json.decode(EVIDENCE.document), **changes})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        b"\xff",
        document(version=2),
        document(unknown=1),
        document(measurement="00"),
        document(measurement="00" * 32 + "\n"),
        document(measurement=None),
        document(report_data="not base64!"),
        document(report_data=None),
    ],
)
def test_malformed_documents_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceRejected, match="not software evidence"):
        check(msgspec.structs.replace(EVIDENCE, document=data))


@given(st.data())
def test_a_changed_document_is_refused(data: st.DataObject) -> None:
    changed = bytearray(EVIDENCE.document)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRejected):
        check(msgspec.structs.replace(EVIDENCE, document=bytes(changed)))


def test_report_data_is_64_bytes_over_delimited_fields() -> None:
    assert len(report_data(ENCLAVE_LABEL, NONCE, KEYS)) == 64
    packed = b"".join(len(field).to_bytes(8, "big") + field for field in (ENCLAVE_LABEL.encode(), NONCE, KEYS))
    assert report_data(ENCLAVE_LABEL, NONCE, KEYS) == hashlib.sha512(packed).digest()
    assert report_data("a", b"bc", b"d") != report_data("a", b"b", b"cd") != report_data("ab", b"", b"cd")


def test_measurements_differ_by_part_and_version() -> None:
    values = {software.measurement(part, version) for part in ("enclave", "worker") for version in ("0.1.0", "0.1.1")}
    assert len(values) == 4
    assert software.measurement("a", "bc") != software.measurement("ab", "c")
