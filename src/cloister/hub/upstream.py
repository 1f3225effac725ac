"""The connection to the enclave, shared by all relayed requests."""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import httpx

from cloister.errors import CloisterError
from cloister.hub.metrics import ENCLAVE_ERRORS
from cloister.hub.problems import unavailable
from cloister.hub.settings import HubSettings
from cloister.logs import REQUEST, REQUEST_HEADER
from cloister.secret import read_secret
from cloister.wire.pinning import pinned

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
# Less than a server keeps an idle connection (uvicorn: 5 s), so that no request meets one just closed.
_IDLE_CONNECTION_SECONDS = 3.0

logger = logging.getLogger("cloister.hub")


class Upstream:
    """The way to one enclave. `close` it when the hub stops."""

    def __init__(self, settings: HubSettings) -> None:
        """Raises `CloisterError` where the enclave's URL is none."""
        self._client: httpx.AsyncClient | None = None
        self._pseudonyms = os.urandom(32)
        if settings.enclave_url is not None:
            self._client = httpx.AsyncClient(
                base_url=_checked_url(settings.enclave_url),
                # An answer may take as long as it likes: there are signs of life in it.
                timeout=httpx.Timeout(
                    _CONNECT_SECONDS, read=settings.silence_seconds, write=settings.idle_seconds, pool=None
                ),
                limits=httpx.Limits(
                    max_connections=None,
                    max_keepalive_connections=64,
                    keepalive_expiry=_IDLE_CONNECTION_SECONDS,
                ),
                headers={"Accept-Encoding": "identity", "User-Agent": "cloister-hub", **_secret(settings)},
                verify=_pinned(settings.enclave_cert) or True,
                trust_env=False,
            )

    def pseudonym(self, principal_id: str) -> str:
        """What the enclave may know of who asks: enough to tell one from another, for its bounds."""
        return hmac.digest(self._pseudonyms, principal_id.encode(), "sha256").hex()[:32]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The enclave's answer, its body unread. 503 where there is none to be had."""
        assert self._client is not None
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            ENCLAVE_ERRORS.inc()
            logger.warning("the enclave does not answer: %s", _reason(error))
            raise unavailable(
                "The enclave does not answer. It may be starting; try again in a few seconds, and tell whoever "
                "runs this installation if that does not help."
            ) from error
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            await answer.aclose()
            ENCLAVE_ERRORS.inc()
            logger.error("the enclave does not know this hub: both need the same secret")
            raise unavailable("The enclave does not let this hub in. Tell whoever runs this installation.")
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            await answer.aclose()
            ENCLAVE_ERRORS.inc()
            logger.warning("the enclave answered with status %d", answer.status_code)
            raise unavailable("The enclave could not serve this now. Try again in a few seconds.")
        return answer

    async def check(self) -> None:
        """Raises a `Problem` unless the enclave says that it can serve."""
        answer = await self.send(self.request("GET", "/readyz"))
        await answer.aclose()
        if answer.status_code != HTTPStatus.OK:
            raise unavailable("The enclave can't serve now.")

    def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
    ) -> httpx.Request:
        """A request to the enclave. 503 where the hub was started without one."""
        if self._client is None:
            raise unavailable("This hub has no enclave. Start it with the enclave's URL.")
        headers = {**(headers or {}), REQUEST_HEADER: REQUEST.get()}
        request = self._client.build_request(method, path, params=params, headers=headers, content=content)
        if method == "GET":
            request.extensions["timeout"] = {**request.extensions["timeout"], "read": _ANSWER_SECONDS}
        return request


def _secret(settings: HubSettings) -> dict[str, str]:
    if settings.enclave_secret_file is None:
        return {}
    return {"Authorization": f"Bearer {read_secret(settings.enclave_secret_file)}"}


def _pinned(certificate: Path | None) -> ssl.SSLContext | None:
    """Trust in one certificate, whatever name the enclave is reached by."""
    if certificate is None:
        return None
    try:
        return pinned(certificate)
    except (OSError, ssl.SSLError) as error:
        raise CloisterError(f"{certificate} can't be used as the enclave's certificate (PEM): {error}.") from None


def _reason(error: BaseException) -> str:
    """What is behind an error of the HTTP library, in the system's words: they hold nothing that was sent."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError):
            return f"{type(error).__name__} ({link.strerror or type(link).__name__})"
        link = link.__cause__ or link.__context__
    return type(error).__name__


def _checked_url(text: str) -> httpx.URL:
    with contextlib.suppress(httpx.InvalidURL):
        url = httpx.URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
    raise CloisterError(f"{text!r} is not an enclave's URL. Write it like http://127.0.0.1:7801.")
