"""The enclave as a server process: who may knock at its door, TLS there, and stopping in order."""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from cloister.enclave.app import Application, Receive, Scope, Send, create_application
from cloister.enclave.logs import log
from cloister.enclave.settings import EnclaveSettings
from cloister.errors import CloisterError
from cloister.heads import heads_within
from cloister.listening import reached_at, send_without_delay, speaks_tls
from cloister.logs import REQUEST, REQUEST_HEADER, is_request_id
from cloister.wire.silence import end_when_silent

_KEEP_ALIVE_SECONDS = 60
_LAST_SECONDS = 2
"""For answers that are still open once all tasks have ended."""


@dataclass(frozen=True, kw_only=True)
class DoorSettings:
    """Who may knock, and how."""

    secret: bytes | None = None
    """What the hub shows; anybody may knock without it."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure_http: bool = False
    """Whether plain HTTP is meant, where other machines reach it."""
    grace: float = 0.0
    """Seconds that workers may take to end their tasks when it is stopped."""


class Door:
    """ASGI: lets in whoever shows the hub's secret, and everybody to ask whether it is there.

    All else that comes is sealed, and answered to whoever has proven who they are; but to open a message, or to make
    evidence, costs time that strangers must not take. Lines of the log bear the id that the hub has given a request.
    """

    def __init__(self, application: Application, secret: bytes | None) -> None:
        self._application = application
        self._secret = None if secret is None else b"Bearer " + secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        request = headers.get(REQUEST_HEADER.lower().encode(), b"").decode("latin-1")
        if self._secret is not None and scope["path"] != "/healthz":
            shown = headers.get(b"authorization", b"")
            if not hmac.compare_digest(shown, self._secret):
                await _refuse(send)
                return
        REQUEST.set(request if is_request_id(request) else "")
        await self._application(scope, receive, send)


async def _refuse(send: Send) -> None:
    body = b'{"error":{"code":"unauthorized","message":"This enclave answers its hub alone."}}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(
    settings: EnclaveSettings,
    door: DoorSettings,
    *,
    sockets: Sequence[socket.socket],
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, and then until the tasks that are out have ended, or the grace is over. A second
    signal ends it at once.

    Raises:
        CloisterError: the door would be open to strangers, or TLS can't be had.
    """
    tls = speaks_tls(door.tls_cert, door.tls_key)
    for each in sockets:
        _check_door(each, door, tls)
        send_without_delay(each)
        end_when_silent(each, settings.silence_seconds)
    application = create_application(settings)
    config = uvicorn.Config(
        Door(application, door.secret),
        log_config=None,
        access_log=False,
        lifespan="off",
        http=heads_within(settings.silence_seconds),
        timeout_graceful_shutdown=_LAST_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        ssl_certfile=door.tls_cert,
        ssl_keyfile=door.tls_key,
    )
    asyncio.run(_Server(config, application, door.grace, on_ready).serve(sockets=list(sockets)))


class _Server(uvicorn.Server):
    """Tells when it listens; lets tasks end before it stops."""

    def __init__(
        self, config: uvicorn.Config, application: Application, grace: float, on_ready: Callable[[], None] | None
    ) -> None:
        super().__init__(config)
        self._application = application
        self._grace = grace
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Reports and fetches go on meanwhile: workers and the hub need them to come to an end.
        if not await self._application.drain(self._grace):
            log.warning("tasks were still out when the time to stop had come; they can be run again")
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as the base class has it
        """Ends in order and returns. The base class would die of the signal after that."""
        if self.should_exit:
            log.warning("stopped at once by a second signal")
            os._exit(1)  # the store is written in transactions: this loses no more than a power cut would
        self.should_exit = True


def _check_door(bound: socket.socket, door: DoorSettings, tls: bool) -> None:
    if (host := reached_at(bound)) is None:
        return
    if door.secret is None:
        raise CloisterError(
            f"Everybody who reaches {host} could use up this enclave. Give it and its hub a secret: --hub-secret-file "
            "here, --enclave-secret-file there. `cloister config sample` says how to make one."
        )
    if not tls and not door.insecure_http:
        raise CloisterError(
            f"The enclave would speak plain HTTP on {host}, where others could read the hub's secret. Give it a "
            "certificate with --tls-cert and --tls-key, and the hub that same one with --enclave-cert; or say "
            "--insecure-http if this network is private."
        )
