"""The two ways bytes are made from values: canonical JSON, and length-delimited packing.

JSON that is hashed or signed is RFC 8785 (JCS). Everything else that is bound to a key, a digest or a signature is
packed with lengths, so that no two different lists of fields ever give the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, TypeVar

import msgspec
import rfc8785

from cloister.errors import VerificationError

T = TypeVar("T")

Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""32 bytes as 64 lower-case hexadecimal digits: a SHA-256 digest, or a random identifier."""

Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""32 bytes: a key, a nonce or a commitment. Base64 in JSON."""

Email = Annotated[str, msgspec.Meta(pattern=r"\A[!-+\--?A-~]{1,128}@[!-+\--?A-~]{1,126}\Z")]
"""An address, compared after `normal_email`. Printable ASCII, so that no two addresses of different people look or fold
alike; no comma, as the audit log is a comma-separated text."""

Size = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A number of bytes, rows or milliseconds that JSON carries exactly."""


def is_hex32(text: str) -> bool:
    """Whether it is what `Hex32` describes."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that is stored or sent as JSON: immutable, and an unknown field is an error.

    Keys are bytes, and bytes are not shown: a record may end up in a log or a traceback.
    """

    def __repr__(self) -> str:
        shown = ((name, getattr(self, name)) for name in self.__struct_fields__)
        fields = (
            f"{name}={f'<{len(value)} bytes>' if isinstance(value, bytes) else repr(value)}" for name, value in shown
        )
        return f"{type(self).__name__}({', '.join(fields)})"


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a record or of plain JSON values.

    Raises:
        ValueError: an integer outside ±(2^53 - 1), or a float that JSON has no number for.
    """
    return rfc8785.dumps(msgspec.to_builtins(value))


def decode(data: bytes, kind: type[T], *, what: str) -> T:
    """Reads JSON strictly into ``kind``: unknown fields, versions and kinds are errors.

    Raises:
        VerificationError: the bytes are not such a record. The message names ``what`` and the field or kind that is
            unknown, never the content of a field.
    """
    try:
        return msgspec.json.decode(data, type=kind, strict=True)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        reason = str(error)[:300] if isinstance(error, msgspec.ValidationError) else "it is not JSON in UTF-8"
        raise VerificationError(f"This is not {what} that this version understands: {reason}.") from None


def decode_canonical(data: bytes, kind: type[T], *, what: str) -> T:
    """Like `decode`, and the bytes must be the canonical ones: one value, one digest.

    Raises:
        VerificationError: as `decode`, or the JSON is not in RFC 8785 form (duplicate keys, white space, order).
    """
    value = decode(data, kind, what=what)
    try:
        same = canonical(value) == data
    except ValueError:  # a number that RFC 8785 has no form for
        same = False
    if not same:
        raise VerificationError(f"This is not {what} in canonical form (RFC 8785).")
    return value


def pack(label: str, *fields: bytes) -> bytes:
    """Joins a label and fields, each behind its length as eight big-endian bytes."""
    return b"".join(len(field).to_bytes(8, "big") + field for field in (label.encode(), *fields))


def number(value: int) -> bytes:
    """A non-negative integer below 2^64 as the eight bytes that `pack` fields use."""
    return value.to_bytes(8, "big")


def sha256(data: bytes | bytearray) -> bytes:
    """SHA-256 as 32 bytes."""
    return hashlib.sha256(data).digest()


def normal_email(email: str) -> str:
    """The form in which addresses are stored and compared."""
    return email.strip().casefold()
