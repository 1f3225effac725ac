"""A room from its publication to its end, in the words of the documented interface alone, by two people."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import decentriq_platform as dq
import pytest
from decentriq_platform.analytics import (
    AnalyticsDcr,
    AnalyticsDcrBuilder,
    FileContent,
    NodeDefinition,
    PythonComputeNode,
    PythonComputeNodeDefinition,
    RawDataNode,
    RawDataNodeDefinition,
)

from tests.installation import Installation

ANALYST, HOSPITAL = "analyst@conformance.example", "hospital@conformance.example"

CLEAN = b"""
import os
with open("/input/patients") as source:
    rows = source.read().splitlines()
if os.path.exists("/input/extra"):
    rows += open("/input/extra").read().splitlines()
with open("/input/code/rules/skip.txt") as file:
    skip = file.read().split()
os.makedirs("/output/parts")
with open("/output/parts/rows.csv", "w") as target:
    target.writelines(row + "\\n" for row in rows if row.split(",")[0] not in skip)
print("cleaned")
"""
COUNT = """
import json, rules.names
rows = open("/input/clean/parts/rows.csv").read().splitlines()
with open("/output/count.json", "w") as file:
    json.dump({rules.names.TITLE: len(rows)}, file)
"""
BROKEN = """
def inner():
    raise KeyError("a patient's name")
inner()
"""
NODES: list[NodeDefinition] = [
    # Out of order: what depends on something may be added before it.
    PythonComputeNodeDefinition(
        name="count",
        script=COUNT,
        dependencies=["clean-id"],
        additional_files=[FileContent("rules/names.py", "TITLE = 'patients'"), FileContent("rules/__init__.py", "")],
    ),
    PythonComputeNodeDefinition(
        name="clean",
        script=CLEAN,
        additional_files=[FileContent(name="rules/skip.txt", content="p2 p9")],
        dependencies=["patients", "extra"],
        enable_logs_on_success=True,
        id="clean-id",
    ),
    PythonComputeNodeDefinition(name="broken", script=BROKEN, dependencies=["patients"]),
    RawDataNodeDefinition(name="patients", is_required=True),
    RawDataNodeDefinition(name="extra", is_required=False),
]


@dataclass
class Parties:
    """Two clients, made as scripts make them, each with a machine of their own."""

    analyst: dq.Client
    hospital: dq.Client


@pytest.fixture
def parties(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parties]:
    host, _, port = installation.url.removeprefix("http://").partition(":")
    monkeypatch.setenv("CLOISTER_TRUST_SOFTWARE_ENCLAVE", "1")
    clients = []
    for email in (ANALYST, HOSPITAL):
        monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / email))
        token = installation.token(email)
        clients.append(
            dq.create_client(
                email, token, client_id="any", api_host=host, api_port=int(port), api_use_tls=False, request_timeout=30
            )
        )
    yield Parties(*clients)
    for client in clients:
        client.close()


def publish(parties: Parties) -> AnalyticsDcr:
    builder = AnalyticsDcrBuilder(client=parties.analyst, enclave_specs=dq.enclave_specifications.latest())
    builder.with_name("Patients").with_owner(ANALYST).with_description("How many").add_node_definitions(NODES)
    builder.add_participant(HOSPITAL, data_owner_of=["patients", "extra"])
    builder.add_participant(ANALYST, analyst_of=["count", "clean-id", "broken"])
    return parties.analyst.publish_analytics_dcr(builder.build())


def data(room: AnalyticsDcr, name: str) -> RawDataNode:
    node = room.get_node(name)
    assert isinstance(node, RawDataNode)
    return node


def computation(room: AnalyticsDcr, name: str) -> PythonComputeNode:
    node = room.get_node(name)
    assert isinstance(node, PythonComputeNode)
    return node


def test_from_publication_to_the_end(parties: Parties) -> None:
    room = publish(parties)
    seen = parties.hospital.retrieve_analytics_dcr(room.id, enclave_specs=dq.enclave_specifications.latest())
    # Everybody has the same definition, with the types it was made of.
    assert seen.node_definitions == NODES == room.node_definitions
    assert [type(node) for node in seen.node_definitions] == [type(node) for node in NODES]
    assert seen.high_level == room.high_level == seen._get_high_level_representation()
    assert sorted(seen.participants()) == [ANALYST, HOSPITAL]
    assert seen.get_node("nothing") is None
    described = parties.hospital.get_data_room_description(room.id)
    assert described is not None
    assert set(described) >= {
        *("id", "title", "driverAttestationHash", "isStopped", "createdAt", "updatedAt", "owner", "kind")
    }
    assert (described["title"], described["owner"], described["kind"]) == (
        "Patients",
        {"email": ANALYST},
        "DATA_SCIENCE",
    )
    assert described in parties.analyst.get_data_room_descriptions()

    # What is missing is named; then it is there.
    count = computation(room, "count")
    with pytest.raises(dq.BadRequestError, match="'patients'"):
        count.run_computation()
    key = dq.Key()
    data(seen, "patients").upload_and_publish_dataset(io.BytesIO(b"p1,3\np2,4\np3,5\n"), key, "p.csv")
    before = count.job_id
    count.run_computation()
    assert before is None
    assert count.job_id
    result = count.get_results_as_zip(interval=1, timeout=60)
    assert isinstance(result, zipfile.ZipFile)
    assert result.filename == "count.zip"
    assert result.read("count.json") == b'{"patients": 2}'
    with zipfile.ZipFile(io.BytesIO(count.get_results_as_bytes())) as again:
        assert again.namelist() == ["count.json"]

    # An optional input that has come makes it another question.
    data(seen, "extra").upload_and_publish_dataset(io.BytesIO(b"p4,1\np9,2\n"), dq.Key(), "e.csv", "more of them")
    more = count.run_computation_and_get_results_as_zip()
    assert more is not None
    assert more.read("count.json") == b'{"patients": 3}'
    cleaned = computation(room, "clean").run_computation_and_get_results_as_bytes(interval=5, timeout=None)
    with zipfile.ZipFile(io.BytesIO(cleaned)) as archive:
        assert sorted(archive.namelist()) == ["container.log", "parts/rows.csv"]
        assert archive.read("container.log") == b"cleaned\n"
        assert archive.read("parts/rows.csv") == b"p1,3\np3,5\np4,1\n"

    # How a script fails is told without what it says of data.
    with pytest.raises(dq.EnclaveError, match="KeyError") as failed:
        computation(room, "broken").run_computation_and_get_results_as_bytes()
    assert "inner" in failed.value.message
    assert "a patient's name" not in failed.value.message

    # Who may not, may not.
    with pytest.raises(dq.AuthorizationError):
        computation(seen, "count").run_computation()
    with pytest.raises(dq.AuthorizationError):
        data(room, "patients").remove_published_dataset()
    with pytest.raises(dq.AuthorizationError):
        seen.stop()

    lines = seen.retrieve_audit_log().splitlines()
    assert all(len(line.split(",")) == 5 for line in lines)
    assert all(line.split(",")[0].isdigit() and len(line.split(",")[0]) == 13 for line in lines)
    assert {line.split(",")[1] for line in lines} == {ANALYST, HOSPITAL}
    assert "log has been retrieved" in lines[-1].split(",")[2]

    data(seen, "patients").remove_published_dataset()
    with pytest.raises(dq.BadRequestError):
        count.run_computation()
    room.stop()
    with pytest.raises(dq.BadRequestError, match="stopped"):
        data(seen, "patients").upload_and_publish_dataset(io.BytesIO(b""), key, "p.csv")
    shown = parties.hospital.get_data_room_descriptions(exclude_stopped_dcrs=True)
    assert room.id not in [each["id"] for each in shown]


def test_rooms_of_others_do_not_exist(parties: Parties) -> None:
    builder = AnalyticsDcrBuilder(client=parties.analyst).with_name("Alone").with_owner(ANALYST)
    room = parties.analyst.publish_analytics_dcr(builder.build())
    with pytest.raises(dq.NotFoundError):
        parties.hospital.retrieve_analytics_dcr(room.id)
    assert parties.hospital.get_data_room_description(room.id) is None
