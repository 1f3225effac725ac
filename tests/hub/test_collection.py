"""Blobs that nothing refers to are deleted after days, and no others: whatever the enclave says or doesn't."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from cloister.hub.accounts import add_user
from cloister.hub.app import create_app
from cloister.hub.collection import collect
from cloister.hub.problems import Problem
from cloister.hub.services import Services
from cloister.hub.settings import HubSettings

from .peers import PATIENCE, RunningHub, fresh_id
from .test_blobs import objects_in, put, uploaded

NOW = datetime.now(UTC)


class Keeper:
    """An enclave that knows what it needs, and can be made to say something else."""

    def __init__(self) -> None:
        self.needed: set[str] = set()
        self.asked: list[int] = []
        self.says: tuple[int, bytes] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert (scope["method"], scope["path"]) == ("POST", "/held")
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        blobs = json.loads(body)["blobs"]
        self.asked.append(len(blobs))
        needed = json.dumps({"held": [blob for blob in blobs if blob in self.needed]}).encode()
        status, said = self.says or (200, needed)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": said, "more_body": False})


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def enclave_url(keeper: Keeper) -> Iterator[str]:
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(keeper, lifespan="off", ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(PATIENCE)
    bound.close()


@pytest.fixture
def settings(tmp_path: Path) -> HubSettings:
    return HubSettings(data=tmp_path)


@pytest.fixture
def alice(settings: HubSettings) -> Iterator[httpx.Client]:
    """Uploads by way of a hub that has no enclave, so that nothing is thrown away but by the tests."""
    with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as client:
        yield client


@contextlib.asynccontextmanager
async def services(settings: HubSettings, enclave_url: str) -> AsyncIterator[Services]:
    made: Services = create_app(replace(settings, enclave_url=enclave_url)).state.services
    try:
        yield made
    finally:
        await made.upstream.close()
        made.database.close()


def there(alice: httpx.Client, *blobs: str) -> list[bool]:
    return [alice.get(f"/v1/blobs/{blob}/parts/0").status_code == 200 for blob in blobs]


def test_what_is_of_no_use_for_days_is_deleted(
    settings: HubSettings, alice: httpx.Client, keeper: Keeper, enclave_url: str
) -> None:
    needed, unneeded, unfinished = uploaded(alice, b"needed"), uploaded(alice, b"unneeded"), fresh_id()
    put(alice, unfinished, 0, b"unfinished")
    keeper.needed = {needed}

    async def rounds() -> list[int]:
        async with services(settings, enclave_url) as hub:
            return [await collect(hub, NOW + timedelta(days=day)) for day in (*range(7), 6.9, 7, 8, 1000)]

    assert asyncio.run(rounds()) == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert there(alice, needed, unneeded) == [True, False]
    # Unfinished uploads are none of its business.
    assert alice.get(f"/v1/blobs/{unfinished}").status_code == 200
    assert len(objects_in(settings.data)) == 2


def test_what_is_needed_again_in_between_begins_anew(
    settings: HubSettings, alice: httpx.Client, keeper: Keeper, enclave_url: str
) -> None:
    blob = uploaded(alice, b"data")

    async def rounds() -> list[int]:
        counts = []
        async with services(settings, enclave_url) as hub:
            for day in range(15):
                keeper.needed = {blob} if day == 6 else set()
                counts.append(await collect(hub, NOW + timedelta(days=day)))
        return counts

    assert asyncio.run(rounds()) == [0] * 14 + [1]


def test_days_on_which_nobody_asked_do_not_count(
    settings: HubSettings, alice: httpx.Client, keeper: Keeper, enclave_url: str
) -> None:
    """A hub that was off for a week has not seen for a week that nothing is of use; nor has a restored database."""
    blob = uploaded(alice, b"data")

    async def rounds(*days: float) -> list[int]:
        async with services(settings, enclave_url) as hub:
            return [await collect(hub, NOW + timedelta(days=day)) for day in days]

    assert asyncio.run(rounds(0, 1, 9, 10, 11, 12.5, 13)) == [0] * 7
    assert there(alice, blob) == [True]
    assert asyncio.run(rounds(*range(14, 20), 19.4, 19.5)) == [0] * 7 + [1]


LIES = {
    "an error": (500, b'{"held": []}'),
    "not found": (404, b'{"held": []}'),
    "unauthorised": (401, b'{"held": []}'),
    "nothing": (200, b""),
    "no JSON": (200, b"held"),
    "something else": (200, b"{}"),
    "a list": (200, b"[]"),
    "more than that": (200, b'{"held": [], "more": 1}'),
    "others": (200, json.dumps({"held": ["ab" * 32]}).encode()),
    "no ids": (200, b'{"held": [1]}'),
    "too much": (200, b" " * 200_000 + b'{"held": []}'),
}


@pytest.mark.parametrize("lie", LIES)
def test_nothing_is_deleted_where_the_enclave_does_not_say(
    settings: HubSettings, alice: httpx.Client, keeper: Keeper, enclave_url: str, lie: str
) -> None:
    blob = uploaded(alice, b"data")

    async def rounds() -> None:
        async with services(settings, enclave_url) as hub:
            assert await collect(hub, NOW) == 0
            keeper.says = LIES[lie]
            with pytest.raises(Problem):
                await collect(hub, NOW + timedelta(days=100))

    asyncio.run(rounds())
    assert there(alice, blob) == [True]


def test_nothing_is_deleted_while_the_enclave_is_away(settings: HubSettings, alice: httpx.Client) -> None:
    blob = uploaded(alice, b"data")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"

    async def rounds() -> None:
        async with services(settings, url) as hub:
            with pytest.raises(Problem):
                await collect(hub, NOW + timedelta(days=100))
        without = replace(settings, enclave_url=None)
        made: Services = create_app(without).state.services
        assert await collect(made, NOW + timedelta(days=100)) == 0
        made.database.close()

    asyncio.run(rounds())
    assert there(alice, blob) == [True]


def test_many_are_asked_about_in_pieces(
    settings: HubSettings, alice: httpx.Client, keeper: Keeper, enclave_url: str
) -> None:
    blobs = [uploaded(alice, b"data") for _ in range(5)]
    keeper.needed = set(blobs[1:])

    async def rounds() -> list[int]:
        async with services(settings, enclave_url) as hub:
            return [await collect(hub, NOW + timedelta(days=day), at_once=2) for day in range(8)]

    assert asyncio.run(rounds()) == [0] * 7 + [1]
    assert keeper.asked == [2, 2, 1] * 8
    assert there(alice, *blobs) == [False, True, True, True, True]
