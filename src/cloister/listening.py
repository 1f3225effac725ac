"""Where a server listens, and what it must have for that: without what serves there, which takes far longer to load."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from pathlib import Path

from cloister.errors import CloisterError

_TCP = (socket.AF_INET, socket.AF_INET6)


def bind(host: str, port: int, who: str) -> socket.socket:
    """A listening socket on that address (port 0: any free one).

    Args:
        who: begins the message where it can't be had, e.g. ``"The hub"``.

    Raises:
        CloisterError: the address can't be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        # The library adds the address to the system's words.
        known = error.errno is not None and not isinstance(error, socket.gaierror)
        reason = os.strerror(error.errno or 0) if known else error.strerror
        raise CloisterError(
            f"{who} can't listen on {host} port {port}: {reason}. Choose another address or port."
        ) from error
    send_without_delay(bound)
    return bound


def send_without_delay(bound: socket.socket) -> None:
    """Connections inherit this (Linux). asyncio sets it only where a socket was made naming TCP, which those
    of `socket.create_server` and of supervisors aren't; without it each answer waits 40 ms."""
    if bound.family in _TCP:
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reached_at(bound: socket.socket) -> str | None:
    """The address at which other machines may reach a listening socket; None where this machine alone can."""
    if bound.family not in _TCP:
        return None
    host: str = bound.getsockname()[0]
    return None if ipaddress.ip_address(host.partition("%")[0]).is_loopback else host


def speaks_tls(cert: Path | None, key: Path | None) -> bool:
    """Whether a server that is given these (PEM files) speaks TLS.

    Raises:
        CloisterError: it is meant to, and can't with them.
    """
    if cert is None and key is None:
        return False
    if cert is None or key is None:
        raise CloisterError("TLS needs both --tls-cert and --tls-key (PEM files).")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise CloisterError(
            f"The certificate {cert} with the key {key} can't be used: {error.strerror or error}. "
            "Both must be PEM files that this user can read, and belong together."
        ) from error
    return True
