"""The ``Content-Digest`` header (RFC 9530): a structured-field dictionary (RFC 9651) of byte sequences."""

from __future__ import annotations

import base64
import binascii
import re

from cloister.hub.problems import bad_request

_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):")
_LONGEST = 1024


def sha256_of(header: str | None) -> str:
    """The SHA-256 that the header names, in hex. Other algorithms beside it are left alone.

    Raises a 400 `Problem` where there is no header, it has another form, or it names no SHA-256.
    """
    if header is None or len(header) > _LONGEST:
        raise _unusable()
    found: str | None = None
    for member in header.split(","):
        match = _MEMBER.fullmatch(member.strip(" \t"))
        if match is None:
            raise _unusable()
        # Of members with one name the last counts (RFC 9651, 4.2.2).
        if match[1] == "sha-256":
            found = match[2]
    if found is None:
        raise _unusable()
    try:
        digest = base64.b64decode(found, validate=True)
    except binascii.Error:
        raise _unusable() from None
    if len(digest) != 32:
        raise _unusable()
    return digest.hex()


def header_of(sha256: str) -> str:
    """The header for a SHA-256 in hex."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode('ascii')}:"


def _unusable() -> Exception:
    return bad_request(
        "A part needs the header 'Content-Digest: sha-256=:BASE64:' with the SHA-256 of its body (RFC 9530)."
    )
