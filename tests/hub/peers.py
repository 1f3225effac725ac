"""Real servers for the tests: a small enclave that does what a message tells it, and hubs on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

from cloister.hub.server import HubServer, make_server
from cloister.hub.settings import HubSettings
from cloister.listening import bind

PATIENCE = 20.0
"""Seconds after which a test that waits for an event fails."""


@dataclass(frozen=True)
class Meeting:
    """What happened, and what is to happen, with the messages of one test."""

    arrived: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    asker_left: threading.Event = field(default_factory=threading.Event)


class TinyEnclave:
    """Speaks the enclave's HTTP interface. The first word of a message says what it does:

    ``echo`` answers with the message, ``frames`` with one frame now and one when `Meeting.release` is set,
    ``hang`` with nothing until the asker leaves, ``hang-after`` with one frame first, ``break`` with half an
    answer, ``stale`` with 409, ``full`` with 429, ``fail`` with 500, ``html`` with a page.
    """

    def __init__(self) -> None:
        self.meeting = Meeting()
        self.headers: dict[str, str] = {}
        self.queries: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.queries.append(scope["query_string"].decode())
        if scope["path"] != "/messages":
            await _answer(send, 200, {"path": scope["path"], "query": scope["query_string"].decode()})
            return
        # A request of an earlier test may end during this one; it tells its own.
        meeting = self.meeting
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                meeting.asker_left.set()
                return
            body += message["body"]
            if not message["more_body"]:
                break
        meeting.arrived.set()
        await _obey(bytes(body), meeting, receive, send)


async def _obey(body: bytes, meeting: Meeting, receive: Receive, send: Send) -> None:
    match body.partition(b" ")[0]:
        case b"stale":
            await _answer(send, 409, {"error": {"code": "stale_keys", "message": "Fetch the keys again."}})
        case b"full":
            await _answer(send, 429, {"error": {"code": "busy", "message": "Later."}}, [(b"retry-after", b"7")])
        case b"fail":
            await _answer(send, 500, {"secret": "inner workings"})
        case b"html":
            await _start(send, 200, b"text/html; charset=utf-8")
            await _end(send, b"<script>")
        case b"frames":
            await _start(send, 200)
            await _frame(send, b"first")
            await asyncio.to_thread(meeting.release.wait, PATIENCE)
            await _end(send, b"second")
        case b"hang":
            await _hang(meeting, receive)
        case b"hang-after":
            await _start(send, 200)
            await _frame(send, b"first")
            await _hang(meeting, receive)
        case b"break":
            await _start(send, 200)
            await _frame(send, b"first")
            raise asyncio.CancelledError
        case _:
            await _start(send, 200)
            await _end(send, body)


async def _hang(meeting: Meeting, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    meeting.asker_left.set()


async def _start(
    send: Send,
    status: int,
    content_type: bytes = b"application/octet-stream",
    more: list[tuple[bytes, bytes]] | None = None,
) -> None:
    headers = [(b"content-type", content_type), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _frame(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _end(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _answer(send: Send, status: int, value: object, more: list[tuple[bytes, bytes]] | None = None) -> None:
    await _start(send, status, b"application/json", more)
    await _end(send, json.dumps(value).encode())


class RunningEnclave:
    """A `TinyEnclave` on loopback (port 0: any free one), from the start of the block to its end."""

    def __init__(self, port: int = 0) -> None:
        self.peer = TinyEnclave()
        self._socket = bind("127.0.0.1", port, "A peer")
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.peer, lifespan="off", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> RunningEnclave:
        # The socket listens already, so whoever connects is served as soon as the thread runs.
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop, closing every connection, and wait until it has."""
        self.peer.meeting.release.set()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


class RunningHub:
    """A hub in a thread of this process."""

    def __init__(
        self,
        settings: HubSettings,
        *,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        grace: float = 0.0,
        port: int = 0,
        send_buffer: int | None = None,
    ) -> None:
        """``send_buffer``: bytes of answers that the kernel takes from the hub for each reader, about."""
        self.settings = settings
        self._ready = threading.Event()
        self._socket = bind("127.0.0.1", port, "A peer")
        if send_buffer is not None:
            # Connections inherit it.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.server: HubServer = make_server(
            settings,
            [self._socket],
            tls_cert=tls_cert,
            tls_key=tls_key,
            grace=grace,
            on_ready=lambda _url: self._ready.set(),
        )
        self.url = self.server.url
        self._thread = threading.Thread(target=self.server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> RunningHub:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop as a signal would, and wait until it has."""
        self.server.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def unsent_bytes(self) -> list[int]:
        """Of each connection, how much of its answers waits in the hub's memory."""
        connections = list(self.server.server_state.connections)
        return [each.transport.get_write_buffer_size() for each in connections if each.transport is not None]

    def client(self, token: str | None = None) -> httpx.Client:
        """A client of this hub, with that API token."""
        return client(self.url, token)


def client(url: str, token: str | None = None) -> httpx.Client:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)


_PROGRAM = """
import sys
from pathlib import Path
from cloister import logs
from cloister.hub.server import serve
from cloister.hub.settings import HubSettings
logs.configure()
serve(
    HubSettings(data=Path(sys.argv[1]), enclave_url=sys.argv[2] or None),
    port=int(sys.argv[3]),
    on_ready=lambda url: print(url, flush=True),
)
"""


class HubProcess:
    """A hub as a process of its own, which can be killed."""

    def __init__(self, data: Path, log: IO[bytes], enclave_url: str = "", port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM, str(data), enclave_url, str(port)],
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url, "the hub did not start"

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def terminate(self) -> int:
        """SIGTERM, and its exit status."""
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        status = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextlib.contextmanager
def hub_process(data: Path, log_file: Path, enclave_url: str = "") -> Iterator[HubProcess]:
    """A `HubProcess` that doesn't outlive the block; its log is appended to ``log_file``."""
    with log_file.open("ab") as log:
        running = HubProcess(data, log, enclave_url)
        try:
            yield running
        finally:
            running.kill()


def fresh_id() -> str:
    """As a client chooses a blob's id."""
    return secrets.token_hex(32)
