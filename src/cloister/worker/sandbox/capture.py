"""Keep a bounded part of an unbounded stream. Pure.

Threat: a script that prints without end, to fill the worker's memory, or to stall by a full pipe. Everything is
taken, little is kept.
"""

from __future__ import annotations

_MARK = b"\n... %d bytes left out ...\n"
_MARK_ROOM = 64


class Capture:
    """The head and the tail of what was fed, at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        room = max(0, limit - _MARK_ROOM)
        self._head_room = room // 2
        self._tail_room = room - self._head_room
        self._start = bytearray()
        self._tail = bytearray()
        self.total = 0
        """Bytes fed so far."""

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the stream."""
        self.total += len(chunk)
        room = self._limit - len(self._start)
        self._start += chunk[:room]
        if self._tail_room:
            self._tail += chunk[-self._tail_room :]
            if len(self._tail) > 2 * self._tail_room:
                del self._tail[: -self._tail_room]

    def value(self) -> bytes:
        """What was kept; a line in the middle says how much was not."""
        if self.total <= self._limit:
            return bytes(self._start)
        head = bytes(self._start[: self._head_room])
        tail = bytes(self._tail[-self._tail_room :]) if self._tail_room else b""
        return (head + _MARK % (self.total - len(head) - len(tail)) + tail)[: self._limit]
