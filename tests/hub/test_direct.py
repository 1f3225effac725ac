"""Parts that go straight to a real S3 server and back, by URLs that the hub signs, and what these don't allow."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest

from cloister.formats.dataset import PART_SIZE
from cloister.hub.accounts import add_user
from cloister.hub.app import create_app
from cloister.hub.direct import end_permits
from cloister.hub.settings import HubSettings
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download, upload
from tests.hub.peers import RunningHub, fresh_id
from tests.hub.test_blobs import complete, info, put
from tests.s3 import BUCKET, S3Server

AT_ONCE = Patience(pauses=(0.0,), sleep=lambda seconds: None)


@dataclass(frozen=True)
class World:
    """A hub on an S3 store, an account, and the store as its owner sees it."""

    settings: HubSettings
    hub: RunningHub
    token: str
    alice: httpx.Client
    s3: S3Server
    prefix: str

    def objects(self) -> list[str]:
        """The keys of all objects of this hub."""
        return [entry["path"] for batch in obstore.list(self.s3.store(), prefix=self.prefix) for entry in batch]

    def wire(self) -> Hub:
        """The hub as a client of the SDK speaks to it."""
        return Hub(self.hub.url, self.token)

    def place(self, blob: str, index: int, body: bytes, **declared: Any) -> httpx.Response:
        """Asks where a part is to be sent."""
        json = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()} | declared
        return self.alice.post(f"/v1/blobs/{blob}/parts/{index}/place", json=json)


@pytest.fixture(scope="module")
def environment(s3: S3Server) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in s3.environment().items():
            environment.setenv(name, value)
        yield


@pytest.fixture
def world(s3: S3Server, environment: None, tmp_path: Path) -> Iterator[World]:
    prefix = secrets.token_hex(4)
    settings = HubSettings(data=tmp_path, blob_store_url=f"s3://{BUCKET}/{prefix}", stored_bytes=40 * 2**20)
    token = add_user(settings, "alice@example.com")
    with RunningHub(settings) as hub, hub.client(token) as alice:
        yield World(settings, hub, token, alice, s3, prefix)


def send(place: httpx.Response, body: bytes, **changes: str) -> httpx.Response:
    """Sends a part to the store as the hub has said."""
    said = place.json()
    return httpx.put(said["url"], headers=said["headers"] | changes, content=body, trust_env=False)


def placed(alice: httpx.Client, blob: str, index: int, place: httpx.Response) -> httpx.Response:
    return alice.post(f"/v1/blobs/{blob}/parts/{index}/placed", json={"ticket": place.json()["ticket"]})


def test_a_dataset_there_and_back_never_passes_through_the_hub(world: World) -> None:
    data, key, back = secrets.token_bytes(2 * PART_SIZE + 5), secrets.token_bytes(32), io.BytesIO()
    hub = world.wire()
    asked: list[str] = []
    hub._http.event_hooks["request"].append(lambda request: asked.append(f"{request.method} {request.url.path}"))
    manifest = upload(hub, [data], key, fresh_id(), patience=AT_ONCE)
    download(hub, manifest, key, back, patience=AT_ONCE)
    hub.close()
    assert back.getvalue() == data
    assert len([each for each in asked if each.endswith("/place")]) == 6
    assert not [each for each in asked if each.rpartition("/")[2].isdigit()]
    assert len(world.objects()) == 3


def test_through_the_hub_it_is_the_same_blob(world: World) -> None:
    blob, first, second = fresh_id(), secrets.token_bytes(1000), secrets.token_bytes(6 * 2**20)
    place = world.place(blob, 0, first)
    assert send(place, first).status_code == 200
    assert placed(world.alice, blob, 0, place).json() == info(0, first)
    assert placed(world.alice, blob, 0, place).status_code == 200
    assert put(world.alice, blob, 1, second).status_code == 201
    assert world.place(blob, 1, second).json()["there"]
    assert complete(world.alice, blob, 2).status_code == 200
    for index, body in enumerate((first, second)):
        assert world.alice.get(f"/v1/blobs/{blob}/parts/{index}").content == body
        url = world.alice.get(f"/v1/blobs/{blob}/parts/{index}/place").json()["url"]
        assert httpx.get(url, trust_env=False).content == body
    assert world.place(blob, 0, second).status_code == 409
    assert world.alice.delete(f"/v1/blobs/{blob}").status_code == 204
    assert world.objects() == []


def test_a_url_is_good_for_the_declared_bytes_alone(world: World) -> None:
    blob, body = fresh_id(), secrets.token_bytes(1000)
    place = world.place(blob, 0, body)
    url = place.json()["url"]
    assert world.s3.secret_key not in place.text
    for wrong in (bytes(1000), body + b"x", body[:-1], b""):
        assert 400 <= send(place, wrong).status_code < 500
    longer = hashlib.sha256(body + b"x").digest()
    header = {"x-amz-checksum-sha256": base64.b64encode(longer).decode()}
    assert send(place, body + b"x", **header).status_code == 403
    assert httpx.put(url, content=body, trust_env=False).status_code == 403
    assert httpx.get(url, trust_env=False).status_code == 403
    assert httpx.delete(url, trust_env=False).status_code == 403
    assert httpx.put(url.replace("/0-", "/1-"), headers=place.json()["headers"], content=body).status_code == 403
    assert world.objects() == []
    # Nothing has arrived: nothing is recorded.
    assert placed(world.alice, blob, 0, place).status_code == 400
    assert world.alice.get(f"/v1/blobs/{blob}").json()["parts"] == []
    assert send(place, body).status_code == 200
    assert placed(world.alice, blob, 0, place).status_code == 200


def test_what_was_changed_behind_the_hubs_back_is_not_recorded(world: World) -> None:
    blob, body = fresh_id(), secrets.token_bytes(1000)
    place = world.place(blob, 0, body)
    assert send(place, body).status_code == 200
    obstore.put(world.s3.store(), world.objects()[0], body + b"longer")
    refused = placed(world.alice, blob, 0, place)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
    assert world.objects() == []


def test_permission_is_the_uploaders_alone(world: World) -> None:
    blob, body = fresh_id(), b"mine"
    place = world.place(blob, 0, body)
    assert send(place, body).status_code == 200
    with world.hub.client(add_user(world.settings, "bob@example.com")) as bob:
        assert placed(bob, blob, 0, place).status_code == 404
        declared = {"size": 1, "sha256": "0" * 64}
        assert bob.post(f"/v1/blobs/{blob}/parts/1/place", json=declared).status_code == 403
        assert bob.get(f"/v1/blobs/{blob}/parts/0/place").status_code == 404
    assert placed(world.alice, blob, 1, place).status_code == 404
    assert placed(world.alice, fresh_id(), 0, place).status_code == 404
    with world.hub.client() as nobody:
        assert nobody.post(f"/v1/blobs/{blob}/parts/1/place", json={}).status_code == 401
        assert nobody.get(f"/v1/blobs/{blob}/parts/0/place").status_code == 401


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        ({"size": 0}, 400),
        ({"size": -1}, 400),
        ({"size": 8 * 2**20 + 16 * 1024 + 1}, 413),
        ({"size": 2**63}, 413),
        ({"size": 1.5}, 400),
        ({"sha256": "0" * 63}, 400),
        ({"sha256": "G" * 64}, 400),
        ({"more": 1}, 400),
    ],
)
def test_what_is_declared_is_checked(world: World, declared: dict[str, Any], status: int) -> None:
    assert world.place(fresh_id(), 0, b"body", **declared).status_code == status


def test_what_is_permitted_counts_until_it_has_expired(world: World) -> None:
    blob, body = fresh_id(), secrets.token_bytes(8 * 2**20)
    places = [world.place(blob, index, body) for index in range(6)]
    assert [place.status_code for place in places] == [200] * 5 + [413]
    assert send(places[0], body).status_code == 200
    assert send(places[1], body).status_code == 200
    assert placed(world.alice, blob, 0, places[0]).status_code == 200
    assert len(world.objects()) == 2
    services = create_app(world.settings).state.services
    now = datetime.now(UTC)
    asyncio.run(end_permits(services, now + timedelta(minutes=10)))
    assert world.place(blob, 20, body).status_code == 413
    asyncio.run(end_permits(services, now + timedelta(hours=1)))
    services.database.close()
    # What was sent and not recorded is gone, what was recorded is not, and the rest may be used again.
    assert len(world.objects()) == 1
    assert placed(world.alice, blob, 1, places[1]).status_code == 404
    assert world.place(blob, 20, body).status_code == 200
    assert complete(world.alice, blob, 1).status_code == 200
    assert world.alice.get(f"/v1/blobs/{blob}/parts/0").content == body


def test_what_is_sent_after_its_blob_was_deleted_is_found(world: World) -> None:
    blob, body = fresh_id(), b"late"
    place, again = world.place(blob, 0, body), world.place(blob, 1, body)
    assert send(place, body).status_code == 200
    assert placed(world.alice, blob, 0, place).status_code == 200
    assert world.alice.delete(f"/v1/blobs/{blob}").status_code == 204
    assert [send(each, body).status_code for each in (place, again)] == [200, 200]
    assert placed(world.alice, blob, 1, again).status_code == 409
    assert len(world.objects()) == 2
    services = create_app(world.settings).state.services
    asyncio.run(end_permits(services, datetime.now(UTC) + timedelta(hours=1)))
    services.database.close()
    assert world.objects() == []


def test_a_replaced_part_gives_its_bytes_back(world: World) -> None:
    blob = fresh_id()
    for round_number in range(7):
        body = secrets.token_bytes(7 * 2**20)
        place = world.place(blob, 0, body)
        assert place.status_code == 200, round_number
        assert send(place, body).status_code == 200
        assert placed(world.alice, blob, 0, place).status_code == 200
    assert len(world.objects()) == 1


def test_where_it_is_switched_off_everything_passes_through_the_hub(world: World, tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, blob_store_url=world.settings.blob_store_url, direct_transfers=False)
    with RunningHub(settings) as hub, hub.client(world.token) as alice:
        place = alice.post(f"/v1/blobs/{fresh_id()}/parts/0/place", json={"size": 1, "sha256": "0" * 64})
        assert place.json() == {"there": False, "url": None, "headers": {}, "ticket": None}


def test_a_folder_has_no_places(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    with RunningHub(settings) as hub, hub.client(add_user(settings, "alice@example.com")) as alice:
        blob = fresh_id()
        place = alice.post(f"/v1/blobs/{blob}/parts/0/place", json={"size": 1, "sha256": "0" * 64})
        assert place.json()["url"] is None
        assert alice.get(f"/v1/blobs/{blob}").status_code == 404
        assert put(alice, blob, 0, b"body").status_code == 201
        assert complete(alice, blob, 1).status_code == 200
        assert alice.get(f"/v1/blobs/{blob}/parts/0/place").json() == {"url": None}
