"""Runs the hub on uvicorn: where it listens, TLS, and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from cloister.errors import CloisterError
from cloister.heads import heads_within
from cloister.hub.app import create_app
from cloister.hub.services import Services
from cloister.hub.settings import HubSettings
from cloister.listening import bind, reached_at, send_without_delay, speaks_tls
from cloister.wire.silence import end_when_silent

_GRACE_SECONDS = 3
_KEEP_ALIVE_SECONDS = 75


class HubServer(uvicorn.Server):
    """A hub on its sockets. `stop` may be called from any thread."""

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        url: str,
        on_ready: Callable[[str], None] | None,
        grace: float,
    ) -> None:
        super().__init__(config)
        self._services = services
        self._grace = grace
        self._url = url
        self._on_ready = on_ready

    @property
    def url(self) -> str:
        """Where it listens, e.g. ``http://127.0.0.1:8100``."""
        return self._url

    def stop(self) -> None:
        """Begin to stop: what is under way may go on until the grace is over, then long answers end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.draining.set()
        # Still served meanwhile: what is under way may need further requests to come to its end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await self._services.relayed.none_taken()
                await self._services.transfers.none_taken()
        self._services.closing.set()
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, and return from `run` then instead of dying of the signal. A second one ends
        it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(_number: int, _frame: FrameType | None) -> None:
            if self.should_exit:
                os._exit(1)  # the database is written in transactions, objects appear whole: nothing is lost by it
            self.stop()

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def make_server(
    settings: HubSettings,
    sockets: Sequence[socket.socket],
    *,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    insecure_http_ok: bool = False,
    grace: float = 0.0,
    on_ready: Callable[[str], None] | None = None,
) -> HubServer:
    """A hub that will listen on ``sockets`` (bound already); ``run(sockets=[...])`` serves until stopped.

    Raises `CloisterError` for plain HTTP beyond loopback that nobody asked for, and for unusable TLS files.
    """
    tls = speaks_tls(tls_cert, tls_key)
    if not tls and not insecure_http_ok:
        for bound in sockets:
            _require_loopback(bound)
    for bound in sockets:
        send_without_delay(bound)
        end_when_silent(bound, settings.silence_seconds)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        http=heads_within(settings.idle_seconds, settings.slowest_bytes),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    return HubServer(config, app.state.services, _url(sockets[0], tls), on_ready, grace)


def serve(
    settings: HubSettings,
    *,
    sockets: Sequence[socket.socket] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    insecure_http_ok: bool = False,
    grace: float = 0.0,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a hub until SIGTERM or SIGINT, and then for what is under way, ``grace`` seconds at most.

    Listens on ``sockets``, or else on ``host`` and ``port`` (0: any free one). ``on_ready`` is called with the
    URL once requests are answered. Raises `CloisterError` where `make_server` does, and where the address
    can't be had.
    """
    listening = [bind(host, port, "The hub")] if sockets is None else list(sockets)
    try:
        server = make_server(
            settings,
            listening,
            tls_cert=tls_cert,
            tls_key=tls_key,
            insecure_http_ok=insecure_http_ok,
            grace=grace,
            on_ready=on_ready,
        )
        server.run(sockets=listening)
    finally:
        for bound in listening:
            bound.close()


def _require_loopback(bound: socket.socket) -> None:
    if (host := reached_at(bound)) is not None:
        raise CloisterError(
            f"The hub would speak plain HTTP on {host}, where others could read API tokens. Give it a "
            "certificate with --tls-cert and --tls-key, listen on 127.0.0.1 behind a proxy that does TLS, "
            "or say --insecure-http if this network is private."
        )


def _url(bound: socket.socket, tls: bool) -> str:
    host, port = bound.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
