"""Somebody with an account, or without one, who fills what is everybody's at the hub: lists of rooms, storage."""

from __future__ import annotations

from pathlib import Path

import httpx

from cloister.hub.accounts import add_user, add_worker, disable_user, enable_user, remove_user
from cloister.hub.settings import KIB, HubSettings
from tests.hub.peers import RunningHub, fresh_id
from tests.hub.test_blobs import complete, digest_of, put

MALLORY, BOB, CAROL = "mallory@example.com", "bob@example.com", "carol@example.com"


def enter(asker: httpx.Client, room: str, *participants: str) -> int:
    return asker.put(f"/v1/rooms/{room}", json={"participants": list(participants)}).status_code


def listed(asker: httpx.Client) -> list[str]:
    return [entry["id"] for entry in asker.get("/v1/rooms").json()]


def test_a_flood_of_invitations_is_bounded_and_undone(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, rooms_per_hour=0.0, rooms_burst=6, invitations_per_account=9)
    tokens = [add_user(settings, email) for email in (MALLORY, BOB, CAROL)]
    with (
        RunningHub(settings) as hub,
        hub.client(tokens[0]) as mallory,
        hub.client(tokens[1]) as bob,
        hub.client(tokens[2]) as carol,
    ):
        wanted = fresh_id()
        assert enter(carol, wanted, CAROL, BOB) == 200
        flood = [fresh_id() for _ in range(4)]
        # In sum; what a room had counts no longer where it is changed.
        assert [enter(mallory, room, MALLORY, BOB, CAROL) for room in flood] == [200, 200, 200, 429]
        assert enter(mallory, flood[0], MALLORY, BOB, "dora@example.com") == 200
        assert enter(mallory, flood[0], MALLORY, BOB) == 200
        # Over time, whatever they do; Carol's are counted apart.
        assert enter(mallory, flood[0], MALLORY) == 429
        assert enter(carol, wanted, CAROL, BOB) == 200
        assert sorted(listed(bob)) == sorted([wanted, *flood[:3]])
        # Bob leaves one.
        assert bob.delete(f"/v1/rooms/{flood[1]}/invitation").status_code == 204
        assert sorted(listed(bob)) == sorted([wanted, flood[0], flood[2]])
        assert flood[1] in listed(carol)
        # Whoever runs the hub ends all of them.
        disable_user(settings, MALLORY)
        assert listed(bob) == listed(carol) == [wanted]
        enable_user(settings, MALLORY)
        assert sorted(listed(bob)) == sorted([wanted, flood[0], flood[2]])
        remove_user(settings, MALLORY)
        assert listed(bob) == [wanted]


def test_small_parts_count_for_what_they_cost(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, stored_bytes=4 * 64 * KIB)
    with RunningHub(settings) as hub, hub.client(add_user(settings, MALLORY)) as mallory:
        blob = fresh_id()
        nothing = put(mallory, blob, 0, b"")
        assert (nothing.status_code, nothing.json()["error"]["code"]) == (400, "bad_request")
        assert mallory.get(f"/v1/blobs/{blob}").status_code == 404, "it was not even begun"
        assert [put(mallory, blob, index, b"x").status_code for index in range(5)] == [201] * 4 + [413]
        # What replaces a small part is counted as it is, and what is deleted no more.
        assert put(mallory, blob, 0, bytes(64 * KIB)).status_code == 201
        assert put(mallory, blob, 0, bytes(64 * KIB + 1)).status_code == 413
        assert complete(mallory, blob, 4).status_code == 200
        assert mallory.delete(f"/v1/blobs/{blob}").status_code == 204
        assert [put(mallory, fresh_id(), 0, b"x").status_code for _ in range(5)] == [201] * 4 + [413]


def test_blobs_that_get_no_byte_are_bounded(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, blobs_per_account=3)
    tokens = add_user(settings, MALLORY), add_user(settings, BOB), add_worker(settings, "one")
    with (
        RunningHub(settings) as hub,
        hub.client(tokens[0]) as mallory,
        hub.client(tokens[1]) as bob,
        hub.client(tokens[2]) as worker,
    ):
        blobs = [fresh_id() for _ in range(4)]
        # The body is not what was announced: the blob is begun, and gets nothing.
        answers = [put(mallory, blob, 0, b"x", digest_of(b"y")) for blob in blobs]
        assert [answer.status_code for answer in answers] == [400, 400, 400, 413]
        assert put(mallory, blobs[0], 0, b"x").status_code == 201, "those that are there go on"
        assert mallory.delete(f"/v1/blobs/{blobs[1]}").status_code == 204
        assert put(mallory, fresh_id(), 0, b"x").status_code == 201
        assert put(mallory, fresh_id(), 0, b"x").status_code == 413
        assert put(bob, fresh_id(), 0, b"x").status_code == 201
        # Results of all users' computations are one worker's.
        assert [put(worker, fresh_id(), 0, b"x").status_code for _ in range(5)] == [201] * 5
