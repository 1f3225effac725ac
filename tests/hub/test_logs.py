"""The log says what happened, and nothing that was in a request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import secrets
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from cloister.hub.accounts import add_user, add_worker
from cloister.hub.logs import AccessLog
from cloister.hub.settings import HubSettings

from .peers import RunningEnclave, client, fresh_id, hub_process

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING) (cloister\.hub|uvicorn\.error) .+", re.ASCII)


def test_one_line_per_request_and_nothing_private(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "data")
    token, worker_token = add_user(settings, "canary-alice@example.com"), add_worker(settings, "canary-worker")
    wrong = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    log, nonce, blob, room = tmp_path / "log", fresh_id(), fresh_id(), fresh_id()
    body = b"canary-body"
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    with (
        RunningEnclave() as enclave,
        hub_process(settings.data, log, enclave.url) as hub,
        client(hub.url, token) as alice,
        client(hub.url, worker_token) as worker,
        client(hub.url, wrong) as stranger,
    ):
        made = alice.post("/v1/tokens", json={"description": "canary-description"}).json()
        identity = alice.post("/v1/identity", json={"device_key": nonce}).json()["token"]
        for asker in (alice, worker, stranger):
            asker.get("/v1/me")
            asker.get("/v1/enclave/evidence", params={"nonce": nonce})
            asker.get("/v1/enclave/evidence", params={"nonce": token})
            asker.post("/v1/enclave/messages", content=body)
            asker.post("/v1/enclave/messages", content=b"fail " + body)
            asker.post("/v1/enclave/messages", content=b"html " + body)
            asker.get(f"/canary-path/{token}?canary-query={token}")
            asker.get(f"/v1/blobs/{token}")
            asker.request("CANARY", "/v1/me")
            asker.put(f"/v1/blobs/{blob}/parts/0", content=body, headers={"Content-Digest": f"sha-256=:{digest}:"})
            asker.put(f"/v1/blobs/{blob}/parts/0", content=body, headers={"Content-Digest": "sha-256=:canary:"})
            asker.put(f"/v1/rooms/{room}", json={"participants": ["canary-alice@example.com"]})
            asker.put(f"/v1/rooms/{room}", content=b"{canary")
        alice.delete(f"/v1/tokens/{made['id']}")
        requests = 3 + 13 * 3
        assert hub.terminate() == 0
    text = log.read_text()
    for secret in (token, worker_token, wrong, made["token"], identity, nonce, blob, room, digest):
        assert secret not in text
        assert secret[:12] not in text
    assert "canary" not in text.lower()
    lines = text.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), text
    shape = re.compile(r"([A-Z]+|-) (/\S*|-) (\d{3}|gone) \d+\.\d+ms ([0-9a-f]{32}|-) request=([0-9a-f]{32})")
    accesses = [found for line in lines if (found := shape.fullmatch(line.split(" cloister.hub ")[-1]))]
    assert len(accesses) == requests
    assert len({found[5] for found in accesses}) == requests
    assert re.search(r"PUT /v1/blobs/\{blob_id\}/parts/\{index\} 201 [\d.]+ms [0-9a-f]{32} request=", text)
    assert re.search(r"GET - 401 [\d.]+ms - request=", text)


async def receive_nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_an_unforeseen_error_is_logged_by_place_and_not_by_message(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        try:
            raise KeyError("canary-cause")
        except KeyError as cause:
            raise ValueError("canary-message") from cause

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/canary", "headers": []}
    asyncio.run(AccessLog(failing)(scope, receive_nothing, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["error"]["code"] == "failed"
    assert "builtins.ValueError at " in caplog.text
    assert "caused by builtins.KeyError at " in caplog.text
    assert "test_logs.py:" in caplog.text
    assert "canary" not in caplog.text
    assert b"canary" not in sent[1]["body"]
