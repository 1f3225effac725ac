"""Clients that take their time: whatever they send slowly, they are told so or cut off, and others are served."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloister.hub.accounts import add_user
from cloister.hub.app import create_app
from cloister.hub.settings import MIB, HubSettings
from tests.hub.peers import PATIENCE, RunningEnclave, RunningHub, fresh_id
from tests.hub.test_blobs import digest_of

TRICKLE = 0.02
"""Seconds between two bytes."""


def body_taking(folder: Path) -> list[tuple[str, str]]:
    """All operations that take a body, as the hub describes them."""
    application = create_app(HubSettings(data=folder))
    paths: dict[str, Any] = application.openapi()["paths"]
    application.state.services.database.close()
    return [
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHub, str, list[tuple[str, str]]]]:
    """A hub with little patience, and what takes a body there."""
    with RunningEnclave() as enclave:
        settings = HubSettings(
            data=tmp_path_factory.mktemp("slow"),
            enclave_url=enclave.url,
            idle_seconds=0.4,
            slowest_bytes=1000,
            relay_slots=1,
            transfer_slots=1,
        )
        operations = body_taking(tmp_path_factory.mktemp("described"))
        token = add_user(settings, "slow@example.com")
        with RunningHub(settings) as hub:
            yield hub, token, operations


def connected(hub: RunningHub) -> socket.socket:
    address = httpx.URL(hub.url)
    assert address.port is not None
    connection = socket.create_connection((address.host, address.port))
    connection.settimeout(TRICKLE)
    return connection


def trickle(connection: socket.socket, content: bytes) -> bytes:
    """Sends byte by byte until the hub says something, or ends it."""
    for byte in content:
        try:
            return connection.recv(4096)
        except TimeoutError:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(bytes([byte]))
        except ConnectionResetError:
            return b""
    connection.settimeout(PATIENCE)
    return connection.recv(4096)


@pytest.mark.parametrize("byte_by_byte", [True, False])
def test_bodies(slow: tuple[RunningHub, str, list[tuple[str, str]]], byte_by_byte: bool) -> None:
    hub, token, operations = slow
    assert len(operations) >= 8
    body = b'{"description": "' + b"x" * 500 + b'"}'
    for method, path in operations:
        target = path.format(blob_id=fresh_id(), room_id=fresh_id(), index=0, token_id="0" * 32)
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Digest: {digest_of(body)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with connected(hub) as connection:
            connection.sendall(head.encode() + body[:1])
            answer = trickle(connection, body[1:] if byte_by_byte else b"")
        assert answer.startswith(b"HTTP/1.1 408 "), (method, path, answer)
    with hub.client(token) as prompt:
        # Slots that the slow ones had are free again.
        assert prompt.post("/v1/enclave/messages", content=b"echo").status_code == 200
        part = prompt.put(f"/v1/blobs/{fresh_id()}/parts/0", content=body, headers={"Content-Digest": digest_of(body)})
        assert part.status_code == 201


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 1000], ids=["nothing", "a byte at a time"]
)
def test_heads(slow: tuple[RunningHub, str, list[tuple[str, str]]], sent: bytes) -> None:
    with connected(slow[0]) as connection:
        assert trickle(connection, sent) == b""


def test_a_connection_may_be_idle_between_requests_but_a_second_head_may_not_trickle(
    slow: tuple[RunningHub, str, list[tuple[str, str]]],
) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n"
    with connected(slow[0]) as connection:
        for pause in (0.0, 1.0):
            connection.settimeout(pause or TRICKLE)
            with contextlib.suppress(TimeoutError):
                assert not connection.recv(1), "longer than a head may take"
            connection.settimeout(PATIENCE)
            connection.sendall(request)
            answer = b""
            while b'{"status"' not in answer:
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")
        connection.settimeout(TRICKLE)
        assert trickle(connection, request[:-4] + b"\r\nX: " + b"y" * 1000) == b""


READER_BUFFER = 4096
"""Bytes that the kernel keeps for a reader, about."""
LARGE = bytes(4 * MIB)
READ = {
    "a page": "GET /large.bin HTTP/1.1",
    # So little that all of it is sent, as far as the application knows.
    "the document": "GET / HTTP/1.1",
    "the document, for the last time": "GET / HTTP/1.1\r\nConnection: close",
    "the interface": "GET /openapi.json HTTP/1.1",
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub with pages and little patience."""
    pages = tmp_path_factory.mktemp("pages")
    (pages / "index.html").write_bytes(b"<!doctype html><title>x</title>" + b" " * 40_000)
    (pages / "large.bin").write_bytes(LARGE)
    settings = HubSettings(data=tmp_path_factory.mktemp("serving"), ui=pages, idle_seconds=0.4, slowest_bytes=100_000)
    with RunningHub(settings, send_buffer=READER_BUFFER) as hub:
        yield hub


@pytest.mark.parametrize("bytes_a_second", [0, 1000])
@pytest.mark.parametrize("what", READ)
def test_readers(serving: RunningHub, what: str, bytes_a_second: int) -> None:
    address = httpx.URL(serving.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READER_BUFFER)
        connection.connect((address.host, address.port))
        connection.sendall(f"{READ[what]}\r\nHost: hub\r\n\r\n".encode())
        connection.settimeout(PATIENCE)
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.settimeout(TRICKLE)
        began, taken = time.monotonic(), 0
        while unsent := serving.unsent_bytes():
            assert sum(unsent) < MIB, "all of it lies in memory"
            elapsed = time.monotonic() - began
            assert elapsed < PATIENCE, "it is still there"
            os.sched_yield()
            if taken < elapsed * bytes_a_second:
                taken += 1
                with contextlib.suppress(TimeoutError, ConnectionResetError):
                    connection.recv(1)
