"""Who may call what, exhaustively: every operation of the OpenAPI document times every kind of caller."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cloister.hub.accounts import (
    add_user,
    add_worker,
    revoke_user_tokens,
    revoke_worker_tokens,
)
from cloister.hub.settings import HubSettings

from .peers import RunningEnclave, RunningHub, fresh_id

CALLERS = (
    "nobody",
    "wrong token",
    "revoked token",
    "revoked worker token",
    "owner",
    "other account",
    "worker",
    "owning worker",
)
STRANGERS = CALLERS[:4]

DIGEST = {"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(b'part').digest()).decode()}:"}


@dataclass(frozen=True)
class House:
    """A hub, a client for each caller, and what the owners own on it."""

    clients: dict[str, httpx.Client]

    def unfinished(self, owner: str) -> str:
        """A blob with one part."""
        blob = fresh_id()
        assert self.clients[owner].put(f"/v1/blobs/{blob}/parts/0", content=b"part", headers=DIGEST).is_success
        return blob

    def complete(self, owner: str) -> str:
        blob = self.unfinished(owner)
        assert self.clients[owner].post(f"/v1/blobs/{blob}/complete", json={"parts": 1}).is_success
        return blob

    def room(self) -> str:
        room = fresh_id()
        participants = {"participants": ["owner@example.com", "other@example.com"]}
        assert self.clients["owner"].put(f"/v1/rooms/{room}", json=participants).is_success
        return room

    def spare_token(self) -> str:
        answer = self.clients["owner"].post("/v1/tokens")
        identifier = answer.json()["id"]
        assert isinstance(identifier, str)
        return identifier


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data: Path = tmp_path_factory.mktemp("access")
    with RunningEnclave() as enclave:
        settings = HubSettings(data=data, enclave_url=enclave.url)
        tokens: dict[str, str | None] = {
            "nobody": None,
            "wrong token": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "revoked token": add_user(settings, "owner@example.com"),
            "revoked worker token": add_worker(settings, "one"),
        }
        assert revoke_user_tokens(settings, "owner@example.com") == 1
        assert revoke_worker_tokens(settings, "one") == 1
        tokens |= {
            "owner": add_user(settings, "owner@example.com"),
            "other account": add_user(settings, "other@example.com"),
            "worker": add_worker(settings, "two"),
            "owning worker": add_worker(settings, "one"),
        }
        with RunningHub(settings) as hub:
            clients = {caller: hub.client(token) for caller, token in tokens.items()}
            for caller in ("owner", "other account"):
                assert clients[caller].put("/v1/vault", json={"definition": caller}).is_success
            yield House(clients)
            for client in clients.values():
                client.close()


Call = Callable[[House, str, httpx.Client], httpx.Response]

NONCE = "00" * 32
_LINK = {"token": "wrong", "email": "owner@example.com", "password": "a password of mine"}


def _owned(make: str, use: Callable[[httpx.Client, str], httpx.Response], by: str = "owner") -> Call:
    """A call on something fresh that ``by`` owns."""

    def call(house: House, _caller: str, client: httpx.Client) -> httpx.Response:
        thing = getattr(house, make)(by) if make in ("unfinished", "complete") else getattr(house, make)()
        return use(client, thing)

    return call


def _plain(use: Callable[[httpx.Client], httpx.Response]) -> Call:
    return lambda _house, _caller, client: use(client)


def _put_part(client: httpx.Client, blob: str) -> httpx.Response:
    return client.put(f"/v1/blobs/{blob}/parts/0", content=b"part", headers=DIGEST)


def _close(client: httpx.Client, blob: str) -> httpx.Response:
    return client.post(f"/v1/blobs/{blob}/complete", json={"parts": 1})


def _place(client: httpx.Client, blob: str) -> httpx.Response:
    what = {"size": len(b"part"), "sha256": hashlib.sha256(b"part").hexdigest()}
    return client.post(f"/v1/blobs/{blob}/parts/0/place", json=what)


def _placed(client: httpx.Client, blob: str) -> httpx.Response:
    return client.post(f"/v1/blobs/{blob}/parts/0/placed", json={"ticket": "00" * 16})


def _same_vault(_house: House, caller: str, client: httpx.Client) -> httpx.Response:
    return client.put("/v1/vault", json={"definition": caller})


def _get(template: str) -> Callable[[httpx.Client, str], httpx.Response]:
    return lambda client, thing: client.get(template.format(thing))


def _delete(template: str) -> Callable[[httpx.Client, str], httpx.Response]:
    return lambda client, thing: client.delete(template.format(thing))


def _room(client: httpx.Client, room: str) -> httpx.Response:
    everybody = ["owner@example.com", "other@example.com"]
    return client.put(f"/v1/rooms/{room}", json={"participants": everybody})


@dataclass(frozen=True)
class Row:
    """One operation, on one state of the thing: who gets which status. Strangers get 401 where unnamed."""

    method: str
    path: str
    call: Call
    owner: int
    other: int
    worker: int
    owning_worker: int
    strangers: int = 401

    def expected(self, caller: str) -> int:
        if caller in STRANGERS:
            return self.strangers
        return {
            "owner": self.owner,
            "other account": self.other,
            "worker": self.worker,
            "owning worker": self.owning_worker,
        }[caller]


PARTS = "/v1/blobs/{blob_id}/parts/{index}"
BLOB = "/v1/blobs/{blob_id}"
CLOSE = "/v1/blobs/{blob_id}/complete"
PLACE = "/v1/blobs/{blob_id}/parts/{index}/place"
PLACED = "/v1/blobs/{blob_id}/parts/{index}/placed"

TABLE = {
    "health": Row("get", "/healthz", _plain(lambda c: c.get("/healthz")), 200, 200, 200, 200, 200),
    "readiness": Row("get", "/readyz", _plain(lambda c: c.get("/readyz")), 200, 200, 200, 200, 200),
    "jwks": Row(
        "get", "/.well-known/jwks.json", _plain(lambda c: c.get("/.well-known/jwks.json")), 200, 200, 200, 200, 200
    ),
    "me": Row("get", "/v1/me", _plain(lambda c: c.get("/v1/me")), 200, 200, 403, 403),
    "list tokens": Row("get", "/v1/tokens", _plain(lambda c: c.get("/v1/tokens")), 200, 200, 403, 403),
    "make token": Row("post", "/v1/tokens", _plain(lambda c: c.post("/v1/tokens")), 201, 201, 403, 403),
    "revoke token": Row(
        "delete", "/v1/tokens/{token_id}", _owned("spare_token", _delete("/v1/tokens/{}")), 204, 404, 403, 403
    ),
    # Strangers may try: that it takes the right words, test_sign_in and test_provider show.
    "ways to sign in": Row("get", "/auth", _plain(lambda c: c.get("/auth")), 200, 200, 200, 200, 200),
    "sign in": Row(
        "post",
        "/auth/password",
        _plain(lambda c: c.post("/auth/password", json={"email": "owner@example.com", "password": "wrong"})),
        401,
        401,
        401,
        401,
    ),
    "accept an invitation": Row(
        "post",
        "/auth/invitation",
        _plain(lambda c: c.post("/auth/invitation", json=_LINK)),
        401,
        401,
        401,
        401,
    ),
    "go to the provider": Row(
        "get", "/auth/provider", _plain(lambda c: c.get("/auth/provider")), 404, 404, 404, 404, 404
    ),
    "come back from the provider": Row(
        "get", "/auth/provider/callback", _plain(lambda c: c.get("/auth/provider/callback")), 404, 404, 404, 404, 404
    ),
    "which session": Row("get", "/v1/session", _plain(lambda c: c.get("/v1/session")), 404, 404, 403, 403),
    "log out": Row("delete", "/v1/session", _plain(lambda c: c.delete("/v1/session")), 404, 404, 403, 403),
    "list sessions": Row("get", "/v1/sessions", _plain(lambda c: c.get("/v1/sessions")), 200, 200, 403, 403),
    "end all sessions": Row("delete", "/v1/sessions", _plain(lambda c: c.delete("/v1/sessions")), 204, 204, 403, 403),
    "end a session": Row(
        "delete",
        "/v1/sessions/{session_id}",
        _plain(lambda c: c.delete("/v1/sessions/" + "0" * 32)),
        404,
        404,
        403,
        403,
    ),
    "change the password": Row(
        "put",
        "/v1/password",
        _plain(lambda c: c.put("/v1/password", json={"current": "wrong", "new": "a password of mine"})),
        401,
        401,
        403,
        403,
    ),
    "identity": Row(
        "post",
        "/v1/identity",
        _plain(lambda c: c.post("/v1/identity", json={"device_key": NONCE})),
        200,
        200,
        403,
        403,
    ),
    "which vault": Row("get", "/v1/vault", _plain(lambda c: c.get("/v1/vault")), 200, 200, 403, 403),
    "say the same vault": Row("put", "/v1/vault", _same_vault, 200, 200, 403, 403),
    "say another vault": Row(
        "put", "/v1/vault", _plain(lambda c: c.put("/v1/vault", json={"definition": "another"})), 409, 409, 403, 403
    ),
    "begin a blob": Row("put", PARTS, _plain(lambda c: _put_part(c, fresh_id())), 201, 201, 201, 201),
    "put into an unfinished blob": Row("put", PARTS, _owned("unfinished", _put_part), 200, 403, 403, 403),
    "put into a complete blob": Row("put", PARTS, _owned("complete", _put_part), 200, 403, 403, 403),
    "put into a worker's blob": Row("put", PARTS, _owned("unfinished", _put_part, "owning worker"), 403, 403, 403, 200),
    "ask after an unfinished blob": Row("get", BLOB, _owned("unfinished", _get("/v1/blobs/{}")), 200, 404, 404, 404),
    "ask after a complete blob": Row("get", BLOB, _owned("complete", _get("/v1/blobs/{}")), 200, 200, 200, 200),
    "ask after a worker's blob": Row(
        "get", BLOB, _owned("unfinished", _get("/v1/blobs/{}"), "owning worker"), 404, 404, 404, 200
    ),
    "fetch from an unfinished blob": Row(
        "get", PARTS, _owned("unfinished", _get("/v1/blobs/{}/parts/0")), 404, 404, 404, 404
    ),
    "fetch from a complete blob": Row(
        "get", PARTS, _owned("complete", _get("/v1/blobs/{}/parts/0")), 200, 200, 200, 200
    ),
    "fetch from a worker's blob": Row(
        "get", PARTS, _owned("complete", _get("/v1/blobs/{}/parts/0"), "owning worker"), 200, 200, 200, 200
    ),
    "complete an unfinished blob": Row("post", CLOSE, _owned("unfinished", _close), 200, 404, 404, 404),
    "complete a complete blob": Row("post", CLOSE, _owned("complete", _close), 200, 403, 403, 403),
    "complete a worker's blob": Row("post", CLOSE, _owned("unfinished", _close, "owning worker"), 404, 404, 404, 200),
    "delete an unfinished blob": Row("delete", BLOB, _owned("unfinished", _delete("/v1/blobs/{}")), 204, 404, 404, 404),
    "delete a complete blob": Row("delete", BLOB, _owned("complete", _delete("/v1/blobs/{}")), 204, 403, 403, 403),
    "delete a worker's blob": Row(
        "delete", BLOB, _owned("complete", _delete("/v1/blobs/{}"), "owning worker"), 403, 403, 403, 204
    ),
    # Here the store is a folder, and every part passes through the hub: who may send it elsewhere is in test_direct.
    "place a part": Row("post", PLACE, _owned("unfinished", _place), 200, 200, 200, 200),
    "show an unknown ticket": Row("post", PLACED, _owned("unfinished", _placed), 404, 404, 404, 404),
    "find a part of an unfinished blob": Row(
        "get", PLACE, _owned("unfinished", _get("/v1/blobs/{}/parts/0/place")), 404, 404, 404, 404
    ),
    "find a part of a complete blob": Row(
        "get", PLACE, _owned("complete", _get("/v1/blobs/{}/parts/0/place")), 200, 200, 200, 200
    ),
    "enter a room": Row("put", "/v1/rooms/{room_id}", _plain(lambda c: _room(c, fresh_id())), 200, 200, 403, 403),
    "change a room": Row("put", "/v1/rooms/{room_id}", _owned("room", _room), 200, 403, 403, 403),
    "list rooms": Row("get", "/v1/rooms", _plain(lambda c: c.get("/v1/rooms")), 200, 200, 403, 403),
    "leave a room": Row(
        "delete",
        "/v1/rooms/{room_id}/invitation",
        _owned("room", _delete("/v1/rooms/{}/invitation")),
        204,
        204,
        403,
        403,
    ),
    "leave no room": Row(
        "delete",
        "/v1/rooms/{room_id}/invitation",
        _plain(lambda c: c.delete(f"/v1/rooms/{fresh_id()}/invitation")),
        404,
        404,
        403,
        403,
    ),
    "evidence": Row(
        "get",
        "/v1/enclave/evidence",
        _plain(lambda c: c.get("/v1/enclave/evidence", params={"nonce": NONCE})),
        200,
        200,
        200,
        200,
    ),
    "keys": Row("get", "/v1/enclave/keys", _plain(lambda c: c.get("/v1/enclave/keys")), 200, 200, 200, 200),
    "message": Row(
        "post",
        "/v1/enclave/messages",
        _plain(lambda c: c.post("/v1/enclave/messages", content=b"echo")),
        200,
        200,
        200,
        200,
    ),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", TABLE)
def test_permission(house: House, operation: str, caller: str) -> None:
    row = TABLE[operation]
    answer = row.call(house, caller, house.clients[caller])
    assert answer.status_code == row.expected(caller), answer.text
    if answer.is_error:
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"code", "message"}
    if answer.status_code == 401 and answer.json()["error"]["code"] == "unauthorized":
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "cloister user add EMAIL --data DIR" in answer.json()["error"]["message"]


def test_the_table_names_every_operation(house: House) -> None:
    document = house.clients["nobody"].get("/openapi.json").json()
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(row.method, row.path) for row in TABLE.values()}


def test_an_operation_that_does_not_exist_is_closed_too(house: House) -> None:
    assert house.clients["nobody"].get("/v1/whatever").status_code == 401
    assert house.clients["owner"].get("/v1/whatever").status_code == 404
    assert house.clients["nobody"].get("/whatever").status_code == 404
    refused = house.clients["owner"].patch("/v1/tokens")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {unpadded}",
        "Bearer {token} {token}",
        "Bearer \u00ff",
    ],
)
def test_credentials_of_another_form_are_401(house: House, header: str) -> None:
    token = house.clients["owner"].headers["authorization"].split()[1]
    value = header.format(token=token, unpadded=token.rstrip("="))
    answer = house.clients["nobody"].get("/v1/me", headers=[(b"Authorization", value.encode("latin-1"))])
    assert answer.status_code == 401


def test_the_scheme_is_compared_without_case(house: House) -> None:
    token = house.clients["owner"].headers["authorization"].split()[1]
    assert house.clients["nobody"].get("/v1/me", headers={"Authorization": f"bEARER {token}"}).status_code == 200


def test_two_authorization_headers_are_401(house: House) -> None:
    good = house.clients["owner"].headers["authorization"]
    headers = [("Authorization", good), ("Authorization", good)]
    assert house.clients["nobody"].get("/v1/me", headers=headers).status_code == 401


def test_a_stranger_gets_401_whatever_else_is_wrong(house: House) -> None:
    nobody = house.clients["nobody"]
    for answer in (
        nobody.post("/v1/tokens", content=b"{", headers={"Content-Type": "application/json"}),
        nobody.put("/v1/blobs/x/parts/y", content=b""),
        nobody.post("/v1/enclave/messages", content=bytes(2 * 1024 * 1024)),
        nobody.get("/v1/enclave/evidence"),
    ):
        assert answer.status_code == 401
