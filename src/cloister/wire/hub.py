"""The hub as a client sees it: one method for each operation that is used, and its errors as exceptions.

Nothing that comes from here is trusted. It is verified by whoever asked for it.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import ssl
import threading
import weakref
from collections.abc import Container, Iterator
from typing import Annotated, Any, TypeVar

import httpx
import msgspec

from cloister.errors import AuthorizationError, ServerError, VerificationError
from cloister.formats.dataset import PART_CIPHERTEXT_SIZE, Bytes
from cloister.formats.encoding import Hex32, decode
from cloister.version import VERSION
from cloister.wire.direct import Direct
from cloister.wire.patience import NEVER, Deadline
from cloister.wire.responses import ALL, NONE, check, limited, translated
from cloister.wire.silence import SILENCE_SECONDS

T = TypeVar("T")

DEFAULT_TIMEOUT = 60.0
"""Seconds for connecting, and for each single read and write."""
_CONNECT_TIMEOUT = 10.0
_ANSWER_LIMIT = 16 * 1024 * 1024
_LISTING_LIMIT = 128 * 1024 * 1024
"""Of a list of parts: a blob may have a million."""
_PIECE = 256 * 1024


class _Identity(msgspec.Struct):
    token: str


class _Account(msgspec.Struct):
    email: str


class _Vault(msgspec.Struct):
    definition: str


class JsonWebKey(msgspec.Struct, frozen=True):
    """The members of a JWK (RFC 7517) that Ed25519 keys have."""

    kty: str
    kid: str
    crv: str = ""
    x: str = ""


class KeySet(msgspec.Struct, frozen=True):
    """A JWKS, and the name of the issuer whose keys they are."""

    keys: tuple[JsonWebKey, ...]
    issuer: Annotated[str, msgspec.Meta(min_length=1)]


class RoomEntry(msgspec.Struct, frozen=True):
    """What the hub knows of a room that invites the caller."""

    id: Hex32
    created_at: str
    owner: str


class StoredPart(msgspec.Struct, frozen=True):
    """A part that has arrived whole."""

    index: int
    size: int
    sha256: Hex32


class StoredBlob(msgspec.Struct, frozen=True):
    """What has arrived of a blob."""

    complete: bool
    parts: tuple[StoredPart, ...]


class Place(msgspec.Struct, frozen=True):
    """Where to send a part."""

    there: bool
    """Nothing is to be sent: it is there."""
    url: str | None
    """Send it there; None: to the hub."""
    headers: dict[str, str]
    ticket: str | None
    """To be shown to the hub once it was sent."""


class _Found(msgspec.Struct):
    url: str | None


class Hub:
    """A hub, spoken to as one user. Threads may share it; connections are kept and used again."""

    def __init__(
        self,
        url: str,
        api_token: str,
        *,
        timeout: float | None = None,
        silence: float = SILENCE_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``timeout``: seconds for each single read and write. ``silence``: seconds after which whoever waits for an
        answer takes the other side for gone. ``tls``: where not the usual authorities are to be trusted;
        ``SSL_CERT_FILE`` is honoured without it."""
        self.url = url
        self._silence = silence
        self._timeout = timeout or DEFAULT_TIMEOUT
        host = httpx.URL(url).host
        self.on_this_machine = is_loopback(host)
        # A proxy has no business between this machine and itself.
        mounts = {f"all://{f'[{host}]' if ':' in host else host}": None} if self.on_this_machine else None
        if not api_token.isascii() or not api_token.isprintable() or not api_token.strip():
            raise AuthorizationError("That is not an API token. Get one from whoever runs the hub.")
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {api_token.strip()}", "User-Agent": f"cloister/{VERSION}"},
            timeout=httpx.Timeout(self._timeout, connect=min(_CONNECT_TIMEOUT, self._timeout), pool=None),
            verify=tls or True,
            mounts=mounts,
        )
        self.direct = Direct(url, self._timeout)
        """The way to the store behind the hub, where there is one."""
        # Scripts seldom close clients; connections shall end in order all the same.
        weakref.finalize(self, self._http.close)

    def __repr__(self) -> str:
        return f"Hub({self.url!r})"

    def close(self) -> None:
        """Ends all connections."""
        self._http.close()
        self.direct.close()

    # --- accounts and identity --------------------------------------------------------------------------------------

    def account(self) -> str:
        """The email that the API token belongs to."""
        return self._json("GET", "/v1/me", _Account, refusals=NONE).email

    def identity(self, device_key: bytes, room: str | None = None) -> str:
        """A token that binds the device key (32 bytes) to the account; for a room, by a key that the room trusts.

        Raises:
            BadRequestError: the hub has destroyed all keys that the room trusts.
        """
        asked = {"device_key": device_key.hex()} | ({} if room is None else {"room": room})
        return self._json("POST", "/v1/identity", _Identity, json=asked, refusals=(409,)).token

    def issuer_keys(self) -> KeySet:
        """The keys that the hub signs identities with."""
        return self._json("GET", "/.well-known/jwks.json", KeySet)

    def vault(self) -> str:
        """The definition of the account's vault.

        Raises:
            NotFoundError: it has none yet.
        """
        return self._json("GET", "/v1/vault", _Vault).definition

    def enter_vault(self, definition: str) -> None:
        """Says which vault is the account's.

        Raises:
            BadRequestError: it has another one.
        """
        self._read("PUT", "/v1/vault", json={"definition": definition})

    # --- rooms ------------------------------------------------------------------------------------------------------

    def enter_room(self, room: str, participants: list[str]) -> None:
        """Lets the participants find the room."""
        self._read("PUT", f"/v1/rooms/{room}", json={"participants": participants})

    def rooms(self) -> tuple[RoomEntry, ...]:
        """The rooms that invite the account."""
        return self._json("GET", "/v1/rooms", tuple[RoomEntry, ...])

    # --- blobs ------------------------------------------------------------------------------------------------------

    def put_part(self, blob: str, index: int, ciphertext: Bytes, digest: bytes, *, closing: int | None = None) -> None:
        """Stores one part, whose SHA-256 is ``digest``; storing the same again is no error.

        Args:
            closing: how many parts there are, where the others have arrived: the blob is complete with this one.
        """
        headers = {"Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:", **_octets(ciphertext)}
        asked = None if closing is None else {"parts": closing}
        self._read("PUT", f"/v1/blobs/{blob}/parts/{index}", content=_pieces(ciphertext), headers=headers, params=asked)

    def place_part(self, blob: str, index: int, size: int, digest: bytes) -> Place:
        """Where to send a part of that many bytes, with that SHA-256."""
        declared = {"size": size, "sha256": digest.hex()}
        return self._json("POST", f"/v1/blobs/{blob}/parts/{index}/place", Place, json=declared)

    def placed_part(self, blob: str, index: int, ticket: str) -> None:
        """Says that a part was sent to its place."""
        self._read("POST", f"/v1/blobs/{blob}/parts/{index}/placed", json={"ticket": ticket})

    def find_part(self, blob: str, index: int) -> str | None:
        """The URL to fetch a part from; None where it is to be had from the hub alone."""
        return self._json("GET", f"/v1/blobs/{blob}/parts/{index}/place", _Found).url

    def complete_blob(self, blob: str, parts: int) -> None:
        """Says that all parts are there; nothing can be changed afterwards."""
        self._read("POST", f"/v1/blobs/{blob}/complete", json={"parts": parts})

    def get_part(self, blob: str, index: int) -> bytearray:
        """The bytes of one part, as the hub has them."""
        return self._body("GET", f"/v1/blobs/{blob}/parts/{index}", PART_CIPHERTEXT_SIZE)

    def blob(self, blob: str) -> StoredBlob:
        """What has arrived of a blob that this account uploads."""
        return self._json("GET", f"/v1/blobs/{blob}", StoredBlob, limit=_LISTING_LIMIT)

    def delete_blob(self, blob: str) -> None:
        """Deletes a blob that this account has uploaded."""
        self._read("DELETE", f"/v1/blobs/{blob}")

    # --- relay ------------------------------------------------------------------------------------------------------

    def evidence(self, nonce: bytes) -> bytes:
        """What the enclave shows for this nonce (32 bytes)."""
        return self._read("GET", "/v1/enclave/evidence", params={"nonce": nonce.hex()}, refusals=NONE)

    def enclave_keys(self) -> bytes:
        """The enclave's keys of this hour."""
        return self._read("GET", "/v1/enclave/keys", refusals=NONE)

    @contextlib.contextmanager
    def relay(self, message: bytes, *, wait: bool = False, deadline: Deadline = NEVER) -> Iterator[Iterator[bytes]]:
        """Sends a sealed message; inside the block the answer's bytes arrive as they come.

        Args:
            wait: whether the answer may take as long as it likes, with signs of life.
            deadline: when to break off a read that is still waiting.

        Raises:
            Unavailable: nobody is there, or the answer broke off.
            ServerError: the hub has something else to say than the enclave's answer.
        """
        silence = self._silence if wait else self._timeout
        left = deadline.remaining()
        timeout = httpx.Timeout(self._timeout, read=silence if left is None else min(silence, left + 0.001), pool=None)
        headers = {"Accept-Encoding": "identity", **_octets(message)}
        with (
            translated(),
            self._http.stream(
                "POST", "/v1/enclave/messages", content=_pieces(message), headers=headers, timeout=timeout
            ) as response,
        ):
            check(response, NONE)
            with _broken_off(response, deadline):
                yield response.iter_raw()

    # --- plumbing ---------------------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, kind: type[T], **options: Any) -> T:
        data = self._read(method, path, **options)
        try:
            return decode(data, kind, what="an answer of a hub")
        except VerificationError as error:
            raise ServerError(f"{error} Is {self.url} a Cloister hub?") from None

    def _read(self, method: str, path: str, *, limit: int = _ANSWER_LIMIT, **options: Any) -> bytes:
        return bytes(self._body(method, path, limit, **options))

    def _body(self, method: str, path: str, limit: int, refusals: Container[int] = ALL, **options: Any) -> bytearray:
        with translated(), self._http.stream(method, path, **options) as response:
            check(response, refusals)
            return limited(response, limit)


@contextlib.contextmanager
def _broken_off(response: httpx.Response, deadline: Deadline) -> Iterator[None]:
    """Ends a read that still waits at the deadline: the HTTP library limits single reads, not whole answers."""
    left = deadline.remaining()
    if left is None:
        yield
        return
    connection = response.extensions["network_stream"].get_extra_info("socket")

    def end() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(left, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _octets(body: Bytes) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}


def _pieces(body: Bytes) -> Iterator[bytes]:
    """A body in pieces. The HTTP library copies what it is given as often as it sends some of it, and keeps requests
    in reference cycles: bytes would stay in memory until the garbage collector comes by."""
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        yield bytes(view[start : start + _PIECE])


def is_loopback(host: str) -> bool:
    """Whether the host is this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
