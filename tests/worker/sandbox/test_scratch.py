"""Scratch: in memory, bounded, closed to others, and gone afterwards, also after a worker that was killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.errors import SandboxUnavailable
from cloister.worker import linux
from cloister.worker.sandbox import scratch

MIB = 1024 * 1024


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A place that any user can pass, which pytest's own isn't."""
    made = Path("/run") / f"cloister-test-{tmp_path.name}-{os.getpid()}"
    yield made
    scratch.clear(made)


def mounted(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]


def test_a_memory_folder(base: Path) -> None:
    directory = scratch.Directory(base)
    with directory.memory_folder(MIB, 3) as folder:
        (line,) = mounted(folder)
        for word in ("nosuid", "nodev", "noexec", "tmpfs"):
            assert word in line
        assert "noswap" in line or not scratch.has_swap(Path("/proc/swaps").read_text())
        (folder / "full").write_bytes(bytes(MIB))
        with pytest.raises(OSError, match="No space left") as full:
            (folder / "more").write_bytes(b"x")
        assert full.value.errno == errno.ENOSPC
        (folder / "third").touch()
        with pytest.raises(OSError, match="No space left"):
            (folder / "fourth").touch()
        assert folder.parent.stat().st_mode & 0o077 == 0  # whoever knows its name can't get at it
    assert mounted(base) == []
    assert not folder.exists()
    directory.close()
    assert list(base.iterdir()) == []


def test_cleared_also_after_an_error(base: Path) -> None:
    directory = scratch.Directory(base)
    with pytest.raises(KeyError), directory.memory_folder(MIB, 3):
        raise KeyError
    assert mounted(base) == []
    directory.close()


def test_folders_for_a_container_can_be_passed_by_its_group_only(base: Path) -> None:
    directory = scratch.Directory(base)
    facts = directory.new_folder(for_group=1_900_000_000).stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (0, 1_900_000_000, 0o710)
    directory.close()


def test_what_a_dead_worker_left_is_told_from_what_a_living_one_uses(base: Path) -> None:
    living = scratch.Directory(base)
    (base / "images").mkdir()
    script = (
        "import sys, pathlib; from cloister.worker.sandbox import scratch\n"
        f"directory = scratch.Directory(pathlib.Path({str(base)!r}))\n"
        "with directory.memory_folder(1 << 20, 9) as folder:\n"
        "    print(folder, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        left = Path(worker.stdout.readline().strip())
        (left / "plaintext").write_text("x")
        assert list(scratch.abandoned(base)) == []
        worker.kill()
    assert worker.returncode == -signal.SIGKILL
    for folder in scratch.abandoned(base):
        assert folder == left.parents[1]
        assert list(scratch.abandoned(base)) == []  # only one may sweep it
        scratch.clear(folder)
    assert mounted(base) == []
    assert sorted(base.iterdir()) == sorted([living.path, base / "images"])
    living.close()
    (base / "images").rmdir()


def test_with_mounts_of_its_own_a_killed_worker_leaves_none(base: Path) -> None:
    script = (
        "import sys, pathlib; from cloister.worker import linux; from cloister.worker.sandbox import scratch\n"
        "linux.enter_private_mounts()\n"
        f"directory = scratch.Directory(pathlib.Path({str(base)!r}))\n"
        "with directory.memory_folder(1 << 20, 9) as folder:\n"
        "    (folder / 'plaintext').write_text('x')\n"
        "    print(folder, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        left = Path(worker.stdout.readline().strip())
        assert list(left.iterdir()) == []  # not seen from here
        assert mounted(base) == []
        worker.kill()


def test_a_place_that_containers_cannot_reach(base: Path) -> None:
    closed = base / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(SandboxUnavailable, match="Use the default"):
        scratch.Directory(closed / "inner")


@pytest.mark.parametrize(
    ("text", "answer"), [("Filename Type\n", False), ("", False), ("Filename\n/swap file 1 0 -2\n", True)]
)
def test_has_swap(text: str, answer: bool) -> None:
    assert scratch.has_swap(text) is answer


def test_mount_points_are_unescaped_and_deepest_first() -> None:
    table = "".join(
        f"{number} 1 0:1 / {place} rw - tmpfs tmpfs rw\n"
        for number, place in enumerate(["/", "/a", "/a/b\\040c", "/ab", "/a/b\\040c/d", "/a", "/e"])
    )
    assert scratch.mount_points(table, Path("/a")) == [Path("/a/b c/d"), Path("/a/b c"), Path("/a"), Path("/a")]


def test_clearing_twice(base: Path) -> None:
    base.mkdir()
    scratch.clear(base)
    scratch.clear(base)
    assert not base.exists()


def test_opening_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("x")
    (tmp_path / "in/link").symlink_to("file")
    (tmp_path / "in/up").symlink_to("..")
    root = os.open(tmp_path / "in", os.O_RDONLY)
    try:
        os.close(linux.open_beneath(root, b"file", os.O_RDONLY))
        for name in (b"link", b"up", b"up/in/file", b"../in/file", b"/etc/passwd", b"none"):
            with pytest.raises(OSError, match="open below a folder"):
                linux.open_beneath(root, name, os.O_RDONLY)
    finally:
        os.close(root)


def test_free_memory() -> None:
    assert scratch.free_memory("MemTotal:  9 kB\nMemAvailable:       3 kB\n") == 3072
    assert scratch.free_memory() > 0
    with pytest.raises(SandboxUnavailable, match="Linux"):
        scratch.free_memory("MemTotal:  9 kB\n")
