"""Who may do what: one table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from cloister.errors import Refused
from cloister.rooms.definition import Definition
from cloister.rooms.nodes import shown

NO_SUCH_ROOM = "There is no such room, or this device has not proven that you are one of its participants."
"""The one answer to outsiders, to unknown devices and about unknown rooms: which of them it is, is not told."""


class Role(Enum):
    """What a participant is in a room, or to one of its nodes."""

    PARTICIPANT = "participant"
    OWNER = "owner of the room"
    DATA_OWNER = "data owner of the node"
    ANALYST = "analyst of the node"


class Action(Enum):
    """What can be asked of a room."""

    READ_DEFINITION = "read the definition"
    READ_STATUS = "read which data nodes have data and which runs there are"
    READ_LOG = "read the audit log"
    STOP = "stop the room"
    UNBIND_KEY = "end one of your own device keys"
    ATTACH = "attach a dataset"
    REMOVE = "remove a dataset"
    FETCH_DATASET = "fetch the dataset"
    RUN = "run the computation"
    FETCH_RESULT = "fetch the result"
    VALIDATE = "validate the table"
    FETCH_TABLE = "fetch the validated table and its report"


PERMISSIONS: Mapping[Action, frozenset[Role]] = MappingProxyType(
    {
        Action.READ_DEFINITION: frozenset({Role.PARTICIPANT}),
        Action.READ_STATUS: frozenset({Role.PARTICIPANT}),
        Action.READ_LOG: frozenset({Role.PARTICIPANT}),
        Action.STOP: frozenset({Role.OWNER}),
        Action.UNBIND_KEY: frozenset({Role.PARTICIPANT}),
        Action.ATTACH: frozenset({Role.DATA_OWNER}),
        Action.REMOVE: frozenset({Role.DATA_OWNER}),
        Action.FETCH_DATASET: frozenset({Role.DATA_OWNER}),
        Action.RUN: frozenset({Role.ANALYST}),
        Action.FETCH_RESULT: frozenset({Role.ANALYST}),
        Action.VALIDATE: frozenset({Role.PARTICIPANT}),
        Action.FETCH_TABLE: frozenset({Role.DATA_OWNER}),
    }
)


def roles(definition: Definition, user: str, node: str | None) -> frozenset[Role]:
    """Every role of ``user`` in the room and, where one is named, on ``node``. Empty for outsiders."""
    participant = definition.participant(user)
    if participant is None:
        return frozenset()
    held = {Role.PARTICIPANT}
    if definition.owner == participant.user:
        held.add(Role.OWNER)
    if node in participant.data_owner_of:
        held.add(Role.DATA_OWNER)
    if node in participant.analyst_of:
        held.add(Role.ANALYST)
    return frozenset(held)


def authorise(definition: Definition, action: Action, user: str, node: str | None = None) -> None:
    """Lets the action pass, or raises.

    Raises:
        Refused: ``not_found`` for outsiders, in the very words that an unknown room gets, and for unknown nodes;
            ``forbidden`` for participants without the role, naming it.
    """
    held = roles(definition, user, node)
    if not held:
        raise Refused("not_found", NO_SUCH_ROOM)
    if node is not None and definition.node(node) is None:
        raise Refused("not_found", f"The room has no node {shown(node)}. Its nodes are: {_names(definition)}.")
    needed = PERMISSIONS[action]
    if not held & needed:
        who = " or ".join(sorted(role.value for role in needed))
        raise Refused("forbidden", f"You may not {action.value}: that takes the {who}.")


def _names(definition: Definition) -> str:
    return ", ".join(repr(node.id) for node in definition.nodes[:20]) or "none"
