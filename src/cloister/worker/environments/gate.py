"""The one way out of a container that resolves or installs packages: to the hosts of the package index.

Threat: what runs in there, turned by something that an index sent, looks for the enclave, the hub, a cloud's metadata
service or the machines next door. The container has a network of its own in which there is nothing but a loopback
address, and at it, this: a proxy that understands ``CONNECT host:port`` and knows the few pairs that it connects to.
They are named by the operator, and compared as text: whatever else a request says is not looked at.

Threat: an index, or somebody between, that sends other files. What is installed is compared with the lock's hashes by
the installer; here only ciphertext passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

log = logging.getLogger("cloister.worker")

_HEAD_BYTES = 8192
_HEAD_SECONDS = 10.0
_CONNECT_SECONDS = 30.0
_CHUNK = 256 * 1024
_CONNECTIONS = 128


class Gate:
    """Serves a listening socket in a thread of its own, from ``with`` to its end.

    Args:
        listener: closed at the end.
        hosts: names in lower case, and ports.
    """

    def __init__(self, listener: socket.socket, hosts: Collection[tuple[str, int]]) -> None:
        self._listener = listener
        self._hosts = {f"{host}:{port}".encode(): (host, port) for host, port in hosts}
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._serve, name="gate")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):  # it could not even begin
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._until_ended())
        finally:
            self._loop.close()
            self._listener.close()

    async def _until_ended(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener, limit=_HEAD_BYTES)
        await self._ended.wait()
        server.close()
        for each in self._open:
            each.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._answer(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._places:
            try:
                await self._connect(reader, writer)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass  # the installer says what it makes of a broken connection
            finally:
                writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        method, _, rest = head.partition(b" ")
        target = self._hosts.get(rest.partition(b" ")[0].lower()) if method == b"CONNECT" else None
        if target is None:
            log.warning("a container that installs packages was refused a connection")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        try:
            there, to_there = await asyncio.wait_for(asyncio.open_connection(*target), _CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            log.warning("the package index can't be reached at %s:%s: %s", *target, error or type(error).__name__)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        try:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_pass_on(reader, to_there), _pass_on(there, writer))
        finally:
            to_there.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(_CHUNK):
        target.write(chunk)
        await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()
