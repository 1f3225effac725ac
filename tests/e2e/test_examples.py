"""The examples do what they say: tested, published and run with their test data, by the people in them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.files import RoomFolder, read_folder
from cloister.sdk.key import Key
from cloister.sdk.nodes import DataNode, TabularComputeNode, ZipComputeNode
from tests.cli.user import User
from tests.documents import ROOT
from tests.installation import Installation

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/room.yaml"))
View = Callable[[str], AnalyticsDcr]
"""The room as one of its participants sees it."""


@contextmanager
def published(installation: Installation, name: str) -> Iterator[View]:
    """An example, tested, published by its first participant, with the test data attached by those whose it is."""
    folder = ROOT / "examples" / name
    first = read_folder(folder, lambda: "nobody@example.org").definition.configuration.participants[1].user
    found: RoomFolder = read_folder(folder, lambda: first)
    machine = f"{name}-{first}"
    author = User(first, installation.token(first), installation.url, installation.homes / machine)
    author.login()
    report = author.do("room", "test", str(folder), "--json")
    assert report.code == 0, report.output
    assert report.document["empty"] == []
    room = author.well("room", "publish", str(folder), "--json").document["id"]
    assert author.do("room", "diff", str(folder)).code == 0
    clients = {first: installation.client(first, machine=machine)}

    def view(email: str) -> AnalyticsDcr:
        if email not in clients:
            clients[email] = installation.client(email, machine=f"{name}-{email}")
        return clients[email].retrieve_analytics_dcr(room)

    for entry in found.definition.configuration.participants:
        for node_id in entry.data_owner_of:
            node = view(entry.user).get_node(node_id)
            assert isinstance(node, DataNode)
            node.upload_and_publish_dataset(found.test_data[node_id], Key(), f"{node_id}.csv")
    yield view
    view(first).stop()


def archive(room: AnalyticsDcr, node: str) -> zipfile.ZipFile:
    found = room.get_node(node)
    assert isinstance(found, ZipComputeNode)
    result = found.run_computation_and_get_results_as_zip()
    assert result is not None
    return result


def table(room: AnalyticsDcr, node: str) -> list[dict[str, str]]:
    found = room.get_node(node)
    assert isinstance(found, TabularComputeNode)
    return list(csv.DictReader(io.StringIO(found.run_computation_and_get_results_as_string())))


@pytest.mark.slow
def test_two_hospitals_and_a_model(installation: Installation) -> None:
    with published(installation, "two-hospitals") as view:
        room = view("analyst@example.org")
        model = json.loads(archive(room, "model").read("model.json"))
        assert model["patients"] == 240
        assert min(model["coefficients"].values()) > 0
        assert model["area_under_curve"] > 0.6
        assert b"of two hospitals" in archive(room, "report").read("report.txt")


@pytest.mark.slow
def test_an_advertiser_and_a_publisher(installation: Installation) -> None:
    with published(installation, "advertiser-and-publisher") as view:
        rows = table(view("publisher@example.org"), "overlap")
        assert rows
        assert min(int(row["people"]) for row in rows) >= 10
        assert {row["segment"] for row in rows} <= {"new", "regular", "lapsed"}
        # One person reads that, and doesn't appear.
        assert "gardening" not in {row["topic"] for row in rows}
        shares = archive(view("advertiser@example.org"), "summary").read("shares.csv").decode()
        assert shares.startswith("segment,")


@pytest.mark.slow
def test_a_synthetic_extract(installation: Installation) -> None:
    with published(installation, "synthetic-extract") as view:
        room = view("developer@example.org")
        rows = table(room, "extract")
        assert rows[0].keys() == {"name", "sex", "age", "ward"}
        real = (ROOT / "examples/synthetic-extract/testdata/patients.csv").read_text()
        assert not [row for row in rows if f"{row['name']},{row['sex']},{row['age']}," in real]
        assert {row["ward"] for row in table(room, "by-ward")} <= {"cardiology", "surgery", "oncology"}
        assert room.privacy_ledger() == {"patients": 1.0}


def test_all_examples_are_tried() -> None:
    assert EXAMPLES == ["advertiser-and-publisher", "synthetic-extract", "two-hospitals"]
    tests = Path(__file__).read_text()
    assert all(f'published(installation, "{name}")' in tests for name in EXAMPLES)
