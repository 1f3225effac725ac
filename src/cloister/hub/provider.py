"""Users who sign in at a provider of OpenID Connect: authorization code with PKCE (RFC 7636), state and nonce.

This is the protocol alone (OpenID Connect Core 1.0, section 3.1), with Authlib's words of it: where to send a browser,
and who came back. Who may come in is decided in `cloister.hub.provider_flow`. What the provider says is taken for
untrusted input until its signature was verified: sizes and times are bounded, no redirect is followed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cloister.errors import CloisterError
from cloister.hub.settings import HubSettings

CALLBACK = "/auth/provider/callback"
"""Where the provider sends browsers back to, on the hub."""
_ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA"]
"""Of signatures of ID tokens. Nothing symmetric: the client's secret is no key."""
_SKEW_SECONDS = 60
_TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 512 * 1024
_FRESH_SECONDS = 300.0
"""For how long what the provider says of itself is taken for granted."""

T = TypeVar("T")
_Url = Annotated[str, msgspec.Meta(min_length=8, max_length=2000)]


class ProviderAway(Exception):
    """The provider does not answer, or not as one does. The message is for the log: it holds nothing of users."""


class NotVouchedFor(Exception):
    """The provider does not vouch for whoever came back. The message is for the log, as that of `ProviderAway`."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider has recognised."""

    subject: str
    """The provider's name for them, which it gives nobody else."""
    email: str
    """One that it says it has verified."""


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: _Url
    token_endpoint: _Url
    jwks_uri: _Url
    userinfo_endpoint: _Url | None = None
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str


class _Claims(msgspec.Struct, frozen=True):
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    email: str | None = None
    email_verified: bool | str | None = None


@dataclass(frozen=True, slots=True)
class _Client:
    """What the provider calls this hub, and how it knows it."""

    identifier: str
    secret: str = field(repr=False)


class Provider:
    """The one provider of a hub. `close` it when the hub stops."""

    def __init__(self, issuer: str, name: str, client: _Client, redirect_uri: str) -> None:
        self.issuer = issuer
        self.name = name
        self._client = client
        self._redirect_uri = redirect_uri
        self._plain = _is_loopback(issuer)
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=not self._plain)
        self._metadata: _Metadata | None = None
        self._fresh_until = 0.0

    @classmethod
    def of(cls, settings: HubSettings) -> Provider | None:
        """The provider that the settings name, if any. `CloisterError` where they are not whole."""
        issuer = settings.oidc_issuer
        if issuer is None:
            return None
        if settings.oidc_client_id is None or settings.oidc_client_secret_file is None or settings.public_url is None:
            raise CloisterError(
                "Signing in at a provider (oidc_issuer) takes oidc_client_id, oidc_client_secret_file and public_url, "
                "too. Set all of them."
            )
        if not (issuer.startswith("https://") or _is_loopback(issuer)) or "?" in issuer or "#" in issuer:
            raise CloisterError(
                "oidc_issuer is a URL like https://login.example.org, as the provider itself writes it."
            )
        try:
            secret = settings.oidc_client_secret_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise CloisterError(
                f"{settings.oidc_client_secret_file}, named by oidc_client_secret_file, can't be read."
            ) from None
        client = _Client(settings.oidc_client_id, secret)
        name = settings.oidc_name or urlsplit(issuer).netloc
        return cls(issuer, name, client, settings.public_url.rstrip("/") + CALLBACK)

    async def close(self) -> None:
        await self._http.aclose()

    async def where(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser. `ProviderAway` where the provider doesn't tell."""
        metadata = await self._known()
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client.identifier,
            "code",
            redirect_uri=self._redirect_uri,
            scope="openid email",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def who(self, code: str, issuer: str | None, nonce: str, verifier: str, now: int) -> Person:
        """Who came back with this code.

        Args:
            issuer: who says to have sent the browser back (RFC 9207).
            now: seconds since 1970.

        Raises:
            ProviderAway: it doesn't answer as it should.
            NotVouchedFor: the code, or what it gave for it, is not good.
        """
        metadata = await self._known()
        # 1. The answer comes from the provider that was asked, as far as it says so.
        if issuer != self.issuer and (issuer is not None or metadata.authorization_response_iss_parameter_supported):
            raise NotVouchedFor("the answer names another issuer")
        # 2. The code is good, for this hub and this browser's verifier.
        tokens = await self._exchange(metadata, code, verifier)
        # 3. The ID token is the provider's, for this hub, of now, and of this attempt.
        claims = await self._verified(metadata, tokens, nonce, now)
        # 4. It says who that is; or else its other endpoint does, of the same subject.
        person = _converted(claims, _Claims)
        if person.email is None and metadata.userinfo_endpoint is not None:
            headers = {"Authorization": f"Bearer {tokens.access_token}"}
            more = await self._ask(httpx.Request("GET", metadata.userinfo_endpoint, headers=headers), _Claims)
            if more.sub != person.sub:
                raise NotVouchedFor("the provider tells of somebody else")
            person = more
        # 5. The provider has verified the email. (Some say so in letters.)
        if person.email is None or person.email_verified not in (True, "true"):
            raise NotVouchedFor("the provider has not verified the email")
        return Person(person.sub, person.email)

    async def _known(self) -> _Metadata:
        if self._metadata is None or time.monotonic() >= self._fresh_until:
            url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._ask(httpx.Request("GET", url), _Metadata)
            if found.issuer != self.issuer:
                raise ProviderAway("it names itself differently")
            endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
            if not all(url is None or url.startswith("https://") or self._plain for url in endpoints):
                raise ProviderAway("it has an endpoint without TLS")
            self._metadata, self._fresh_until = found, time.monotonic() + _FRESH_SECONDS
        return self._metadata

    async def _exchange(self, metadata: _Metadata, code: str, verifier: str) -> _Tokens:
        methods = metadata.token_endpoint_auth_methods_supported
        method = "client_secret_post" if "client_secret_basic" not in methods else "client_secret_basic"
        body = prepare_token_request(
            "authorization_code", redirect_uri=self._redirect_uri, code=code, code_verifier=verifier
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        shown = ClientAuth(self._client.identifier, self._client.secret, method)
        url, headers, body = shown.prepare("POST", metadata.token_endpoint, headers, body)
        return await self._ask(httpx.Request("POST", url, headers=headers, content=body), _Tokens)

    async def _verified(self, metadata: _Metadata, tokens: _Tokens, nonce: str, now: int) -> dict[str, Any]:
        keys = await self._ask(httpx.Request("GET", metadata.jwks_uri), dict[str, Any])
        try:
            token = jwt.decode(tokens.id_token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client.identifier},
                    "exp": {"essential": True},
                    "iat": {"essential": True},
                },
                {"nonce": nonce, "client_id": self._client.identifier, "access_token": tokens.access_token},
            )
            claims.validate(now, _SKEW_SECONDS)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NotVouchedFor(f"the ID token is not good: {type(error).__name__}") from None
        return dict(claims)

    async def _ask(self, request: httpx.Request, kind: type[T]) -> T:
        """The provider's answer. A refusal (4xx) is `NotVouchedFor`: it was asked about somebody."""
        try:
            answer = await self._http.send(request, stream=True)
            try:
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES:
                        raise ProviderAway("its answer is too long")
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            raise ProviderAway(type(error).__name__) from None
        if 400 <= answer.status_code < 500:
            raise NotVouchedFor(f"the provider refuses: {answer.status_code}")
        if not answer.is_success:
            raise ProviderAway(f"it answers {answer.status_code}")
        try:
            return msgspec.json.decode(bytes(body), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ProviderAway("its answer can't be read") from None


def _converted(claims: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(claims, kind)
    except msgspec.ValidationError:
        raise NotVouchedFor("the ID token says nothing of use") from None


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
