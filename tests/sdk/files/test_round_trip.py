"""A room that is exported and read again is the same, as a folder and as JSON."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloister.analytics import AnalyticsDcrDefinition
from cloister.rooms import nodes as records
from cloister.rooms.configuration import configuration_of
from cloister.sdk.files import changes, read_folder, readable, write_folder
from cloister.sdk.files.schema import KINDS
from cloister.sdk.files.yaml_text import dump, load
from tests.rooms.examples import WITH_ENVIRONMENT
from tests.sdk.any_definition import rooms

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def nobody() -> str:
    raise AssertionError("the file says who the owner is")


def through_a_folder(definition: AnalyticsDcrDefinition) -> AnalyticsDcrDefinition:
    with tempfile.TemporaryDirectory() as folder:
        files = write_folder(definition.configuration, Path(folder) / "room")
        assert {
            str(each.relative_to(Path(folder) / "room")) for each in Path(folder).rglob("*") if each.is_file()
        } == set(files)
        return read_folder(Path(folder) / "room", nobody).definition


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(definition=rooms())
def test_a_room_is_the_same_after_a_folder_and_after_json(definition: AnalyticsDcrDefinition) -> None:
    for read in (through_a_folder(definition), AnalyticsDcrDefinition.from_json(definition.to_json())):
        assert read.configuration == definition.configuration
        assert read.digest == definition.digest
        assert read.node_definitions == definition.node_definitions
        assert changes(definition.configuration, read.configuration) == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(one=rooms(), other=rooms())
def test_rooms_that_differ_are_shown_to(one: AnalyticsDcrDefinition, other: AnalyticsDcrDefinition) -> None:
    found = changes(one.configuration, other.configuration)
    assert bool(found) == (one.digest != other.digest)
    assert all("\n" not in line for line in readable(found))


def test_a_published_room_keeps_its_locks() -> None:
    definition = AnalyticsDcrDefinition.of(configuration_of(WITH_ENVIRONMENT))
    assert through_a_folder(definition).configuration == configuration_of(WITH_ENVIRONMENT)
    unlocked = msgspec.structs.replace(
        definition.configuration,
        nodes=tuple(
            msgspec.structs.replace(node, lock=()) if isinstance(node, records.PythonEnvironmentNode) else node
            for node in definition.configuration.nodes
        ),
    )
    assert changes(unlocked, definition.configuration) == []
    assert unlocked.digest() != definition.digest


def test_nodes_whose_names_give_the_same_file_get_files_of_their_own() -> None:
    def python(name: str) -> records.PythonNode:
        return records.PythonNode(id=name, name=name, script=f"print('{name}')", image="python")

    names = ("a b", "a-b", "A B", "a  b")
    written = msgspec.structs.replace(configuration_of(WITH_ENVIRONMENT), nodes=tuple(map(python, names)))
    written = msgspec.structs.replace(written, participants=written.participants[:1])
    definition = AnalyticsDcrDefinition.of(written)
    assert through_a_folder(definition).digest == definition.digest


@settings(max_examples=300)
@example(value={"a": "no", "b": "1e3", "c": "010", "d": "~", "e": "", "f": "2024-01-01", "<<": "=", "g": "0x1F"})
@example(value=["\ufeff", "a\r\nb", " a\n b ", "\n\n", "#", "- ", "\x85", "\u2028", "a: b", "'", '"', "\t", "%", "@"])
@given(value=values)
def test_yaml_is_read_as_it_was_written(value: object) -> None:
    assert load(dump(value), "file").value == value


def test_every_kind_of_node_can_be_written() -> None:
    assert set(KINDS) == {str(kind.__struct_config__.tag) for kind in records.Node.__args__}
