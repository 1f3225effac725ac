"""Where browsers look for NAME.localhost, nobody else listens: at [::1], which they ask first, nor at 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from cloister.cli.ui.loopback import kept_clear, listen
from cloister.errors import CloisterError


def listener(host: str, port: int = 0) -> socket.socket:
    """As another user of the machine would listen: `OSError` where the address is taken."""
    other = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.ExitStack() as held:
        held.enter_context(other)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((host, port))
        other.listen()
        held.pop_all()
    return other


@pytest.fixture
def squatter() -> Iterator[int]:
    """A port where somebody else listens for browsers that look at [::1] first."""
    try:
        other = listener("::1")
    except OSError:
        pytest.skip("This machine has no [::1].")
    with other:
        yield other.getsockname()[1]


@pytest.mark.usefixtures("squatter")
def test_a_port_is_had_at_both_addresses() -> None:
    with contextlib.ExitStack() as held:
        bound = [held.enter_context(each) for each in listen([0], "These pages")]
        [port] = {each.getsockname()[1] for each in bound}
        assert [each.getsockname()[0] for each in bound] == ["127.0.0.1", "::1"]
        for host in ("127.0.0.1", "::1", "0.0.0.0", "::"):
            with pytest.raises(OSError, match="in use"):
                listener(host, port)


def test_where_somebody_else_has_the_one_the_other_is_not_used(squatter: int) -> None:
    with pytest.raises(CloisterError, match=rf"Another program has port {squatter} at \[::1\]"):
        listen([squatter], "These pages")
    # It was let go.
    listener("127.0.0.1", squatter).close()


def test_of_any_ports_another_is_taken(squatter: int) -> None:
    with contextlib.ExitStack() as held:
        bound = [held.enter_context(each) for each in listen([squatter, 0], "These pages")]
        assert len(bound) == 2
        assert squatter not in {each.getsockname()[1] for each in bound}


def test_the_way_to_somebody_elses_port_is_kept_clear(squatter: int) -> None:
    with listener("127.0.0.1") as served:
        port = served.getsockname()[1]
        with kept_clear(port):
            for host in ("::1", "::"):
                with pytest.raises(OSError, match="in use"):
                    listener(host, port)
            # Browsers are sent on at once.
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("::1", port))
    with pytest.raises(CloisterError, match=r"Another program has port"), kept_clear(squatter):
        pass
