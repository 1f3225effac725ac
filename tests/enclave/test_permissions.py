"""The permission matrix, exhaustively: every request about a room, by everybody there can be."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from cloister.enclave.service import ACTIONS, OF_TABLES
from cloister.protocol import Refusal, Request, RetrieveRoom, RoomBody
from cloister.rooms.definition import Participant
from cloister.rooms.events import KeyBound, LogRead, ResultFetched
from cloister.rooms.permissions import NO_SUCH_ROOM, Action
from tests.enclave.peers import Enclave, Meeting, Person, data, python, stored_secrets, table, token_issuer, work
from tests.permission_cases import (
    ANALYST,
    ASKERS,
    HOSPITAL,
    JOB,
    NOWHERE,
    OUTSIDER,
    OWNER,
    REQUESTS,
    ROLES,
    TABLE,
    TABLE_JOB,
    Asker,
    Credentials,
    expected,
    make,
)

pytestmark = pytest.mark.anyio

NODES = (
    data("patients"),
    data("notes", required=False),
    data("lab", required=False),
    table(TABLE, required=False),
    python("joined", "patients", "lab"),
    python("other", "lab"),
)


@dataclass
class Prepared:
    """A room with a dataset and a result, and the file that it lies in: copied for each test."""

    folder: Path
    room: Meeting

    def copy(self, folder: Path) -> Meeting:
        """The room in an enclave of the test's own."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return self.room.again(Enclave(folder / "rooms.db"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    return Prepared(folder, asyncio.run(_prepare(folder)))


async def _prepare(folder: Path) -> Meeting:
    enclave = Enclave(folder / "rooms.db")
    roles = [Participant(user=user, data_owner_of=own, analyst_of=run) for user, (own, run) in ROLES.items()]
    room = await Meeting.publish(enclave, NODES, roles)
    for user in ROLES:
        await room.ask(user, RetrieveRoom())
    await room.attach(HOSPITAL, "patients")
    await room.start(ANALYST, "joined", JOB)
    await work(enclave)
    await room.wait(ANALYST, "joined", JOB)
    await room.attach(HOSPITAL, TABLE)
    await room.start(ANALYST, TABLE, TABLE_JOB)
    await work(enclave)
    await room.wait(ANALYST, TABLE, TABLE_JOB)
    enclave.close()
    return room


@pytest.fixture
def room(prepared: Prepared, tmp_path: Path) -> Iterator[Meeting]:
    copy = prepared.copy(tmp_path)
    yield copy
    copy.enclave.close()


def test_every_request_is_in_the_matrix() -> None:
    assert {kind: action for kind, action, node in REQUESTS.values() if node != TABLE} == ACTIONS
    assert {kind: action for kind, action, node in REQUESTS.values() if node == TABLE} == OF_TABLES
    assert set(get_args(RoomBody)) == set(ACTIONS) > set(OF_TABLES)
    assert {*ACTIONS.values(), *OF_TABLES.values()} == set(Action)


@pytest.mark.parametrize("asker", ASKERS, ids=lambda asker: asker.name)
@pytest.mark.parametrize("name", REQUESTS)
async def test_matrix(room: Meeting, name: str, asker: Asker) -> None:
    kind, action, node = REQUESTS[name]
    before = _trace(room)
    frame = await ask(room, asker, make(kind, node), room.id)
    match expected(asker, action):
        case "allowed":
            assert not isinstance(frame, Refusal)
            return
        case "forbidden":
            assert isinstance(frame, Refusal)
            assert frame.code == "forbidden"
            assert frame.message.startswith("You may not ")
            assert action.value in frame.message
        case _:
            assert frame == Refusal(code="not_found", message=NO_SUCH_ROOM)
    # Nothing has come of it, but for a device key that a participant has bound with a good token.
    after = _trace(room)
    bound = asker.credentials is Credentials.FRESH_TOKEN and bool(asker.held)
    assert after[0] == before[0] + bound
    assert after[1] == before[1]


@pytest.mark.parametrize("name", [name for name, (_, _, node) in REQUESTS.items() if node])
async def test_unknown_nodes_are_named_to_participants_alone(room: Meeting, name: str) -> None:
    kind = REQUESTS[name][0]
    for asker in ASKERS:
        frame = await ask(room, asker, make(kind, NOWHERE), room.id)
        assert isinstance(frame, Refusal)
        assert frame.code == "not_found"
        assert frame.message == NO_SUCH_ROOM if not asker.held else "has no node 'nowhere'" in frame.message


@pytest.mark.parametrize("name", [name for name, (_, _, node) in REQUESTS.items() if node])
async def test_roles_on_a_node_are_of_no_use_for_what_its_kind_can_not_do(room: Meeting, name: str) -> None:
    """Attaching to a computation, running a data node: nobody can have the role that it takes."""
    kind, _, node = REQUESTS[name]
    other = "joined" if node in ("notes", "patients") else "patients"
    for asker in ASKERS:
        frame = await ask(room, asker, make(kind, other), room.id)
        assert isinstance(frame, Refusal)
        assert frame.code == ("forbidden" if asker.held else "not_found")


@pytest.mark.parametrize("name", REQUESTS)
async def test_refusals_do_not_tell_unknown_rooms_from_rooms_of_others(room: Meeting, name: str) -> None:
    """Byte for byte, for all whom the enclave must not know; even to participants of other rooms."""
    kind, _, node = REQUESTS[name]
    answers = {
        await ask_raw(room, asker, make(kind, node), where)
        for where in (room.id, "00" * 32, os.urandom(32).hex())
        for asker in ASKERS
        if where != room.id or not asker.held
    }
    assert len(answers) == 1


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_must_name_a_room(room: Meeting, name: str) -> None:
    kind, _, node = REQUESTS[name]
    frame = await ask(room, ASKERS[0], make(kind, node), None)
    assert isinstance(frame, Refusal)
    assert frame.code == "bad_request"


async def test_what_participants_do_is_in_the_log_and_nothing_else(room: Meeting) -> None:
    """Reading the definition or the status leaves no trace; fetching and reading the log do."""
    before = len(await room.events(OWNER))
    by_name = {asker.name: asker for asker in ASKERS}
    await ask(room, by_name["analyst of the node"], make(REQUESTS["fetch result"][0], "joined"), room.id)
    await ask(room, by_name["plain participant"], RetrieveRoom(), room.id)
    await ask(room, by_name["outsider with a token"], RetrieveRoom(), room.id)
    events = await room.events(OWNER)
    assert [type(event) for event in events[before:]] == [LogRead, ResultFetched]
    assert sum(isinstance(event, KeyBound) for event in events) == len(ROLES)


async def ask(room: Meeting, asker: Asker, body: RoomBody, where: str | None) -> object:
    """The one frame of the answer."""
    payload = await ask_raw(room, asker, body, where)
    content = msgspec.json.decode(payload)
    return msgspec.json.decode(payload, type=Refusal) if content["frame"] == "refusal" else content


async def ask_raw(room: Meeting, asker: Asker, body: RoomBody, where: str | None) -> bytes:
    """The one frame of the answer, byte for byte."""
    person, token = credentials(room, asker)
    signs = asker.credentials is not Credentials.NO_SIGNATURE
    request = Request(body=body, room=where, user=asker.email or None, token=token)
    frames = [frame async for frame in room.enclave.frames(request, person.device if signs else None)]
    assert len(frames) == 1
    return frames[0]


def credentials(room: Meeting, asker: Asker) -> tuple[Person, str | None]:
    """The device that asks, and the token that it shows."""
    fresh = Person(asker.email)
    match asker.credentials:
        case Credentials.BOUND:
            return room.people[asker.email], None
        case Credentials.NO_SIGNATURE | Credentials.NO_TOKEN:
            return fresh, None
        case Credentials.OTHER_TOKEN:
            return fresh, room.token(fresh, email=OUTSIDER)
        case Credentials.STOLEN_TOKEN:
            return fresh, room.token(room.people[asker.email])
        case Credentials.EXPIRED_TOKEN:
            return fresh, room.token(fresh, age=361)
        case Credentials.EARLY_TOKEN:
            return fresh, room.token(fresh, age=-61)
        case Credentials.FOREIGN_TOKEN:
            return fresh, token_issuer().issue(fresh.email, fresh.key, room.enclave.clock.now // 1000)
        case Credentials.OTHER_USER:
            other = OWNER if asker.email != OWNER else ANALYST
            return room.people[other], None
        case Credentials.FRESH_TOKEN:
            return fresh, room.token(fresh)


def _trace(room: Meeting) -> tuple[int, list[tuple[str, str, bytes]]]:
    """How long the stored log is, and all secrets beside it."""
    return len(list(room.enclave.store.read(room.id))), stored_secrets(room.enclave.path)
