"""Putting a room together: what is accepted, what is refused, and what others read out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.analytics import (
    AnalyticsDcrBuilder,
    AnalyticsDcrDefinition,
    FileContent,
    Limits,
    NodeDefinition,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNodeDefinition,
    RawDataNodeDefinition,
)
from cloister.errors import DefinitionInvalid
from cloister.rooms.nodes import PythonNode, RawDataNode, TextFile
from cloister.sdk.definitions import definition_of

ALICE, BOB = "alice@example.org", "bob@example.org"


def _builder() -> AnalyticsDcrBuilder:
    """Nothing is sent while building, so that no client is needed."""
    return AnalyticsDcrBuilder(client=cast(Any, None), enclave_specs=None)


def _complete() -> AnalyticsDcrBuilder:
    return (
        _builder()
        .with_name("Room")
        .with_owner(ALICE)
        .with_description("What for")
        .add_node_definitions(
            [
                # A computation may be added before what it depends on.
                PythonComputeNodeDefinition(
                    "upper", b"print('\xc3\xbc')", [FileContent("lib/a.py", "A = 1")], ["in-1"], True, True
                ),
                RawDataNodeDefinition("input", True, "in-1"),
            ]
        )
        .add_participant(BOB, data_owner_of=["in-1"], analyst_of=["upper"])
    )


def test_everything_can_be_chained_and_is_there() -> None:
    builder = _complete().with_auto_merge().with_development_mode().with_airlock()
    built = builder.build()
    assert (builder.name, builder.owner) == (built.name, built.owner) == ("Room", ALICE)
    assert built.description == "What for"
    assert [node.id for node in built.node_definitions] == ["upper", "in-1"]
    assert builder.node_definitions == built.node_definitions
    assert builder.permissions == [built.permissions[1]]
    assert built.permissions == [
        {"user": ALICE, "permissions": [{"manager": {}}]},
        {"user": BOB, "permissions": [{"dataOwner": {"nodeId": "in-1"}}, {"analyst": {"nodeId": "upper"}}]},
    ]


def test_the_high_level_form() -> None:
    built = _complete().build()
    assert built.high_level == built._get_high_level_representation()
    ((version, content),) = built.high_level.items()
    assert isinstance(version, str)
    assert content["interactive"]["commits"] == []
    configuration = content["interactive"]["initialConfiguration"]
    assert (configuration["title"], configuration["description"]) == ("Room", "What for")
    assert configuration["participants"] == built.permissions
    computation, leaf = configuration["nodes"]
    assert leaf == {"id": "in-1", "name": "input", "kind": {"leaf": {"isRequired": True, "kind": {"raw": {}}}}}
    scripting = computation["kind"]["computation"]["kind"]["scripting"]
    assert scripting["mainScript"]["content"] == "print('ü')"
    assert scripting["dependencies"] == ["in-1"]
    # A copy each time: changing it changes nothing else.
    configuration["title"] = "changed"
    assert built.high_level != {version: content}


def test_the_owner_may_be_a_participant_already() -> None:
    built = _complete().add_participant(" Alice@example.ORG ").build()
    assert [entry["user"] for entry in built.permissions] == [BOB, ALICE]


def _node(**options: Any) -> PythonComputeNodeDefinition:
    return PythonComputeNodeDefinition(**{"name": "node", "script": "pass", **options})


BROKEN: dict[str, tuple[Callable[[], object], str]] = {
    "no name": (lambda: _builder().with_owner(ALICE).build(), "with_name"),
    "empty name": (lambda: _complete().with_name(" ").build(), "no name"),
    "no owner": (lambda: _builder().with_name("x").build(), "with_owner"),
    "owner without an address": (lambda: _builder().with_owner("alice"), "not an email"),
    "participant without an address": (lambda: _builder().add_participant("a,b@c"), "not an email"),
    "participant that is none": (lambda: _builder().add_participant(cast(Any, None)), "not an email"),
    "a participant twice": (lambda: _complete().add_participant("Bob@Example.org"), "before"),
    "a role on nothing": (lambda: _complete().add_participant(ALICE, analyst_of=["x"]).build(), "'x'"),
    "owner of a computation": (
        lambda: _complete().add_participant(ALICE, data_owner_of=["upper"]).build(),
        "computation",
    ),
    "analyst of a data node": (lambda: _complete().add_participant(ALICE, analyst_of=["in-1"]).build(), "data node"),
    "roles as a text": (lambda: _complete().add_participant(ALICE, analyst_of="upper"), "list"),
    "an unknown dependency": (lambda: _complete().add_node_definition(_node(dependencies=["x"])).build(), "'x'"),
    "dependencies as a text": (lambda: _node(dependencies="in-1"), "list"),
    "a cycle": (lambda: _complete().add_node_definition(_node(dependencies=["node"])).build(), "itself"),
    "a name twice": (lambda: _complete().add_node_definition(RawDataNodeDefinition("input", True)).build(), "'input'"),
    "an id twice": (
        lambda: _complete().add_node_definition(RawDataNodeDefinition("x", True, "in-1")).build(),
        "'in-1'",
    ),
    "a name that isn't allowed": (
        lambda: _complete().add_node_definition(RawDataNodeDefinition("../x", True)).build(),
        "not allowed",
    ),
    "a dependency called code beside files": (
        lambda: (
            _complete()
            .add_node_definition(RawDataNodeDefinition("code", True))
            .add_node_definition(_node(dependencies=["code"], additional_files=[FileContent("a", "")]))
            .build()
        ),
        "code",
    ),
    "a file outside": (
        lambda: _complete().add_node_definition(_node(additional_files=[FileContent("../a", "")])).build(),
        "isn't allowed",
    ),
    "a script that isn't text": (lambda: _node(script=b"\xff\xfe"), "UTF-8"),
    "an empty script": (lambda: _complete().add_node_definition(_node(script="")).build(), "empty"),
    "a file that isn't text": (lambda: FileContent("a", b"\xff"), "UTF-8"),
    "output elsewhere": (lambda: _node(output="/elsewhere"), "/output"),
    "an environment that isn't there": (
        lambda: _complete().add_node_definition(_node(custom_environment="env")).build(),
        "depends on 'env', which is not in the room",
    ),
    "an environment that is none": (
        lambda: _complete().add_node_definition(_node(custom_environment="in-1")).build(),
        "which is no environment",
    ),
    "requirements with an address": (
        lambda: PythonEnvironmentComputeNodeDefinition("env", "six\nsix @ https://example.org/six.whl"),
        "Line 2 of the requirements",
    ),
    "a proxy": (lambda: _node(proxy_configuration=object()), "no network|have none"),
    "something else": (lambda: _builder().add_node_definition(cast(Any, "node")), "str"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_named(what: str) -> None:
    act, message = BROKEN[what]
    with pytest.raises(DefinitionInvalid, match=message) as caught:
        act()
    assert isinstance(caught.value, ValueError)


names = st.from_regex(r"[A-Za-z]([A-Za-z0-9_ -]{0,20}[A-Za-z0-9])?", fullmatch=True)
files = st.lists(st.builds(TextFile, name=names, content=st.text()), max_size=3).map(tuple)
nodes = st.one_of(
    st.builds(RawDataNode, id=names, name=names, required=st.booleans()),
    st.builds(
        PythonNode,
        id=names,
        name=names,
        script=st.text(),
        files=files,
        dependencies=st.lists(names, max_size=3).map(tuple),
        logs_on_error=st.booleans(),
        logs_on_success=st.booleans(),
        image=st.just("python"),
    ),
)


@given(node=nodes)
def test_a_definition_comes_back_as_it_went(node: RawDataNode | PythonNode) -> None:
    definition = definition_of(node)
    assert definition.record == node
    assert definition == definition_of(node)
    assert hash(definition) == hash(definition_of(node))


def test_what_was_given_can_be_read() -> None:
    node = _node(
        script=b"print()", dependencies=("a",), additional_files=[FileContent("f", b"x")], enable_logs_on_error=True
    )
    assert (node.script, node.dependencies, node.output) == ("print()", ["a"], "/output")
    assert node.additional_files == [FileContent("f", "x")]
    assert hash(node.additional_files[0]) == hash(FileContent("f", "x"))
    assert node.additional_files != ["f"]
    assert (node.enable_logs_on_error, node.enable_logs_on_success) == (True, False)
    assert (node.id, node.name) == ("node", "node")
    data = RawDataNodeDefinition(name="data", is_required=False)
    assert (data.id, data.is_required) == ("data", False)
    different: list[NodeDefinition] = [node, data, _node(script="other")]
    assert len(set(different)) == 3
    assert data != "data"
    assert repr(node) == "PythonComputeNodeDefinition(name='node', id='node')"
    assert repr(FileContent("f", "secret")) == "FileContent(name='f')"


def test_what_is_built_does_not_change_with_the_builder() -> None:
    builder = _complete()
    built: AnalyticsDcrDefinition = builder.build()
    builder.add_node_definition(RawDataNodeDefinition("more", True)).with_name("Other")
    assert (built.name, len(built.node_definitions)) == ("Room", 2)


def test_pinned_keys() -> None:
    builder = _builder().with_name("Pinned").with_owner(ALICE).with_pinned_keys_only()
    builder.add_participant(ALICE, device_keys=["ab" * 32]).build()
    builder.add_participant(BOB)
    with pytest.raises(DefinitionInvalid, match=r"bob@example\.org has none"):
        builder.build()
    with pytest.raises(DefinitionInvalid, match="64 hexadecimal digits"):
        builder.add_participant("carol@example.org", device_keys=["not a key"])


def test_limits_are_read_back() -> None:
    limits = Limits(wall_seconds=7)
    definition = PythonComputeNodeDefinition("a", "pass", limits=limits)
    assert definition.limits == limits
    read_back = definition_of(definition.record)
    assert isinstance(read_back, PythonComputeNodeDefinition)
    assert read_back.limits == limits
