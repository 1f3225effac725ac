"""Ports for servers that have to be told one before they listen."""

from __future__ import annotations

import itertools
import os
import secrets
import socket

_EACH = 5000
_LOWEST = 12_000 + _EACH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4)
"""Below those that the kernel gives to whoever asks for any (from 32768 on): until the server listens, nobody else gets
it by chance. Processes of tests that run side by side have ports of their own."""
_NEXT = itertools.count(secrets.randbelow(_EACH))


def free_port() -> int:
    """A port of loopback on which nobody listens; another one each time."""
    while True:
        port = _LOWEST + next(_NEXT) % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
