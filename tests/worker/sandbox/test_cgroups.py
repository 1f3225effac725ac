"""Control groups: version 1, version 2 and hybrid, from texts; removing real ones."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloister.worker.sandbox import cgroups

V2 = "30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 30 0:30 / /sys/fs/cgroup/pids rw shared:5 master:1 - cgroup cgroup rw,pids\n"
)
OTHER = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"


@pytest.mark.parametrize(
    ("mountinfo", "version"),
    [
        (OTHER, "none"),
        (OTHER + V2, "v2"),
        (OTHER + V1, "v1"),
        (OTHER + V1 + V2.replace("cgroup rw,n", "cgroup/unified rw,n"), "hybrid"),
    ],
)
def test_versions(mountinfo: str, version: str) -> None:
    assert cgroups.parse_hierarchies(mountinfo).version == version


def test_controllers_of_version_1() -> None:
    where = cgroups.parse_hierarchies(V1)
    assert where.by_controller["cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert where.by_controller["pids"] == Path("/sys/fs/cgroup/pids")
    assert where.unified is None


def test_facts_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1048576\n")
    (tmp_path / "memory.peak").write_text("4096\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "pids.max").write_text("max\n")
    (tmp_path / "pids.events").write_text("max 5\n")
    (tmp_path / "pids.current").write_text("3\n")
    (tmp_path / "memory.current").write_text("8192\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    facts = cgroups.ControlGroup(tmp_path, tmp_path, tmp_path, unified=True).facts()
    assert facts == cgroups.Facts(
        memory_limit=1048576,
        memory_used=8192,
        pids_limit=None,
        pids_used=3,
        cpu_quota=150_000,
        peak_memory=4096,
        killed_for_memory=2,
        reached_memory_limit=True,
        refused_processes=5,
    )


@pytest.mark.parametrize(("peak", "reached"), [(4096, False), (8 << 20, True), ((8 << 20) - 4096, True)])
def test_facts_of_version_1(tmp_path: Path, peak: int, reached: bool) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text(f"{8 << 20}\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text(f"{peak}\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (tmp_path / "pids.max").write_text("11\n")
    (tmp_path / "memory.usage_in_bytes").write_text("8192\n")
    (tmp_path / "cpu.cfs_quota_us").write_text("-1\n")
    facts = cgroups.ControlGroup(tmp_path, tmp_path, tmp_path, unified=False).facts()
    assert facts == cgroups.Facts(
        memory_limit=8 << 20,
        memory_used=8192,
        pids_limit=11,
        pids_used=None,
        cpu_quota=None,
        peak_memory=peak,
        killed_for_memory=1,
        reached_memory_limit=reached,
        refused_processes=0,
    )


@pytest.mark.parametrize("limit", [1 << 20, 4 << 20])
def test_limits_of_version_1(tmp_path: Path, limit: int) -> None:
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
        (tmp_path / name).write_text(str(2 << 20))
    group = cgroups.ControlGroup(tmp_path, tmp_path, tmp_path, unified=False)
    group.set_limits(memory_bytes=limit, pids=7, cpu_quota=50_000)
    facts = group.facts()
    assert (facts.memory_limit, facts.pids_limit, facts.cpu_quota) == (limit, 7, 50_000)
    assert (tmp_path / "memory.memsw.limit_in_bytes").read_text() == str(limit)
    group.set_background(True)
    assert (tmp_path / "cpu.shares").read_text() == "102"


def test_limits_of_version_2(tmp_path: Path) -> None:
    group = cgroups.ControlGroup(tmp_path, tmp_path, tmp_path, unified=True)
    group.set_limits(memory_bytes=4096, pids=7, cpu_quota=50_000)
    facts = group.facts()
    assert (facts.memory_limit, facts.pids_limit, facts.cpu_quota) == (4096, 7, 50_000)
    assert (tmp_path / "cpu.max").read_text() == "50000 100000"
    group.set_background(False)
    assert (tmp_path / "cpu.weight").read_text() == "100"


@pytest.mark.parametrize(("above", "reached"), [(1 << 30, True), (48 << 20, False)])
def test_whose_memory_has_run_out(above: int, reached: bool) -> None:
    """A process that wants more than its group may have, or than a group above has left."""
    where = cgroups.hierarchies()
    name = f"cloister-test-{secrets.token_hex(8)}"
    outer = cgroups.create(name, where)
    try:
        if outer.unified:
            (outer.memory / "cgroup.subtree_control").write_text("+memory +pids +cpu")
        outer.set_limits(memory_bytes=above, pids=100, cpu_quota=100_000)
        group = cgroups.create(f"{name}/inner", where)
        group.set_limits(memory_bytes=96 << 20, pids=100, cpu_quota=100_000)
        hog = [sys.executable, "-c", "input(); bytearray(256 << 20)"]
        with subprocess.Popen(hog, stdin=subprocess.PIPE) as process:
            cgroups.join(f"{name}/inner", process.pid, where)
            process.communicate(b"\n")
        assert process.returncode == -signal.SIGKILL
        facts = group.facts()
        assert (facts.killed_for_memory, facts.reached_memory_limit) == (1, reached)
    finally:
        assert cgroups.remove(name, where)


def test_removing_a_group_kills_what_lives_in_it() -> None:
    where = cgroups.hierarchies()
    name = f"cloister-test-{secrets.token_hex(8)}"
    mounts = set(where.by_controller.values()) or ({where.unified} if where.unified else set())
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        for mount in mounts:
            if (mount / "cpuset.mems").exists():
                continue  # takes members only after its processors were set
            (mount / name / "inner").mkdir(parents=True)
            (mount / name / "inner/cgroup.procs").write_text(str(sleeper.pid))
        assert cgroups.names(name[:20], where) == {name}
        assert cgroups.remove(name, where)
        assert sleeper.wait() == -9
    assert cgroups.names(name, where) == set()
    assert cgroups.remove(name, where)
