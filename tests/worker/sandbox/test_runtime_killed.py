"""`kill -9` of the OCI runtime itself, at whatever it is just doing: an error, and nothing is left."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cloister.errors import SandboxUnavailable
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import blueprint
from cloister.worker.sandbox import leftovers, probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.encrypted import Disk
from cloister.worker.sandbox.frame import DiskPlace, Room
from cloister.worker.sandbox.runtime import Runtime
from tests.containers import SMALL, Machine
from tests.worker.sandbox.test_encrypted import gone

KILLED = """
#!/bin/sh
case " $* " in
*" run "*) exec timeout --signal=KILL {seconds} {runtime} "$@" ;;
*) exec {runtime} "$@" ;;
esac
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    made = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    yield made
    leftovers.sweep(made)
    assert list(made.iterdir()) == []
    made.rmdir()


def test_a_runtime_killed_while_it_starts_a_container(image_root: Path, directory: Path, tmp_path: Path) -> None:
    real = probe.detect(image_root).path
    path = tmp_path / real.name
    path.touch(mode=0o700)
    errors = []
    with Sandbox(Runtime(path, "killed"), directory) as sandbox:
        killed = Machine(sandbox, image_root)
        for milliseconds in (1, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60):
            path.write_text(KILLED.lstrip().format(runtime=real, seconds=milliseconds / 1000))
            try:
                assert killed.run("print('run')").log == "run\n"  # where it was quick enough
            except SandboxUnavailable as error:
                errors.append(str(error))
            assert killed.left() == []
    assert errors
    assert all("could not start a container" in error for error in errors)
    assert [child for child in psutil.Process().children(recursive=True) if real.name in child.name()] == []


def test_a_runtime_killed_while_it_starts_a_container_on_disk(
    image_root: Path, directory: Path, tmp_path: Path
) -> None:
    """Its encrypted volumes go with the container that there wasn't."""
    real = probe.detect(image_root).path
    path, disk = tmp_path / real.name, tmp_path / "disk"
    path.touch(mode=0o700)
    rooms: dict[DiskPlace, Room] = {"input": Room(1, 1), "output": Room(1, 1), "scratch": Room(1, 1)}
    with Sandbox(Runtime(path, "killed"), directory, disk=Disk(disk)) as sandbox:
        for milliseconds in (5, 20, 35):
            path.write_text(KILLED.lstrip().format(runtime=real, seconds=milliseconds / 1000))
            with contextlib.suppress(SandboxUnavailable):
                sandbox.make(blueprint(PYTHON, image_root, SMALL, ()), rooms).close()
            assert Machine(sandbox, image_root).left() == []
            gone(disk)
