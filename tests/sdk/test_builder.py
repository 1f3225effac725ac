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
    Column,
    FileContent,
    FormatType,
    HashingAlgorithm,
    Limits,
    MaskType,
    MatchingComputeNodeConfig,
    MatchingComputeNodeDefinition,
    NodeDefinition,
    NumericRangeRule,
    PreviewComputeNodeDefinition,
    PrimitiveType,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNodeDefinition,
    RawDataNodeDefinition,
    SqlComputeNodeDefinition,
    SqliteComputeNodeDefinition,
    SyntheticDataComputeNodeDefinition,
    SyntheticNodeColumn,
    TableDataNodeDefinition,
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


COLUMN = Column(FormatType.STRING, "a", True)
SYNTHETIC = SyntheticNodeColumn(PrimitiveType.STRING, 0, MaskType.NAME, True)


def _table(*columns: Column, name: str = "t") -> TableDataNodeDefinition:
    return TableDataNodeDefinition(name, columns, True)


def _synthetic(epsilon: float) -> SyntheticDataComputeNodeDefinition:
    return SyntheticDataComputeNodeDefinition("s", [SYNTHETIC], "t", epsilon)


def _match(
    tables: list[str], paths: list[str], query: Any = None, output: str = "/output"
) -> MatchingComputeNodeDefinition:
    config = MatchingComputeNodeConfig(query or {"==": [1, 1]}, 1, 1.0, 1.0, paths)
    return MatchingComputeNodeDefinition("m", config, tables, output=output)


def _with(*nodes: NodeDefinition) -> AnalyticsDcrDefinition:
    return _complete().add_node_definitions(nodes).build()


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
    "a table without columns": (lambda: _with(TableDataNodeDefinition("t", [], True)), "1 to 2000 columns"),
    "columns that are none": (lambda: TableDataNodeDefinition("t", cast(Any, ["a"]), True), "list of Column"),
    "a column twice": (lambda: _with(_table(Column("STRING", "A", True), Column("STRING", "a", True))), "'a'"),
    "a column without a name": (lambda: _with(_table(Column("STRING", " ", True))), "empty name"),
    "a column whose name is none": (lambda: _table(Column("STRING", cast(Any, None), True)), "can't be made of that"),
    "a format that isn't there": (lambda: Column("TEXT", "a", True), "'TEXT', which isn't one of STRING"),
    "a hash that isn't there": (lambda: Column("STRING", "a", True, "MD5"), "SHA256_HEX alone"),
    "a range of texts": (lambda: _with(_table(Column("STRING", "a", True, None, (0, 1)))), "isn't one of numbers"),
    "a range without numbers": (lambda: Column("FLOAT", "a", True, None, cast(Any, ("a", "b"))), "no number"),
    "a range of three": (lambda: Column("FLOAT", "a", True, None, (1, 2, 3)), "pair of numbers"),
    "an empty range": (lambda: _with(_table(Column("FLOAT", "a", True, None, (1, 0)))), "lets no number in"),
    "a range that never ends": (
        lambda: _with(_table(Column("FLOAT", "a", True, None, (0, float("nan"))))),
        "bound that is no number",
    ),
    "uniqueness by name": (
        lambda: TableDataNodeDefinition("t", [COLUMN], True, None, False, cast(Any, [["a"]])),
        "lists of indices",
    ),
    "uniqueness of a column that isn't there": (
        lambda: _with(TableDataNodeDefinition("t", [COLUMN], True, None, False, [[1]])),
        "columns count from 0",
    ),
    "an empty query": (lambda: _with(SqlComputeNodeDefinition("q", " ")), "empty"),
    "a query that isn't text": (lambda: SqlComputeNodeDefinition("q", b"\xff"), "UTF-8"),
    "a query over a file": (lambda: _with(SqliteComputeNodeDefinition("q", "SELECT 1", ["in-1"])), "isn't a table"),
    "a query over one text": (lambda: SqlComputeNodeDefinition("q", "SELECT 1", "in-1"), "list of ids"),
    "no rows at least": (lambda: _with(SqlComputeNodeDefinition("q", "SELECT 1", None, 0)), "1 to"),
    "a half row at least": (lambda: SqlComputeNodeDefinition("q", "SELECT 1", None, cast(Any, 0.5)), "can't be made"),
    "columns of synthetic data that are none": (
        lambda: SyntheticDataComputeNodeDefinition("s", cast(Any, [0]), "t", 1.0),
        "list of SyntheticNodeColumn",
    ),
    "a mask that isn't there": (lambda: SyntheticNodeColumn("STRING", 0, "moustache", True), "masks are genericString"),
    "an index that is none": (lambda: SyntheticNodeColumn("STRING", cast(Any, "a"), "name", True), "index 'a'"),
    "synthetic data of a file": (
        lambda: _with(SyntheticDataComputeNodeDefinition("s", [SYNTHETIC], "in-1", 1.0)),
        "isn't a table",
    ),
    "synthetic data of a column that isn't there": (
        lambda: _with(
            _table(COLUMN),
            SyntheticDataComputeNodeDefinition("s", [SyntheticNodeColumn("STRING", 1, "name", True)], "t", 1.0),
        ),
        "column 1 of a table that has 1",
    ),
    "no epsilon": (lambda: _with(_table(COLUMN), _synthetic(0.0)), "epsilon of 's' must be a number above 0"),
    "a negative epsilon": (lambda: _with(_table(COLUMN), _synthetic(-1.0)), "must be a number above 0"),
    "an epsilon that is no number": (lambda: _with(_table(COLUMN), _synthetic(float("nan"))), "must be a number"),
    "an endless epsilon": (lambda: _with(_table(COLUMN), _synthetic(float("inf"))), "1000 at most"),
    "an epsilon in words": (
        lambda: SyntheticDataComputeNodeDefinition("s", [SYNTHETIC], "t", cast(Any, "little")),
        "can't be made of that",
    ),
    "more epsilon than the room's": (
        lambda: (
            _complete()
            .with_privacy_budget(0.5)
            .add_node_definition(_table(COLUMN))
            .add_node_definition(SyntheticDataComputeNodeDefinition("s", [SYNTHETIC], "t", 1.0))
            .build()
        ),
        "could never be run",
    ),
    "no budget at all": (lambda: _builder().with_privacy_budget(0), "privacy budget must be a number above 0"),
    "a match of itself": (lambda: _with(_table(COLUMN), _match(["t"], ["t/dataset.csv"])), "two dependencies"),
    "a match of other paths": (
        lambda: _with(_table(COLUMN), _table(COLUMN, name="u"), _match(["t", "u"], ["t/dataset.csv", "u/x.csv"])),
        "must name its two dependencies",
    ),
    "a match without logic": (
        lambda: _with(_table(COLUMN), _table(COLUMN, name="u"), _match(["t", "u"], ["t", "u"], query="no JSON")),
        "not JSON logic",
    ),
    "a match that can't be written": (lambda: _match(["t", "u"], ["t", "u"], query=cast(Any, {1, 2})), "JSON logic"),
    "a match by something else": (
        lambda: MatchingComputeNodeDefinition("m", cast(Any, {"query": []}), ["t", "u"]),
        "MatchingComputeNodeConfig",
    ),
    "a match that writes elsewhere": (lambda: _match(["t", "u"], ["t", "u"], output="/tmp"), "/output"),
    "a preview of nothing": (lambda: _with(PreviewComputeNodeDefinition("p", "x", 1)), "'x'"),
    "a preview of less than nothing": (lambda: PreviewComputeNodeDefinition("p", "in-1", -1), "can't be made of that"),
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


def test_none_is_the_same_as_none_given() -> None:
    carol = "carol@example.org"
    without = _complete().add_participant(carol, data_owner_of=None, analyst_of=None).build()
    assert without.configuration == _complete().add_participant(carol).build().configuration
    assert not TableDataNodeDefinition("t", [COLUMN], False, unique_column_combinations=None).unique_column_combinations


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


def test_what_was_given_of_a_table_can_be_read() -> None:
    rule = NumericRangeRule(greater_than=0, less_than_equals=100)
    columns = [
        Column(FormatType.EMAIL, "email", False, HashingAlgorithm.SHA256_HEX),
        Column(format_type=FormatType.FLOAT, name="score", is_nullable=True, in_range=rule),
        Column("integer", "age", True, in_range=(0, None)),
    ]
    table = TableDataNodeDefinition("t", columns, True, "t-1", True, [[0], (1, 2)])
    assert table.columns == columns
    email, score, age = table.columns
    assert (email.format_type, email.primitive_type) == (FormatType.EMAIL, PrimitiveType.STRING)
    assert (email.hash_with, email.is_nullable, email.in_range) == (HashingAlgorithm.SHA256_HEX, False, None)
    assert (score.in_range, score.primitive_type) == (rule, PrimitiveType.FLOAT)
    assert (age.format_type, age.in_range) == (FormatType.INTEGER, NumericRangeRule(greater_than_equals=0))
    assert (table.is_required, table.drop_invalid_rows) == (True, True)
    assert table.unique_column_combinations == [[0], [1, 2]]
    assert repr(score) == "Column(FLOAT, 'score', is_nullable=True)"
    assert repr(rule) == "NumericRangeRule(greater_than=0, less_than_equals=100)"
    assert len({*columns, *table.columns}) == 3
    assert hash(rule) == hash(NumericRangeRule(0, less_than_equals=100))
    later = NumericRangeRule()
    later.greater_than, later.less_than_equals = 0, 100
    assert later == rule


def test_what_was_given_of_computations_over_tables_can_be_read() -> None:
    query = SqlComputeNodeDefinition("q", b"SELECT 1", ["a"], 5, "q-1")
    assert (query.query, query.statement, query.dependencies) == ("SELECT 1", "SELECT 1", ["a"])
    assert (query.minimum_rows_count, query.id) == (5, "q-1")
    assert SqlComputeNodeDefinition("q", "SELECT 1").minimum_rows_count is None
    lite = SqliteComputeNodeDefinition("l", "SELECT 1", ["a"], True, False)
    assert (lite.query, lite.enable_logs_on_error, lite.enable_logs_on_success) == ("SELECT 1", True, False)
    columns = [
        SyntheticNodeColumn(PrimitiveType.INTEGER, 0, MaskType.GENERIC_NUMBER, False),
        SyntheticNodeColumn(FormatType.EMAIL, 2, "email", True, False, "mail"),
    ]
    synthetic = SyntheticDataComputeNodeDefinition("s", columns, "a", 1, True)
    assert synthetic.columns == columns
    first, second = synthetic.columns
    assert (first.data_type, first.index, first.mask_type) == (PrimitiveType.INTEGER, 0, MaskType.GENERIC_NUMBER)
    assert (first.should_mask_column, first.is_nullable, first.name) == (False, True, None)
    assert (second.data_type, second.is_nullable, second.name) == (FormatType.EMAIL, False, "mail")
    assert (synthetic.epsilon, synthetic.output_original_data_statistics, synthetic.dependency) == (1.0, True, "a")
    config = MatchingComputeNodeConfig({"==": [{"var": "a.id"}, {"var": "b.id"}]}, 10, 1.5, 2, ["a", "b"])
    match = MatchingComputeNodeDefinition("m", config, ["a", "b"])
    assert (match.config, match.dependencies) == (config, ["a", "b"])
    preview = PreviewComputeNodeDefinition("p", "a")
    assert (preview.dependency, preview.quota_bytes) == ("a", 0)
    assert PreviewComputeNodeDefinition("p", "a", None) == preview
    assert repr(second) == "SyntheticNodeColumn(EMAIL, 2, email)"


def test_queries_are_shown_with_the_names_of_their_tables() -> None:
    table = TableDataNodeDefinition("my people", [COLUMN], False, "people-1", unique_column_combinations=[[0]])
    built = _with(table, SqlComputeNodeDefinition("q", 'SELECT * FROM "my people"', ["people-1"], 3))
    (shown,) = built.high_level.values()
    leaf, query = shown["interactive"]["initialConfiguration"]["nodes"][-2:]
    assert leaf["kind"]["leaf"]["kind"]["table"]["uniqueColumnCombinations"] == [[0]]
    assert query["kind"]["computation"]["kind"]["sql"] == {
        "statement": 'SELECT * FROM "my people"',
        "dependencies": [{"nodeId": "people-1", "tableName": "my people"}],
        "privacyFilter": {"minimumRowsCount": 3},
    }
