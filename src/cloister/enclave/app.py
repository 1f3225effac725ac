"""The enclave's door: a small ASGI application that the hub's relay talks to.

It serves sealed messages and evidence, and never says more of a message than whether it could be opened. The hub itself
asks one thing: which of its blobs are still of use.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from cloister.enclave.keys import KeyRing, Replayed, StaleKeys
from cloister.enclave.limits import Allowances, Meter
from cloister.enclave.logs import log, place
from cloister.enclave.metrics import REFUSED, watch
from cloister.enclave.service import Service
from cloister.enclave.settings import EnclaveSettings
from cloister.enclave.storage_key import signing_key, storage_key
from cloister.enclave.store import StoreFailed
from cloister.enclave.stores import open_store
from cloister.enclave.workers import Workers
from cloister.errors import Refused, VerificationError
from cloister.formats.encoding import decode
from cloister.formats.sealed import REPORT, Exchange, OpenedRequest, addressed_to
from cloister.protocol import ACCOUNT_HEADER, MAX_REQUEST, Blobs, EnclaveEvidence, Frame, Held, Progress
from cloister.rooms.definition import Reference
from cloister.trust import software
from cloister.trust.evidence import ENCLAVE_LABEL, NONCE_SIZE, EvidenceSource, SoftwareSource, report_data
from cloister.wire.silence import HEARTBEAT_SECONDS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application:
    """ASGI: ``GET /evidence?nonce=``, ``GET /keys``, ``POST /messages``, ``POST /held``, ``GET /healthz``."""

    def __init__(
        self,
        service: Service,
        workers: Workers,
        keys: KeyRing,
        source: EvidenceSource,
        meter: Meter | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        """``meter``: what may be asked for; by default, the defaults. ``heartbeat``: as `seal_frames`."""
        self._heartbeat = heartbeat
        self._meter = meter or Meter(Allowances())
        self._service = service
        self._workers = workers
        self._keys = keys
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match scope["method"], scope["path"]:
            case "GET", "/healthz":
                await _reply(send, 200, {"status": "ok"})
            case "GET", "/readyz":
                await self._ready(send)
            case "GET", "/keys":
                await _reply(send, 200, self._keys.current(_seconds()))
            case "GET", "/evidence":
                await self._evidence(scope, send)
            case "POST", "/messages":
                await self._message(scope, receive, send)
            case "POST", "/held":
                await self._held(receive, send)
            case _:
                await _problem(send, 404, "not_found", "There is nothing here.")

    async def _ready(self, send: Send) -> None:
        """Whether the store answers, and whether tasks are given out."""
        try:
            await self._service.check()
        except StoreFailed:
            await _reply(send, 503, {"status": "not ready", "store": "failing"})
        else:
            stopping = self._workers.draining
            await _reply(send, 503 if stopping else 200, {"status": "stopping" if stopping else "ok", "store": "ok"})

    async def drain(self, seconds: float) -> bool:
        """Gives out no more tasks, and waits until those that are out have ended; whether they have in time."""
        return await self._workers.drain(seconds)

    async def _evidence(self, scope: Scope, send: Send) -> None:
        try:
            nonce = bytes.fromhex(parse_qs(scope["query_string"].decode()).get("nonce", [""])[0])
        except ValueError:
            nonce = b""
        if len(nonce) != NONCE_SIZE:
            await _problem(send, 400, "bad_request", f"Evidence needs a nonce of {NONCE_SIZE} bytes, as hex.")
            return
        try:
            self._meter.evidence(time.monotonic())
        except Refused as error:
            retry = (b"retry-after", str(error.retry_seconds).encode())
            await _problem(send, 429, error.code, error.message, retry)
            return
        keys = self._keys.current(_seconds())
        evidence = self._source.produce(report_data(ENCLAVE_LABEL, nonce, keys.keys.digest()))
        await _reply(send, 200, EnclaveEvidence(evidence=evidence, keys=keys))

    async def _message(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await _body(receive)
        if message is None:
            await _problem(send, 413, "too_large", f"A message has at most {MAX_REQUEST // 1024 // 1024} MiB.")
            return
        try:
            if message[:1] == bytes([REPORT]):
                self._workers.report(addressed_to(message), message)
                await _reply(send, 200, {})
                return
            opened = self._keys.open(message, _seconds())
        except StaleKeys as error:
            REFUSED.labels("stale keys").inc()
            await _problem(send, 409, "stale_keys", str(error))
        except Replayed as error:
            REFUSED.labels("replayed").inc()
            await _problem(send, 409, "replayed", str(error))
        except Refused as error:
            await _problem(send, 409, error.code, error.message)
        except VerificationError as error:
            REFUSED.labels("not opened").inc()
            await _problem(send, 400, "rejected", str(error))
        else:
            account = dict(scope["headers"]).get(ACCOUNT_HEADER.lower().encode(), b"").decode("latin-1")[:64]
            await self._respond(opened, account, receive, send)

    async def _held(self, receive: Receive, send: Send) -> None:
        """Which of some blobs must be kept. Whoever knows a blob's id may read it anyhow."""
        try:
            blobs = decode(await _body(receive) or b"", Blobs, what="a list of blobs").blobs
            kept = await self._service.held(blobs)
        except VerificationError as error:
            await _problem(send, 400, "bad_request", str(error))
        except StoreFailed as error:
            await _problem(send, 503, "failed", str(error))
        else:
            await _reply(send, 200, Held(held=kept))

    async def _respond(self, opened: OpenedRequest, account: str, receive: Receive, send: Send) -> None:
        """Streams the frames, and stops working for a client that has gone away."""
        await send({"type": "http.response.start", "status": 200, "headers": [_OCTETS]})
        answering = asyncio.create_task(self._stream(opened, account, send))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _stream(self, opened: OpenedRequest, account: str, send: Send) -> None:
        frames = self._service.answer(opened, account)
        sealed = seal_frames(frames, opened.exchange, self._heartbeat)
        try:
            async for data in sealed:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:
            # The place, never the message: it may hold what a request said. The stream ends without its last frame.
            log.error("a request failed: %s", place(error))
        finally:
            await sealed.aclose()
            await frames.aclose()


async def seal_frames(frames: AsyncIterator[Frame], exchange: Exchange, heartbeat: float) -> AsyncGenerator[bytes]:
    """The frames of an answer as they are sent.

    While an answer takes its time an empty `Progress` goes out after every ``heartbeat`` seconds: so both ends, and
    whatever lies between, can tell silence from death.
    """
    index = 0
    following: asyncio.Future[Frame] = asyncio.ensure_future(anext(frames))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=heartbeat)
            frame = following.result() if done else Progress()
            last = not isinstance(frame, Progress)
            yield exchange.seal_frame(index, msgspec.json.encode(frame), last=last)
            if last:
                return
            index += 1
            if done:
                following = asyncio.ensure_future(anext(frames))
    finally:
        following.cancel()
        await asyncio.wait({following})


def create_application(settings: EnclaveSettings, *, clock: Callable[[], int] | None = None) -> Application:
    """Opens the store and puts the parts together.

    Args:
        clock: milliseconds since 1970; the host's by default.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = open_store(settings.store or settings.data / "rooms.db")
    key = storage_key(settings.data / "sealing.key")
    signing = signing_key(store, key)
    source = SoftwareSource("enclave")
    # A software enclave has nothing that its workers' evidence could add to; a hardware one takes hardware only.
    references = [Reference(evidence=software.TYPE, measurement=software.measurement("worker"))]
    workers = Workers(references, allow_software=source.reference.evidence == software.TYPE)
    clock = clock or _milliseconds
    meter = Meter(settings)
    service = Service(
        store, key, signing, workers, source.reference, clock, memory_bytes=settings.memory_bytes, meter=meter
    )
    watch(lambda: service.rooms_open, lambda: workers.queued, lambda: workers.out, lambda: workers.waiting)
    keys = KeyRing(signing, now=_seconds(), clock=clock)
    return Application(service, workers, keys, source, meter, settings.heartbeat_seconds)


_OCTETS = (b"content-type", b"application/octet-stream")
_JSON = (b"content-type", b"application/json")


async def _reply(send: Send, status: int, body: object, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, *headers]})
    await send({"type": "http.response.body", "body": msgspec.json.encode(body)})


async def _problem(send: Send, status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> None:
    await _reply(send, status, {"error": {"code": code, "message": message}}, *headers)


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None where it is too long."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if len(body) > MAX_REQUEST:
            return None
        if not event.get("more_body", False):
            return bytes(body)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _seconds() -> int:
    return int(time.monotonic())


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
