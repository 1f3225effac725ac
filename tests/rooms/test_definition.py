"""Definitions: every rule with its message, strict canonical reading, and nothing that an author's size can break."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import canonical, sha256
from cloister.rooms.definition import (
    MAX_BYTES,
    Definition,
    ImageReference,
    Issuer,
    Participant,
    Reference,
    check_definition,
    read_definition,
)
from cloister.rooms.graph import topological_order
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import Node, RawDataNode, TextFile
from cloister.rooms.planning import derived, plan
from tests.rooms.examples import ANALYST, HOSPITAL, NODES, OWNER, ROOM, python, room


def raw(node: str, **changes: Any) -> RawDataNode:
    return RawDataNode(id=node, **{"name": node, "required": True, **changes})


def nodes(*more: Node) -> Definition:
    return room(nodes=(*NODES, *more))


def reference(index: int) -> Reference:
    return Reference(evidence="insecure-software", measurement=f"{index:064x}")


def people(*more: Participant) -> Definition:
    return room(participants=(*ROOM.participants, *more))


def files(*names: str) -> tuple[TextFile, ...]:
    return tuple(TextFile(name=name, content="") for name in names)


def limited(**limits: Any) -> Definition:
    return nodes(python("x", limits=Limits(**limits)))


# --- reading ---


def test_a_room_is_read_back_under_its_own_digest() -> None:
    data = ROOM.canonical()
    assert read_definition(data) == ROOM
    assert read_definition(data, room=ROOM.id()) == ROOM
    assert ROOM.id() == sha256(data).hex()


def test_the_nonce_keeps_equal_rooms_apart() -> None:
    assert room(nonce="12" * 32).id() != ROOM.id()


def test_a_definition_of_another_room_is_refused() -> None:
    with pytest.raises(DefinitionInvalid, match="not the one that this room's id stands for"):
        read_definition(room(title="Other").canonical(), room=ROOM.id())


def text(**changes: Any) -> bytes:
    return canonical({**json.loads(ROOM.canonical()), **changes})


def deep(*path: str | int, **changes: Any) -> bytes:
    """The definition with fields changed somewhere inside."""
    value = json.loads(ROOM.canonical())
    inner = value
    for step in path:
        inner = inner[step]
    inner.update(changes)
    return canonical(value)


CANONICAL = ROOM.canonical()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b" " + CANONICAL, "canonical form"),
        (CANONICAL + b"\n", "canonical form"),
        (json.dumps(json.loads(CANONICAL)).encode(), "canonical form"),
        (json.dumps(json.loads(CANONICAL), separators=(",", ":"), sort_keys=True).encode(), "canonical form"),
        (CANONICAL[:-1] + b',"version":1}', "canonical form"),
        (b'{"version":1,' + CANONICAL[1:], "canonical form"),
        (CANONICAL.replace(b"Outcomes", b"\\u004futcomes"), "canonical form"),
        (CANONICAL.replace(b'"cpus":2', b'"cpus":2.0', 1), "canonical form"),
        (CANONICAL.replace(b'"pids":512', b'"pids":9007199254740993', 1), "canonical form"),
        (CANONICAL.replace(b'"pids":512', b'"pids":' + b"9" * 5000, 1), "canonical form|understands"),
        (CANONICAL.replace(b'"cpus":2', b'"cpus":1e999', 1), "out of range"),
        (CANONICAL.replace(b'"cpus":2', b'"cpus":NaN', 1), "not JSON"),
        (CANONICAL.replace(b"Outcomes", b"\\ud800"), "not JSON"),
        (CANONICAL.replace(b"Outcomes", b"\xed\xa0\x80"), "not JSON"),
        (CANONICAL.replace(b"Outcomes", b"\xff"), "not JSON"),
        (b"\xef\xbb\xbf" + CANONICAL, "not JSON"),
        (b"", "not JSON"),
        (b"[" * 1_000_000, "Expected `object`"),
        (CANONICAL.replace(b'"nodes":[', b'"nodes":' + b"[" * 1_000_000, 1), "Expected `object`"),
        (CANONICAL.replace(b'"title":"', b'"title":' + b'{"a":' * 1_000_000, 1), "Expected `str`"),
        (text(unknown=None), "unknown field `unknown`"),
        (text(version=2), "Invalid enum value 2"),
        (text(version="1"), "Expected `int`"),
        (text(nonce="11" * 31), "regex"),
        (text(nonce="11" * 32 + "\n"), "regex"),
        (text(owner="a@b,c"), "regex"),
        (text(owner=OWNER + "\n"), "regex"),
        (text(owner="own\u212aer@example.org"), "regex"),
        (text(pins_required=0), "Expected `bool`"),
        (deep("nodes", 0, kind="table"), "Invalid value 'table'"),
        (deep("nodes", 0, kind=None), "Expected `str`"),
        (deep("nodes", 0, unknown=1), "unknown field `unknown`"),
        (deep("nodes", 0, required=1), "Expected `bool`"),
        (deep("nodes", 2, accelerator="x"), "unknown field `accelerator`"),
        (deep("nodes", 2, "limits", swap=1), "unknown field `swap`"),
        (deep("nodes", 2, "files", 0, mode=1), "unknown field `mode`"),
        (deep("participants", 0, manager=True), "unknown field `manager`"),
        (deep("participants", 1, keys=["00"]), "regex"),
        (deep("enclaves", 0, measurement=""), "regex"),
        (deep("workers", 1, measurement="55" * 31), "regex"),
        (deep("workers", 1, unknown=1), "unknown field `unknown`"),
        (text(enclave=json.loads(CANONICAL)["enclaves"][0]), "unknown field `enclave`"),
        (text(workers=None), "Expected `array`"),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    assert data != CANONICAL
    with pytest.raises(DefinitionInvalid, match=message):
        read_definition(data)


@pytest.mark.parametrize("field", sorted(json.loads(CANONICAL)))
def test_every_field_must_be_there(field: str) -> None:
    value = json.loads(CANONICAL)
    del value[field]
    with pytest.raises(DefinitionInvalid, match=r"missing required field|canonical form"):
        read_definition(canonical(value))


def test_a_definition_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(DefinitionInvalid, match="larger than 16 MiB"):
        read_definition(b"[" * (MAX_BYTES + 1))


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(DefinitionInvalid):
        read_definition(data)


# --- names ---

GOOD_NAMES = ["a", "Z", "a" * 128, "lab reports", "a_b-c 9", "Code", "CODE", "a--b", "a  b"]
BAD_NAMES = [
    "",
    " ",
    "a ",
    " a",
    "a\n",
    "a\n b",
    "\na",
    "a" * 129,
    "1a",
    "_a",
    "a_",
    "a-",
    "-a",
    "a.b",
    "a/b",
    "..",
    "a\\b",
    "a\0b",
    "a\x7f",
    "a,b",
    "\u00e4",
    "a\u00e4",
    "a\u0661",
    "\uff41",
    "a\u00a0b",
    "a\u200bb",
    "a\u202eb",
    "\U0001f512",
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_that_are_allowed(name: str) -> None:
    check_definition(nodes(raw("x", name=name), python("y", "x")))


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(DefinitionInvalid, match="is not allowed: a node's name starts with") as caught:
        check_definition(nodes(raw("x", name=name)))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("node", ["a", "0", "4f9c.v1", "a b", "9_-.8", "x" * 128])
def test_ids_that_are_allowed(node: str) -> None:
    check_definition(nodes(raw(node, name="x")))


@pytest.mark.parametrize("node", ["", "a\n", "a/b", "..", ".a", "a.", "a ", "\u00e4", "a,b", "x" * 129])
def test_ids_that_are_not(node: str) -> None:
    with pytest.raises(DefinitionInvalid, match=r"The id .* is not allowed"):
        check_definition(nodes(raw(node, name="x")))


@pytest.mark.parametrize("name", ["a", "_a.py", "a/b/c.txt", "A b.c-d_e", "/".join(["x"] * 16), "x" * 127])
def test_file_names_that_are_allowed(name: str) -> None:
    check_definition(nodes(python("x", files=files(name))))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        ".hidden",
        "a/.b",
        "a\\b",
        "a\n",
        "a\0",
        "\u00e4",
        "x" * 128,
        "a/" * 16 + "a",
    ],
)
def test_file_names_that_are_not(name: str) -> None:
    with pytest.raises(DefinitionInvalid, match="has a name that isn't allowed"):
        check_definition(nodes(python("x", files=files(name))))


# --- the rules, one by one ---

RULES: list[tuple[Definition, str]] = [
    (room(title=""), "no name"),
    (room(title=" \u3000"), "no name"),
    (room(title="a\nb"), "control characters"),
    (room(title="a\x1b[2Jb"), "control characters"),
    (room(title="x" * 257), "longer than 256"),
    (nodes(raw("patients", name="x")), "Two nodes have the id 'patients'"),
    (nodes(raw("x", name="patients")), "Two nodes are called 'patients'"),
    (nodes(python("x", "nowhere")), "depends on 'nowhere', which is not in the room"),
    (nodes(python("x", "lab", "lab")), "lists a dependency twice"),
    (nodes(python("x", "x")), "'x' depends on itself"),
    (nodes(python("x", "y"), python("y", "x")), "depends on itself"),
    (nodes(python("x", "y"), python("y", "z"), python("z", "lab", "x")), "depends on itself"),
    (nodes(raw("code"), python("x", "code", files=files("a"))), "can't depend on a node called 'code'"),
    (nodes(raw("c", name="code"), python("x", "c", files=files("a"))), "can't depend on a node called 'code'"),
    (nodes(python("x", script="")), "script of 'x' is empty"),
    (nodes(python("x", script=" \n")), "script of 'x' is empty"),
    (nodes(python("x", files=files("a", "a"))), "is there twice"),
    (nodes(python("x", files=files("a/b", "a"))), "'a' of 'x' is an additional file and a folder"),
    (nodes(python("x", files=files("a/b/c", "a/b"))), "'a/b' of 'x' is an additional file and a folder"),
    (nodes(python("x", image="other")), "runs in an image that the room doesn't list"),
    (limited(memory_bytes=0), "zero or less"),
    (limited(pids=0), "zero or less"),
    (limited(wall_seconds=-1), "zero or less"),
    (limited(output_files=0), "zero or less"),
    (limited(output_bytes=-1), "less than zero"),
    (limited(scratch_bytes=-1), "less than zero"),
    (limited(log_bytes=-1), "less than zero"),
    (limited(log_bytes=5 * 1024 * 1024), "may have 4 MiB at most"),
    (limited(cpus=0.0), "between 0.01 and 1024"),
    (limited(cpus=1e-300), "between 0.01 and 1024"),
    (limited(cpus=1e300), "between 0.01 and 1024"),
    (room(images=ROOM.images * 2), "The image 'python' is listed twice"),
    (people(Participant(user=HOSPITAL)), "is listed twice"),
    (people(Participant(user="Upper@example.org")), "lower case"),
    (people(Participant(user="x@y", data_owner_of=("nowhere",))), "has a role on 'nowhere', which is not in the room"),
    (people(Participant(user="x@y", analyst_of=("nowhere",))), "has a role on 'nowhere', which is not in the room"),
    (people(Participant(user="x@y", data_owner_of=("report",))), "can't be data owner of 'report'"),
    (people(Participant(user="x@y", analyst_of=("lab",))), "can't be analyst of 'lab'"),
    (people(Participant(user="x@y", data_owner_of=("lab", "lab"))), "data node of x@y 'lab' is listed twice"),
    (people(Participant(user="x@y", analyst_of=("report",) * 2)), "computation of x@y 'report' is listed twice"),
    (people(Participant(user="x@y", keys=("00" * 32,) * 2)), "key of x@y '0+' is listed twice"),
    (people(Participant(user="x@y", keys=tuple(f"{key:064x}" for key in range(65)))), "more than 64 pinned keys"),
    (people(*(Participant(user=f"{index}@x") for index in range(1000))), "1004 participants; 1000 are the most"),
    (nodes(*(raw(f"x{index}") for index in range(1000))), "1005 nodes; 1000 are the most"),
    (room(owner="nobody@example.org"), "is not among the participants"),
    (room(owner=OWNER.upper()), "is not among the participants"),
    (room(participants=()), "is not among the participants"),
    (room(enclaves=()), "must name 1 to 16 enclaves and as many workers"),
    (room(workers=()), "must name 1 to 16 enclaves and as many workers"),
    (room(enclaves=ROOM.enclaves * 17), "must name 1 to 16 enclaves and as many workers"),
    (room(workers=ROOM.workers * 9), "must name 1 to 16 enclaves and as many workers"),
    (room(issuers=()), "nobody could enter"),
    (room(issuers=ROOM.issuers * 2), "The issuer 'hub' is listed twice"),
    (room(issuers=(Issuer(name=" ", keys=("00" * 32,)),)), "issuer's name is empty"),
    (room(issuers=(Issuer(name="a\u2028b", keys=("00" * 32,)),)), "issuer's name is empty, too long, or has control"),
    (room(issuers=(Issuer(name="hub", keys=()),)), "needs 1 to 64 keys"),
    (room(issuers=tuple(Issuer(name=f"{index}", keys=("00" * 32,)) for index in range(17))), "16 are the most"),
    (room(issuers=(Issuer(name="hub", keys=("ab" * 32,) * 2),)), "issuers' key '(ab)+' is listed twice"),
    (
        room(issuers=(*ROOM.issuers, Issuer(name="idp", keys=("34" * 32, "33" * 32)))),
        "issuers' key '(33)+' is listed twice",
    ),
    (room(pins_required=True), "requires pinned keys, and owner@example.org has none"),
]


@pytest.mark.parametrize(("definition", "message"), RULES, ids=[message for _, message in RULES])
def test_each_rule_has_its_message(definition: Definition, message: str) -> None:
    with pytest.raises(DefinitionInvalid, match=message):
        check_definition(definition)
    with pytest.raises(DefinitionInvalid):
        read_definition(definition.canonical())


LONG = "\x1b[2J\u202e" + "x" * 1_000_000


@pytest.mark.parametrize(
    "definition",
    [
        nodes(raw(LONG)),
        nodes(raw("x", name=LONG)),
        nodes(python("x", LONG)),
        nodes(python("x", files=files(LONG))),
        nodes(python("x", files=files(*["/".join(["x" * 127] * 16)] * 2))),
        nodes(python("x", files=files("/".join(["x" * 127] * 15), "/".join(["x" * 127] * 16)))),
        people(Participant(user="x@y", data_owner_of=(LONG,))),
        people(Participant(user="x@y", data_owner_of=(LONG, LONG))),
        people(Participant(user="x@y", analyst_of=(LONG,))),
        people(Participant(user="x@y", analyst_of=(LONG, LONG))),
        room(images=(*ROOM.images, *[ImageReference(name=LONG, measurement="00" * 32)] * 2)),
        room(issuers=(Issuer(name=LONG, keys=("00" * 32,)),) * 2),
        room(issuers=(Issuer(name="x" * 256, keys=()),)),
    ],
    ids=range(13),
)
def test_no_message_repeats_what_is_long_or_moves_the_cursor(definition: Definition) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        check_definition(definition)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_what_the_rules_allow() -> None:
    pinned = tuple(
        msgspec.structs.replace(entry, keys=(f"{index:064x}",)) for index, entry in enumerate(ROOM.participants)
    )
    for definition in (
        ROOM,
        room(participants=pinned, pins_required=True, issuers=()),
        room(participants=(Participant(user=OWNER),), nodes=(), images=()),
        nodes(raw("code"), python("x", "code")),
        nodes(raw("code"), python("x", "lab", files=files("a"))),
        people(Participant(user="x@y", data_owner_of=("patients",), analyst_of=("report",))),
        room(enclaves=tuple(reference(index) for index in range(16)), workers=(reference(1),)),
        room(title="\U0001f468\u200d\U0001f52c study"),
        room(issuers=(*ROOM.issuers, Issuer(name="idp", keys=("34" * 32, "35" * 32)))),
        room(images=(*ROOM.images, ImageReference(name="r", measurement="00" * 32))),
    ):
        assert read_definition(definition.canonical()) == definition


def test_it_is_also_a_value_error() -> None:
    with pytest.raises(ValueError, match="no name"):
        check_definition(room(title=""))


# --- order, and its cost ---


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40))
def test_order_puts_every_node_after_its_dependencies_or_finds_the_cycle(edges: list[tuple[int, int]]) -> None:
    wanted: dict[int, set[int]] = {index: set() for index in range(12)}
    for one, other in edges:
        wanted[one].add(other)
    by_id: dict[str, Node] = {
        str(index): python(str(index), *map(str, sorted(dependencies))) for index, dependencies in wanted.items()
    }
    # Oracle: a graph has no cycle if and only if taking away nodes without dependencies takes all.
    left = dict(wanted)
    while free := [node for node, dependencies in left.items() if not dependencies & left.keys()]:
        for node in free:
            del left[node]
    if left:
        with pytest.raises(DefinitionInvalid, match="depends on itself"):
            topological_order(by_id, list(by_id))
        return
    order = topological_order(by_id, list(by_id))
    assert sorted(order) == sorted(by_id)
    for position, name in enumerate(order):
        assert {str(each) for each in wanted[int(name)]} <= set(order[:position])


def seconds(definition: Definition, target: str) -> float:
    """Of the processor's time: how busy the machine is doesn't count."""
    start = time.thread_time()
    read = read_definition(definition.canonical())
    plan(read, read.id(), target, {"n0": "00" * 32})
    derived(read, "n0")
    return time.thread_time() - start


def alone(nodes: tuple[Node, ...]) -> Definition:
    return room(nodes=nodes, participants=(Participant(user=OWNER), Participant(user=ANALYST)))


def test_a_chain_of_a_thousand_is_no_trouble() -> None:
    chain: tuple[Node, ...] = (raw("n0"), *(python(f"n{index}", f"n{index - 1}") for index in range(1, 1000)))
    assert seconds(alone(chain), "n999") < 1
    assert seconds(alone(chain[::-1]), "n999") < 1
    closed = (python("n0", "n999"), *chain[1:])
    with pytest.raises(DefinitionInvalid, match="depends on itself"):
        check_definition(alone(closed))


def test_as_many_dependencies_as_there_may_be_are_no_trouble() -> None:
    """Every node reads all before it."""
    dense: tuple[Node, ...] = (
        raw("n0"),
        *(python(f"n{index}", *(f"n{before}" for before in range(index))) for index in range(1, 142)),
    )
    assert seconds(alone(dense[:-1]), "n140") < 1
    with pytest.raises(DefinitionInvalid, match="list 10011 dependencies; 10000 are the most"):
        check_definition(alone(dense))


@pytest.mark.parametrize(
    ("huge", "message"),
    [
        (nodes(*(raw(f"x{index}") for index in range(10_000))), "10005 nodes; 1000 are the most. Publish several"),
        (people(*(Participant(user=f"{index}@x") for index in range(10_000))), "10004 participants; 1000 are the most"),
        (
            people(*(Participant(user=f"{index}@x", analyst_of=("mean",) * 1000) for index in range(101))),
            "roles together; 100000 are the most",
        ),
    ],
)
def test_what_is_too_much_is_refused_before_it_is_looked_at(huge: Definition, message: str) -> None:
    """Making the canonical form costs most by far: what is refused for its size need not even be canonical."""
    with pytest.raises(DefinitionInvalid, match=message):
        read_definition(b" " + msgspec.json.encode(huge))
