"""Connections on which no request comes are closed: whoever opens thousands of them must not keep others out."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def heads_within(seconds: float) -> type[H11Protocol]:
    """uvicorn's HTTP, as its ``http`` setting takes it, which closes a connection unless the head of a request (all
    lines before its body) has come whole that many seconds after the connection or its first byte. Between requests a
    connection may be idle for as long as uvicorn's ``timeout_keep_alive`` says; bodies are not its business."""

    class Patient(H11Protocol):
        _head: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

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
