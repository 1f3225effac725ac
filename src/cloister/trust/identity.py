"""Identity tokens: an issuer's word that a device key belongs to an email (JWT with ``cnf``, RFC 7800)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from cloister.errors import IdentityRejected
from cloister.formats.encoding import Email, normal_email
from cloister.rooms.definition import Issuer

AUDIENCE = "cloister-enclave"
ALGORITHM = "Ed25519"
"""RFC 9864's name of EdDSA over Curve25519: the only algorithm that is accepted."""
MAX_AGE = 600
"""Seconds: tokens that live longer are refused, whatever they say."""
CLOCK_SKEW = 60
MAX_BYTES = 8192
MAX_TRIED = 8
"""Keys that a signature is tried with, where the token doesn't say by which it was made: a definition may name a
thousand, and trying takes time."""


class _Key(msgspec.Struct, frozen=True):
    kty: str
    crv: str
    x: str


class _Confirmation(msgspec.Struct, frozen=True):
    jwk: _Key


class _Header(msgspec.Struct, frozen=True):
    kid: str = ""


class _Origin(msgspec.Struct, frozen=True):
    iss: str


class _Claims(msgspec.Struct, frozen=True):
    """The claims that are read; others are the issuer's business."""

    iss: str
    aud: str
    email: Email
    iat: int
    exp: int
    cnf: _Confirmation


def verify_identity(token: str, device: bytes, issuers: Iterable[Issuer], *, now: int) -> tuple[str, str]:
    """Checks a token that binds the device key (32 bytes, Ed25519) that has signed the request.

    Args:
        issuers: those that the room's definition pins.
        now: seconds since 1970.

    Returns:
        The email (normalised), and the name of the issuer.

    Raises:
        IdentityRejected: naming what does not hold.
    """
    # 1. Signed by a key of one of the pinned issuers.
    if len(token) > MAX_BYTES:
        raise IdentityRejected("The identity token is too long.")
    for issuer, key in islice(_candidates(token, issuers), MAX_TRIED):
        claims = _claims(token, key)
        if claims is not None:
            _check(claims, issuer, device, now)
            return normal_email(claims.email), issuer.name
    raise IdentityRejected("The identity token is not from an issuer that the room trusts. Log in there and try again.")


def _candidates(token: str, issuers: Iterable[Issuer]) -> Iterator[tuple[Issuer, bytes]]:
    """Keys that may have signed the token, by what it says of itself. Nothing of that is believed: it only saves trying
    all others."""
    try:
        header, payload, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
        kid = msgspec.json.decode(header, type=_Header).kid
        origin = msgspec.json.decode(payload, type=_Origin).iss
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return
    keys = [(issuer, bytes.fromhex(key)) for issuer in issuers if issuer.name == origin for key in issuer.keys]
    named = [(issuer, key) for issuer, key in keys if _thumbprint(key) == kid]
    yield from named or keys


def _thumbprint(key: bytes) -> str:
    """What issuers usually call a key (RFC 7638, RFC 8037)."""
    members = b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % _base64url(key).encode()
    return _base64url(hashlib.sha256(members).digest())


def _claims(token: str, key: bytes) -> _Claims | None:
    """The claims, where this key has signed them."""
    public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _base64url(key)})
    try:
        decoded = jwt.decode(token, public, algorithms=[ALGORITHM])
        return msgspec.convert(decoded.claims, _Claims)
    except (JoseError, ValueError, TypeError, RecursionError):
        # The last two: what JSON of an unexpected shape or depth does to the library, whoever made it.
        return None


def _check(claims: _Claims, issuer: Issuer, device: bytes, now: int) -> None:
    # 2. By that issuer, for enclaves.
    if claims.iss != issuer.name or claims.aud != AUDIENCE:
        raise IdentityRejected("The identity token was made by or for somebody else.")
    # 3. Now.
    if not claims.iat - CLOCK_SKEW <= now < claims.exp + CLOCK_SKEW or claims.exp - claims.iat > MAX_AGE:
        raise IdentityRejected("The identity token is not valid now. Check the clocks, get a new one and try again.")
    # 4. About the key that signed the request.
    key = claims.cnf.jwk
    if (key.kty, key.crv, key.x) != ("OKP", "Ed25519", _base64url(device)):
        raise IdentityRejected("The identity token speaks of another device key.")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
