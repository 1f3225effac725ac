"""Tables in a running installation: validated, asked in SQL, read by scripts, and what isn't valid blocks the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cloister.analytics import (
    AnalyticsDcrBuilder,
    Column,
    FormatType,
    NodeDefinition,
    PreviewComputeNode,
    PreviewComputeNodeDefinition,
    PythonComputeNodeDefinition,
    SqlComputeNodeDefinition,
    SqliteComputeNodeDefinition,
    TableDataNode,
    TableDataNodeDefinition,
)
from cloister.errors import AuthorizationError, BadRequestError, EnclaveError
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.key import Key
from cloister.sdk.nodes import TabularComputeNode
from tests.installation import Installation, run

pytestmark = pytest.mark.slow

BELA, ANNA = "bela@tables.example", "anna@tables.example"
COLUMNS = [
    Column(FormatType.STRING, "who", is_nullable=False),
    Column(FormatType.STRING, "team", is_nullable=True),
    Column(FormatType.INTEGER, "salary", is_nullable=False, in_range=(0, None)),
]
SALARIES = b"who,team,salary\r\nAda,bridge,70\r\nBo,bridge,80\r\nCy,engine,+090\r\n"
TEAMS = "SELECT team, count(*) AS people, avg(salary) AS mean FROM salaries GROUP BY team ORDER BY team"
READ = """
import cloister_util
frame = cloister_util.read_tabular_data("/input/teams")
frame["double"] = frame["mean"] * 2
cloister_util.write_tabular_data(frame, "/output")
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of these tests' own, as one of them starts it anew."""
    folder = tmp_path_factory.mktemp("tables")
    running = Installation(folder / "data", folder / "homes").start()
    yield running
    running.stop()


def table(name: str, **more: Any) -> TableDataNodeDefinition:
    return TableDataNodeDefinition(name, COLUMNS, **{"is_required": True, **more})


def published(installation: Installation, *nodes: NodeDefinition) -> tuple[AnalyticsDcr, AnalyticsDcr]:
    """A room whose tables are Bela's, and whose computations are for Anna: as either sees it."""
    owned = [node.id for node in nodes if isinstance(node, TableDataNodeDefinition)]
    asked = [node.id for node in nodes if node.id not in owned]
    client = installation.client(BELA)
    builder = AnalyticsDcrBuilder(client=client).with_name("Tables").with_owner(BELA).add_node_definitions(nodes)
    builder.add_participant(BELA, data_owner_of=owned).add_participant(ANNA, analyst_of=asked)
    belas = client.publish_analytics_dcr(builder.build())
    return belas, installation.client(ANNA).retrieve_analytics_dcr(belas.id)


def owned(room: AnalyticsDcr, name: str) -> TableDataNode:
    node = room.get_node(name)
    assert isinstance(node, TableDataNode)
    return node


def attach(room: AnalyticsDcr, name: str, content: bytes = SALARIES) -> None:
    owned(room, name).upload_and_publish_dataset(content, Key(), f"{name}.csv", has_header=True)


def asked(room: AnalyticsDcr, name: str) -> str:
    node = room.get_node(name)
    assert isinstance(node, TabularComputeNode)
    return node.run_computation_and_get_results_as_string()


def started(room: AnalyticsDcr) -> list[str]:
    """The nodes that were run so far, in order."""
    return [str(event["body"]["node"]) for event in room.audit_events() if event["body"]["type"] == "run_started"]


def test_from_a_table_to_a_query_over_what_a_script_has_made(tables: Installation) -> None:
    belas, annas = published(
        tables,
        table("salaries"),
        table("others"),
        SqlComputeNodeDefinition("teams", TEAMS, ["salaries"]),
        SqlComputeNodeDefinition("large teams", TEAMS, ["salaries"], minimum_rows_count=2),
        PythonComputeNodeDefinition("double", READ, dependencies=["teams"]),
        SqliteComputeNodeDefinition("least", 'SELECT team, "double" FROM double WHERE people > 1', ["double"]),
        SqlComputeNodeDefinition("other", "SELECT count(*) AS number FROM others", ["others"]),
    )
    attach(belas, "salaries")
    attach(belas, "others")
    assert asked(annas, "least") == "team,double\nbridge,150.0"
    assert asked(annas, "teams") == "team,people,mean\nbridge,2,75.0\nengine,1,90.0"
    assert asked(annas, "large teams") == "team,people,mean\nbridge,2,75.0"
    assert asked(annas, "other") == "number\n3"
    assert started(annas) == ["salaries", "teams", "double", "least", "large teams", "others", "other"]

    # What was asked before isn't computed again, and where one table changes, only what reads it.
    owned(belas, "salaries").remove_published_dataset()
    attach(belas, "salaries", SALARIES + b"Di,engine,110\n")
    assert asked(annas, "other") == "number\n3"
    assert asked(annas, "least") == "team,double\nbridge,150.0\nengine,200.0"
    assert started(annas)[7:] == ["salaries", "teams", "double", "least"]


def test_a_report_is_for_data_owners(tables: Installation) -> None:
    belas, annas = published(tables, table("salaries"), SqlComputeNodeDefinition("teams", TEAMS, ["salaries"]))
    attach(belas, "salaries")
    # Everybody may have it validated; what has come of it is told to its owners alone.
    owned(annas, "salaries").validation.run_computation()
    owned(annas, "salaries").validation.wait_for_run()
    with pytest.raises(AuthorizationError, match="data owner"):
        owned(annas, "salaries").get_validation_report_as_dict()
    report = owned(belas, "salaries").get_validation_report_as_dict()["report"]
    assert (report["outcome"], report["numRowsTotal"]) == ("PASSED", 3)
    with owned(belas, "salaries").validation.get_results_as_zip() as archive:
        assert archive.read("dataset.csv") == b"Ada,bridge,70\nBo,bridge,80\nCy,engine,90\n"
    assert asked(annas, "teams").startswith("team,people,mean\n")
    assert started(belas) == ["salaries", "teams"]


def test_a_table_that_is_invalid_blocks_what_reads_it(tables: Installation) -> None:
    belas, annas = published(
        tables,
        table("salaries"),
        table("loose", drop_invalid_rows=True),
        SqlComputeNodeDefinition("teams", TEAMS, ["salaries"]),
        PythonComputeNodeDefinition("double", READ, dependencies=["teams"]),
        SqlComputeNodeDefinition("rest", "SELECT who FROM loose", ["loose"]),
    )
    wrong = SALARIES + b"Di,engine,-1\nEd,engine,secret\nFi,engine\n"
    attach(belas, "salaries", wrong)
    attach(belas, "loose", wrong)
    for name in ("teams", "double"):
        node = annas.get_node(name)
        assert node is not None
        with pytest.raises(EnclaveError, match="salaries") as caught:
            run(annas, name) if name == "double" else asked(annas, name)
        assert "secret" not in str(caught.value)
        assert "FAILED" in str(caught.value)
    report = owned(belas, "salaries").get_validation_report_as_dict()["report"]
    assert (report["outcome"], report["numInvalidRowsTotal"]) == ("FAILED", 3)
    assert report["columns"][2]["recordedErrors"][0]["location"] == {"row": 3, "column": 2}
    assert asked(annas, "rest") == "who\nAda\nBo\nCy"
    dropped = owned(belas, "loose").get_validation_report_as_dict()["report"]
    assert (dropped["outcome"], dropped["dropInvalidRows"]) == ("PASSED", {"numInvalidRowsDropped": 3})


def test_an_optional_table_may_be_absent(tables: Installation) -> None:
    listing = "import os\nopen('/output/there', 'w').write(' '.join(sorted({*os.listdir('/input')} - {'code'})))"
    belas, annas = published(
        tables,
        table("salaries"),
        table("extra", is_required=False),
        PythonComputeNodeDefinition("listing", listing, dependencies=["salaries", "extra"]),
        SqlComputeNodeDefinition("both", "SELECT * FROM extra", ["salaries", "extra"]),
    )
    with pytest.raises(BadRequestError, match="'salaries'"):
        run(annas, "listing")
    attach(belas, "salaries")
    assert run(annas, "listing").read("there") == b"salaries"
    with pytest.raises(EnclaveError, match="There is no data for 'extra'"):
        asked(annas, "both")
    attach(belas, "extra")
    assert run(annas, "listing").read("there") == b"extra salaries"
    assert asked(annas, "both").count("\n") == 3


def test_what_a_preview_may_cost_is_kept_over_a_restart(tables: Installation) -> None:
    belas, annas = published(
        tables, table("salaries"), PreviewComputeNodeDefinition("look", "salaries", quota_bytes=1200)
    )
    attach(belas, "salaries")

    def look(room: AnalyticsDcr) -> int:
        node = room.get_node("look")
        assert isinstance(node, PreviewComputeNode)
        return len(node.run_computation_and_get_results_as_bytes())

    size = look(annas)
    assert 600 < size <= 1200
    assert tables.stop() == 0
    tables.start()
    belas = tables.client(BELA).retrieve_analytics_dcr(belas.id)
    annas = tables.client(ANNA).retrieve_analytics_dcr(belas.id)
    # What was had before is free; more than the rest is refused.
    assert look(annas) == size
    owned(belas, "salaries").remove_published_dataset()
    attach(belas, "salaries", SALARIES + b"Di,engine,110\n")
    with pytest.raises(BadRequestError, match="left of your quota of 1200"):
        look(annas)
