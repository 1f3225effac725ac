"""The place where a part shows its metrics, apart from where it serves: small, and closed unless asked for."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from cloister.errors import CloisterError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_IDLE_SECONDS = 10


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone: nothing to say."""

    def server_bind(self) -> None:
        # The base class looks up the name of the host, which may take long where there is none.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "metrics", self.server_address[1]
        self.setup_environ()


class _ServerOnIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Scrapes are not worth a line each."""


@contextlib.contextmanager
def showing(address: str | None, registry: CollectorRegistry, ready: Callable[[], bool] | None = None) -> Iterator[int]:
    """Serves ``/metrics`` at HOST:PORT while the block lasts, in a thread; nothing without an address.

    Args:
        address: ``HOST:PORT``; without a host it is loopback.
        ready: for parts without a door of their own, ``/healthz`` and ``/readyz`` are served too; whether it can work.

    Yields:
        The port; 0 where nothing is served.

    Raises:
        CloisterError: that is no address, or it can't be had.
    """
    if not address:
        yield 0
        return
    host, port = split(address)
    kind = _ServerOnIPv6 if ":" in host else _Server
    try:
        server = make_server(host, port, _application(registry, ready), server_class=kind, handler_class=_Handler)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CloisterError(f"Metrics can't be served on {address}: {reason}. Choose another address.") from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def split(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``[HOST]:PORT`` or ``:PORT``.

    Raises:
        CloisterError: it isn't of that form.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise CloisterError(f"{address!r} is not HOST:PORT. Write it like 127.0.0.1:9100.")
    return host, int(port)


def _application(registry: CollectorRegistry, ready: Callable[[], bool] | None) -> Any:
    metrics = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return cast("Iterable[bytes]", metrics(environ, start))
            case "/healthz" if ready is not None:
                return _say(start, "200 OK", b'{"status":"ok"}')
            case "/readyz" if ready is not None and ready():
                return _say(start, "200 OK", b'{"status":"ok"}')
            case "/readyz" if ready is not None:
                return _say(start, "503 Service Unavailable", b'{"status":"not ready"}')
            case _:
                return _say(start, "404 Not Found", b"There is nothing here but /metrics.\n", "text/plain")

    return application


def _say(start: StartResponse, status: str, body: bytes, kind: str = "application/json") -> list[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
