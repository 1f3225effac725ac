"""Where resources end: very many files, a full /tmp, an image that goes away while workers run."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition
from cloister.errors import EnclaveError
from cloister.sdk.dcr import AnalyticsDcr
from cloister.worker.images.store import default_store
from tests.installation import Installation, run

_IMAGES = default_store()
ANALYST = "analyst@edges.example"


def published(installation: Installation, *computations: PythonComputeNodeDefinition) -> AnalyticsDcr:
    client = installation.client(ANALYST)
    builder = AnalyticsDcrBuilder(client=client).with_name("Edges").with_owner(ANALYST)
    for computation in computations:
        builder.add_node_definition(computation)
    builder.add_participant(ANALYST, analyst_of=[computation.name for computation in computations])
    return client.publish_analytics_dcr(builder.build())


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@pytest.mark.slow
def test_a_hundred_thousand_files_from_one_computation_to_the_next(installation: Installation) -> None:
    """As many as a result may have: 99,990 files in ten folders."""
    write = """
import os
for folder in range(10):
    os.mkdir(f"/output/{folder}")
    for number in range(9_999):
        with open(f"/output/{folder}/{number}", "w") as file:
            file.write(str(number))
"""
    count = """
import os
found = [os.path.join(folder, name) for folder, _, names in os.walk("/input/many") for name in names]
with open("/output/count", "w") as file:
    file.write(f"{len(found)} {sum(int(open(path).read()) for path in found)}")
"""
    room = published(
        installation,
        PythonComputeNodeDefinition(name="many", script=write),
        PythonComputeNodeDefinition(name="count", script=count, dependencies=["many"]),
    )
    with run(room, "count") as result:
        assert result.read("count").decode() == f"99990 {10 * sum(range(9_999))}"


def test_one_file_too_many(installation: Installation) -> None:
    script = "import os\nfor n in range(100_001): os.close(os.open(f'/output/{n}', os.O_CREAT))"
    room = published(installation, PythonComputeNodeDefinition(name="many", script=script))
    with pytest.raises(EnclaveError, match="limit on output files"):
        run(room, "many")


def test_a_full_tmp(installation: Installation) -> None:
    """A script that notices goes on; one that doesn't gets an error that names the limit."""
    fill = "with open('/tmp/x', 'wb') as file:\n    while True: file.write(bytes(1 << 20))\n"
    careful = f"try:\n    {fill.replace(chr(10), chr(10) + '    ')}\nexcept OSError: pass\nopen('/output/done', 'w')\n"
    room = published(
        installation,
        PythonComputeNodeDefinition(name="careless", script=fill),
        PythonComputeNodeDefinition(name="careful", script=careful),
    )
    with pytest.raises(EnclaveError, match="limit on scratch"):
        run(room, "careless")
    with run(room, "careful") as result:
        assert result.namelist() == ["done"]


@pytest.mark.slow
def test_an_image_that_is_removed_while_workers_run(
    own_installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker holds the image that it has opened, so it goes on; a new one says what is missing, until it is there."""
    store = tmp_path / "images"
    monkeypatch.setenv("CLOISTER_IMAGES", str(store))
    shutil.copytree(_IMAGES, store, symlinks=True, copy_function=_linked)
    own_installation.start()
    script = "open('/output/said', 'w').write('hello')"
    names = ("at first", "afterwards")
    room = published(own_installation, *(PythonComputeNodeDefinition(name=name, script=script) for name in names))
    shutil.rmtree(store)
    with run(room, "at first") as result:
        assert result.read("said") == b"hello"
    own_installation.part("worker").kill()
    deadline = time.monotonic() + 60
    while not any("There is no worker image on this machine. Build one:" in line for line in own_installation.log):
        assert time.monotonic() < deadline, own_installation.log
    shutil.copytree(_IMAGES, store, symlinks=True, copy_function=_linked)
    with run(room, "afterwards") as result:
        assert result.read("said") == b"hello"
    assert own_installation.stop() == 0
