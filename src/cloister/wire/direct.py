"""Parts between this machine and the store behind the hub directly, where the hub gives signed URLs.

Whatever goes wrong on this way, the part takes the other one, through the hub: which works, or says what is wrong.
For a while nothing more is tried directly then. URLs come from a hub that isn't trusted: it must not use its clients to
reach what it can't reach itself, and gets nothing from them but ciphertext.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
import weakref
from collections.abc import Iterator, Mapping

import httpx

from cloister.formats.dataset import PART_CIPHERTEXT_SIZE, Bytes
from cloister.version import VERSION

OFF_SECONDS = 60.0
"""How long nothing is tried directly after a failure."""
_LONGEST = 600.0
"""Seconds that one part may take in all: 14 KiB a second."""
_CONNECT_SECONDS = 5.0
_PIECE = 256 * 1024
_HEADER = "x-amz-"
_HEADER_LIMIT = 200
_PORTS = 65535


class DirectFailed(Exception):
    """It did not work directly. The part takes the way through the hub."""


class Direct:
    """The way to the store, and whether it is of use. Threads may share it."""

    def __init__(self, hub_url: str, timeout: float) -> None:
        """``timeout``: seconds for each single read and write."""
        self._hub = httpx.URL(hub_url)
        self._off_until = 0.0
        # No token, no cookies, no redirects: a store has no business with them.
        self._http = httpx.Client(
            headers={"User-Agent": f"cloister/{VERSION}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(timeout, connect=min(_CONNECT_SECONDS, timeout), pool=None),
            follow_redirects=False,
            # A proxy has no business between this machine and itself.
            mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),
        )
        weakref.finalize(self, self._http.close)

    def close(self) -> None:
        """Ends all connections."""
        self._http.close()

    @property
    def of_use(self) -> bool:
        """Whether it is worth asking the hub for a URL."""
        return time.monotonic() >= self._off_until

    def give_up(self, seconds: float = OFF_SECONDS) -> None:
        """Nothing is tried directly for that long."""
        self._off_until = time.monotonic() + seconds

    def put(self, url: str, headers: Mapping[str, str], ciphertext: Bytes) -> None:
        """Sends a part.

        Raises:
            DirectFailed: it did not arrive, as far as is known.
        """
        target = self._acceptable(url)
        fit = all(name.lower().startswith(_HEADER) and _plain(value) for name, value in headers.items())
        if not fit or len(headers) > 10:
            raise DirectFailed
        everything = {**headers, "Content-Length": str(len(ciphertext))}
        with (
            self._failing(),
            self._http.stream("PUT", target, headers=everything, content=_pieces(ciphertext)) as answer,
        ):
            if not answer.is_success:
                raise DirectFailed

    def get(self, url: str, size: int) -> bytearray:
        """Fetches a part of that many bytes; what they are is for the caller to check.

        Raises:
            DirectFailed: it could not be fetched, or is longer or shorter.
        """
        target = self._acceptable(url)
        body = bytearray()
        deadline = time.monotonic() + _LONGEST
        with self._failing(), self._http.stream("GET", target) as answer:
            if answer.status_code != httpx.codes.OK or not 0 <= size <= PART_CIPHERTEXT_SIZE:
                raise DirectFailed
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > size or time.monotonic() > deadline:
                    raise DirectFailed
        if len(body) != size:
            raise DirectFailed
        return body

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Turns what the HTTP library raises into `DirectFailed`; its exceptions hold the signed URL."""
        try:
            yield
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ValueError):
            failed = True
        else:
            failed = False
        if failed:
            raise DirectFailed

    def _acceptable(self, url: str) -> httpx.URL:
        """The URL, unless it leads where a hub must not send its clients.

        1. It is one of HTTPS; or of HTTP, where the hub is spoken to by HTTP too.
        2. It holds no name or password, and a port that there can be.
        3. It does not lead to this very machine or its link, unless the hub is on this machine.
        """
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise DirectFailed from None
        if target.scheme != "https" and not (target.scheme == "http" and self._hub.scheme == "http"):
            raise DirectFailed
        if (
            target.userinfo
            or not target.host
            or (target.port or 0) > _PORTS
            or (_is_near(target.host) and not _is_near(self._hub.host))
        ):
            raise DirectFailed
        return target


def _is_near(host: str) -> bool:
    """Whether the host is this machine, or on its very link, where cloud machines keep their credentials."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def _plain(value: str) -> bool:
    return len(value) <= _HEADER_LIMIT and value.isascii() and value.isprintable()


def _pieces(body: Bytes) -> Iterator[bytes]:
    deadline = time.monotonic() + _LONGEST
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        if time.monotonic() > deadline:
            raise DirectFailed
        yield bytes(view[start : start + _PIECE])
