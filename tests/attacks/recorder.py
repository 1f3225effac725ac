"""Listen in on what processes say to each other, and look for secrets in it, and in whatever they leave."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self


class Recorder:
    """Passes connections on to a port of this machine, and keeps a copy of every byte, both ways.

    Leave the block once nobody connects any more.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._heard: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def heard(self) -> list[bytes]:
        """All that was said so far: one element for each connection and direction."""
        return [bytes(each) for each in self._heard]

    def _accept(self) -> None:
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            try:
                answering = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                asking.close()
                continue
            for connection in (asking, answering):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ways = [(asking, answering), (answering, asking)]
            pumps = [threading.Thread(target=self._pump, args=(*way, self._new())) for way in ways]
            closing = threading.Thread(target=_close_after, args=(pumps, (asking, answering)))
            for thread in (*pumps, closing):
                self._threads.append(thread)
                thread.start()

    def _new(self) -> bytearray:
        self._heard.append(bytearray())
        return self._heard[-1]

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket, heard: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(256 * 1024):
                heard += data
                target.sendall(data)
        # Whoever ends its half ends the whole: HTTP has no use for half a connection.
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _close_after(threads: Iterable[threading.Thread], connections: Iterable[socket.socket]) -> None:
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()


def spellings(secret: bytes) -> set[bytes]:
    """How a secret looks in a stream of bytes: as it is, in hex, and in base64 wherever in the stream it begins."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for before in range(3):
        # Characters that also depend on what comes before or after are left out.
        encoded = base64.b64encode(b"\0" * before + secret)
        whole = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        found |= {whole, whole.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def traces(secrets: Mapping[str, bytes], streams: Iterable[bytes]) -> set[str]:
    """The names of those secrets that are found, in any spelling, in any of the streams."""
    wanted = [(name, spelling) for name, secret in secrets.items() for spelling in spellings(secret)]
    return {name for stream in streams for name, spelling in wanted if spelling in stream}


def files(folder: Path, *, but: Iterable[Path] = ()) -> list[bytes]:
    """The content, and the name, of every file below a folder."""
    left_out = set(but)
    paths = [path for path in folder.rglob("*") if path not in left_out]
    contents = [path.read_bytes() for path in paths if path.is_file()]
    return [*contents, "\n".join(str(path.relative_to(folder)) for path in paths).encode()]
