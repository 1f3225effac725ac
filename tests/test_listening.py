"""Where servers listen: who is told what where they can't."""

from __future__ import annotations

import socket

import pytest

from cloister.errors import CloisterError
from cloister.listening import bind, reached_at, send_without_delay


def test_whoever_finds_a_port_taken_is_named() -> None:
    with bind("127.0.0.1", 0, "The first") as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(CloisterError, match=rf"^The second can't listen on 127\.0\.0\.1 port {port}: .* in use\. "):
            bind("127.0.0.1", port, "The second")


def test_sockets_of_others_send_without_delay_too() -> None:
    with bind("127.0.0.1", 0, "A server") as bound:
        assert bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        send_without_delay(foreign)
        assert foreign.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with socket.socket(socket.AF_UNIX) as local:
        send_without_delay(local)


def test_what_others_reach() -> None:
    with bind("127.0.0.1", 0, "A server") as inside, bind("0.0.0.0", 0, "A server") as outside:
        assert reached_at(inside) is None
        assert reached_at(outside) == "0.0.0.0"
    with socket.socket(socket.AF_UNIX) as local:
        assert reached_at(local) is None
