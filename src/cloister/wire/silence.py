"""How long the other end of a connection may be silent before it is taken for gone.

A machine that has lost its power or its network doesn't take leave: whoever only waits for what it says would wait for
ever, and the kernel gives up what it could not deliver after a quarter of an hour. So long answers hold signs of life,
which whoever waits misses when they stay away; and whoever serves has the kernel ask now and then.
"""

from __future__ import annotations

import socket

HEARTBEAT_SECONDS = 20.0
"""After so much silence in an answer of the enclave's a sign of life is sent."""
SILENCE_SECONDS = 60.0
"""After so much silence the other end is gone: three signs of life have stayed away."""
_PROBES = 3


def end_when_silent(bound: socket.socket, seconds: float) -> None:
    """Ends each connection that this listening socket accepts once the other machine has acknowledged nothing, not even
    the kernel's own probes, for that long. Accepted connections inherit it (tcp(7))."""
    if bound.family not in (socket.AF_INET, socket.AF_INET6):
        return
    pause = max(1, int(seconds / _PROBES))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, pause)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, pause)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(seconds * 1000)))
