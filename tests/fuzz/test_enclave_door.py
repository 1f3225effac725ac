"""The enclave's door: arbitrary requests of HTTP, and sealed and signed requests that say arbitrary things.

An answer each time, of the documented kind, and whole; nothing that the enclave itself takes for a failure of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import MutableMapping
from contextlib import aclosing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.enclave.logs import log
from cloister.formats.encoding import decode
from cloister.formats.sealed import seal_request
from cloister.protocol import Answer, Describe, Frame, Refusal
from cloister.rooms.definition import Participant
from cloister.rooms.nodes import RawDataNode
from tests.enclave.peers import Call, Enclave, Meeting
from tests.fuzz.test_records import PROTOCOL, changed, written
from tests.rooms.examples import python

OWNER = "owner@example.org"
SECONDS = 20.0
STATUSES = {200, 400, 404, 409, 413, 429, 503}


class Failures(logging.Handler):
    """What the enclave calls a failure of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Watched:
    """That nothing fails inside."""

    def __enter__(self) -> None:
        self._failures = Failures()
        log.addHandler(self._failures)

    def __exit__(self, *_error: object) -> None:
        log.removeHandler(self._failures)
        assert self._failures.lines == []


async def asked(enclave: Enclave, scope: MutableMapping[str, Any], pieces: list[bytes], gone: bool) -> None:
    """One request, in pieces, by a client that may go away before its end."""
    events = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    events.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    await asyncio.wait_for(enclave.application(scope, receive, send), SECONDS)
    assert [event["type"] for event in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] in STATUSES
    answer = json.loads(sent[1]["body"])
    if sent[0]["status"] >= 400 and "error" in answer:
        assert set(answer["error"]) == {"code", "message"}


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "X"]),
    path=st.sampled_from(["/messages", "/evidence", "/keys", "/held", "/healthz", "/readyz"]) | st.text(max_size=20),
    query=st.binary(max_size=60) | st.binary(max_size=40).map(lambda raw: b"nonce=" + raw.hex().encode()),
    headers=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=60)), max_size=4),
    pieces=st.lists(st.binary(max_size=200) | st.sampled_from([b"\x01" * 40, b"\x02" * 40, b'{"blobs":']), max_size=4),
    gone=st.booleans(),
)
@settings(max_examples=300)
def test_anything_over_http(
    method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], pieces: list[bytes], gone: bool
) -> None:
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    with Watched():
        enclave = Enclave()
        asyncio.run(asked(enclave, scope, pieces, gone))
        enclave.close()


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Requests of that room's owner with something changed in them; ROOM and OWNER are put in later."""
    seed = draw(st.sampled_from(PROTOCOL["requests"])) | {"room": "ROOM", "user": OWNER, "token": None, "seen": 0}
    data = draw(st.data())
    return written(data, changed(data, seed))


@given(st.lists(payloads(), min_size=5, max_size=15), st.booleans())
@settings(max_examples=40)
def test_anything_that_is_sealed_and_signed_well(requests: list[bytes], signed: bool) -> None:
    with Watched():
        asyncio.run(_conversation(requests, signed))


async def _conversation(requests: list[bytes], signed: bool) -> None:
    enclave = Enclave()
    nodes = (RawDataNode(id="patients", name="patients", required=True), python("joined", "patients"))
    roles = (Participant(user=OWNER, data_owner_of=("patients",), analyst_of=("joined",)),)
    room = await Meeting.publish(enclave, nodes, roles)
    for payload in requests:
        message, exchange = seal_request(
            enclave.keys,
            payload.replace(b'"ROOM"', f'"{room.id}"'.encode()),
            room.people[OWNER].device if signed else None,
        )
        call = Call(enclave.application, message)
        frames: list[Any] = []
        last = False
        async with aclosing(call.bodies()) as bodies:
            async for sealed in bodies:
                content, last = exchange.open_frame(len(frames), sealed[4:])
                frames.append(decode(content, Frame, what="a frame"))  # type: ignore[arg-type]
        assert last, payload
        assert isinstance(frames[-1], Answer | Refusal)
        await call.hang_up()
    # And it goes on serving.
    assert await enclave.ask(room.people[OWNER], Describe()) is not None
    enclave.close()
