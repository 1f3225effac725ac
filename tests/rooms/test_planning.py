"""Plans and cache keys: what is asked anew gets a new key, what is not keeps it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloister.errors import Refused
from cloister.formats.encoding import canonical, sha256
from cloister.rooms import planning
from cloister.rooms.definition import Definition, ImageReference
from cloister.rooms.nodes import PythonNode
from cloister.rooms.planning import derived, leaves, node_digest, plan, run_id
from tests.rooms.examples import NODES, ROOM, python, room

PATIENTS, LAB, OTHER = "a1" * 32, "b2" * 32, "c3" * 32
BOTH = {"patients": PATIENTS, "lab": LAB}


def keys(attached: dict[str, str], definition: Definition = ROOM, target: str = "report") -> dict[str, str]:
    return {step.node.id: step.cache_key for step in plan(definition, definition.id(), target, attached)}


def test_order() -> None:
    assert [step.node.id for step in plan(ROOM, ROOM.id(), "report", BOTH)] == ["joined", "report"]
    assert [step.node.id for step in plan(ROOM, ROOM.id(), "lab-only", {})] == ["lab-only"]


def test_missing_data_is_named_by_what_people_call_it() -> None:
    definition = room(nodes=tuple(msgspec.structs.replace(node, required=True) for node in NODES[:2]) + NODES[2:])
    with pytest.raises(Refused, match="attach a dataset to 'patients', 'lab results' first") as caught:
        plan(definition, definition.id(), "report", {})
    assert caught.value.code == "bad_request"
    with pytest.raises(Refused, match="attach a dataset to 'patients' first"):
        plan(ROOM, ROOM.id(), "report", {"lab": LAB})


def test_optional_data_may_be_absent() -> None:
    assert keys({"patients": PATIENTS}) != keys(BOTH)


def test_keys_follow_the_data_and_nothing_else() -> None:
    assert keys(BOTH) == keys({**BOTH, "elsewhere": OTHER})
    for changed in ({**BOTH, "patients": OTHER}, {**BOTH, "lab": OTHER}, {"patients": LAB, "lab": PATIENTS}):
        one, other = keys(BOTH), keys(changed)
        assert all(one[node] != other[node] for node in one)
    assert keys({"lab": LAB}, target="lab-only") == keys(BOTH, target="lab-only")


def test_keys_follow_the_room_the_node_and_the_image() -> None:
    before = keys(BOTH)

    def after(definition: Definition) -> dict[str, str]:
        return {step.node.id: step.cache_key for step in plan(definition, ROOM.id(), "report", BOTH)}

    assert keys(BOTH, room(nonce="12" * 32)) != before
    image = room(images=(ImageReference(name="python", measurement="67" * 32),))
    assert after(image)["joined"] != before["joined"]
    script = room(nodes=(*NODES[:3], msgspec.structs.replace(NODES[3], script="print(2)"), *NODES[4:]))
    assert after(script)["joined"] == before["joined"]
    assert after(script)["report"] != before["report"]
    upstream = room(nodes=(*NODES[:2], msgspec.structs.replace(NODES[2], script="import numpy"), *NODES[3:]))
    assert all(after(upstream)[node] != before[node] for node in before)


def test_absent_is_not_a_dataset() -> None:
    """No manifest digest stands for absence, and which of two inputs is absent matters."""
    nodes = (NODES[1], msgspec.structs.replace(NODES[1], id="lab2", name="lab2"), python("x", "lab", "lab2"))
    definition = room(nodes=nodes)
    one, other, none = (keys(attached, definition, "x") for attached in ({"lab": LAB}, {"lab2": LAB}, {}))
    assert len({*one.values(), *other.values(), *none.values()}) == 3


def test_what_is_derived() -> None:
    assert derived(ROOM, "patients") == {"joined", "report"}
    assert derived(ROOM, "lab") == {"joined", "report", "lab-only"}
    assert derived(ROOM, "joined") == {"report"}
    assert derived(ROOM, "report") == derived(ROOM, "nowhere") == frozenset()


def test_leaves_are_the_data_that_is_read_directly_or_not() -> None:
    def shown(node: str, attached: dict[str, str]) -> list[tuple[str, str | None]]:
        return [(each.node, each.manifest) for each in leaves(ROOM, node, attached)]

    assert shown("joined", BOTH) == shown("report", BOTH) == [("patients", PATIENTS), ("lab", LAB)]
    assert shown("report", {"patients": PATIENTS, "elsewhere": OTHER}) == [("patients", PATIENTS), ("lab", None)]
    assert shown("lab-only", BOTH) == [("lab", LAB)]
    assert [each.node for each in leaves(room(nodes=(*NODES, python("x", "lab", "report"))), "x", {})] == [
        "lab",
        "patients",
    ]
    assert leaves(room(nodes=(*NODES, python("x"))), "x", BOTH) == ()


def test_run_ids_are_of_a_job_and_a_node() -> None:
    ids = {run_id(job, node) for job in ("00" * 32, "01" * 32) for node in ("a", "b", "")}
    assert len(ids) == 6


def test_node_digests_tell_all_fields_apart() -> None:
    node = NODES[3]
    assert isinstance(node, PythonNode)
    changes: list[dict[str, Any]] = [
        {"name": "other"},
        {"script": "print('u')\n"},
        {"dependencies": ()},
        {"logs_on_error": True},
        {"logs_on_success": True},
        {"image": "r"},
    ]
    digests = {node_digest(node), *(node_digest(msgspec.structs.replace(node, **change)) for change in changes)}
    assert len(digests) == len(changes) + 1


def test_a_node_is_hashed_once_however_often_it_is_planned() -> None:
    """A chain is planned anew as each of its steps begins."""
    chain = tuple(
        PythonNode(id=f"n{index}", name=f"n{index}", script=f"# {index}", dependencies=before, image="python")
        for index, before in ((index, (f"n{index - 1}",) if index else ()) for index in range(1000))
    )
    definition = msgspec.structs.replace(room(), nodes=chain)
    before = planning._small_digest.cache_info().misses
    first = plan(definition, "00" * 32, "n999", {})
    assert [plan(definition, "00" * 32, "n999", {}) for _ in range(3)] == [first] * 3
    assert planning._small_digest.cache_info().misses == before + 1000


def test_large_scripts_are_not_kept_for_it() -> None:
    node = PythonNode(id="n", name="n", script="#" * 10_000, image="python")
    before = planning._small_digest.cache_info()
    assert node_digest(node) == sha256(canonical(node)) == node_digest(node)
    assert planning._small_digest.cache_info() == before
