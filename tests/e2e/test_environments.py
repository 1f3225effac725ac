"""Scripts that bring packages along: a whole Cloister, real containers, and an index on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.analytics import (
    AnalyticsDcrBuilder,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNode,
    PythonEnvironmentComputeNodeDefinition,
    RawDataNodeDefinition,
)
from cloister.errors import EnclaveError
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation, attach, compute_node
from tests.worker.environments.index import Index, serving

OWNER = "owner@example.org"
SCRIPT = """
import json, numpy, socket, word
try:
    socket.create_connection(("127.0.0.1", 3128), 2)
except OSError as error:
    network = type(error).__name__
with open("/output/told.json", "w") as file:
    json.dump([numpy.__version__, word.WORD, open("/input/data").read(), network], file)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with serving(tmp_path_factory.mktemp("index")) as index:
        index.add("word", "1.0", {"word.py": b"WORD = 'hello'\n"})
        index.add("numpy", "99.0", {"numpy.py": b"__version__ = 'ours'\n"}, requires=["word"])
        yield index


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, index: Index) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("environments")
    certificates = folder / "certificates.pem"
    certificates.write_bytes(index.certificate)
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("CLOISTER_PACKAGE_INDEX", index.address)
        settings.setenv("SSL_CERT_FILE", str(certificates))
        installation = Installation(folder / "data", folder / "homes").start()
    yield installation
    installation.stop()


def publish(client: Client, requirements: str) -> AnalyticsDcr:
    nodes = [
        RawDataNodeDefinition("data", is_required=True),
        PythonEnvironmentComputeNodeDefinition("packages", requirements),
        PythonComputeNodeDefinition("script", SCRIPT, dependencies=["data"], custom_environment="packages"),
    ]
    builder = AnalyticsDcrBuilder(client=client).with_name("Packages").with_owner(OWNER).add_node_definitions(nodes)
    builder.add_participant(OWNER, data_owner_of=["data"], analyst_of=["packages", "script"])
    return client.publish_analytics_dcr(builder.build())


@pytest.mark.slow
def test_packages_that_a_script_brings_along(running: Installation, index: Index, tmp_path: Path) -> None:
    client = running.client(OWNER)
    room = publish(client, "numpy  # ours\n")
    # What is installed stands in the definition that everybody reads, before any data is there.
    definition = next(node for node in room.node_definitions if node.name == "packages")
    assert isinstance(definition, PythonEnvironmentComputeNodeDefinition)
    assert [(each.name, each.version) for each in definition.lock] == [("numpy", "99.0"), ("word", "1.0")]
    packages = room.get_node("packages")
    assert isinstance(packages, PythonEnvironmentComputeNode)
    report = packages.get_installation_report_as_dict()
    assert [(each["metadata"]["name"], each["requested"]) for each in report["install"]] == [
        ("numpy", True),
        ("word", False),
    ]
    # From here on nothing is fetched, whatever the index has.
    index.asked.clear()
    attach(room, "data", b"secret")
    archive = compute_node(room, "script").run_computation_and_get_results_as_zip()
    assert archive is not None
    with archive:
        told = json.loads(archive.read("told.json"))
    assert told == ["ours", "hello", "secret", "ConnectionRefusedError"]
    assert index.asked == []
    # A room made of the same nodes has the same packages, though there are newer ones by now.
    index.add("word", "2.0", {"word.py": b"WORD = 'goodbye'\n"})
    builder = AnalyticsDcrBuilder(client=client).with_name("Again").with_owner(OWNER)
    again = client.publish_analytics_dcr(builder.add_node_definitions(room.node_definitions).build())
    assert [node.record for node in again.node_definitions] == [node.record for node in room.node_definitions]
    assert room.definition.id() != again.definition.id()


@pytest.mark.slow
def test_what_can_not_be_resolved_is_said_in_the_installers_words(running: Installation) -> None:
    with pytest.raises(
        EnclaveError, match=r"'packages' can't be made[^§]*absent was not found in the package registry"
    ):
        publish(running.client(OWNER), "absent==1.0")
