"""Whole tasks whose inputs, results or working files are larger than memory: on an encrypted disk, and the same."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

from cloister.protocol import Failed, Finished, Task, TaskInput
from cloister.rooms.limits import GIB, MIB, Limits
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download, upload
from cloister.worker import task as tasks
from cloister.worker.environments.store import Environments
from cloister.worker.images.offer import Offer
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox import cgroups, leftovers, probe
from cloister.worker.sandbox.budget import MemoryBudget
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.encrypted import Disk
from cloister.worker.sandbox.frame import DiskPlace, Room
from cloister.worker.sandbox.leftovers import group_name
from cloister.worker.sandbox.pool import CONTAINER_BYTES, Pool
from tests.containers import SMALL
from tests.sdk.hub_peer import PeerHub, Served
from tests.worker.sandbox.test_encrypted import backing_files, gone

IMPATIENT = Patience(pauses=())
HERE = Limits(memory_bytes=256 * MIB, wall_seconds=120)
SUM = """
import hashlib, os, sys
digest, size = hashlib.sha256(), 0
with open("/input/large", "rb") as file:
    while piece := file.read(1 << 20):
        digest.update(piece)
        size += len(piece)
mounts = [line for line in open("/proc/self/mountinfo") if " /input" in line]
try:
    open("/input/large", "ab")
except OSError as error:
    refused = isinstance(error, OSError)
open("/output/told", "w").write(f"{size} {digest.hexdigest()} {refused} {' ext4 ' in mounts[0]}")
"""
WORKER = """
import pathlib, sys
from cloister.worker import linux
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.encrypted import Disk
from cloister.worker.sandbox.frame import Room
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from tests.containers import SMALL
image, directory, disk = map(pathlib.Path, sys.argv[1:])
rooms = {"input": Room(1 << 20, 3), "output": Room(1 << 20, 3), "scratch": Room(1 << 20, 3)}
with Sandbox(probe.detect(image), directory, disk=Disk(disk)) as sandbox:
    with sandbox.container(blueprint(PYTHON, image, SMALL, ()), rooms) as container:
        (container.input_folder(0, 0) / "plaintext").write_text("x")
        print(sandbox.directory, flush=True)
        script = "import signal\\nopen('/output/x', 'w').write('x')\\nprint('runs', flush=True)\\nsignal.pause()"
        run_script(PYTHON, container, ScriptTask(script=script, limits=SMALL))
"""


@dataclass
class Worker:
    """All that a worker needs for a task but the enclave."""

    hub: Hub
    sandbox: Sandbox
    pool: Pool
    offer: Offer
    disk: Path

    def attach(self, mount: str, content: bytes, kind: str = "file") -> TaskInput:
        key = os.urandom(32)
        manifest = upload(self.hub, [content], key, secrets.token_hex(32), patience=IMPATIENT)
        return TaskInput(mount=mount, kind="zip" if kind == "zip" else "file", manifest=manifest, key=key)

    def task(self, script: str, *inputs: TaskInput, limits: Limits = HERE) -> Task:
        return Task(
            id=secrets.token_hex(32),
            room="aa" * 32,
            kind="python",
            name="only",
            script=script,
            files=(),
            inputs=inputs,
            image=self.offer.references[0],
            limits=limits,
            logs_on_error=True,
            logs_on_success=False,
            result=secrets.token_hex(32),
            result_key=os.urandom(32),
            report_key=os.urandom(32),
        )

    def perform(self, task: Task) -> Finished | Failed:
        environments = Environments(self.sandbox)
        done = tasks.perform(
            task, self.hub, self.sandbox, self.pool, self.offer, environments, IMPATIENT, threading.Event()
        )
        assert isinstance(done, Finished | Failed), done
        gone(self.disk)
        return done

    def files(self, task: Task) -> dict[str, bytes]:
        """The result of a task, which must succeed."""
        done = self.perform(task)
        assert isinstance(done, Finished), done
        archive = io.BytesIO()
        download(self.hub, done.manifest, task.result_key, archive, patience=IMPATIENT)
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(name) for name in opened.namelist()}


@pytest.fixture(params=[0, 1], ids=["cold", "warm"])
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Worker]:
    """On a machine where inputs may take 24 MiB of memory, and as many containers as wanted wait."""
    offer = Offer()
    memory = MemoryBudget(tmp_path / "memory", request.param * CONTAINER_BYTES + 24 * MIB)
    with contextlib.ExitStack() as held:
        held.callback(offer.close)
        root = offer.open(offer.references[0]).root
        served = held.enter_context(Served(PeerHub()))
        hub = Hub(served.url, served.hub.add_user("worker@example.org"))
        held.callback(hub.close)
        disk = tmp_path / "disk"
        sandbox = held.enter_context(Sandbox(probe.detect(root), memory=memory, disk=Disk(disk)))
        pool = held.enter_context(Pool(sandbox, request.param, blueprint(PYTHON, root, HERE, ()), ()))
        assert pool.wait_full(60)
        yield Worker(hub, sandbox, pool, offer, disk)


def test_an_input_larger_than_the_memory_for_it(worker: Worker) -> None:
    """Read-only like any other. One that fits lies in memory, as ever."""
    large = secrets.token_bytes(40 * MIB)
    digest = hashlib.sha256(large).hexdigest()
    assert worker.files(worker.task(SUM, worker.attach("large", large))) == {
        "told": f"{len(large)} {digest} True True".encode()
    }
    little = b"x" * 100
    told = worker.files(worker.task(SUM, worker.attach("large", little)))["told"]
    assert told.startswith(b"100 ")
    assert told.endswith(b" True False")


def test_a_result_before_that_is_larger_than_the_memory_for_it(worker: Worker) -> None:
    """The archive fits into memory, what is in it doesn't."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/zeros", bytes(64 * MIB))
        archive.writestr("b", b"2")
    script = "import os; open('/output/told', 'w').write(str(os.path.getsize('/input/r/a/zeros')))"
    files = worker.files(worker.task(script, worker.attach("r", packed.getvalue(), "zip")))
    assert files["told"] == str(64 * MIB).encode()


def test_more_output_and_scratch_than_memory(worker: Worker) -> None:
    """Where the definition allows more of it than of memory, and more than by default, it doesn't count as memory."""
    limits = Limits(memory_bytes=192 * MIB, output_bytes=5 * GIB, scratch_bytes=3 * GIB, wall_seconds=120)
    script = """
for name in ("/tmp/x", "/scratch/x", "/output/x"):
    with open(name, "wb") as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
open("/tmp/program", "w").write("#!/bin/sh\\nexit 0")
import os, subprocess
os.chmod("/tmp/program", 0o700)
assert subprocess.run(["/tmp/program"]).returncode == 0
os.remove("/output/x")
open("/output/y", "wb").write(b"done")
"""
    assert worker.files(worker.task(script, limits=limits)) == {"y": b"done"}


@pytest.mark.parametrize(
    ("limits", "script", "words"),
    [
        ({"output_files": 10}, "for n in range(20): open(f'/output/{n}', 'w')", "its limit on output files"),
        ({"memory_bytes": 64 * MIB}, "x = b'x' * (1 << 28)", "its limit on memory"),
        ({"scratch_bytes": 900 * GIB}, "", "no room for what the computation's limit on scratch allows"),
        ({"output_bytes": 900 * GIB}, "", "no room for what the computation's limit on output size allows"),
    ],
    ids=["files", "memory", "disk for scratch", "disk for output"],
)
def test_limits_on_disk_name_themselves(worker: Worker, limits: dict[str, int], script: str, words: str) -> None:
    all_on_disk = Limits(memory_bytes=192 * MIB, output_bytes=5 * GIB, scratch_bytes=3 * GIB, wall_seconds=120)
    done = worker.perform(worker.task(script, limits=msgspec.structs.replace(all_on_disk, **limits)))
    assert isinstance(done, Failed)
    assert words in done.message


def test_full_folders_on_disk(tmp_path: Path, image_root: Path) -> None:
    """Of a size that a test can fill."""
    limits = msgspec.structs.replace(SMALL, output_bytes=2 * MIB, scratch_bytes=2 * MIB, wall_seconds=60)
    room = Room(2 * MIB, 100)
    with Sandbox(probe.detect(image_root), disk=Disk(tmp_path)) as sandbox:
        cases: list[tuple[DiskPlace, str, str]] = [("output", "output", "output size"), ("scratch", "tmp", "scratch")]
        for place, folder, name in cases:
            on_disk = {place: room}
            with sandbox.container(blueprint(PYTHON, image_root, limits, ()), on_disk) as made:
                script = f"open('/{folder}/x', 'wb').write(bytes(1 << 28))"
                run = run_script(PYTHON, made, ScriptTask(script=script, limits=limits))
                assert run.limit == name
    gone(tmp_path)


@pytest.mark.parametrize("victim", ["worker", "tini"])
def test_killed_with_plaintext_on_disk(image_root: Path, tmp_path: Path, victim: str) -> None:
    """Nothing is left: no process, mount, control group, device or file."""
    directory = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    command = [sys.executable, "-c", WORKER, str(image_root), str(directory), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        own = Path(worker.stdout.readline().strip())
        assert len(backing_files(tmp_path)) == 3
        (tini,) = [child for child in psutil.Process(worker.pid).children() if child.name() != "timeout"]
        (worker if victim == "worker" else tini).kill()
        worker.wait(30)
    assert (worker.returncode == -signal.SIGKILL) is (victim == "worker")
    if victim == "worker":
        assert own.name in leftovers.sweep(directory)
    assert not tini.is_running() or tini.status() == psutil.STATUS_ZOMBIE
    assert list(directory.iterdir()) == []
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()
    assert not cgroups.names(group_name(directory, own.name, ""), cgroups.hierarchies())
    gone(tmp_path)
    directory.rmdir()
