"""Accounts that are disabled, removed and brought back, and what becomes of that which is open meanwhile."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from click.testing import CliRunner

from cloister.cli import cloister
from cloister.errors import BadRequestError, NotFoundError
from cloister.hub import accounts
from cloister.hub.accounts import (
    add_user,
    add_worker,
    disable_user,
    enable_user,
    remove_user,
    revoke_user_tokens,
    revoke_worker_tokens,
)
from cloister.hub.removal import throw_away_removed
from cloister.hub.services import Services
from cloister.hub.settings import HubSettings

from .peers import PATIENCE, RunningEnclave, RunningHub, fresh_id

ALICE, BOB = "alice@example.com", "bob@example.com"
DIGEST = {"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(b'part').digest()).decode()}:"}


@dataclass(frozen=True)
class House:
    """A hub that looks for revoked tokens all the time."""

    settings: HubSettings
    enclave: RunningEnclave
    hub: RunningHub
    alice: httpx.Client
    bob: httpx.Client
    worker: httpx.Client


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with RunningEnclave() as enclave:
        settings = HubSettings(data=tmp_path / "hub", enclave_url=enclave.url, revocation_seconds=0.02)
        tokens = [add_user(settings, ALICE), add_user(settings, BOB), add_worker(settings, "one")]
        with RunningHub(settings) as hub:
            clients = [hub.client(token) for token in tokens]
            yield House(settings, enclave, hub, *clients)
            for client in clients:
                client.close()


def store(client: httpx.Client) -> str:
    """A complete blob of one part."""
    blob = fresh_id()
    assert client.put(f"/v1/blobs/{blob}/parts/0", content=b"part", headers=DIGEST).is_success
    assert client.post(f"/v1/blobs/{blob}/complete", json={"parts": 1}).is_success
    return blob


def services_of(house: House) -> Services:
    """The parts of the running hub."""
    services = cast(Any, house.hub.server.config.app).state.services
    assert isinstance(services, Services)
    return services


ENDINGS: list[Callable[[HubSettings], object]] = [
    lambda settings: disable_user(settings, ALICE),
    lambda settings: remove_user(settings, ALICE),
    lambda settings: revoke_user_tokens(settings, ALICE),
]


@pytest.mark.parametrize("end", ENDINGS, ids=["disabled", "removed", "revoked"])
@pytest.mark.parametrize("word", [b"hang", b"hang-after"])
def test_what_is_open_ends(house: House, word: bytes, end: Callable[[HubSettings], object]) -> None:
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(house.alice.post, "/v1/enclave/messages", content=word)
        assert house.enclave.peer.meeting.arrived.wait(PATIENCE)
        end(house.settings)
        assert house.enclave.peer.meeting.asker_left.wait(PATIENCE)
        if word == b"hang":
            assert pending.result().status_code == 401
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                pending.result()
    for path in ("/v1/me", "/v1/rooms", "/v1/tokens"):
        assert house.alice.get(path).status_code == 401
    assert house.alice.post("/v1/identity", json={"device_key": "00" * 32}).status_code == 401


def test_others_are_not_affected_and_one_worker_is_ended_alone(house: House) -> None:
    another = house.hub.client(add_worker(house.settings, "two"))
    with ThreadPoolExecutor() as pool, another:
        pending = pool.submit(another.post, "/v1/enclave/messages", content=b"frames")
        assert house.enclave.peer.meeting.arrived.wait(PATIENCE)
        disable_user(house.settings, ALICE)
        assert revoke_worker_tokens(house.settings, "one") == 1
        assert house.worker.post("/v1/enclave/messages", content=b"echo").status_code == 401
        house.enclave.peer.meeting.release.set()
        assert pending.result().content == b"firstsecond"
    assert house.bob.get("/v1/me").is_success
    assert [(entry.name, entry.tokens) for entry in accounts.workers(house.settings)] == [("one", 0), ("two", 1)]


def test_a_disabled_account_keeps_what_it_has(house: House) -> None:
    blob = store(house.alice)
    disable_user(house.settings, ALICE)
    assert house.bob.get(f"/v1/blobs/{blob}/parts/0").content == b"part"
    with pytest.raises(BadRequestError, match="user enable"):
        add_user(house.settings, ALICE)
    enable_user(house.settings, "Alice@Example.com")
    assert house.alice.get("/v1/me").json() == {"email": ALICE}


def test_a_removed_account_goes_when_its_time_has_come(house: House) -> None:
    blob = store(house.alice)
    services = services_of(house)
    remove_user(house.settings, ALICE)

    def throw_away(days: float) -> int:
        return asyncio.run(throw_away_removed(services, datetime.now(UTC) + timedelta(days=days)))

    assert throw_away(29.9) == 0
    assert house.bob.get(f"/v1/blobs/{blob}/parts/0").content == b"part"
    assert throw_away(30.1) == 1
    assert house.bob.get(f"/v1/blobs/{blob}/parts/0").status_code == 404
    assert not [file for file in house.settings.blob_folder.rglob("*") if file.is_file()]
    assert [entry.name for entry in accounts.users(house.settings)] == [BOB]
    with pytest.raises(NotFoundError):
        enable_user(house.settings, ALICE)
    # Somebody else may have the address later; they start with nothing.
    with house.hub.client(add_user(house.settings, ALICE)) as fresh:
        assert fresh.get("/v1/me").json() == {"email": ALICE}


def test_rooms_of_a_removed_account_stay_though_they_are_not_listed(house: House) -> None:
    room = fresh_id()
    assert house.alice.put(f"/v1/rooms/{room}", json={"participants": [ALICE, BOB]}).is_success
    remove_user(house.settings, ALICE)
    services = services_of(house)
    asyncio.run(throw_away_removed(services, datetime.now(UTC) + timedelta(days=31)))
    assert house.bob.get("/v1/rooms").json() == []
    assert house.alice.get("/v1/rooms").status_code == 401
    # By the day that it was entered the hub knows which keys it has pinned. Nobody else takes its place.
    assert house.bob.post("/v1/identity", json={"device_key": "00" * 32, "room": room}).is_success
    assert house.bob.put(f"/v1/rooms/{room}", json={"participants": [BOB]}).status_code == 403
    enable_user(house.settings, ALICE)
    assert [entry["owner"] for entry in house.bob.get("/v1/rooms").json()] == [ALICE]


def test_the_command_line_does_all_of_it(tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        said = CliRunner().invoke(cloister, ["user", *arguments, "--data", str(tmp_path)])
        assert said.exit_code == 0, said.output
        return said.output

    told("add", ALICE)
    told("add", BOB)
    told("disable", BOB)
    assert told("list").splitlines() == [
        f"{ALICE}  active  1 tokens  0 bytes",
        f"{BOB}  disabled  1 tokens  0 bytes",
    ]
    told("enable", BOB)
    told("remove", ALICE)
    assert told("list").splitlines() == [
        f"{ALICE}  removed  0 tokens  0 bytes",
        f"{BOB}  active  1 tokens  0 bytes",
    ]
