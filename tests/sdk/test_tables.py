"""Tables in a published room: uploaded with a header or without, validated, asked, and what came of it."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cloister.analytics import (
    AnalyticsDcr,
    AnalyticsDcrBuilder,
    Column,
    FormatType,
    MaskType,
    MatchingComputeNode,
    MatchingComputeNodeConfig,
    MatchingComputeNodeDefinition,
    PreviewComputeNode,
    PreviewComputeNodeDefinition,
    PrimitiveType,
    SqlComputeNode,
    SqlComputeNodeDefinition,
    SqliteComputeNode,
    SqliteComputeNodeDefinition,
    SyntheticDataComputeNode,
    SyntheticDataComputeNodeDefinition,
    SyntheticNodeColumn,
    TableDataNode,
    TableDataNodeDefinition,
)
from cloister.errors import BadRequestError, EnclaveError
from cloister.formats.table_schema import Column as TypedColumn
from cloister.formats.table_schema import write_schema
from cloister.rooms.definition import ImageReference
from cloister.sdk.definitions import SYNTHETIC_IMAGE
from cloister.sdk.key import Key

from .conftest import BOB, OWNER, World
from .enclave_peer import IMAGE

COLUMNS = [Column(FormatType.INTEGER, "id", is_nullable=False), Column(FormatType.STRING, "name", is_nullable=True)]
PEOPLE = b"id,name\n1,Ann\n2,Ben\n"
ROWS = b"1,Ann\n2,Ben\n"
REPORT = {"version": "v0", "report": {"outcome": "PASSED", "numRowsTotal": 2}}


def table(rows: bytes, *names: str | None) -> dict[str, bytes]:
    """Files of a result that is a table."""
    return {
        "dataset.csv": rows,
        "types": write_schema([TypedColumn(name, "STRING", nullable=True) for name in names]),
    }


@pytest.fixture
def room(world: World) -> AnalyticsDcr:
    """A room with a computation of every kind over one table."""
    world.hub.enclave.images = (IMAGE, ImageReference(name=SYNTHETIC_IMAGE, measurement="77" * 32))
    client = world.client()
    column = SyntheticNodeColumn(PrimitiveType.INTEGER, 0, MaskType.GENERIC_NUMBER, should_mask_column=False)
    config = MatchingComputeNodeConfig({"==": [1, 1]}, 1, 1, 1, ["people/dataset.csv", "others/dataset.csv"])
    computations = [
        SqlComputeNodeDefinition("sql", "SELECT * FROM people", ["people"]),
        SqliteComputeNodeDefinition("sqlite", "SELECT * FROM people", ["people"]),
        SyntheticDataComputeNodeDefinition("synthetic", [column], "people", 1.0),
        MatchingComputeNodeDefinition("match", config, ["people", "others"]),
        PreviewComputeNodeDefinition("preview", "people", 1000),
    ]
    builder = AnalyticsDcrBuilder(client=client).with_name("Tables").with_owner(OWNER)
    builder.add_node_definition(TableDataNodeDefinition("people", COLUMNS, is_required=True))
    builder.add_node_definition(TableDataNodeDefinition("others", COLUMNS, is_required=False))
    builder.add_node_definitions(computations)
    builder.add_participant(OWNER, data_owner_of=["people"], analyst_of=[each.name for each in computations])
    builder.add_participant(BOB, data_owner_of=["others"])
    return client.publish_analytics_dcr(builder.build())


def people(room: AnalyticsDcr) -> TableDataNode:
    node = room.get_node("people")
    assert isinstance(node, TableDataNode)
    return node


def uploaded(node: TableDataNode) -> bytes:
    with node.download_dataset() as stream:
        return stream.read()


def test_a_header_that_fits_is_left_out(room: AnalyticsDcr) -> None:
    node = people(room)
    node.upload_and_publish_dataset(PEOPLE, Key(), "people.csv", has_header=True)
    assert uploaded(node) == ROWS
    assert [each["size"] for each in room.client.get_available_datasets()] == [len(ROWS)]
    node.remove_published_dataset()
    node.upload_and_publish_dataset(io.BytesIO(PEOPLE), Key(), "people.csv", "in parts", has_header=True)
    assert uploaded(node) == ROWS


def test_a_header_that_does_not_fit_is_refused(room: AnalyticsDcr, world: World) -> None:
    before = len(world.hub.blobs)
    with pytest.raises(BadRequestError, match=r"header is not that of 'people'.*column 1 is 'name'"):
        people(room).upload_and_publish_dataset(b"name,id\n" + ROWS, Key(), "x", has_header=True)
    assert len(world.hub.blobs) == before
    assert not room.status().attached


@pytest.mark.parametrize(
    ("content", "has_header", "warned"),
    [(ROWS, None, False), (PEOPLE, None, True), (b"ID,Name\n" + ROWS, None, True), (PEOPLE, False, False)],
)
def test_what_looks_like_a_header_is_told_of(
    content: bytes, has_header: bool | None, warned: bool, room: AnalyticsDcr
) -> None:
    node = people(room)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        node.upload_and_publish_dataset(io.BytesIO(content), Key(), "people.csv", has_header=has_header)
    assert ["has_header=True" in str(each.message) for each in told] == [True] * warned
    # Nothing but a word: scripts that were written for the documented interface upload what they have.
    assert uploaded(node) == content


def test_the_validation_report(room: AnalyticsDcr, world: World) -> None:
    node = people(room)
    assert [(column.name, column.format_type) for column in node.columns] == [("id", "INTEGER"), ("name", "STRING")]
    world.hub.enclave.compute = lambda inputs: {"validation-report.json": json.dumps(REPORT).encode()}
    with pytest.raises(BadRequestError, match="'people'"):
        node.get_validation_report_as_dict()
    node.upload_and_publish_dataset(ROWS, Key(), "people.csv")
    assert node.get_validation_report_as_dict() == REPORT
    node.validation.run_computation()
    node.validation.wait_for_run()
    with node.validation.get_results_as_zip() as archive:
        assert archive.filename == "people.zip"


@pytest.mark.parametrize("files", [{}, {"validation-report.json": b"[]"}, {"validation-report.json": b"{"}])
def test_a_report_that_is_none_is_told_so(files: dict[str, bytes], room: AnalyticsDcr, world: World) -> None:
    world.hub.enclave.compute = lambda inputs: files
    people(room).upload_and_publish_dataset(ROWS, Key(), "people.csv")
    with pytest.raises(EnclaveError, match="no report"):
        people(room).get_validation_report_as_dict()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sql", SqlComputeNode), ("sqlite", SqliteComputeNode), ("synthetic", SyntheticDataComputeNode)],
)
def test_tables_as_text(name: str, kind: type[SqlComputeNode], room: AnalyticsDcr, world: World) -> None:
    people(room).upload_and_publish_dataset(ROWS, Key(), "people.csv")
    node = room.get_node(name)
    assert isinstance(node, kind)
    world.hub.enclave.compute = lambda inputs: table(inputs["people"], "id", None)
    assert node.run_computation_and_get_results_as_string() == "id,V2\n1,Ann\n2,Ben"
    assert node.get_results_as_string(5, timeout=60) == "id,V2\n1,Ann\n2,Ben"
    for latest in (False, True):
        into = io.BytesIO()
        node.write_table(into, latest=latest)
        assert into.getvalue() == b"id,V2\n" + ROWS
    with node.get_results_as_zip() as archive:
        assert set(archive.namelist()) == {"dataset.csv", "types"}
    world.hub.enclave.compute = lambda inputs: {"other": b""}
    for get in (node.run_computation_and_get_results_as_string, lambda: node.write_table(io.BytesIO())):
        with pytest.raises(EnclaveError, match="is not a table"):
            get()


def test_what_the_nodes_say_of_themselves(room: AnalyticsDcr) -> None:
    attributes: Sequence[tuple[type, Callable[[Any], object]]] = [
        (SqlComputeNode, lambda node: node.statement == "SELECT * FROM people"),
        (SqliteComputeNode, lambda node: node.query == "SELECT * FROM people"),
        (SyntheticDataComputeNode, lambda node: node.epsilon == 1.0),
        (MatchingComputeNode, lambda node: node.definition.config.round == 1),
        (PreviewComputeNode, lambda node: node.quota_bytes == 1000),
    ]
    nodes = [room.get_node(name) for name in ("sql", "sqlite", "synthetic", "match", "preview")]
    for node, (kind, holds) in zip(nodes, attributes, strict=True):
        assert type(node) is kind
        assert holds(node)
    assert room.privacy_ledger() == {}
