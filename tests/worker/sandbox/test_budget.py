"""Memory that workers of one machine share out: never more than there is, and nothing stays taken by the dead."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloister.worker.sandbox.budget import RESERVE_BYTES, MemoryBudget, free_here, free_in_groups
from cloister.worker.sandbox.scratch import free_memory

MIB = 1 << 20
PLENTY = 1 << 40
CLAIMING = """
import pathlib, sys
from cloister.worker.sandbox.budget import MemoryBudget
claim = MemoryBudget(pathlib.Path(sys.argv[1]), 10 << 20, free=lambda: 1 << 40).claim(8 << 20)
print(claim is not None, flush=True)
sys.stdin.read()
"""


def test_two_that_claim_at_once_never_get_more_than_there_is(tmp_path: Path) -> None:
    def claim(_number: int) -> bool:
        return MemoryBudget(tmp_path, free=lambda: RESERVE_BYTES + 10 * MIB).claim(3 * MIB) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(40))) == 3


def test_what_has_arrived_is_counted_once(tmp_path: Path) -> None:
    """What a claim was for shows in what the kernel says is free, once it is there."""
    free = RESERVE_BYTES + 10 * MIB
    budget = MemoryBudget(tmp_path, free=lambda: free)
    first = budget.claim(6 * MIB)
    assert first is not None
    assert budget.claim(6 * MIB) is None
    first.arrived()
    assert budget.claim(6 * MIB) is not None, "others have let go of as much meanwhile"


def test_what_is_left_can_be_had(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, free=lambda: RESERVE_BYTES + 10 * MIB)
    assert budget.claim_what_there_is(4 * MIB).size_bytes == 4 * MIB
    assert budget.claim_what_there_is(40 * MIB).size_bytes == 6 * MIB
    assert budget.claim_what_there_is(1).size_bytes == 0
    short = MemoryBudget(tmp_path / "short", free=lambda: 0)
    assert short.claim(1) is None
    assert short.claim_what_there_is(1).size_bytes == 0


def test_a_budget_that_was_set_holds_whatever_is_free(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, 10 * MIB, free=lambda: PLENTY)
    claim = budget.claim(8 * MIB)
    assert claim is not None
    claim.arrived()
    assert budget.claim(3 * MIB) is None
    claim.release()
    claim.release()
    assert budget.claim(10 * MIB) is not None


def test_a_killed_worker_holds_nothing(tmp_path: Path) -> None:
    budget = MemoryBudget(tmp_path, 10 * MIB, free=lambda: PLENTY)
    command = [sys.executable, "-c", CLAIMING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "True\n"
        assert budget.claim(8 * MIB) is None
        worker.kill()
    assert worker.returncode == -signal.SIGKILL
    claim = budget.claim(8 * MIB)
    assert claim is not None
    claim.release()
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


def test_a_workers_own_control_group_bounds_it(tmp_path: Path) -> None:
    """The tightest of it and those above, less what it uses but can give back."""
    pod, worker = tmp_path / "pod", tmp_path / "pod/worker"
    worker.mkdir(parents=True)
    for folder, limit, used in ((pod, str(100 * MIB), 80 * MIB), (worker, "max", 70 * MIB)):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {5 * MIB}\n")
    assert free_in_groups(worker, unified=True) == 25 * MIB
    assert free_in_groups(tmp_path, unified=True) is None
    (worker / "memory.max").write_text(f"{60 * MIB}\n")
    assert free_in_groups(worker, unified=True) == 0


def test_what_is_free_here() -> None:
    assert 0 < free_here() <= free_memory() + 64 * MIB
