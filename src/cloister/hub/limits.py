"""Bounds on what one request, and one principal, can take from the hub."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloister.buckets import Buckets
from cloister.hub.problems import Problem, busy, too_large

_LIMIT = "cloister.body_limit"
_PIECE = 64 * 1024


class BodyLimit:
    """Counts the bytes of every request body as they arrive and ends the request where there are too many.

    The bound is ``default_bytes`` until the operation itself sets another with `allow_body`.
    """

    def __init__(self, app: ASGIApp, default_bytes: int, idle_seconds: float, slowest_bytes: float) -> None:
        """``slowest_bytes``: bytes a second that a body has to come at, over all, once ``idle_seconds`` are over."""
        self._app = app
        self._default_bytes = default_bytes
        self._idle_seconds = idle_seconds
        self._slowest_bytes = slowest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_LIMIT] = self._default_bytes
        declared = _content_length(scope)
        arrived = 0
        arriving = True
        began = time.monotonic()

        async def counting_receive() -> Message:
            nonlocal arrived, arriving
            if not arriving:
                return await receive()
            if declared is not None and declared > scope[_LIMIT]:
                raise _too_large(scope[_LIMIT])
            # Who sends a byte now and then holds a slot as well as who sends none.
            in_all = began + self._idle_seconds + arrived / max(self._slowest_bytes, 1) - time.monotonic()
            try:
                async with asyncio.timeout(min(self._idle_seconds, in_all)):
                    message = await receive()
            except TimeoutError:
                seconds = f"{self._idle_seconds:g}"
                raise Problem(
                    408,
                    "timeout",
                    f"No more of the request came for {seconds} seconds, or all of it came too slowly. Send it again.",
                ) from None
            if message["type"] == "http.request":
                arrived += len(message.get("body", b""))
                arriving = message.get("more_body", False)
                if arrived > scope[_LIMIT]:
                    raise _too_large(scope[_LIMIT])
            return message

        await self._app(scope, counting_receive, send)


def allow_body(scope: Scope, limit_bytes: int) -> None:
    """Let the body of this request be up to ``limit_bytes`` long. Call it before reading any of it."""
    scope[_LIMIT] = limit_bytes


async def body_pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it arrives. `ClientDisconnect` if the client goes away before its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        if body := message.get("body", b""):
            yield body


async def send_in_time(send: Send, message: Message, seconds: float) -> None:
    """Send, or raise `ClientDisconnect` where the client takes nothing for that long."""
    try:
        async with asyncio.timeout(seconds):
            await send(message)
    except TimeoutError:
        raise ClientDisconnect from None


async def send_steadily(send: Send, content: bytes, idle_seconds: float, slowest_bytes: float) -> None:
    """Send the body of an answer, in pieces, so that no more of it than a piece waits for its reader in memory.

    Raises `ClientDisconnect` where the client takes nothing for ``idle_seconds`` or, once they are over, all of it more
    slowly than ``slowest_bytes`` a second.
    """
    began = time.monotonic()
    for start in range(0, len(content), _PIECE):
        in_all = began + idle_seconds + start / max(slowest_bytes, 1) - time.monotonic()
        message = {"type": "http.response.body", "body": content[start : start + _PIECE], "more_body": True}
        await send_in_time(send, message, min(idle_seconds, in_all))
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class Slots:
    """How many operations of one sort each principal has open, bounded."""

    def __init__(self, per_principal: int, what: str) -> None:
        self._per_principal = per_principal
        self._what = what
        self._taken: Counter[str] = Counter()
        self._none_taken = asyncio.Event()
        self._none_taken.set()

    @property
    def taken(self) -> int:
        """How many are open, of all principals."""
        return sum(list(self._taken.values()))

    async def none_taken(self) -> None:
        """Until none is open."""
        await self._none_taken.wait()

    @contextmanager
    def hold(self, principal_id: str) -> Iterator[None]:
        """Take a slot, or raise a 429 `Problem` where all of this principal's are taken."""
        if self._taken[principal_id] >= self._per_principal:
            raise busy(
                f"You have {self._per_principal} {self._what} open, the most that are allowed at once. "
                "Try again when one of them has ended, or in 2 seconds.",
                retry_seconds=2,
            )
        self._taken[principal_id] += 1
        self._none_taken.clear()
        try:
            yield
        finally:
            self._taken[principal_id] -= 1
            if not self._taken[principal_id]:
                del self._taken[principal_id]
            if not self._taken:
                self._none_taken.set()


class Rate:
    """How often each principal may ask for one sort of thing."""

    def __init__(self, per_second: float, burst: int, what: str) -> None:
        self._buckets: Buckets[str] = Buckets(per_second, burst)
        self._what = what

    def take(self, principal_id: str) -> None:
        """Ask once more, or raise a 429 `Problem` that says when it is allowed."""
        if seconds := self._buckets.take(principal_id, time.monotonic()):
            raise busy(f"You have sent too many {self._what}. Try again in {seconds} seconds.", retry_seconds=seconds)


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        # The server has checked its form already.
        if name == b"content-length":
            return int(value)
    return None


def _too_large(limit_bytes: int) -> Problem:
    return too_large(f"The body is larger than {limit_bytes} bytes, the most that is taken here.")
