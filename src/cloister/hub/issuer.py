"""One identity key and the tokens it signs: the hub's word that a device key belongs to an email.

JWTs with ``cnf`` (RFC 7800), believed only where a room's definition names the hub as the issuer.
"""

from __future__ import annotations

import base64
import secrets

from joserfc import jwt
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
"""RFC 9864's name of what RFC 8037 called EdDSA, for this curve."""
AUDIENCE = "cloister-enclave"
LIFETIME_SECONDS = 300


class Issuer:
    """A signing key and the name of the issuer that it signs for."""

    def __init__(self, key: OKPKey, name: str) -> None:
        self._key = key
        self.name = name

    def issue(self, email: str, device_key: bytes, now: int) -> str:
        """A token that says: at ``now`` (seconds since 1970) this email asked with this device key."""
        x = base64.urlsafe_b64encode(device_key).rstrip(b"=").decode("ascii")
        claims = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": email,
            "email": email,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "cnf": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": x}},
        }
        header = {"alg": ALGORITHM, "kid": self._key.thumbprint(), "typ": "JWT"}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


def jwk(kid: str, x: str) -> dict[str, str]:
    """The JWKS entry (RFC 7517) of a key whose raw bytes are ``x`` in base64url."""
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": ALGORITHM}
