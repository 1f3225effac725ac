"""The permission table, exhaustively: every action by every combination of roles, on every kind of node."""

from __future__ import annotations

from itertools import product

import pytest

from cloister.errors import Refused
from cloister.rooms.decisions import published
from cloister.rooms.definition import Definition, Participant
from cloister.rooms.permissions import NO_SUCH_ROOM, PERMISSIONS, Action, Role, authorise, roles
from cloister.rooms.state import RoomState
from tests.rooms.examples import ANALYST, HOSPITAL, LAB, OUTSIDER, OWNER, ROOM, room

USER, NODE, OTHER_NODE = "user@example.org", "report", "joined"
COMBINATIONS = [
    frozenset(),
    *(
        frozenset({Role.PARTICIPANT, *more})
        for more in (
            tuple(role for role, held in zip((Role.OWNER, Role.DATA_OWNER, Role.ANALYST), chosen, strict=True) if held)
            for chosen in product((False, True), repeat=3)
        )
    ),
]
"""Every set of roles that one can have on a node; none at all for outsiders."""

ALLOWED_BY: dict[Action, str] = {
    Action.READ_DEFINITION: "participant",
    Action.READ_STATUS: "participant",
    Action.READ_LOG: "participant",
    Action.STOP: "owner of the room",
    Action.UNBIND_KEY: "participant",
    Action.ATTACH: "data owner of the node",
    Action.REMOVE: "data owner of the node",
    Action.FETCH_DATASET: "data owner of the node",
    Action.RUN: "analyst of the node",
    Action.FETCH_RESULT: "analyst of the node",
    Action.VALIDATE: "participant",
    Action.FETCH_TABLE: "data owner of the node",
}
"""The table once more, by hand: a change of the table must be made twice."""


def definition(held: frozenset[Role]) -> Definition:
    """A room in which `USER` has just these roles on `NODE`. Unchecked: a node that is data and computation at once."""
    me = Participant(
        user=USER,
        data_owner_of=(NODE,) if Role.DATA_OWNER in held else (),
        analyst_of=(NODE,) if Role.ANALYST in held else (),
    )
    others = tuple(entry for entry in ROOM.participants)
    return room(
        participants=(*others, me) if Role.PARTICIPANT in held else others, owner=USER if Role.OWNER in held else OWNER
    )


def test_the_table_names_every_action() -> None:
    assert set(PERMISSIONS) == set(Action) == set(ALLOWED_BY)
    assert all(PERMISSIONS[action] == {Role(role)} for action, role in ALLOWED_BY.items())


@pytest.mark.parametrize("held", COMBINATIONS, ids=lambda held: "+".join(sorted(role.name for role in held)) or "NONE")
@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.name)
def test_every_action_by_every_combination_of_roles(action: Action, held: frozenset[Role]) -> None:
    subject = definition(held)
    assert roles(subject, USER, NODE) == held
    allowed = Role(ALLOWED_BY[action]) in held
    if allowed:
        authorise(subject, action, USER, NODE)
    else:
        with pytest.raises(Refused) as caught:
            authorise(subject, action, USER, NODE)
        if held:
            assert caught.value.code == "forbidden"
            assert ALLOWED_BY[action] in caught.value.message
        else:
            assert (caught.value.code, caught.value.message) == ("not_found", NO_SUCH_ROOM)


@pytest.mark.parametrize("node", [None, NODE, OTHER_NODE, "patients", "nowhere", ""])
@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.name)
def test_outsiders_learn_nothing(action: Action, node: str | None) -> None:
    """The same words for every action and node, and for a room that does not exist."""
    with pytest.raises(Refused) as caught:
        authorise(ROOM, action, OUTSIDER, node)
    with pytest.raises(Refused) as unknown:
        published(RoomState())
    assert (caught.value.code, caught.value.message) == (unknown.value.code, unknown.value.message)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("held", COMBINATIONS[1:], ids=lambda held: "+".join(sorted(role.name for role in held)))
@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.name)
def test_roles_on_one_node_give_nothing_on_another_or_on_none(action: Action, held: frozenset[Role]) -> None:
    subject = definition(held)
    on_the_room = Role(ALLOWED_BY[action]) in held & {Role.PARTICIPANT, Role.OWNER}
    for node in (OTHER_NODE, "patients", None):
        if on_the_room:
            authorise(subject, action, USER, node)
        else:
            with pytest.raises(Refused, match="You may not") as caught:
                authorise(subject, action, USER, node)
            assert caught.value.code == "forbidden"


@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.name)
def test_unknown_nodes_are_named_to_participants(action: Action) -> None:
    with pytest.raises(Refused, match=r"has no node 'nowhere'\. Its nodes are: 'patients', 'lab'") as caught:
        authorise(ROOM, action, ANALYST, "nowhere")
    assert caught.value.code == "not_found"


def test_an_unknown_node_is_not_repeated_at_any_length() -> None:
    with pytest.raises(Refused, match="has no node") as caught:
        authorise(ROOM, Action.RUN, ANALYST, "\x1b[2J" + "x" * 1_000_000)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_addresses_are_compared_without_case() -> None:
    authorise(ROOM, Action.ATTACH, HOSPITAL.upper(), "patients")
    with pytest.raises(Refused):
        authorise(ROOM, Action.ATTACH, LAB.upper(), "patients")


def test_owning_the_room_gives_no_data_and_no_results() -> None:
    for action, node in ((Action.ATTACH, "patients"), (Action.REMOVE, "patients"), (Action.FETCH_RESULT, "report")):
        with pytest.raises(Refused, match="You may not"):
            authorise(ROOM, action, OWNER, node)
    authorise(ROOM, Action.STOP, OWNER)
