"""What a worker makes of its inputs: in memory, and an error that names the one that won't fit."""

from __future__ import annotations

import io
import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloister.protocol import TaskInput
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import upload
from cloister.worker.sandbox import scratch
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.runtime import Runtime
from cloister.worker.task import InputInvalid, stage
from tests.sdk.hub_peer import PeerHub, Served

MIB = 1 << 20
IMPATIENT = Patience(pauses=())


class SmallSandbox(Sandbox):
    """On a machine with four mebibytes of memory to spare."""

    def __init__(self, directory: Path) -> None:
        super().__init__(Runtime(Path("/bin/false"), "none"), directory)
        self._small = scratch.Directory(directory, free=lambda: scratch.RESERVE_BYTES + 4 * MIB)

    def memory_folder(self, size_bytes: int, files: int) -> AbstractContextManager[Path]:
        return self._small.memory_folder(size_bytes, files)

    def close(self) -> None:
        self._small.close()
        super().close()


@dataclass
class Stage:
    hub: Hub
    sandbox: Sandbox
    held: ExitStack

    def stage(self, *inputs: TaskInput) -> Path:
        folder = Path()

        def make_folder(size_bytes: int, files: int) -> Path:
            nonlocal folder
            folder = self.held.enter_context(self.sandbox.memory_folder(size_bytes, files))
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


@pytest.fixture
def small() -> Iterator[Stage]:
    if os.geteuid() != 0:
        pytest.skip("memory file systems are mounted by root")
    directory = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    with Served(PeerHub()) as served, SmallSandbox(directory) as sandbox:
        hub = Hub(served.url, served.hub.add_user("worker@example.org"))
        with ExitStack() as held:
            yield Stage(hub, sandbox, held)
        assert str(directory) not in Path("/proc/self/mountinfo").read_text()
        hub.close()
    assert list(directory.iterdir()) == []
    directory.rmdir()


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
