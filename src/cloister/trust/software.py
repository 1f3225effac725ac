"""Evidence of type ``insecure-software``: for trying Cloister out on a machine without a TEE.

It is what a program says about itself. Anybody can make it; it proves nothing. It exists so that everything around it
is the same as with hardware evidence, and it is refused unless the relying party asks for it by name.
"""

from __future__ import annotations

from typing import Literal

from cloister.errors import EvidenceRejected, VerificationError
from cloister.formats.encoding import Hex32, Record, canonical, decode, pack, sha256
from cloister.version import VERSION

TYPE = "insecure-software"


class Document(Record, frozen=True, kw_only=True):
    """What the program says about itself."""

    version: Literal[1] = 1
    report_data: bytes
    measurement: Hex32


def measurement(part: str, version: str = VERSION) -> str:
    """The measurement that a part of this release declares: derived from its name and version, not from its code."""
    return sha256(pack("cloister/insecure-software/v1", part.encode(), version.encode())).hex()


def produce(report_data: bytes, declared: str) -> bytes:
    """The document."""
    return canonical(Document(report_data=report_data, measurement=declared))


def read(document: bytes) -> tuple[bytes, str]:
    """The report data and the measurement that a document declares.

    Raises:
        EvidenceRejected: it is malformed.
    """
    try:
        read = decode(document, Document, what="software evidence")
    except VerificationError as error:
        raise EvidenceRejected(str(error)) from None
    return read.report_data, read.measurement
