"""The hub's identity key and the tokens it signs: its word that a device key belongs to an email.

JWTs with ``cnf`` (RFC 7800), believed only where a room's definition names the hub as the issuer.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey

from cloister.errors import CloisterError
from cloister.hub.settings import HubSettings
from cloister.kept import kept

ALGORITHM = "Ed25519"
"""RFC 9864's name of what RFC 8037 called EdDSA, for this curve."""
AUDIENCE = "cloister-enclave"
LIFETIME_SECONDS = 300


class Issuer:
    """The hub's signing key and its name as an issuer."""

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

    def public_keys(self) -> list[dict[str, str]]:
        """The JWKS entries with which the tokens are verified."""
        public: dict[str, Any] = self._key.as_dict(private=False)
        return [
            {
                "kty": str(public["kty"]),
                "crv": str(public["crv"]),
                "x": str(public["x"]),
                "kid": self._key.thumbprint(),
                "use": "sig",
                "alg": ALGORITHM,
            }
        ]


def open_issuer(settings: HubSettings) -> Issuer:
    """The hub's key and name from its data folder, made at the first start.

    Rooms pin both, so neither ever changes by itself. Raises `CloisterError` if the settings want another
    name than the one that is kept, or if the key can't be read.
    """
    settings.prepare_folder()
    fresh = OKPKey.generate_key("Ed25519", private=True)
    pem = kept(settings.identity_key_file, fresh.as_pem(private=True))
    try:
        key = OKPKey.import_key(pem)
    except ValueError as error:
        raise CloisterError(
            f"{settings.identity_key_file} is not an Ed25519 key. Restore it from a backup of the folder."
        ) from error
    wanted = settings.issuer or f"cloister-hub:{key.thumbprint()}"
    name = kept(settings.issuer_file, wanted.encode()).decode()
    if settings.issuer is not None and settings.issuer != name:
        raise CloisterError(
            f"This hub's issuer name is {name!r}, and rooms rely on it; it can't become {settings.issuer!r}. "
            f"Leave the setting out, or delete {settings.issuer_file} if no room matters yet."
        )
    return Issuer(key, name)
