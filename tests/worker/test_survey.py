"""What a survey concludes from facts; that the facts are true is shown by tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloister.rooms.limits import GIB, MIB
from cloister.worker import linux
from cloister.worker.sandbox.cgroups import Hierarchies
from cloister.worker.sandbox.scratch import mount_memory
from cloister.worker.survey import (
    ControlGroupFacts,
    ImageFacts,
    MemoryFacts,
    RuntimeFacts,
    ScratchFacts,
    advise,
    conclude,
    control_groups,
    scratch_facts,
)

IMAGE = ImageFacts(name="python", measurement="0" * 64, problem=None)
CHANGED = ImageFacts(name="python", measurement="0" * 64, problem="it was changed")
MEMORY = MemoryFacts(total_bytes=2, available_bytes=1, swap_bytes=0, noswap=True)
SCRATCH = ScratchFacts(folder="/s", free_bytes=1, encrypts=True, problem=None)
GROUPS = ControlGroupFacts(version="v2", missing=(), delegated=True)


def runtime(name: str, enforces: bool | None, *, eligible: bool = True, installed: bool = True) -> RuntimeFacts:
    path = f"/usr/bin/{name}" if installed else None
    return RuntimeFacts(name=name, path=path, version=None, enforces=enforces, verdict="", eligible=eligible)


def test_the_first_good_runtime_is_the_one() -> None:
    runtimes = [runtime("crun", False), runtime("runc", True), runtime("other", True)]
    assert conclude(True, [IMAGE], runtimes) == (True, "Computations can be run safely here, with runc.")
    assert advise(True, [IMAGE], runtimes, MEMORY, GROUPS, SCRATCH) == []


@pytest.mark.parametrize(
    ("root", "images", "runtimes", "words", "advice"),
    [
        (False, [IMAGE], [runtime("runc", None)], "as root", ["as root"]),
        (True, [], [runtime("runc", None)], "no image", ["cloister image build python"]),
        (True, [CHANGED], [runtime("runc", None)], "no image", ["--rebuild python"]),
        (True, [IMAGE], [runtime("runc", None, installed=False)], "no container runtime", ["apt-get install runc"]),
        (True, [IMAGE], [runtime("runsc", None, installed=False)], "no container runtime", ["apt-get install runsc"]),
        (True, [IMAGE], [runtime("crun", False)], "no container runtime", ["another container runtime"]),
        (
            True,
            [IMAGE],
            [runtime("bad", False), runtime("runc", True, eligible=False)],
            "with the container runtime that CLOISTER_RUNTIME names",
            ["CLOISTER_RUNTIME=runc"],
        ),
    ],
)
def test_what_is_missing_is_said(
    root: bool, images: list[ImageFacts], runtimes: list[RuntimeFacts], words: str, advice: list[str]
) -> None:
    safe, verdict = conclude(root, images, runtimes)
    assert not safe
    assert words in verdict
    found = advise(root, images, runtimes, MEMORY, GROUPS, SCRATCH)
    assert len(found) == len(advice)
    assert all(part in line for part, line in zip(advice, found, strict=True))


def test_swap_and_control_groups() -> None:
    swapping = MemoryFacts(total_bytes=2, available_bytes=1, swap_bytes=1, noswap=False)
    groups = ControlGroupFacts(version="v2", missing=("cpu", "memory"), delegated=False)
    found = advise(True, [IMAGE], [runtime("runc", True)], swapping, groups, SCRATCH)
    assert "cpu, memory" in found[0]
    assert "swapoff -a" in found[1]


def test_control_groups_of_either_version(tmp_path: Path) -> None:
    one = control_groups(Hierarchies(None, dict.fromkeys(("cpu", "memory", "pids"), tmp_path)), "")
    assert one == ControlGroupFacts(version="v1", missing=(), delegated=True)
    own = tmp_path / "user.slice/worker"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    two = control_groups(Hierarchies(tmp_path, {}), "0::/user.slice/worker\n")
    assert two == ControlGroupFacts(version="v2", missing=(), delegated=True)
    (own / "cgroup.controllers").write_text("memory pids\n")
    assert control_groups(Hierarchies(tmp_path, {}), "0::/user.slice/worker\n").missing == ("cpu",)
    assert control_groups(Hierarchies(None, {}), "") == ControlGroupFacts(
        version="none", missing=("cpu", "memory", "pids"), delegated=False
    )


def test_scratch_is_tried_where_it_would_be(tmp_path: Path) -> None:
    """And nothing is left of the trial, not even the folder."""
    before = Path("/proc/self/mountinfo").read_text()
    found = scratch_facts(tmp_path / "not/there", root=True)
    assert (found.folder, found.encrypts, found.problem) == (str(tmp_path / "not/there"), True, None)
    assert found.free_bytes > 0
    assert list(tmp_path.iterdir()) == []
    assert Path("/proc/self/mountinfo").read_text() == before


def test_scratch_that_cannot_be_encrypted(tmp_path: Path) -> None:
    mount_memory(tmp_path, size_bytes=2 * GIB, files=10, mode=0o700, flags=linux.MS_RDONLY)
    try:
        found = scratch_facts(tmp_path, root=True)
    finally:
        linux.unmount(tmp_path)
    assert found.encrypts is False
    (advice,) = advise(True, [IMAGE], [runtime("runc", True)], MEMORY, GROUPS, found)
    assert "e2fsprogs" in advice
    assert "can't be encrypted here" in advice


def test_scratch_on_a_full_disk(tmp_path: Path) -> None:
    """No fault of the kernel's: nothing is advised, but it is said."""
    mount_memory(tmp_path, size_bytes=MIB, files=10, mode=0o700, flags=0)
    try:
        found = scratch_facts(tmp_path, root=True)
    finally:
        linux.unmount(tmp_path)
    assert found.encrypts is None
    assert "0 free" in (found.problem or "")
