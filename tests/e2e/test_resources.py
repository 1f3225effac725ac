"""An installation with little memory and bounds of its own: what is larger still runs, what is too much is refused."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cloister.analytics import AnalyticsDcrBuilder, Limits, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import ApiError, EnclaveError
from cloister.rooms.limits import MIB
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation, attach, compute_node, run
from tests.worker.sandbox.test_encrypted import backing_files, gone

ANALYST = "analyst@resources.example"
SUM = """
import hashlib
digest = hashlib.sha256()
with open("/input/large", "rb") as file:
    while piece := file.read(1 << 20):
        digest.update(piece)
open("/output/sum", "w").write(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> Iterator[Installation]:
    """Inputs may take 16 MiB of memory; there is one worker, and nothing waits."""
    place = tmp_path_factory.mktemp("small")
    options = ("--workers", "1", "--warm", "0", "--memory-budget", "16MiB", "--max-pids", "600")
    made = Installation(
        place / "data", place / "homes", (*options, "--scratch", str(scratch), "--scratch-disk", "1GiB")
    )
    made.start()
    yield made
    assert made.stop() == 0
    gone(scratch)


def published(installation: Installation, script: str, **limits: int) -> AnalyticsDcr:
    client = installation.client(ANALYST)
    builder = AnalyticsDcrBuilder(client=client).with_name("Resources").with_owner(ANALYST)
    builder.add_node_definition(RawDataNodeDefinition(name="large", is_required=True))
    computation = PythonComputeNodeDefinition(
        name="only", script=script, dependencies=["large"], limits=Limits(**limits) if limits else None
    )
    builder.add_node_definition(computation)
    builder.add_participant(ANALYST, data_owner_of=["large"], analyst_of=["only"])
    return client.publish_analytics_dcr(builder.build())


def test_an_input_larger_than_memory(small: Installation, scratch: Path) -> None:
    data = secrets.token_bytes(40 * MIB)
    room = published(small, SUM)
    attach(room, "large", data)
    with run(room, "only") as result:
        assert result.read("sum").decode() == hashlib.sha256(data).hexdigest()
    gone(scratch)


def test_more_than_the_installation_allows(small: Installation) -> None:
    """It is refused when it is published."""
    words = r"asks for more than this installation allows \(pids: 601 processes and threads, where 600 are allowed\)"
    with pytest.raises((ApiError, EnclaveError), match=words):
        published(small, SUM, pids=601)


def test_a_worker_killed_with_an_input_on_the_disk(small: Installation, scratch: Path) -> None:
    """Its task goes to another once, which is killed too: that is told, and nothing is left on the disk."""
    data = secrets.token_bytes(40 * MIB)
    room = published(small, "import signal\nsignal.pause()")
    attach(room, "large", data)
    errors: list[Exception] = []

    def wait() -> None:
        try:
            compute_node(room, "only").run_computation_and_get_results_as_zip()
        except (ApiError, EnclaveError) as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    killed: list[psutil.Process] = []
    for _ in range(2):
        script = small.script()
        assert len(backing_files(scratch)) == 1
        worker = small.part("worker")
        worker.kill()
        psutil.wait_procs([worker, script], timeout=30)
        killed.append(worker)
    waiting.join(60)
    assert len(set(killed)) == 2
    assert "lost its worker twice" in str(errors[0])
    gone(scratch)
