"""Identity tokens: an issuer's word that a device key belongs to an email (JWT with ``cnf``, RFC 7800)."""

from __future__ import annotations

import base64
from collections.abc import Iterable

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


class _Key(msgspec.Struct, frozen=True):
    kty: str
    crv: str
    x: str


class _Confirmation(msgspec.Struct, frozen=True):
    jwk: _Key


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
    for issuer in issuers:
        for key in issuer.keys:
            claims = _claims(token, bytes.fromhex(key))
            if claims is not None:
                _check(claims, issuer, device, now)
                return normal_email(claims.email), issuer.name
    raise IdentityRejected("The identity token is not from an issuer that the room trusts. Log in there and try again.")


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
