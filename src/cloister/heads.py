"""Connections on which no request comes, or whose answers nobody takes, are closed: whoever opens thousands of them
must not keep others out."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def heads_within(seconds: float, slowest_bytes: float | None = None) -> type[H11Protocol]:
    """uvicorn's HTTP, as its ``http`` setting takes it, which closes a connection unless the head of a request (all
    lines before its body) has come whole that many seconds after the connection or its first byte. Between requests a
    connection may be idle for as long as uvicorn's ``timeout_keep_alive`` says; bodies are not its business.

    With ``slowest_bytes``, it ends a connection once bytes of an answer have waited for their reader for that many
    seconds, and as long again as they take at so many a second. Closing would not do: that waits for the reader, too.
    """

    class Patient(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _reader: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            if not self.transport.get_write_buffer_size():
                self._reader_came()
            super().data_received(data)
            self._await_head()

        def pause_writing(self) -> None:
            self._await_reader()
            super().pause_writing()

        def resume_writing(self) -> None:
            self._reader_came()
            super().resume_writing()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # What is left is too little for writing to be paused.
            self._await_reader()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self._reader_came()
            super().connection_lost(exc)

        def _await_reader(self) -> None:
            waiting = self.transport.get_write_buffer_size()
            if slowest_bytes is not None and waiting and self._reader is None:
                self._reader = self.loop.call_later(seconds + waiting / max(slowest_bytes, 1), self._give_reader_up)

        def _reader_came(self) -> None:
            if self._reader is not None:
                self._reader.cancel()
                self._reader = None

        def _give_reader_up(self) -> None:
            self._reader = None
            if self.transport.get_write_buffer_size():
                self.transport.abort()

        def _await_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._stop_waiting()
            elif self._head is None:
                self._head = self.loop.call_later(seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

        def _give_up(self) -> None:
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self.transport.close()

    return Patient
