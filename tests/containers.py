"""Run scripts in real containers, and look at what they leave: shared by the tests of the worker and the attacks."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloister.errors import EnclaveError, ImageUnavailable
from cloister.rooms.limits import MIB, Limits
from cloister.worker.images import store as images
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import Language, ScriptRun, ScriptTask, blueprint, run_script
from cloister.worker.sandbox import cgroups, probe
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.job import Blueprint, Outcome
from cloister.worker.sandbox.leftovers import group_name
from cloister.worker.sandbox.pool import Pool
from cloister.worker.sandbox.runtime import Runtime

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

    run: ScriptRun
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
    """A sandbox with an image in it, the Python one unless told otherwise.

    Args:
        pool: where it takes its containers from; without one, each is made when it is needed.
    """

    def __init__(
        self, sandbox: Sandbox, image_root: Path, pool: Pool | None = None, language: Language = PYTHON
    ) -> None:
        self.language = language
        self.sandbox = sandbox
        self.image_root = image_root
        self.pool = pool

    def container(self, limits: Limits = SMALL, inputs: Iterable[str] = ()) -> AbstractContextManager[Container]:
        """One for a Python computation."""
        wanted = blueprint(self.language, self.image_root, limits, {name.partition("/")[0] for name in inputs})
        if self.pool is None:
            return self.sandbox.container(wanted)
        return self._waited(self.pool, wanted)

    @contextmanager
    def _waited(self, pool: Pool, wanted: Blueprint) -> Iterator[Container]:
        """One that has waited, however long that takes to get."""
        waited = False
        while not waited:
            with pool.take(wanted) as container:
                waited = container.blueprint.imports != ()
                if waited:
                    yield container
            assert pool.wait_full(60)

    @contextmanager
    def running(
        self,
        script: str,
        *,
        inputs: Mapping[str, bytes] | None = None,
        limits: Limits = SMALL,
        cancelled: threading.Event | None = None,
        **options: Any,
    ) -> Iterator[ScriptRun]:
        with self.container(limits, inputs or {}) as container:
            folder = container.input_folder(4 * MIB, 200)
            for name, content in (inputs or {}).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            yield run_script(self.language, container, ScriptTask(script=script, limits=limits, **options), cancelled)

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
        """Folders, mounts and control groups that belong to this sandbox's runs, not to containers that wait."""
        directory = self.sandbox.directory
        if self.pool is not None:
            assert self.pool.wait_full(60)
        waiting = [] if self.pool is None else [each.name for each in self.pool.waiting]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found = [
            *(str(folder) for folder in directory.iterdir()),
            *(line for line in mounts if str(directory) in line),
            *cgroups.names(group_name(directory.parent, directory.name, ""), cgroups.hierarchies()),
        ]
        return [each for each in found if not any(name in each for name in waiting)]


needs_gvisor = pytest.mark.skipif(
    shutil.which("runsc") is None,
    reason="NOT TRIED: gVisor is not installed here (apt-get install runsc, from the distribution's backports)",
)


@pytest.fixture(scope="session")
def image_root() -> Iterator[Path]:
    """The real image: nothing is skipped where it is missing."""
    try:
        image = images.open_image("python")
    except ImageUnavailable as error:
        pytest.fail(f"these tests need the Python image ({error}): run `make test`, or `cloister image build python`")
    with image:
        yield image.root


@contextmanager
def machine_of(kind: str, image_root: Path) -> Iterator[Machine]:
    """A sandbox whose containers are `cold`, made when they are needed; or `warm`, having waited, libraries imported,
    for their task; both with the runtime that this machine's worker would use. Or `gvisor`, which is cold."""
    if os.geteuid() != 0:
        pytest.fail("these tests start containers: run them as root")
    with Sandbox(Runtime.named("runsc") if kind == "gvisor" else probe.detect(image_root)) as sandbox:
        if kind != "warm":
            yield Machine(sandbox, image_root)
        else:
            # Every test waits for the next one to be ready, so it lets nobody go first.
            with Pool(sandbox, 1, blueprint(PYTHON, image_root, SMALL, ()), yielding_seconds=0) as pool:
                yield Machine(sandbox, image_root, pool)


@pytest.fixture(scope="session", params=["cold", "warm"])
def machine(request: pytest.FixtureRequest, image_root: Path) -> Iterator[Machine]:
    """Once of each kind."""
    with machine_of(request.param, image_root) as made:
        yield made
