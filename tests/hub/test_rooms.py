"""The directory: room ids and invited emails, nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloister.hub.accounts import add_user
from cloister.hub.settings import HubSettings

from .conftest import World
from .peers import RunningHub, fresh_id

ALICE, BOB = "alice@example.com", "bob@example.com"


def ids(answer: list[dict[str, str]]) -> list[str]:
    return [room["id"] for room in answer]


def test_a_room_is_listed_for_whom_it_invites_and_for_nobody_else(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path)
    tokens = [add_user(settings, email) for email in (ALICE, BOB, "carol@example.com")]
    with (
        RunningHub(settings) as hub,
        hub.client(tokens[0]) as alice,
        hub.client(tokens[1]) as bob,
        hub.client(tokens[2]) as carol,
    ):
        first, second = fresh_id(), fresh_id()
        entered = alice.put(f"/v1/rooms/{first}", json={"participants": [ALICE, " Bob@EXAMPLE.com ", "new@later.com"]})
        assert entered.status_code == 200
        assert entered.json()["owner"] == ALICE
        assert alice.put(f"/v1/rooms/{second}", json={"participants": [ALICE]}).status_code == 200
        assert ids(alice.get("/v1/rooms").json()) == [second, first]
        assert bob.get("/v1/rooms").json() == [entered.json()]
        assert carol.get("/v1/rooms").json() == []
        # An account made later finds what it was invited to.
        with hub.client(add_user(settings, "new@later.com")) as late:
            assert ids(late.get("/v1/rooms").json()) == [first]
        # Whoever is no longer named is no longer invited; the room keeps its date.
        changed = alice.put(f"/v1/rooms/{first}", json={"participants": [ALICE, "carol@example.com"]})
        assert changed.json() == entered.json()
        assert bob.get("/v1/rooms").json() == []
        assert carol.get("/v1/rooms").json() == [entered.json()]


def test_who_leaves_a_room_is_asked_back_by_being_invited_anew_alone(world: World) -> None:
    room = fresh_id()

    def enter(*participants: str) -> None:
        assert world.alice.put(f"/v1/rooms/{room}", json={"participants": participants}).status_code == 200

    def leave(path: str = room) -> int:
        return world.bob.delete(f"/v1/rooms/{path}/invitation").status_code

    def seen() -> bool:
        return room in ids(world.bob.get("/v1/rooms").json())

    assert leave() == 404, "there is no such room"
    enter(ALICE)
    assert leave() == 404, "it does not invite him"
    enter(ALICE, BOB)
    assert seen()
    # Again, as after a broken connection.
    assert [leave(), leave()] == [204, 204]
    assert not seen()
    assert room in ids(world.alice.get("/v1/rooms").json()), "others have it as before"
    # He may still ask for what binds a new device of his to that room.
    assert world.bob.post("/v1/identity", json={"device_key": "00" * 32, "room": room}).is_success
    enter(ALICE, BOB)
    enter(ALICE, BOB, "carol@example.com")
    assert not seen(), "that was no news for him"
    enter(ALICE)
    enter(ALICE, BOB)
    assert seen()
    assert leave("x") == 400


def test_saying_it_again_does_no_harm(world: World) -> None:
    room, body = fresh_id(), {"participants": [ALICE, BOB, BOB.upper()]}
    first = world.alice.put(f"/v1/rooms/{room}", json=body)
    again = world.alice.put(f"/v1/rooms/{room}", json=body)
    assert first.json() == again.json()
    assert ids(world.bob.get("/v1/rooms").json()).count(room) == 1


def test_only_whoever_entered_a_room_may_change_it(world: World) -> None:
    room = fresh_id()
    assert world.alice.put(f"/v1/rooms/{room}", json={"participants": [ALICE, BOB]}).status_code == 200
    answer = world.bob.put(f"/v1/rooms/{room}", json={"participants": [BOB]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert room in ids(world.alice.get("/v1/rooms").json())


@pytest.mark.parametrize(
    "participants",
    [[], [BOB], [ALICE, "nonsense"], [ALICE, "a,b@c"], [ALICE, ""], ["x@y"] * 1001, "alice@example.com", [1]],
)
def test_participants_that_make_no_sense_are_refused(world: World, participants: object) -> None:
    room = fresh_id()
    answer = world.alice.put(f"/v1/rooms/{room}", json={"participants": participants})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert room not in ids(world.alice.get("/v1/rooms").json())


@pytest.mark.parametrize("room", ["x", "AB" * 32, "ab" * 33])
def test_a_room_id_of_another_form_is_refused(world: World, room: str) -> None:
    assert world.alice.put(f"/v1/rooms/{room}", json={"participants": [ALICE]}).status_code == 400


def test_too_long_a_list_is_refused_while_it_arrives(world: World) -> None:
    body = b'{"participants": ["alice@example.com"' + b', "x@example.com"' * 10_000 + b"]}"
    for content in (body, iter([body])):
        answer = world.alice.put(
            f"/v1/rooms/{fresh_id()}", content=content, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_an_accounts_rooms_are_bounded(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, rooms_per_account=2)
    with RunningHub(settings) as hub, hub.client(add_user(settings, ALICE)) as alice:
        rooms = [fresh_id() for _ in range(3)]
        answers = [alice.put(f"/v1/rooms/{room}", json={"participants": [ALICE]}) for room in rooms]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert alice.put(f"/v1/rooms/{rooms[0]}", json={"participants": [ALICE]}).status_code == 200
