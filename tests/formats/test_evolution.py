"""How formats grow (docs/adr/0012): a field that may be absent leaves every record of before as it was."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from cloister.errors import VerificationError
from cloister.formats.encoding import canonical, decode, decode_canonical
from cloister.rooms.definition import Definition, Participant
from cloister.rooms.nodes import RawDataNode
from cloister.rooms.planning import node_digest
from tests.rooms.examples import NODES, ROOM

OLD = ROOM.canonical()


class Later(Definition, frozen=True, kw_only=True):
    """A definition of a later release: the same version, and something to say that was never said before."""

    purpose: str | UnsetType = UNSET


class LaterNode(RawDataNode, frozen=True, kw_only=True, tag_field="kind", tag="raw_data"):
    """A node of a later release."""

    largest: int | UnsetType = UNSET


class LaterParticipant(Participant, frozen=True, kw_only=True):
    """Not how to do it: a default is written out like any value."""

    display_name: str = ""


def test_an_absent_field_leaves_bytes_and_ids_as_they_were() -> None:
    later = decode_canonical(OLD, Later, what="a definition")
    assert later.purpose is UNSET
    assert later.canonical() == OLD
    assert later.id() == ROOM.id()
    node = NODES[0]
    assert isinstance(node, RawDataNode)
    same = LaterNode(id=node.id, name=node.name, required=node.required)
    assert canonical(same) == canonical(node)
    assert node_digest(same) == node_digest(node)
    # The same in what is sent, and inside other records.
    assert msgspec.json.encode(same) == msgspec.json.encode(node)
    assert msgspec.structs.replace(ROOM, nodes=(same, *NODES[1:])).id() == ROOM.id()


def test_a_field_that_is_there_is_part_of_the_id_and_unknown_to_older_readers() -> None:
    later = msgspec.structs.replace(decode(OLD, Later, what="a definition"), purpose="research")
    data = later.canonical()
    assert later.id() != ROOM.id()
    assert json.loads(data) == {**json.loads(OLD), "purpose": "research"}
    assert decode_canonical(data, Later, what="a definition") == later
    with pytest.raises(VerificationError, match="unknown field `purpose`"):
        decode_canonical(data, Definition, what="a definition")


def test_null_is_not_absent() -> None:
    data = canonical({**json.loads(OLD), "purpose": None})
    with pytest.raises(VerificationError, match="Expected `str`"):
        decode_canonical(data, Later, what="a definition")


def test_a_field_with_a_default_would_change_every_record_of_before() -> None:
    old = canonical(ROOM.participants[0])
    later = decode(old, LaterParticipant, what="a participant")
    assert canonical(later) != old
    with pytest.raises(VerificationError, match="canonical form"):
        decode_canonical(old, LaterParticipant, what="a participant")
