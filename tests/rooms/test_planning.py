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
from cloister.rooms.planning import derived, leaves, node_digest, plan, run_id, unanswered
from tests.rooms import kinds
from tests.rooms.examples import NODES, ROOM, python, room
from tests.rooms.kinds import PEOPLE, TABLES

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


# --- tables ---

PEOPLE_AND_SALES = {"people": PATIENTS, "sales": LAB}


def steps(target: str, attached: dict[str, str], definition: Definition = TABLES) -> list[str]:
    return [step.node.id for step in plan(definition, "00" * 32, target, attached)]


def table_keys(attached: dict[str, str], definition: Definition = TABLES) -> dict[str, str]:
    """The cache keys of all that can be run."""
    nodes = (node.id for node in definition.nodes if node.id in definition.participants[-1].analyst_of)
    return {step.node.id: step.cache_key for node in nodes for step in plan(definition, "00" * 32, node, attached)}


def test_a_table_with_data_is_a_step_of_its_own() -> None:
    assert steps("joined", PEOPLE_AND_SALES) == ["people", "sales", "joined"]
    assert steps("look", PEOPLE_AND_SALES) == ["people", "counts", "look"]
    assert steps("people", PEOPLE_AND_SALES) == ["people"]
    assert steps("sales", PEOPLE_AND_SALES) == ["sales"]


def test_an_optional_table_without_data_is_none_and_can_not_be_asked_for() -> None:
    assert steps("joined", {"people": PATIENTS}) == ["people", "joined"]
    with pytest.raises(Refused, match="'sales' needs data that is not there yet: attach a dataset to 'sales' first"):
        steps("sales", {"people": PATIENTS})
    with pytest.raises(Refused, match="attach a dataset to 'people' first"):
        steps("joined", {"sales": LAB})


def test_another_table_changes_the_keys_of_what_reads_it_and_no_others() -> None:
    before = table_keys(PEOPLE_AND_SALES)
    assert set(before) == {node.id for node in TABLES.nodes} - {"notes"}
    after = table_keys({**PEOPLE_AND_SALES, "sales": OTHER})
    assert {node for node in before if before[node] != after[node]} == {"sales", "joined", "pairs", "of pairs"}
    after = table_keys({**PEOPLE_AND_SALES, "people": OTHER})
    assert {node for node in before if before[node] == after[node]} == {"sales"}
    after = table_keys({"people": PATIENTS})
    assert {node for node in after if before[node] != after[node]} == {"joined", "pairs", "of pairs"}


def test_what_a_table_must_be_like_is_part_of_the_question() -> None:
    other = msgspec.structs.replace(PEOPLE, drop_invalid_rows=False)
    before = table_keys(PEOPLE_AND_SALES)
    after = table_keys(PEOPLE_AND_SALES, kinds.tables(nodes=(other, *TABLES.nodes[1:])))
    assert {node for node in before if before[node] == after[node]} == {"sales"}


def test_a_table_is_derived_from_its_own_data() -> None:
    assert derived(TABLES, "sales") == {"sales", "joined", "pairs", "of pairs"}
    assert derived(TABLES, "people") == {node.id for node in TABLES.nodes} - {"sales", "notes"}
    assert derived(TABLES, "notes") == frozenset()
    assert derived(TABLES, "fake") == {"of fake"}


def test_a_table_is_the_data_that_its_validation_reads() -> None:
    assert [(each.node, each.manifest) for each in leaves(TABLES, "sales", {})] == [("sales", None)]
    assert [each.node for each in leaves(TABLES, "of pairs", PEOPLE_AND_SALES)] == ["people", "sales"]


def test_what_is_behind_an_answer_is_not_run_again() -> None:
    """A table whose validated copy is gone, and synthetic data that would cost anew, stay as they are."""
    planned = plan(TABLES, "00" * 32, "of fake", PEOPLE_AND_SALES)
    key = {step.node.id: step.cache_key for step in planned}
    assert list(key) == ["people", "fake", "of fake"]

    def left(*answered: str) -> list[str]:
        return [step.node.id for step in unanswered(planned, {key[node] for node in answered})]

    assert left() == ["people", "fake", "of fake"]
    assert left("people") == ["fake", "of fake"]
    assert left("fake") == left("people", "fake") == ["of fake"]
    assert left("of fake") == left("of fake", "people") == []


def test_large_tables_are_not_kept_for_their_digests() -> None:
    wide = msgspec.structs.replace(PEOPLE, columns=tuple(kinds.column(str(index)) for index in range(200)))
    made = kinds.synthetic("s", "people", *(kinds.made(index) for index in range(200)))
    before = planning._small_digest.cache_info()
    for node in (wide, made):
        assert node_digest(node) == sha256(canonical(node))
    assert planning._small_digest.cache_info() == before
