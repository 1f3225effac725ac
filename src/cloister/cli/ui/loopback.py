"""Where a browser on this machine looks for NAME.localhost: at [::1] first, then at 127.0.0.1.

Other users of the machine can listen there, too. Whoever has the first of the two gets what was meant for the second:
so a port is had at both, or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterable, Iterator

from cloister.errors import CloisterError
from cloister.listening import bind, send_without_delay

_V4, _V6 = "127.0.0.1", "::1"
_NO_V6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(ports: Iterable[int], who: str) -> list[socket.socket]:
    """Listening sockets, one for each of the two addresses that this machine has.

    Args:
        ports: to be tried in turn, until one is free at both. 0: one that is free at 127.0.0.1.
        who: begins the message where 127.0.0.1 can't be had, e.g. ``"The hub"``.

    Raises:
        CloisterError: none can be had.
    """
    found = 0
    for port in ports:
        first = bind(_V4, port, who)
        found = first.getsockname()[1]
        try:
            second = socket.create_server((_V6, found), family=socket.AF_INET6, backlog=2048)
        except OSError as error:
            if error.errno in _NO_V6:
                return [first]
            first.close()
            continue
        send_without_delay(second)
        return [first, second]
    raise _taken(found, "End it, or choose another port.")


@contextlib.contextmanager
def kept_clear(port: int) -> Iterator[None]:
    """For a port of 127.0.0.1 that somebody else serves: nobody gets it at [::1] meanwhile, so that browsers go on.

    Raises:
        CloisterError: somebody has it already.
    """
    with contextlib.ExitStack() as held:
        try:
            # Neither shared with anybody (SO_REUSEADDR) nor listened on.
            held.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM)).bind((_V6, port))
        except OSError as error:
            if error.errno not in _NO_V6:
                raise _taken(port, "Start again: that takes another port.") from None
        yield


def _taken(port: int, advice: str) -> CloisterError:
    return CloisterError(
        f"Another program has port {port} at [{_V6}], where browsers look first: they would go to that one. {advice}"
    )
