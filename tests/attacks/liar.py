"""A hub that lies: it passes everything on to a real one, but for what it is told to change. Over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import uvicorn

MESSAGES, EVIDENCE, KEYS = "/v1/enclave/messages", "/v1/enclave/evidence", "/v1/enclave/keys"


@dataclass(frozen=True)
class Asked:
    """A request of a client."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Said:
    """An answer: a whole one, or one that breaks off."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    cut: bool = False


class Liar:
    """Listens on a port of its own while the block lasts.

    ``elsewhere`` says which hub a request goes to, where not to the usual one; ``lie`` changes an answer.
    """

    def __init__(self, hub: str) -> None:
        self.hub = hub
        self.seen: list[Asked] = []
        self.honest()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._listening = threading.Event()
        config = uvicorn.Config(self, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1)
        self._server = _Server(config, self._listening)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._upstream: httpx.AsyncClient | None = None

    def honest(self) -> None:
        """No lies from here on, and what was seen is forgotten."""
        self.seen.clear()
        self.elsewhere: Callable[[Asked], tuple[str, Asked] | None] = lambda asked: None
        self.lie: Callable[[Asked, Said], Said] = lambda asked, said: said

    def asked(self, path: str) -> list[Asked]:
        """What was asked for there."""
        return [asked for asked in self.seen if asked.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with httpx.AsyncClient(timeout=60, trust_env=False) as self._upstream:
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert self._upstream is not None
        asked = await _asked(scope, receive)
        self.seen.append(asked)
        hub, passed = self.elsewhere(asked) or (self.hub, asked)
        answer = await self._upstream.request(
            passed.method,
            f"{hub}{passed.path}?{passed.query}" if passed.query else f"{hub}{passed.path}",
            headers=passed.headers,
            content=passed.body,
        )
        kind = answer.headers.get("content-type", "")
        said = self.lie(asked, Said(answer.status_code, answer.content, kind))
        headers = [(b"content-type", said.content_type.encode())]
        await send({"type": "http.response.start", "status": said.status, "headers": headers})
        await send({"type": "http.response.body", "body": said.body, "more_body": said.cut})
        if said.cut:
            # Ending without the end of the body makes the server close the connection.
            raise asyncio.CancelledError


async def _asked(scope: Any, receive: Any) -> Asked:
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body", False):
            break
    kept = ("authorization", "content-type", "content-digest")
    headers = {name.decode(): value.decode() for name, value in scope["headers"] if name.decode() in kept}
    return Asked(scope["method"], scope["path"], scope["query_string"].decode(), headers, bytes(body))


def frames(stream: bytes) -> list[bytes]:
    """The frames of an enclave's answer, each with its length before it."""
    found = []
    while stream:
        end = 4 + int.from_bytes(stream[:4], "big")
        found.append(stream[:end])
        stream = stream[end:]
    return found


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test run's."""
        yield
