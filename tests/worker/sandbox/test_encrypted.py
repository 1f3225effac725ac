"""Encrypted scratch on a disk: what is written there is on the disk in no readable form, and gone afterwards."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.worker.sandbox import scratch
from cloister.worker.sandbox.encrypted import DISK_RESERVE_BYTES, Disk, DiskFull, DiskUnusable

MIB = 1 << 20
WORKER = """
import os, pathlib, sys
from cloister.worker import linux
from cloister.worker.sandbox import scratch
from cloister.worker.sandbox.encrypted import Disk
if sys.argv[3] == "private":
    linux.enter_private_mounts()
directory = scratch.Directory(pathlib.Path(sys.argv[1]))
disk = Disk(pathlib.Path(sys.argv[2]))
with directory.mount_point() as place:
    with disk.volume(place, size_bytes=1 << 20, files=3, mode=0o700, flags=scratch.PRIVATE) as folder:
        with (folder / "plaintext").open("wb") as file:
            file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
        print(folder, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def base() -> Iterator[Path]:
    made = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    yield made
    for folder in scratch.abandoned(made):
        scratch.clear(folder)
    assert list(made.iterdir()) == []
    made.rmdir()


@pytest.fixture
def directory(base: Path) -> Iterator[scratch.Directory]:
    made = scratch.Directory(base)
    yield made
    made.close()


@contextlib.contextmanager
def volume(directory: scratch.Directory, disk: Disk, size_bytes: int = MIB, files: int = 8) -> Iterator[Path]:
    with (
        directory.mount_point() as place,
        disk.volume(place, size_bytes=size_bytes, files=files, mode=0o755, flags=scratch.PRIVATE) as folder,
    ):
        yield folder


def backing_files(disk: Path) -> dict[int, str]:
    """Files below a folder that lie behind loop devices, by the number of the device."""
    found = {}
    for place in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(FileNotFoundError):
            if (text := place.read_text()).startswith(str(disk)):
                found[int(place.parts[3].removeprefix("loop"))] = text
    return found


def gone(disk: Path, seconds: float = 10.0) -> None:
    """Waits until none is left: the kernel lets go of a mount a moment after its last user."""
    deadline = time.monotonic() + seconds
    while backing_files(disk) or list(disk.glob("*")):
        assert time.monotonic() < deadline, backing_files(disk)
        select.select([], [], [], 0.005)


def test_what_is_written_is_not_on_the_disk(directory: scratch.Directory, tmp_path: Path) -> None:
    """Neither content nor names, in the file or on the device, and nothing after the end."""
    canary = secrets.token_hex(16)
    with volume(directory, Disk(tmp_path), 8 * MIB) as folder:
        (folder / f"name-{canary}").mkdir()
        with (folder / f"name-{canary}" / f"file-{canary}").open("wb") as file:
            for _ in range(8):
                file.write(canary.encode() * (MIB // 32))
            os.fsync(file.fileno())
        small = folder / "small"
        small.write_text(canary)
        subprocess.run(["sync", "-f", str(folder)], check=True)
        (number,) = backing_files(tmp_path)
        device = Path(f"/dev/loop{number}").read_bytes()
        assert len(device) > 64 * MIB
        assert device.count(bytes(4096)) * 4096 < len(device) - 8 * MIB, "eight mebibytes of it are not zeros"
        for word in (canary, canary[:16], f"file-{canary[:8]}"):
            assert word.encode() not in device
        assert small.read_text() == canary
        assert list(tmp_path.iterdir()) == [], "it has no name"
    assert backing_files(tmp_path) == {}
    assert not folder.exists()


def test_it_holds_what_it_was_made_for(directory: scratch.Directory, tmp_path: Path) -> None:
    """Files of every size, names of every length; much more is refused by the kernel."""
    with volume(directory, Disk(tmp_path), 64 * MIB, 2000) as folder:
        for number in range(1000):
            (folder / f"{number:0200}").mkdir()
            (folder / f"{number:0200}" / "x").write_bytes(b"x")
        (folder / "large").write_bytes(bytes(60 * MIB))
        with pytest.raises(OSError, match="No space left") as full:
            (folder / "more").write_bytes(bytes(256 * MIB))
        assert full.value.errno == errno.ENOSPC
        assert folder.stat().st_mode & 0o777 == 0o755


def test_the_disk_has_to_have_room(directory: scratch.Directory, tmp_path: Path) -> None:
    """Before anything is written; what others need of the disk stays free."""
    facts = os.statvfs(tmp_path)
    free = facts.f_bavail * facts.f_frsize
    full = pytest.raises(DiskFull, match=f"encrypted scratch are needed; {tmp_path} has")
    with full, volume(directory, Disk(tmp_path), free - DISK_RESERVE_BYTES // 2):
        pass
    assert backing_files(tmp_path) == {}


def test_what_may_be_taken_can_be_bounded(directory: scratch.Directory, tmp_path: Path) -> None:
    disk = Disk(tmp_path, most_bytes=160 * MIB)
    full = pytest.raises(DiskFull, match=f"{160 * MIB} are allowed")
    with volume(directory, disk), volume(directory, disk), full, volume(directory, disk):
        pass
    with volume(directory, disk, 80 * MIB):
        assert disk.usable


def test_a_disk_that_cannot_do_it(directory: scratch.Directory, tmp_path: Path) -> None:
    """It says so, and stores nothing in the clear instead."""
    (tmp_path / "file").touch()
    disk = Disk(tmp_path / "file" / "below")
    with pytest.raises(DiskUnusable, match="Scratch on disk can't be encrypted here"), volume(directory, disk):
        pass
    assert not disk.usable


@pytest.mark.parametrize("mounts", ["private", "shared"])
def test_a_killed_worker_leaves_nothing(base: Path, tmp_path: Path, mounts: str) -> None:
    """With mounts of its own, the kernel cleans up at once; else the next worker does."""
    command = [sys.executable, "-c", WORKER, str(base), str(tmp_path), mounts]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        left = Path(worker.stdout.readline().strip())
        assert len(backing_files(tmp_path)) == 1
        worker.kill()
    assert worker.returncode == -signal.SIGKILL
    if mounts == "shared":
        assert (left / "plaintext").exists()
        for folder in scratch.abandoned(base):
            scratch.clear(folder)
    gone(tmp_path)
    assert str(base) not in Path("/proc/self/mountinfo").read_text()
