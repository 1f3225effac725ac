"""Where a server listens: without what serves there, which takes far longer to load."""

from __future__ import annotations

import os
import socket

from cloister.errors import CloisterError


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on that address. `CloisterError` if it can't be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        # The library adds the address to the system's words.
        known = error.errno is not None and not isinstance(error, socket.gaierror)
        reason = os.strerror(error.errno or 0) if known else error.strerror
        raise CloisterError(
            f"The hub can't listen on {host} port {port}: {reason}. Choose another address or port."
        ) from error
    send_without_delay(bound)
    return bound


def send_without_delay(bound: socket.socket) -> None:
    """Connections inherit this (Linux). asyncio sets it only where a socket was made naming TCP, which those
    of `socket.create_server` and of supervisors aren't; without it each answer waits 40 ms."""
    if bound.family in (socket.AF_INET, socket.AF_INET6):
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
