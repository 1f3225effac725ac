"""Rooms that are tested before they are published: in real containers, and nothing of it is left."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from cloister.analytics import (
    AnalyticsDcrBuilder,
    AnalyticsDcrDefinition,
    Column,
    PreviewComputeNodeDefinition,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    SqlComputeNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.errors import BadRequestError
from cloister.sdk.client import Client
from cloister.sdk.testing import NodeProgress
from tests.installation import Installation

AUTHOR, LAB = "author@testing.example", "lab@testing.example"
COUNT = """
lines = open("/input/lab values").read().splitlines()
print(len(lines), "lines")
open("/output/count.txt", "w").write(str(len(lines)))
"""
MEAN = """
values = [float(line) for line in open("/input/lab values")]
print("the values:", values)
open("/output/mean.txt", "w").write(str(sum(values) / len(values)))
"""
AFTER = 'open("/output/after.txt", "w").write(open("/input/mean/mean.txt").read())'


def definition(client: Client, *, mean: str = MEAN, title: str = "Tested first") -> AnalyticsDcrDefinition:
    """Three computations over the lab's file, for the author; the lab's is the data."""
    builder = AnalyticsDcrBuilder(client=client).with_name(title).with_owner(AUTHOR)
    builder.add_node_definitions(
        [
            PythonComputeNodeDefinition("after", AFTER, dependencies=["mean"]),
            RawDataNodeDefinition("lab values", is_required=True, id="lab"),
            PythonComputeNodeDefinition("count", COUNT, dependencies=["lab"]),
            PythonComputeNodeDefinition("mean", mean, dependencies=["lab"]),
        ]
    )
    builder.add_participant(AUTHOR, analyst_of=["after", "count", "mean"])
    return builder.add_participant(LAB, data_owner_of=["lab"]).build()


@pytest.fixture
def author(installation: Installation) -> Client:
    return installation.client(AUTHOR)


@pytest.mark.slow
def test_everything_is_run_and_nothing_is_left(installation: Installation, author: Client) -> None:
    room, told = definition(author), list[NodeProgress]()
    report = author.validate_dcr(room, {"lab values": b"1\n2\n6\n"}, told=told.append)
    assert report.passed, str(report)
    assert [(node.name, node.outcome) for node in report.nodes] == [
        ("after", "passed"),
        ("count", "passed"),
        ("mean", "passed"),
    ]
    found = report.node("mean")
    assert found is not None
    # The definition lets nobody see the console. Here nobody's data could be in it.
    assert (found.console, found.files) == ("the values: [1.0, 2.0, 6.0]\n", ("mean.txt",))
    assert found.seconds
    statuses = [(each.node, each.status) for each in told]
    assert statuses.index(("mean", "passed")) < statuses.index(("after", "passed"))
    assert (report.digest, report.empty) == (room.digest, ())
    assert "Test of 'Tested first': 3 passed." in str(report)

    # Nobody else has heard of it, and nothing of it is left.
    assert author.get_data_room_descriptions() == []
    assert author.get_available_datasets() == []

    # What was tested is what is published.
    published = author.publish_analytics_dcr(room, tested=report)
    assert {image.name: image for image in published.definition.images} == {each.name: each for each in report.images}
    assert AnalyticsDcrDefinition.from_json(published.to_json()).digest == room.digest
    with pytest.raises(BadRequestError, match="changed since it was tested"):
        author.publish_analytics_dcr(definition(author, mean="pass"), tested=report)
    other = tuple(msgspec.structs.replace(image, measurement="00" * 32) for image in report.images)
    with pytest.raises(BadRequestError, match="another image 'python'"):
        author.publish_analytics_dcr(room, tested=msgspec.structs.replace(report, images=other))


@pytest.mark.slow
def test_what_fails_says_where(author: Client) -> None:
    room = definition(author)
    report = author.validate_dcr(room)
    assert [(node.name, node.outcome, node.needs) for node in report.nodes] == [
        ("after", "skipped", "mean"),
        ("count", "passed", ""),
        ("mean", "failed", ""),
    ]
    found = report.node("mean")
    assert found is not None
    assert "line 4" in found.error
    assert "ZeroDivisionError" in found.error
    assert "the values: []" in found.error
    assert report.empty == ("lab values",)
    assert "No test data was given for lab values" in str(report)
    with pytest.raises(BadRequestError, match="has not passed its test: 'mean' failed"):
        author.publish_analytics_dcr(room, tested=report)


def tables(client: Client) -> AnalyticsDcrDefinition:
    """A table of the lab's, a query over it that the author gets, and a look at that."""
    builder = AnalyticsDcrBuilder(client=client).with_name("Tables tested").with_owner(AUTHOR)
    builder.add_node_definitions(
        [
            TableDataNodeDefinition(
                "people",
                [Column("INTEGER", "age", False), Column("EMAIL", "address", False)],
                is_required=True,
                unique_column_combinations=[[1]],
            ),
            SqlComputeNodeDefinition("ages", "SELECT AVG(age) AS mean FROM people", ["people"], 2),
            PreviewComputeNodeDefinition("look", "ages", quota_bytes=1),
        ]
    )
    builder.add_participant(AUTHOR, analyst_of=["ages", "look"])
    return builder.add_participant(LAB, data_owner_of=["people"]).build()


@pytest.mark.slow
def test_tables_are_validated_and_what_needs_them_waits(author: Client) -> None:
    room = tables(author)
    report = author.validate_dcr(room, {"people": b"30,a@example.org\n40,b@example.org\n"})
    assert report.passed, str(report)
    found = report.node("people")
    assert found is not None
    assert found.kind == "table_data"
    assert found.validation is not UNSET
    assert found.validation["report"]["numRowsTotal"] == 2

    report = author.validate_dcr(room, {"people": b"x,a@example.org\n40,b@example.org\n41,b@example.org\n"})
    assert [(node.name, node.outcome, node.needs) for node in report.nodes] == [
        ("people", "failed", ""),
        ("ages", "skipped", "people"),
        ("look", "skipped", "people"),
    ]
    assert "INVALID_INTEGER_FORMAT (row 0, column 0)" in str(report)
    assert "DUPLICATE_VALUES" in str(report)
