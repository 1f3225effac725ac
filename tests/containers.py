"""Run scripts in real containers, and look at what they leave: shared by the tests of the worker and the attacks."""

from __future__ import annotations

import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloister.errors import EnclaveError, ImageUnavailable
from cloister.rooms.limits import MIB, Limits
from cloister.worker.images import store as images
from cloister.worker.runners.python import PythonRun, PythonTask, run_python
from cloister.worker.sandbox import cgroups, probe
from cloister.worker.sandbox.container import Outcome, Sandbox, group_name

SMALL = Limits(
    memory_bytes=192 * MIB,
    pids=64,
    wall_seconds=30,
    output_bytes=16 * MIB,
    output_files=100,
    scratch_bytes=16 * MIB,
    log_bytes=64 * 1024,
)


@dataclass
class Ran:
    """A finished run, with its result unpacked."""

    run: PythonRun
    files: dict[str, bytes] = field(default_factory=dict)
    archive: bytes = b""
    refused: str | None = None
    """The collector's error."""

    @property
    def outcome(self) -> Outcome:
        return self.run.outcome

    @property
    def error(self) -> str | None:
        return self.run.error

    @property
    def log(self) -> str:
        return self.run.outcome.log.decode(errors="replace")

    def json(self) -> Any:
        """What the script printed, which must have succeeded."""
        assert self.error is None, f"{self.error}\n{self.log}"
        return json.loads(self.log)


class Machine:
    """A sandbox with the Python image in it."""

    def __init__(self, sandbox: Sandbox, image_root: Path) -> None:
        self.sandbox = sandbox
        self.image_root = image_root

    @contextmanager
    def running(
        self,
        script: str,
        *,
        inputs: Mapping[str, bytes] | None = None,
        limits: Limits = SMALL,
        cancelled: threading.Event | None = None,
        **options: Any,
    ) -> Iterator[PythonRun]:
        with self.sandbox.memory_folder(4 * MIB, 200) as folder:
            for name, content in (inputs or {}).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            task = PythonTask(script=script, input_folder=folder, image_root=self.image_root, limits=limits, **options)
            with run_python(self.sandbox, task, cancelled) as run:
                yield run

    def run(self, script: str, **options: Any) -> Ran:
        """Run to the end, unpack, and check that nothing is left."""
        with self.running(script, **options) as run:
            ran = Ran(run)
            if run.error is None:
                try:
                    ran.archive = b"".join(run.result())
                except EnclaveError as error:
                    ran.refused = error.message
                else:
                    with zipfile.ZipFile(io.BytesIO(ran.archive)) as archive:
                        ran.files = {name: archive.read(name) for name in archive.namelist()}
        assert self.left() == []
        return ran

    def left(self) -> list[str]:
        """Folders, mounts and control groups that belong to this sandbox's runs."""
        directory = self.sandbox.directory
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return [
            *(str(folder) for folder in directory.iterdir()),
            *(line for line in mounts if str(directory) in line),
            *cgroups.names(group_name(directory.parent, directory.name, ""), cgroups.hierarchies()),
        ]


@pytest.fixture(scope="session")
def image_root() -> Iterator[Path]:
    """The real image: nothing is skipped where it is missing."""
    try:
        image = images.open_image("python")
    except ImageUnavailable as error:
        pytest.fail(f"these tests need the Python image ({error}): run `make test`, or `cloister image build python`")
    with image:
        yield image.root


@pytest.fixture(scope="session")
def machine(image_root: Path) -> Iterator[Machine]:
    """A sandbox with the runtime that this machine's worker would use."""
    if os.geteuid() != 0:
        pytest.fail("these tests start containers: run them as root")
    with Sandbox(probe.detect(image_root)) as sandbox:
        yield Machine(sandbox, image_root)
