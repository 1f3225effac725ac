"""Which device keys speak for whom, and that everybody in the room can see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from cloister.errors import Refused
from cloister.protocol import PublishRoom, ReadStatus, RetrieveRoom, RoomStatus, UnbindKey
from cloister.rooms.definition import Definition, Participant
from cloister.rooms.events import KeyBound, KeyUnbound, Published
from cloister.rooms.permissions import NO_SUCH_ROOM
from tests.enclave.peers import (
    NOON,
    Enclave,
    Meeting,
    Person,
    TokenIssuer,
    checked,
    data,
    make_definition,
    pinned,
    python,
    token_issuer,
)

pytestmark = pytest.mark.anyio

OWNER, HOSPITAL, ANALYST = "owner@keys.example", "hospital@keys.example", "analyst@keys.example"
NODES = (data("patients"), python("mean", "patients"))
ROLES = (
    Participant(user=OWNER),
    Participant(user=HOSPITAL, data_owner_of=("patients",)),
    Participant(user=ANALYST, analyst_of=("mean",)),
)


@pytest.fixture
async def room(enclave: Enclave) -> Meeting:
    return await Meeting.publish(enclave, NODES, ROLES)


async def test_publishing_binds_the_owners_key_in_plain_sight(room: Meeting) -> None:
    assert await room.events() == [
        Published(definition=room.definition),
        KeyBound(user=OWNER, key=room.people[OWNER].key.hex(), issuer=room.issuer.name),
    ]


async def test_the_first_request_with_a_token_binds_the_key_once(room: Meeting) -> None:
    hospital = room.people[HOSPITAL]
    for _ in range(3):
        await room.enclave.ask(hospital, RetrieveRoom(), room.id, token=room.token(hospital))
    await room.enclave.ask(hospital, RetrieveRoom(), room.id)
    bound = [event for event in await room.events() if isinstance(event, KeyBound) and event.user == HOSPITAL]
    assert bound == [KeyBound(user=HOSPITAL, key=hospital.key.hex(), issuer=room.issuer.name)]


async def test_a_second_device_is_bound_as_visibly(room: Meeting) -> None:
    laptop, desktop = room.people[HOSPITAL], Person(HOSPITAL)
    for device in (laptop, desktop):
        await room.enclave.ask(device, RetrieveRoom(), room.id, token=room.token(device))
        await room.enclave.ask(device, RetrieveRoom(), room.id)
    status = checked(await room.ask(ANALYST, ReadStatus()), RoomStatus)
    assert {entry.key for entry in status.keys if entry.user == HOSPITAL} == {laptop.key.hex(), desktop.key.hex()}
    assert await room.count(KeyBound) == 4


async def test_a_key_bound_to_one_participant_does_not_speak_for_another(room: Meeting) -> None:
    analyst = room.people[ANALYST]
    await room.enclave.ask(analyst, RetrieveRoom(), room.id, token=room.token(analyst))
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await room.enclave.ask(Person(HOSPITAL, analyst.device), RetrieveRoom(), room.id)


async def test_bindings_are_a_rooms_own(room: Meeting) -> None:
    hospital = room.people[HOSPITAL]
    await room.ask(HOSPITAL, RetrieveRoom())
    other = await Meeting.publish(room.enclave, NODES, ROLES, issuer=room.issuer, people=room.people)
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await room.enclave.ask(hospital, RetrieveRoom(), other.id)


async def test_addresses_are_compared_without_case(room: Meeting) -> None:
    hospital = Person(HOSPITAL.upper(), room.people[HOSPITAL].device)
    await room.enclave.ask(hospital, RetrieveRoom(), room.id, token=room.token(hospital))
    assert [event.user for event in await room.events() if isinstance(event, KeyBound)] == [OWNER, HOSPITAL]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"aud": ["cloister-enclave", "somebody-else"]},
        {"iss": "another-issuer"},
        {"email": ANALYST},
        {"email": "nobody"},
        {"exp": NOON // 1000 + 700},
        {"exp": NOON // 1000 - 61},
        {"iat": NOON // 1000 + 100, "exp": NOON // 1000 + 200},
        {"cnf": {"jwk": {"kty": "OKP", "crv": "X25519", "x": "AAAA"}}},
        {"cnf": {}},
        {"cnf": None},
        {"iat": "now"},
    ],
    ids=str,
)
async def test_tokens_that_say_something_else_bind_nothing(enclave: Enclave, claims: dict[str, Any]) -> None:
    """Signed by the issuer that the room pins all the same."""
    key = OKPKey.generate_key("Ed25519", private=True)
    room = await Meeting.publish(enclave, NODES, ROLES, issuer=TokenIssuer(key, "hub"))
    hospital = room.people[HOSPITAL]
    honest = jwt.decode(room.token(hospital), key, algorithms=["Ed25519"])
    token = jwt.encode(dict(honest.header), {**honest.claims, **claims}, key, algorithms=["Ed25519"])
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await enclave.ask(hospital, RetrieveRoom(), room.id, token=token)
    assert await room.count(KeyBound) == 1
    await enclave.ask(hospital, RetrieveRoom(), room.id, token=room.token(hospital))


async def test_any_of_several_issuers_may_vouch_and_is_named(enclave: Enclave) -> None:
    first, second = token_issuer("first"), token_issuer("second")
    room = await Meeting.publish(enclave, NODES, ROLES, issuer=first, issuers=(pinned(first), pinned(second)))
    hospital = room.people[HOSPITAL]
    token = second.issue(HOSPITAL, hospital.key, enclave.clock.now // 1000)
    await enclave.ask(hospital, RetrieveRoom(), room.id, token=token)
    bound = [event for event in await room.events() if isinstance(event, KeyBound)]
    assert [event.issuer for event in bound] == ["first", "second"]


async def test_pinned_keys_need_no_token_and_leave_no_event(enclave: Enclave) -> None:
    people = {entry.user: Person(entry.user) for entry in ROLES}
    roles = [msgspec.structs.replace(entry, keys=(people[entry.user].key.hex(),)) for entry in ROLES]
    room = await Meeting.publish(enclave, NODES, roles, people=people)
    await enclave.ask(people[HOSPITAL], RetrieveRoom(), room.id)
    assert await room.events() == [Published(definition=room.definition)]


async def test_where_pins_are_required_no_issuer_can_speak_for_anybody(enclave: Enclave) -> None:
    people = {entry.user: Person(entry.user) for entry in ROLES}
    roles = [msgspec.structs.replace(entry, keys=(people[entry.user].key.hex(),)) for entry in ROLES]
    issuer = token_issuer()
    fields: dict[str, Any] = {"issuer": issuer, "pins_required": True}
    room = await Meeting.publish(enclave, NODES, roles, people=people, **fields)
    impostor = Person(HOSPITAL)
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await enclave.ask(impostor, RetrieveRoom(), room.id, token=room.token(impostor))
    assert await room.count(KeyBound) == 0
    # Nor publish in somebody's name.
    definition = make_definition(NODES, roles, issuer, pins_required=True)
    with pytest.raises(Refused, match="could not be confirmed"):
        await publish(enclave, Person(OWNER), definition, room)


class TestPublishing:
    """Who may publish what."""

    async def test_twice_is_once(self, room: Meeting) -> None:
        owner = room.people[OWNER]
        before = await room.events()
        await publish(room.enclave, owner, room.definition, room)
        assert len(await room.events()) == len(before) + 1  # the log was read in between

    @pytest.mark.parametrize("who", [HOSPITAL, "outsider@keys.example"])
    async def test_only_the_owner_may(self, enclave: Enclave, room: Meeting, who: str) -> None:
        definition = make_definition(NODES, ROLES, room.issuer)
        with pytest.raises(Refused, match=f"Only {OWNER} may publish") as caught:
            await publish(enclave, Person(who), definition, room)
        assert caught.value.code == "forbidden"

    async def test_the_owner_must_be_who_they_say(self, enclave: Enclave, room: Meeting) -> None:
        definition, impostor = make_definition(NODES, ROLES, room.issuer), Person(OWNER)
        now = enclave.clock.now // 1000
        for token in (
            None,
            "",
            "nonsense",
            "a.b.c",
            "x" * 10_000,
            room.token(room.people[OWNER]),
            room.token(impostor, email=HOSPITAL),
            room.token(impostor, age=361),
            token_issuer().issue(OWNER, impostor.key, now),
        ):
            with pytest.raises(Refused, match="could not be confirmed") as caught:
                await enclave.ask(impostor, PublishRoom(definition=definition.canonical()), token=token)
            assert caught.value.code == "rejected"
        await unknown(room, definition)

    @pytest.mark.parametrize("field", ["enclaves", "workers"])
    async def test_a_room_for_another_enclave_or_worker_is_refused(
        self, enclave: Enclave, room: Meeting, field: str
    ) -> None:
        other = msgspec.structs.replace(room.definition.enclaves[0], measurement="00" * 32)
        definition = make_definition(NODES, ROLES, room.issuer, **{field: (other,)})
        with pytest.raises(Refused, match="made for another enclave or worker") as caught:
            await publish(enclave, room.people[OWNER], definition, room)
        assert caught.value.code == "bad_request"
        await unknown(room, definition)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "not a room's definition"),
            (b"{}", "not a room's definition"),
            (b"\xff", "not JSON"),
            (b"[" * 10_000, "not a room's definition"),
        ],
        ids=["empty", "no fields", "no text", "deep"],
    )
    async def test_nonsense_is_refused(self, enclave: Enclave, room: Meeting, content: bytes, words: str) -> None:
        owner = room.people[OWNER]
        with pytest.raises(Refused, match=words) as caught:
            await enclave.ask(owner, PublishRoom(definition=content), token=room.token(owner))
        assert caught.value.code == "bad_request"

    async def test_definitions_that_break_a_rule_are_refused(self, enclave: Enclave, room: Meeting) -> None:
        """The client checks them too, but the enclave believes no client."""
        for nodes, words in (
            ((python("a", "b"), python("b", "a")), "depends on itself"),
            ((data("a b/c"),), "is not allowed"),
            ((python("a", "nowhere"),), "not in the room"),
            ((python("a"), python("a")), "Two nodes"),
        ):
            definition = make_definition(nodes, (Participant(user=OWNER),), room.issuer)
            with pytest.raises(Refused, match=words) as caught:
                await publish(enclave, room.people[OWNER], definition, room)
            assert caught.value.code == "bad_request"

    async def test_not_canonical_is_refused(self, enclave: Enclave, room: Meeting) -> None:
        owner = room.people[OWNER]
        spaced = room.definition.canonical().replace(b",", b", ", 1)
        with pytest.raises(Refused, match="canonical form"):
            await enclave.ask(owner, PublishRoom(definition=spaced), token=room.token(owner))


async def publish(enclave: Enclave, person: Person, definition: Definition, room: Meeting) -> None:
    body = PublishRoom(definition=definition.canonical())
    await enclave.ask(person, body, definition.id(), token=room.token(person))


async def unknown(room: Meeting, definition: Definition) -> None:
    """Nothing of the room has come to be."""
    owner = Person(OWNER)
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await room.enclave.ask(owner, RetrieveRoom(), definition.id(), token=room.token(owner))


# --- keys that end ---


async def test_a_lost_device_is_put_out_from_another_one_for_good(room: Meeting) -> None:
    hospital, lost = room.people[HOSPITAL], Person(HOSPITAL)
    for person in (hospital, lost):
        await room.enclave.ask(person, RetrieveRoom(), room.id, token=room.token(person))
    await room.ask(HOSPITAL, UnbindKey(key=lost.key.hex()))
    with pytest.raises(Refused, match=NO_SUCH_ROOM):
        await room.enclave.ask(lost, RetrieveRoom(), room.id)
    # Not even the issuer brings it back, which whoever has the device may be able to ask.
    with pytest.raises(Refused, match="ended in this room, by another device of yours") as caught:
        await room.enclave.ask(lost, RetrieveRoom(), room.id, token=room.token(lost))
    assert caught.value.code == "forbidden"
    await room.ask(HOSPITAL, UnbindKey(key=lost.key.hex()))
    assert [event for event in await room.events() if isinstance(event, KeyUnbound)] == [
        KeyUnbound(user=HOSPITAL, key=lost.key.hex())
    ]
    shown = checked(await room.ask(HOSPITAL, ReadStatus()), RoomStatus)
    assert lost.key.hex() not in {bound.key for bound in shown.keys}


async def test_nobody_locks_themselves_out_or_others(room: Meeting) -> None:
    hospital = room.people[HOSPITAL]
    await room.ask(HOSPITAL, RetrieveRoom())
    with pytest.raises(Refused, match="can't end its own key"):
        await room.ask(HOSPITAL, UnbindKey(key=hospital.key.hex()))
    # Who ends somebody else's key ends it for themselves alone.
    await room.ask(OWNER, UnbindKey(key=hospital.key.hex()))
    await room.ask(HOSPITAL, RetrieveRoom())


async def test_it_stays_so_after_a_restart(tmp_path: Path) -> None:
    before = Enclave(tmp_path / "rooms.db")
    room = await Meeting.publish(before, NODES, ROLES)
    lost = Person(OWNER)
    await before.ask(lost, RetrieveRoom(), room.id, token=room.token(lost))
    await room.ask(OWNER, UnbindKey(key=lost.key.hex()))
    before.close()
    after = Enclave(tmp_path / "rooms.db")
    with pytest.raises(Refused, match="ended in this room"):
        await after.ask(lost, RetrieveRoom(), room.id, token=room.token(lost))
    await room.again(after).ask(OWNER, RetrieveRoom())
    after.close()
