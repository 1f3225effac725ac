"""Parts of ciphertext: checked while they arrive, whole or not there, resumable, immutable once complete."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cloister.hub.accounts import add_user
from cloister.hub.app import create_app
from cloister.hub.blobs import MAX_INDEX, throw_away_abandoned
from cloister.hub.settings import KIB, MIB, HubSettings

from .conftest import World
from .peers import PATIENCE, RunningHub, client, fresh_id, hub_process

LARGEST = 8 * MIB + 16 * KIB


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def put(
    asker: httpx.Client, blob: str, index: int, body: bytes, digest: str | None = None, parts: int | None = None
) -> httpx.Response:
    headers = {"Content-Digest": digest or digest_of(body), "Content-Type": "application/octet-stream"}
    asked = {} if parts is None else {"parts": parts}
    return asker.put(f"/v1/blobs/{blob}/parts/{index}", content=body, headers=headers, params=asked)


def complete(asker: httpx.Client, blob: str, parts: int) -> httpx.Response:
    return asker.post(f"/v1/blobs/{blob}/complete", json={"parts": parts})


def uploaded(asker: httpx.Client, *bodies: bytes) -> str:
    """The id of a complete blob of these parts."""
    blob = fresh_id()
    for index, body in enumerate(bodies):
        assert put(asker, blob, index, body).status_code == 201
    assert complete(asker, blob, len(bodies)).status_code == 200
    return blob


def info(index: int, body: bytes) -> dict[str, object]:
    return {"index": index, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def objects_in(data: Path) -> list[Path]:
    return [path for path in (data / "blobs").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def lone_hub(tmp_path_factory: pytest.TempPathFactory) -> HubSettings:
    """Settings of a hub whose folder nobody else uses."""
    return HubSettings(data=tmp_path_factory.mktemp("lone"))


@pytest.mark.parametrize("size", [1, 65_536, 2 * MIB, 2 * MIB + 1, LARGEST])
def test_what_was_put_is_what_is_fetched(world: World, size: int) -> None:
    body = secrets.token_bytes(size)
    blob = fresh_id()
    answer = put(world.alice, blob, 0, body)
    assert (answer.status_code, answer.json()) == (201, info(0, body))
    assert complete(world.alice, blob, 1).json() == {"id": blob, "complete": True}
    fetched = world.alice.get(f"/v1/blobs/{blob}/parts/0")
    assert fetched.content == body
    assert fetched.headers["content-length"] == str(size)
    assert fetched.headers["content-digest"] == digest_of(body)
    assert fetched.headers["content-type"] == "application/octet-stream"


def test_a_body_without_a_declared_length_is_taken(world: World) -> None:
    blob, pieces = fresh_id(), [secrets.token_bytes(300_000) for _ in range(7)]
    answer = world.alice.put(
        f"/v1/blobs/{blob}/parts/0",
        content=iter(pieces),
        headers={"Content-Digest": digest_of(b"".join(pieces))},
    )
    assert (answer.status_code, answer.json()) == (201, info(0, b"".join(pieces)))


def test_parts_arrive_in_any_order_and_several_at_once(world: World) -> None:
    blob = fresh_id()
    bodies = {index: secrets.token_bytes(200_000 + index) for index in range(24)}
    with ThreadPoolExecutor(8) as pool:
        order = sorted(bodies, key=lambda index: index * 7 % 24)
        answers = list(pool.map(lambda index: put(world.alice, blob, index, bodies[index]), order))
    assert {answer.status_code for answer in answers} == {201}
    listing = world.alice.get(f"/v1/blobs/{blob}").json()
    assert listing == {"id": blob, "complete": False, "parts": [info(*item) for item in sorted(bodies.items())]}
    assert complete(world.alice, blob, len(bodies)).status_code == 200
    assert all(world.bob.get(f"/v1/blobs/{blob}/parts/{index}").content == bodies[index] for index in bodies)


def test_the_same_part_at_once_from_several_is_one_part(world: World) -> None:
    blob, body = fresh_id(), secrets.token_bytes(100_000)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: put(world.alice, blob, 0, body), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert world.alice.get(f"/v1/blobs/{blob}").json()["parts"] == [info(0, body)]


def test_the_same_again_is_200_and_other_content_replaces_until_complete(lone_hub: HubSettings) -> None:
    token = add_user(lone_hub, "alice@example.com")
    with RunningHub(lone_hub) as hub, hub.client(token) as alice:
        blob = fresh_id()
        before = len(objects_in(lone_hub.data))
        assert put(alice, blob, 0, b"one").status_code == 201
        assert put(alice, blob, 0, b"one").status_code == 200
        assert put(alice, blob, 0, b"another").status_code == 201
        assert alice.get(f"/v1/blobs/{blob}").json()["parts"] == [info(0, b"another")]
        # What was replaced doesn't stay on the disk.
        assert len(objects_in(lone_hub.data)) == before + 1


def test_a_complete_blob_never_changes(world: World) -> None:
    blob = uploaded(world.alice, b"zero", b"one")
    assert put(world.alice, blob, 1, b"one").status_code == 200
    for index, body in ((1, b"other"), (2, b"further")):
        answer = put(world.alice, blob, index, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert complete(world.alice, blob, 2).status_code == 200
    assert complete(world.alice, blob, 1).status_code == 409
    assert world.alice.get(f"/v1/blobs/{blob}").json() == {
        "id": blob,
        "complete": True,
        "parts": [info(0, b"zero"), info(1, b"one")],
    }
    assert world.alice.get(f"/v1/blobs/{blob}/parts/1").content == b"one"


def test_the_last_part_can_close_the_blob(lone_hub: HubSettings) -> None:
    token = add_user(lone_hub, "alice@example.com")
    with RunningHub(lone_hub) as hub, hub.client(token) as alice:
        before = len(objects_in(lone_hub.data))
        blob = fresh_id()
        assert put(alice, blob, 1, b"one", parts=2).status_code == 409
        assert alice.get(f"/v1/blobs/{blob}").json()["parts"] == [], "it was not the last, and is not there"
        assert put(alice, blob, 1, b"one").status_code == 201
        assert put(alice, blob, 0, b"replaced").status_code == 201
        assert put(alice, blob, 0, b"zero", parts=1).status_code == 409, "there are more"
        assert put(alice, blob, 0, b"zero", parts=2).status_code == 201
        # Again, as after a broken connection; and by a part that was there before.
        assert put(alice, blob, 0, b"zero", parts=2).status_code == 200
        other = fresh_id()
        assert put(alice, other, 0, b"alone").status_code == 201
        assert put(alice, other, 0, b"alone", parts=1).status_code == 200
        for each, parts in ((blob, [info(0, b"zero"), info(1, b"one")]), (other, [info(0, b"alone")])):
            assert alice.get(f"/v1/blobs/{each}").json() == {"id": each, "complete": True, "parts": parts}
        assert put(alice, blob, 0, b"other", parts=2).status_code == 409
        assert put(alice, fresh_id(), 0, b"none", parts=0).status_code == 400
        assert len(objects_in(lone_hub.data)) == before + 3, "nothing else stays on the disk"


def test_a_part_that_is_not_what_its_digest_says_is_refused(lone_hub: HubSettings) -> None:
    token = add_user(lone_hub, "alice@example.com")
    with RunningHub(lone_hub) as hub, hub.client(token) as alice:
        before = objects_in(lone_hub.data)
        for body in (b"damaged", secrets.token_bytes(LARGEST)):
            blob = fresh_id()
            answer = put(alice, blob, 0, body, digest_of(b"sent"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
            assert alice.get(f"/v1/blobs/{blob}").json()["parts"] == []
        # Not trusted for a part that is there already either.
        assert put(alice, blob, 0, b"sent").status_code == 201
        assert put(alice, blob, 0, b"damaged", digest_of(b"sent")).status_code == 400
        assert len(objects_in(lone_hub.data)) == len(before) + 1


@pytest.mark.parametrize("digest", ["", "sha-256=::", "sha-512=:AAAA:", "md5=x", "sha-256=" + "A" * 44])
def test_a_part_without_a_usable_digest_is_refused(world: World, digest: str) -> None:
    blob = fresh_id()
    answer = world.alice.put(f"/v1/blobs/{blob}/parts/0", content=b"x", headers={"Content-Digest": digest})
    assert answer.status_code == 400
    assert "Content-Digest" in answer.json()["error"]["message"]
    assert world.alice.put(f"/v1/blobs/{blob}/parts/0", content=b"x").status_code == 400
    assert world.alice.get(f"/v1/blobs/{blob}").status_code == 404


@pytest.mark.parametrize("declared", [True, False])
def test_too_large_a_part_is_refused(world: World, declared: bool) -> None:
    blob, body = fresh_id(), bytes(LARGEST + 1)
    answer = world.alice.put(
        f"/v1/blobs/{blob}/parts/0",
        content=body if declared else iter([body]),
        headers={"Content-Digest": digest_of(body)},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert world.alice.get(f"/v1/blobs/{blob}").json()["parts"] == []


@pytest.mark.parametrize("index", ["-1", str(MAX_INDEX + 1), "x", "1.5", "9" * 30])
def test_an_index_out_of_range_is_refused(world: World, index: str) -> None:
    answer = world.alice.put(
        f"/v1/blobs/{fresh_id()}/parts/{index}", content=b"x", headers={"Content-Digest": digest_of(b"x")}
    )
    assert answer.status_code == 400


def test_the_last_index_is_taken(world: World) -> None:
    assert put(world.alice, fresh_id(), MAX_INDEX, b"x").status_code == 201


@pytest.mark.parametrize("blob", ["ab", "AB" * 32, "ab" * 33, "g" * 64, "ab" * 31 + "a%0A"])
def test_an_id_of_another_form_is_refused(world: World, blob: str) -> None:
    for answer in (
        world.alice.get(f"/v1/blobs/{blob}"),
        world.alice.get(f"/v1/blobs/{blob}/parts/0"),
        world.alice.delete(f"/v1/blobs/{blob}"),
        complete(world.alice, blob, 1),
        put(world.alice, blob, 0, b"x"),
    ):
        assert answer.status_code == 400


def test_completing_names_what_is_missing(world: World) -> None:
    blob = fresh_id()
    for index in (0, 2, 5):
        put(world.alice, blob, index, b"x")
    answer = complete(world.alice, blob, 5)
    assert answer.status_code == 409
    assert "3 parts are missing: 1, 3, 4." in answer.json()["error"]["message"]
    for index in (1, 3, 4):
        put(world.alice, blob, index, b"x")
    surplus = complete(world.alice, blob, 5)
    assert surplus.status_code == 409
    assert "beyond the 5 named: 5." in surplus.json()["error"]["message"]
    many = complete(world.alice, blob, MAX_INDEX + 1)
    assert "1048571 parts are missing: 6, 7," in many.json()["error"]["message"]
    assert len(many.text) < 500
    assert world.bob.get(f"/v1/blobs/{blob}/parts/0").status_code == 404
    assert complete(world.alice, blob, 6).status_code == 200


@pytest.mark.parametrize("body", [{}, {"parts": 0}, {"parts": -1}, {"parts": MAX_INDEX + 2}, {"parts": 1, "x": 1}])
def test_completing_nonsense_is_refused(world: World, body: dict[str, int]) -> None:
    blob = fresh_id()
    put(world.alice, blob, 0, b"x")
    assert world.alice.post(f"/v1/blobs/{blob}/complete", json=body).status_code == 400


def test_a_deleted_blob_is_gone_and_its_id_can_be_used_anew(lone_hub: HubSettings) -> None:
    token = add_user(lone_hub, "alice@example.com")
    with RunningHub(lone_hub) as hub, hub.client(token) as alice:
        before = len(objects_in(lone_hub.data))
        blob = uploaded(alice, b"first life", b"more")
        assert len(objects_in(lone_hub.data)) == before + 2
        assert alice.delete(f"/v1/blobs/{blob}").status_code == 204
        assert len(objects_in(lone_hub.data)) == before
        assert alice.get(f"/v1/blobs/{blob}").status_code == 404
        assert alice.get(f"/v1/blobs/{blob}/parts/0").status_code == 404
        assert alice.delete(f"/v1/blobs/{blob}").status_code == 404
        assert put(alice, blob, 0, b"second life").status_code == 201
        assert complete(alice, blob, 1).status_code == 200
        assert alice.get(f"/v1/blobs/{blob}/parts/0").content == b"second life"


def test_what_one_principal_keeps_is_bounded(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, stored_bytes=1000 * KIB)
    alice_token, bob_token = add_user(settings, "alice@example.com"), add_user(settings, "bob@example.com")
    with RunningHub(settings) as hub, hub.client(alice_token) as alice, hub.client(bob_token) as bob:
        blob = uploaded(alice, bytes(600 * KIB))
        other = fresh_id()
        refused = put(alice, other, 0, bytes(401 * KIB))
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")
        assert put(alice, other, 0, bytes(400 * KIB)).status_code == 201
        assert put(alice, other, 0, bytes(100 * KIB)).status_code == 201
        assert put(bob, fresh_id(), 0, bytes(1000 * KIB)).status_code == 201
        assert alice.delete(f"/v1/blobs/{blob}").status_code == 204
        assert put(alice, fresh_id(), 0, bytes(900 * KIB)).status_code == 201
        assert put(alice, fresh_id(), 0, b"x").status_code == 413


def test_side_by_side_parts_keep_to_the_bound_together(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, stored_bytes=500 * KIB)
    with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as alice:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda index: put(alice, "ab" * 32, index, bytes(100 * KIB)), range(16)))
        assert [answer.status_code for answer in answers].count(201) == 5
        assert len(objects_in(tmp_path)) == 5


def begin_part(url: str, token: str, blob: str, index: int, body: bytes, sent: int) -> socket.socket:
    """A connection on which the first ``sent`` bytes of a part were sent."""
    address = httpx.URL(url)
    assert address.port is not None
    connection = socket.create_connection((address.host, address.port))
    head = (
        f"PUT /v1/blobs/{blob}/parts/{index} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Digest: {digest_of(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:sent])
    return connection


def test_a_part_that_breaks_off_is_not_there(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    token, blob, body = add_user(settings, "a@example.com"), fresh_id(), secrets.token_bytes(4 * MIB)
    with RunningHub(settings) as hub, hub.client(token) as alice:
        begin_part(hub.url, token, blob, 0, body, 3 * MIB).close()
        assert put(alice, blob, 1, b"next").status_code == 201
        assert alice.get(f"/v1/blobs/{blob}").json()["parts"] == [info(1, b"next")]
        assert put(alice, blob, 0, body).status_code == 201
        assert complete(alice, blob, 2).status_code == 200
        assert len(objects_in(tmp_path)) == 2


def test_a_part_that_is_on_its_way_while_its_blob_is_deleted_is_refused(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    token, blob, body = add_user(settings, "a@example.com"), fresh_id(), secrets.token_bytes(4 * MIB)
    with RunningHub(settings) as hub, hub.client(token) as alice:
        with begin_part(hub.url, token, blob, 0, body, 3 * MIB) as connection:
            wait_for_staging(tmp_path)
            assert alice.delete(f"/v1/blobs/{blob}").status_code == 204
            # The id is used anew before the late part ends: it must not end up in the new blob.
            assert put(alice, blob, 0, b"second life").status_code == 201
            assert status_after(connection, body[3 * MIB :]) in (409, 503)
        assert complete(alice, blob, 1).status_code == 200
        assert alice.get(f"/v1/blobs/{blob}/parts/0").content == b"second life"
        assert len(objects_in(tmp_path)) == 1


def test_a_part_that_is_on_its_way_while_its_blob_is_completed_is_refused(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    token, blob, body = add_user(settings, "a@example.com"), fresh_id(), secrets.token_bytes(4 * MIB)
    with RunningHub(settings) as hub, hub.client(token) as alice:
        assert put(alice, blob, 0, b"part").status_code == 201
        with begin_part(hub.url, token, blob, 0, body, 3 * MIB) as connection:
            wait_for_staging(tmp_path)
            assert complete(alice, blob, 1).status_code == 200
            assert status_after(connection, body[3 * MIB :]) == 409
        assert alice.get(f"/v1/blobs/{blob}/parts/0").content == b"part"
        assert len(objects_in(tmp_path)) == 1


def status_after(connection: socket.socket, rest: bytes) -> int:
    """The status of the answer once the rest of a part was sent."""
    connection.settimeout(PATIENCE)
    connection.sendall(rest)
    return int(connection.recv(4096).split(b" ", 2)[1])


def test_a_reader_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, idle_seconds=1.0, transfer_slots=1)
    token = add_user(settings, "a@example.com")
    with RunningHub(settings) as hub, hub.client(token) as alice:
        blob = uploaded(alice, bytes(8 * MIB))
        address = httpx.URL(hub.url)
        assert address.port is not None
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((address.host, address.port))
            head = f"GET /v1/blobs/{blob}/parts/0 HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n"
            connection.sendall(head.encode())
            connection.settimeout(PATIENCE)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            busy = alice.get(f"/v1/blobs/{blob}/parts/0")
            assert busy.status_code == 429
            deadline = time.monotonic() + PATIENCE
            while alice.get(f"/v1/blobs/{blob}/parts/0").status_code == 429:
                assert time.monotonic() < deadline


def test_a_part_that_stalls_is_given_up(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, idle_seconds=0.2)
    token, blob, body = add_user(settings, "a@example.com"), fresh_id(), b"never sent in whole"
    with RunningHub(settings) as hub, begin_part(hub.url, token, blob, 0, body, 5) as connection:
        connection.settimeout(PATIENCE)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_stopping_hub_does_not_wait_for_a_part_that_stalls(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    token, blob, body = add_user(settings, "a@example.com"), fresh_id(), secrets.token_bytes(4 * MIB)
    with RunningHub(settings) as hub, begin_part(hub.url, token, blob, 0, body, 3 * MIB) as connection:
        wait_for_staging(tmp_path)
        hub.stop()
        connection.settimeout(PATIENCE)
        assert connection.recv(4096).startswith(b"HTTP/1.1 503 ")
    assert not any("#" not in path.name for path in objects_in(tmp_path))


def test_an_upload_goes_on_after_the_hub_was_killed(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path / "data")
    token, blob = add_user(settings, "a@example.com"), fresh_id()
    bodies = [secrets.token_bytes(3 * MIB + index) for index in range(3)]
    log = tmp_path / "log"
    with hub_process(settings.data, log) as first, client(first.url, token) as alice:
        assert put(alice, blob, 0, bodies[0]).status_code == 201
        with begin_part(first.url, token, blob, 1, bodies[1], 2 * MIB) as connection:
            # Once the hub has begun to write the part, it is killed.
            wait_for_staging(settings.data)
            first.process.kill()
            assert ended(connection)
    with hub_process(settings.data, log) as second, client(second.url, token) as alice:
        there = alice.get(f"/v1/blobs/{blob}").json()
        assert there == {"id": blob, "complete": False, "parts": [info(0, bodies[0])]}
        assert complete(alice, blob, 2).status_code == 409
        for index in (1, 2):
            assert put(alice, blob, index, bodies[index]).status_code == 201
        assert complete(alice, blob, 3).status_code == 200
        assert [alice.get(f"/v1/blobs/{blob}/parts/{index}").content for index in range(3)] == bodies
        # What the killed hub had begun to write is gone too.
        assert len(objects_in(settings.data)) == 3


def test_abandoned_uploads_are_thrown_away(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, stored_bytes=1000 * KIB, abandoned_days=7)
    services = create_app(settings).state.services
    now = datetime.now(UTC)
    with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as alice:
        kept, abandoned = uploaded(alice, bytes(100 * KIB)), fresh_id()
        assert put(alice, abandoned, 0, bytes(800 * KIB)).status_code == 201
        assert asyncio.run(throw_away_abandoned(services, now + timedelta(days=6))) == 0
        assert put(alice, fresh_id(), 0, bytes(900 * KIB)).status_code == 413
        # The refused part's blob has begun too, and is abandoned as well.
        assert asyncio.run(throw_away_abandoned(services, now + timedelta(days=8))) == 2
        assert alice.get(f"/v1/blobs/{abandoned}").status_code == 404
        assert alice.get(f"/v1/blobs/{kept}/parts/0").content == bytes(100 * KIB)
        assert put(alice, fresh_id(), 0, bytes(900 * KIB)).status_code == 201
        assert len(objects_in(tmp_path)) == 2
    services.database.close()


def wait_for_staging(data: Path) -> None:
    """Until the hub has begun to write an object that isn't there yet."""
    deadline = time.monotonic() + PATIENCE
    while not any("#" in path.name for path in objects_in(data)):
        assert time.monotonic() < deadline
        os.sched_yield()


def ended(connection: socket.socket) -> bool:
    """Whether the other side has ended the connection without saying anything; waits for it."""
    connection.settimeout(PATIENCE)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
