"""A small hub for the client's tests, over real HTTP, that can be told to misbehave."""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cloister.errors import VerificationError
from cloister.formats.encoding import sha256
from cloister.formats.sealed import addressed_to, open_request

from .enclave_peer import PeerEnclave


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def problem(status: int, code: str, message: str, **headers: str) -> Response:
    """An error in the hub's form."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


@dataclass
class PeerHub:
    """Accounts, blobs, rooms and a relay, in memory. Attributes that start with ``on_`` make it misbehave."""

    accounts: dict[str, str] = field(default_factory=dict)
    """API token to email."""
    blobs: dict[str, dict[int, bytes]] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    rooms: dict[str, list[str]] = field(default_factory=dict)
    vaults: dict[str, str] = field(default_factory=dict)
    """Email to the definition of that user's vault."""
    issuer: str = "hub.example.org"
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""
    on_request: Callable[[Request], Response | None] = lambda request: None
    on_evidence: Callable[[bytes, Any], Any] = lambda nonce, shown: shown
    on_keys: Callable[[Any], Any] = lambda shown: shown
    on_stream: Callable[[bytes, Iterator[bytes]], Iterator[bytes]] = lambda message, frames: frames
    on_part: Callable[[str, int, bytes], bytes] = lambda blob, index, data: data

    def __post_init__(self) -> None:
        self.enclave = PeerEnclave(self.blobs)
        self.identity = Ed25519PrivateKey.generate()

    def add_user(self, email: str) -> str:
        """A fresh API token."""
        token = secrets.token_urlsafe(32) + "="
        self.accounts[token] = email
        return token

    def app(self) -> Starlette:
        routes = [
            Route("/.well-known/jwks.json", self._jwks),
            Route("/v1/me", self._me),
            Route("/v1/identity", self._identify, methods=["POST"]),
            Route("/v1/vault", self._get_vault),
            Route("/v1/vault", self._put_vault, methods=["PUT"]),
            Route("/v1/rooms", self._list_rooms),
            Route("/v1/rooms/{room}", self._put_room, methods=["PUT"]),
            Route("/v1/blobs/{blob}/parts/{index:int}", self._put_part, methods=["PUT"]),
            Route("/v1/blobs/{blob}/parts/{index:int}", self._get_part),
            Route("/v1/blobs/{blob}/complete", self._complete, methods=["POST"]),
            Route("/v1/blobs/{blob}", self._get_blob),
            Route("/v1/blobs/{blob}", self._delete, methods=["DELETE"]),
            Route("/v1/enclave/evidence", self._evidence),
            Route("/v1/enclave/keys", self._keys),
            Route("/v1/enclave/messages", self._message, methods=["POST"]),
        ]
        return Starlette(
            routes=[Route(each.path, self._guarded(each.endpoint), methods=each.methods) for each in routes]
        )

    def _guarded(self, endpoint: Callable[..., Any]) -> Callable[..., Any]:
        async def serve(request: Request) -> Response:
            self.seen.append((request.method, request.url.path))
            if request.url.path.startswith("/v1/") and self._caller(request) is None:
                return problem(401, "unauthorized", "This needs a valid API token.")
            answer: Response = self.on_request(request) or await endpoint(request)
            return answer

        return serve

    def _caller(self, request: Request) -> str | None:
        return self.accounts.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    async def _jwks(self, request: Request) -> Response:
        x = base64.urlsafe_b64encode(self.identity.public_key().public_bytes_raw()).rstrip(b"=").decode()
        key = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "thumbprint", "use": "sig", "alg": "Ed25519"}
        return _json({"keys": [key], "issuer": self.issuer})

    async def _me(self, request: Request) -> Response:
        return _json({"email": self._caller(request)})

    async def _get_vault(self, request: Request) -> Response:
        definition = self.vaults.get(self._caller(request) or "")
        return problem(404, "not_found", "No vault.") if definition is None else _json({"definition": definition})

    async def _put_vault(self, request: Request) -> Response:
        definition = (await request.json())["definition"]
        if self.vaults.setdefault(self._caller(request) or "", definition) != definition:
            return problem(409, "conflict", "You have a vault already.")
        return _json({"definition": definition})

    async def _identify(self, request: Request) -> Response:
        body = await request.json()
        return _json({"token": f"{self._caller(request)} has {body['device_key']}"})

    async def _list_rooms(self, request: Request) -> Response:
        caller = self._caller(request)
        entries = [
            {"id": room, "created_at": "2026-01-02T03:04:05Z", "owner": invited[0]}
            for room, invited in self.rooms.items()
            if caller in invited
        ]
        return _json(entries)

    async def _put_room(self, request: Request) -> Response:
        self.rooms[request.path_params["room"]] = (await request.json())["participants"]
        return _json({})

    async def _put_part(self, request: Request) -> Response:
        data = await request.body()
        digest = base64.b64encode(sha256(data)).decode()
        if request.headers.get("content-digest") != f"sha-256=:{digest}:":
            return problem(400, "bad_request", "The digest is another.")
        blob = request.path_params["blob"]
        self.blobs.setdefault(blob, {})[request.path_params["index"]] = data
        if "parts" in request.query_params:
            return self._close(blob, int(request.query_params["parts"]))
        return _json({})

    async def _get_part(self, request: Request) -> Response:
        blob, index = request.path_params["blob"], request.path_params["index"]
        data = self.blobs.get(blob, {}).get(index)
        if data is None:
            return problem(404, "not_found", "No such part.")
        return Response(self.on_part(blob, index, data), media_type="application/octet-stream")

    async def _get_blob(self, request: Request) -> Response:
        blob = request.path_params["blob"]
        if blob not in self.blobs:
            return problem(404, "not_found", "No such blob.")
        parts = [
            {"index": index, "size": len(data), "sha256": sha256(data).hex()}
            for index, data in sorted(self.blobs[blob].items())
        ]
        return _json({"id": blob, "complete": blob in self.complete, "parts": parts})

    async def _complete(self, request: Request) -> Response:
        return self._close(request.path_params["blob"], (await request.json())["parts"])

    def _close(self, blob: str, parts: int) -> Response:
        if sorted(self.blobs[blob]) != list(range(parts)):
            return problem(409, "conflict", "Parts are missing.")
        self.complete.add(blob)
        return _json({})

    async def _delete(self, request: Request) -> Response:
        self.blobs.pop(request.path_params["blob"], None)
        return Response(status_code=204)

    async def _evidence(self, request: Request) -> Response:
        nonce = bytes.fromhex(request.query_params["nonce"])
        return _json(self.on_evidence(nonce, self.enclave.evidence(nonce)))

    async def _keys(self, request: Request) -> Response:
        return _json(self.on_keys(self.enclave.signed_keys()))

    async def _message(self, request: Request) -> Response:
        message = await request.body()
        keys = self.enclave.keys
        if addressed_to(message) != keys.digest():
            return problem(409, "stale_keys", "The enclave has newer keys.")
        try:
            opened = open_request(message, self.enclave.sealing, keys)
        except VerificationError as error:
            return problem(400, "rejected", str(error))
        stream = self.on_stream(message, self.enclave.respond(opened))
        return StreamingResponse(stream, media_type="application/octet-stream")


class Served:
    """A hub that listens on a port of its own while the block lasts."""

    def __init__(self, hub: PeerHub) -> None:
        self.hub = hub
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Connections inherit it; asyncio sets it only where a socket was made with its protocol's number.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._listening = threading.Event()
        config = uvicorn.Config(
            hub.app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = _Server(config, self._listening)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.hub.enclave.finish.set()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test run's."""
        yield
