"""What a worker makes of its inputs: in memory, and an error that names the one that won't fit."""

from __future__ import annotations

import io
import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloister.protocol import TaskInput
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import upload
from cloister.worker.inputs import InputInvalid, stage
from cloister.worker.sandbox.budget import MemoryBudget
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.encrypted import Disk
from cloister.worker.sandbox.runtime import Runtime
from tests.sdk.hub_peer import PeerHub, Served

MIB = 1 << 20
IMPATIENT = Patience(pauses=())


@dataclass
class Stage:
    hub: Hub
    sandbox: Sandbox
    held: ExitStack

    def stage(self, *inputs: TaskInput) -> Path:
        folder = Path()

        def make_folder(size_bytes: int, files: int) -> Path:
            nonlocal folder
            folder = self.held.enter_context(self.sandbox.folder(size_bytes, files))
            return folder

        stage(inputs, self.hub, self.sandbox, make_folder, IMPATIENT)
        return folder

    def file(self, mount: str, content: bytes) -> TaskInput:
        return self._stored(mount, "file", content)

    def result(self, mount: str, files: dict[str, bytes]) -> TaskInput:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return self._stored(mount, "zip", packed.getvalue())

    def _stored(self, mount: str, kind: str, content: bytes) -> TaskInput:
        key = os.urandom(32)
        manifest = upload(self.hub, [content], key, secrets.token_hex(32), patience=IMPATIENT)
        return TaskInput(mount=mount, kind="zip" if kind == "zip" else "file", manifest=manifest, key=key)


@contextmanager
def staging(place: Path, disk: Disk | None) -> Iterator[Stage]:
    """On a machine with four mebibytes of memory to spare."""
    if os.geteuid() != 0:
        pytest.skip("file systems are mounted by root")
    directory = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    runtime = Runtime(Path("/bin/false"), "none")
    memory = MemoryBudget(place / "memory", 4 * MIB)
    with Served(PeerHub()) as served, Sandbox(runtime, directory, memory, disk) as sandbox:
        hub = Hub(served.url, served.hub.add_user("worker@example.org"))
        with ExitStack() as held:
            yield Stage(hub, sandbox, held)
        assert str(directory) not in Path("/proc/self/mountinfo").read_text()
        hub.close()
    assert list(directory.iterdir()) == []
    directory.rmdir()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path, None) as stage:
        yield stage


@pytest.fixture
def with_disk(tmp_path: Path) -> Iterator[Stage]:
    with staging(tmp_path, Disk(tmp_path / "disk")) as stage:
        yield stage


def test_what_does_not_fit_into_memory_lies_on_the_disk(with_disk: Stage) -> None:
    noise = secrets.token_bytes(5 * MIB)
    folder = with_disk.stage(with_disk.file("large", noise), with_disk.result("zip", {"a/b": noise, "c": b"2"}))
    assert (folder / "large").read_bytes() == noise
    assert (folder / "zip/a/b").read_bytes() == noise
    assert (folder / "zip/c").read_bytes() == b"2"
    assert os.statvfs(folder).f_blocks * 4096 > 64 * MIB


def test_what_fits_nowhere_is_named(tmp_path: Path) -> None:
    named = pytest.raises(InputInvalid, match="'large' does not fit into this worker's memory, nor into its scratch")
    with staging(tmp_path, Disk(tmp_path / "disk", most_bytes=MIB)) as stage, named:
        stage.stage(stage.file("little", b"x"), stage.file("large", bytes(5 * MIB)))


def test_where_the_kernel_cannot_encrypt_it_is_as_without_a_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    named = pytest.raises(InputInvalid, match=r"'large' does not fit into this worker's memory\.$")
    with staging(tmp_path, Disk(tmp_path / "file" / "below")) as stage, named:
        stage.stage(stage.file("little", b"x"), stage.file("large", bytes(5 * MIB)))


def test_inputs_that_fit(small: Stage) -> None:
    folder = small.stage(small.file("data", b"x" * MIB), small.result("before", {"a/b": b"1", "c": b"2"}))
    assert (folder / "data").read_bytes() == b"x" * MIB
    assert (folder / "before/a/b").read_bytes() == b"1"


def test_a_file_larger_than_memory_is_named(small: Stage) -> None:
    with pytest.raises(InputInvalid, match="The input 'large' does not fit into this worker's memory"):
        small.stage(small.file("little", b"x"), small.file("large", bytes(5 * MIB)))


def test_an_archive_larger_than_memory_is_named(small: Stage) -> None:
    with pytest.raises(InputInvalid, match="The input 'large' does not fit into this worker's memory"):
        small.stage(small.result("large", {"noise": secrets.token_bytes(5 * MIB)}))


def test_an_archive_whose_content_is_larger_than_memory_is_named(small: Stage) -> None:
    with pytest.raises(InputInvalid, match="The input 'zeros' does not fit into this worker's memory"):
        small.stage(small.file("little", b"x"), small.result("zeros", {"zeros": bytes(64 * MIB)}))


def test_more_is_said_to_be_in_an_archive_than_is(small: Stage) -> None:
    """Sizes in an archive are whoever made it's to write: what counts is what comes out."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"x" * 100)
    raw = packed.getvalue().replace((100).to_bytes(4, "little"), (99).to_bytes(4, "little"))
    with pytest.raises(InputInvalid, match="The input 'odd' is not the result that was computed"):
        small.stage(small._stored("odd", "zip", raw))
