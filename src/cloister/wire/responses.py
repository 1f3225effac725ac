"""What a hub answers, as exceptions of this package."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator

import httpx
import msgspec

from cloister.errors import AuthorizationError, BadRequestError, NotFoundError, ServerError, VerificationError
from cloister.wire.patience import Unavailable

ALL = range(1000)
"""Of statuses: where the hub itself is asked, all that it refuses is its to refuse."""
NONE = range(0)
"""Where the enclave is asked, or is about to be: whoever is told that something isn't there, or can't be, takes it for
the enclave's word, which comes sealed or not at all."""
_ERROR_LIMIT = 64 * 1024


class StaleKeys(Unavailable):
    """The message was sealed to keys that the enclave no longer has."""


class _ErrorDetail(msgspec.Struct):
    code: str
    message: str


class _ErrorBody(msgspec.Struct):
    error: _ErrorDetail


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns what the HTTP library raises into this package's errors.

    The library's exceptions hold the request with its token, so they are let go of, not chained.
    """
    reason: str | None = None
    silent = False
    try:
        yield
    except httpx.TimeoutException:
        reason, silent = "it did not answer in time", True
    except httpx.ConnectError as error:
        reason = f"no connection ({error})"
    except (httpx.TransportError, httpx.StreamError) as error:
        reason = f"the connection broke ({type(error).__name__})"
    except httpx.DecodingError:
        reason = "its answer is garbled"
    if reason is not None:
        raise Unavailable(
            f"The hub could not be reached: {reason}. Check CLOISTER_URL and the network, and that the hub runs.",
            silent=silent,
        )


def check(response: httpx.Response, refusals: Container[int]) -> None:
    """Raises what a status other than success stands for; ``refusals`` are those that say no to what was asked."""
    if response.is_success:
        return
    status = response.status_code
    if response.is_redirect:
        code, message = "", "The hub's address has moved. Set CLOISTER_URL to the new one."
    else:
        code, message = _error_of(bytes(limited(response, _ERROR_LIMIT)), status)
    if status == 409 and code == "stale_keys":
        raise StaleKeys(message)
    if status == 429 or status >= 500:
        raise Unavailable(message, retry_after=_retry_after(response.headers))
    if status in (401, 403):
        raise AuthorizationError(message)
    if status not in refusals:
        raise ServerError(f"The hub itself says: {message}" if code else message)
    raise (NotFoundError if status == 404 else BadRequestError)(message)


def _error_of(body: bytes, status: int) -> tuple[str, str]:
    try:
        detail = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.MsgspecError, ValueError):
        return "", f"The hub answered with status {status} and no explanation. Is CLOISTER_URL that of a hub?"
    return detail.code, detail.message


def _retry_after(headers: httpx.Headers) -> float:
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0


def limited(response: httpx.Response, limit: int) -> bytearray:
    """The body, if it is not longer than ``limit`` bytes."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise VerificationError("The hub's answer is longer than it can be. It was not read to its end.")
    return body
