"""The relay: passes sealed messages to the enclave and its answers back, frame by frame, reading neither.

Whichever side goes away, the other one is told at once: nothing waits for a next frame to notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send

from cloister.hub.access import AnyPrincipal
from cloister.hub.limits import allow_body, body_pieces, send_in_time
from cloister.hub.problems import responses, unauthorized, unavailable
from cloister.hub.services import Hub
from cloister.hub.tokens import Principal
from cloister.protocol import ACCOUNT_HEADER

_CONTENT_TYPES = frozenset({"application/json", "application/octet-stream"})
_PASSED_HEADERS = ("content-length", "retry-after")

logger = logging.getLogger("cloister.hub")
router = APIRouter(prefix="/v1/enclave", tags=["relay"], responses=responses(400, 401, 429, 503))

Nonce = Annotated[
    str, Query(pattern="^[0-9a-f]{64}$", description="32 random bytes in hex; the evidence is bound to them.")
]

_SEALED: dict[str, Any] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}
_FRAMES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Sealed frames, as they come.", "content": _SEALED},
}
_AS_MADE: dict[int | str, dict[str, Any]] = {
    200: {"description": "As the enclave made it.", "content": {"application/json": {}}},
}


class _Relayed(Response):
    """One relayed request, from the client's first byte to the enclave's last."""

    def __init__(
        self, hub: Hub, principal: Principal, method: str, path: str, params: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self._hub = hub
        self._principal = principal
        self._method = method
        self._path = path
        self._params = params
        self._body_ended = asyncio.Event()
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._hub.relayed.hold(self._principal.id), self._hub.revocations.watch(self._principal) as revoked:
            whole = await self._pass_on_while_both_are_there(revoked, scope, receive, send)
        # After the slot is free, so that whoever has the whole answer can use the slot again.
        if whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on_while_both_are_there(
        self, revoked: asyncio.Event, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Whether the enclave's answer was passed on up to its end; that end itself is not sent yet."""
        passing = asyncio.create_task(self._pass_on(scope, receive, send))
        leaving = asyncio.create_task(self._until_client_leaves(receive))
        closing = asyncio.create_task(self._hub.closing.wait())
        ending = asyncio.create_task(revoked.wait())
        tasks = (passing, leaving, closing, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not passing.cancelled():
            return passing.result()
        if not leaving.cancelled():
            leaving.result()
        elif revoked.is_set() and not self._started:
            raise unauthorized()
        elif not self._started:
            raise unavailable("The hub is stopping. Try again in a moment.")
        return False

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> bool:
        idle = self._hub.settings.idle_seconds
        answer = await self._hub.upstream.send(self._request(scope, receive))
        try:
            self._started = True
            await send({"type": "http.response.start", "status": answer.status_code, "headers": _head(answer)})
            async for frame in answer.aiter_raw():
                await send_in_time(send, {"type": "http.response.body", "body": frame, "more_body": True}, idle)
        except httpx.HTTPError as error:
            # The client notices by the missing end of the body: the server closes the connection.
            logger.warning("the enclave ended an answer before its end: %s", type(error).__name__)
            return False
        finally:
            await answer.aclose()
        return True

    def _request(self, scope: Scope, receive: Receive) -> httpx.Request:
        if self._method == "GET":
            self._body_ended.set()
            return self._hub.upstream.request(self._method, self._path, params=self._params)
        pseudonym = self._hub.upstream.pseudonym(self._principal.id)
        headers = {"Content-Type": "application/octet-stream", ACCOUNT_HEADER: pseudonym}
        for name, value in scope["headers"]:
            if name == b"content-length":
                headers["Content-Length"] = value.decode("ascii")
        return self._hub.upstream.request(self._method, self._path, headers=headers, content=self._body(receive))

    async def _body(self, receive: Receive) -> AsyncIterator[bytes]:
        async for piece in body_pieces(receive):
            yield piece
        self._body_ended.set()

    async def _until_client_leaves(self, receive: Receive) -> None:
        # While the body comes in, reading it shows whether the client is there.
        await self._body_ended.wait()
        while (await receive())["type"] != "http.disconnect":
            continue


@router.get(
    "/evidence",
    summary="The enclave's evidence",
    response_class=Response,
    responses=_AS_MADE,
)
async def get_evidence(nonce: Nonce, principal: AnyPrincipal, hub: Hub) -> Response:
    """Fresh, and bound to the caller's nonce. The client verifies it; the hub doesn't."""
    hub.proofs.take(principal.id)
    return _Relayed(hub, principal, "GET", "/evidence", {"nonce": nonce})


@router.get(
    "/keys",
    summary="The enclave's current keys",
    response_class=Response,
    responses=_AS_MADE,
)
async def get_keys(principal: AnyPrincipal, hub: Hub) -> Response:
    """They are signed under the attested key."""
    return _Relayed(hub, principal, "GET", "/keys")


@router.post(
    "/messages",
    summary="Send a sealed message",
    response_class=Response,
    responses=responses(408, 409, 413) | _FRAMES,
    openapi_extra={"requestBody": {"required": True, "content": _SEALED}},
)
async def post_message(request: Request, principal: AnyPrincipal, hub: Hub) -> Response:
    """The answer is streamed: each frame is passed on when the enclave sends it, which may take long. Leaving
    ends the request at the enclave too. The enclave's own errors (409 for keys out of date, 413, 429) come
    as it says them."""
    allow_body(request.scope, hub.settings.message_bytes)
    if principal.is_account:
        hub.messages.take(principal.id)
    return _Relayed(hub, principal, "POST", "/messages")


def _head(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Nothing that a browser would show, whatever the enclave's side may say.
    shown = media_type if media_type in _CONTENT_TYPES else "application/octet-stream"
    passed = [
        (name.encode(), answer.headers[name].encode("latin-1")) for name in _PASSED_HEADERS if name in answer.headers
    ]
    return [(b"content-type", shown.encode()), *passed]
