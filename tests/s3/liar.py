"""A store that lies: it passes everything on to a real one, signatures and all, but for what it is told to change."""

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


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    signed_url: bool
    """Whether it came by a signed URL, straight from a client."""


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    cut: bool = False
    """Breaks off in the middle of the body."""
    never: bool = False
    """Stays away until whoever asked has gone."""


Lie = Callable[[Asked, Said], Said]


class LyingStore:
    """Listens on a port of its own while the block lasts."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.seen: list[Asked] = []
        self.lie: Lie = lambda asked, said: said
        self.drop: Callable[[Asked], bool] = lambda asked: False
        """Requests that are answered as if they had been served."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._listening = threading.Event()
        config = uvicorn.Config(self, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1)
        self._server = _Server(config, self._listening)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._upstream: httpx.AsyncClient | None = None

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
        asked = Asked(scope["method"], scope["path"], b"X-Amz-Signature" in scope["query_string"])
        self.seen.append(asked)
        said = self.lie(asked, await self._true(asked, scope, receive))
        if said.never:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [(name.encode(), value.encode()) for name, value in said.headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": headers})
        body = said.body[: len(said.body) // 2] if said.cut else said.body
        await send({"type": "http.response.body", "body": body, "more_body": said.cut})
        if said.cut:
            # Ending without the end of the body makes the server close the connection.
            raise asyncio.CancelledError

    async def _true(self, asked: Asked, scope: Any, receive: Any) -> Said:
        """What the real store says."""
        body = bytearray()
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        if self.drop(asked):
            return Said(200, {"etag": '"0123456789abcdef0123456789abcdef"', "content-length": "0"}, b"")
        assert self._upstream is not None
        target = httpx.URL(self._endpoint, raw_path=scope["raw_path"] + b"?" + scope["query_string"])
        headers = [(name, value) for name, value in scope["headers"] if name != b"transfer-encoding"]
        answer = await self._upstream.request(asked.method, target, headers=headers, content=bytes(body))
        kept = {
            name: value for name, value in answer.headers.items() if name not in ("transfer-encoding", "connection")
        }
        return Said(answer.status_code, kept, answer.content)


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
