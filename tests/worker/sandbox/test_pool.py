"""Containers that wait: each is handed out once, replaced, and nothing else depends on it but time."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import secrets
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from cloister.rooms.limits import MIB, Limits
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox import cgroups, leftovers, probe
from cloister.worker.sandbox.budget import MemoryBudget
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.job import Blueprint
from cloister.worker.sandbox.leftovers import group_name
from cloister.worker.sandbox.pool import CONTAINER_BYTES, LEFT_BYTES, Pool
from tests.containers import SMALL

WAIT = 60.0
WORKER = """
import pathlib, signal, sys
from cloister.rooms.limits import Limits
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import blueprint
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.pool import Pool
image, directory = map(pathlib.Path, sys.argv[1:])
usual = blueprint(PYTHON, image, Limits(), ())
with Sandbox(probe.detect(image), directory) as sandbox, Pool(sandbox, 2, usual) as pool:
    assert pool.wait_full(60)
    print(sandbox.directory, flush=True)
    signal.pause()
"""


@pytest.fixture
def sandbox(image_root: Path) -> Iterator[Sandbox]:
    with Sandbox(probe.detect(image_root)) as made:
        yield made
        assert list(made.directory.iterdir()) == []
        assert not cgroups.names(group_name(made.directory.parent, made.directory.name, ""), cgroups.hierarchies())


@pytest.fixture
def usual(image_root: Path) -> Blueprint:
    return blueprint(PYTHON, image_root, SMALL, ())


def log_of(run_in: Container, script: str, limits: Limits = SMALL) -> str:
    run = run_script(PYTHON, run_in, ScriptTask(script=script, limits=limits))
    assert run.error is None, run.console
    return run.console


@contextlib.contextmanager
def ended(waiting: Container) -> Iterator[None]:
    """Waits at the end until it has ended."""
    own = os.dup(waiting.descriptor)
    yield
    assert select.select([own], [], [], WAIT)[0]
    os.close(own)


def test_each_is_handed_out_once_and_replaced(sandbox: Sandbox, usual: Blueprint) -> None:
    names = set()
    with Pool(sandbox, 1, usual) as pool:
        for _ in range(3):
            assert pool.wait_full(WAIT)
            with pool.take(usual) as taken:
                assert pool.waiting == ()
                assert taken.blueprint.imports == ("numpy", "pandas", "duckdb")
                assert log_of(taken, "import sys; print('pandas' in sys.modules)") == "True"
                names.add(taken.name)
    assert len(names) == 3


def test_another_is_made_while_a_task_goes_on(sandbox: Sandbox, usual: Blueprint) -> None:
    with Pool(sandbox, 1, usual, ()) as pool:
        assert pool.wait_full(WAIT)
        with pool.take(usual) as first:
            assert pool.wait_full(WAIT)
            with pool.take(usual) as second:
                assert first.name != second.name
                assert log_of(second, "print(2)") == "2"
            assert log_of(first, "print(1)") == "1"


def test_where_none_waits_one_is_made(sandbox: Sandbox, usual: Blueprint) -> None:
    with Pool(sandbox, 0, usual) as pool:
        assert pool.wait_full(WAIT)
        with pool.take(usual) as taken:
            assert taken.blueprint == usual
            assert log_of(taken, "print(1)") == "1"


def test_those_that_wait_are_of_the_kind_that_was_asked_for_last(sandbox: Sandbox, usual: Blueprint) -> None:
    """What an interpreter reads when libraries are imported can't be changed later: such tasks get containers of their
    own, and the next ones of that kind find one waiting."""
    other = dataclasses.replace(usual, threads=1, code_target="/code")
    with Pool(sandbox, 1, usual) as pool:
        assert pool.wait_full(WAIT)
        for imports in ((), ("numpy", "pandas", "duckdb")):
            with pool.take(other) as taken:
                assert taken.blueprint.imports == imports
                script = "import os; print(os.environ['OPENBLAS_NUM_THREADS'], __file__, os.path.exists('/input/code'))"
                assert log_of(taken, script) == "1 /code/main.py False"
            assert pool.wait_full(WAIT)
        assert [each.blueprint.threads for each in pool.waiting] == [1]


def test_where_tasks_use_no_libraries_those_that_wait_have_none(sandbox: Sandbox, usual: Blueprint) -> None:
    script = "import sys; print('pandas' in sys.modules)"
    with Pool(sandbox, 1, usual) as pool:
        for libraries, found in ((False, "True"), (False, "False"), (True, "False"), (True, "True")):
            assert pool.wait_full(WAIT)
            waiting = pool.waiting[0].name
            with pool.take(usual, libraries=libraries) as taken:
                assert taken.name == waiting, "either kind serves either task"
                assert log_of(taken, script) == found


def test_none_is_made_while_memory_is_short(image_root: Path, usual: Blueprint, tmp_path: Path) -> None:
    asked = threading.Event()

    def free() -> int:
        asked.set()
        return CONTAINER_BYTES + LEFT_BYTES - 1

    memory = MemoryBudget(tmp_path, free=free)
    with Sandbox(probe.detect(image_root), memory=memory) as sandbox, Pool(sandbox, 1, usual) as pool:
        assert asked.wait(WAIT)
        assert not pool.wait_full(0.2)
        with pool.take(usual) as taken:
            assert taken.blueprint.imports == ()
            assert log_of(taken, "print(1)") == "1"


def test_those_that_wait_count_in_the_machines_budget(image_root: Path, usual: Blueprint, tmp_path: Path) -> None:
    """Also for other workers; and whoever takes one is counted on, until it is closed."""
    second = threading.Event()
    asked = itertools.count(1)

    def free() -> int:
        if next(asked) == 2:
            second.set()
        return 1 << 40

    memory = MemoryBudget(tmp_path, most_bytes=CONTAINER_BYTES * 3 // 2, free=free)
    other = MemoryBudget(tmp_path, most_bytes=CONTAINER_BYTES * 3 // 2)
    with Sandbox(probe.detect(image_root), memory=memory) as sandbox, Pool(sandbox, 2, usual, ()) as pool:
        assert second.wait(WAIT)
        assert not pool.wait_full(0.2), "there is memory for one"
        assert len(pool.waiting) == 1
        assert other.claim(CONTAINER_BYTES) is None
        with pool.take(usual):
            assert other.claim(CONTAINER_BYTES) is None
    claim = other.claim(CONTAINER_BYTES)
    assert claim is not None
    claim.release()


def test_one_that_has_died_is_replaced(sandbox: Sandbox, usual: Blueprint) -> None:
    with Pool(sandbox, 1, usual, ()) as pool:
        assert pool.wait_full(WAIT)
        (victim,) = pool.waiting
        with ended(victim):
            victim.kill()
        assert pool.wait_full(WAIT)
        with pool.take(usual) as taken:
            assert taken.name != victim.name
            assert log_of(taken, "print(1)") == "1"


def test_one_that_has_waited_too_long_is_replaced(sandbox: Sandbox, usual: Blueprint) -> None:
    with Pool(sandbox, 1, usual, (), max_age_seconds=1.0) as pool:
        assert pool.wait_full(WAIT)
        (old,) = pool.waiting
        with ended(old):
            pass
        assert pool.wait_full(WAIT)
        assert old not in pool.waiting


@pytest.fixture
def busy_core() -> Iterator[None]:
    """What starts now is on one core, for which others run, too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    yield
    os.sched_setaffinity(0, before)
    for each in busy:
        each.kill()
        each.wait()


@pytest.mark.usefixtures("busy_core")
def test_one_is_made_on_a_machine_that_is_always_busy(sandbox: Sandbox, usual: Blueprint) -> None:
    """It yields to others for a time, not for ever; whoever takes it has its share at once."""
    with Pool(sandbox, 1, usual, (), yielding_seconds=0.1) as pool:
        assert pool.wait_full(10)
        (waiting,) = pool.waiting
        group = cgroups.ControlGroup.of(waiting.members[0], cgroups.hierarchies())
        shares = group.cpu / ("cpu.weight" if group.unified else "cpu.shares")
        assert shares.read_text().strip() == ("100" if group.unified else "1024")


def test_a_module_that_the_image_lacks_is_left_out(sandbox: Sandbox, usual: Blueprint) -> None:
    with Pool(sandbox, 1, usual, ("no_such_module", "json")) as pool:
        assert pool.wait_full(WAIT)
        with pool.take(usual) as taken:
            assert log_of(taken, "import sys; print('json' in sys.modules)") == "True"


@pytest.mark.parametrize(
    "limits",
    [
        SMALL,
        Limits(),
        Limits(memory_bytes=64 * MIB, pids=1, cpus=1.5, output_bytes=4096, output_files=1, scratch_bytes=4096),
        Limits(memory_bytes=3 * 1024 * MIB + 4096, pids=5000, cpus=2, output_bytes=1 << 33, scratch_bytes=1 << 33),
    ],
)
def test_limits_are_the_tasks(sandbox: Sandbox, image_root: Path, limits: Limits) -> None:
    """Seen from inside and outside; a container that was made for the task has the very same."""
    script = """
import os, json
told = {}
for place in ("/output", "/tmp", "/scratch", "/dev/shm"):
    facts = os.statvfs(place)
    told[place] = [facts.f_blocks, facts.f_files]
print(json.dumps(told))
"""
    wanted = blueprint(PYTHON, image_root, limits, ())
    seen = []
    with Pool(sandbox, 1, wanted) as pool:
        assert pool.wait_full(WAIT)
        with pool.take(wanted) as warm, sandbox.container(wanted) as cold:
            assert warm.blueprint.imports
            for each in (warm, cold):
                seen.append(log_of(each, script, limits))
                facts = each.facts()
                assert facts.cpu_quota == limits.cpus * 100_000
                assert facts.memory_limit is not None
                assert limits.memory_bytes <= facts.memory_limit < limits.memory_bytes + 256 * MIB
    assert seen[0] == seen[1]


def test_the_number_of_processes_is_the_tasks(sandbox: Sandbox, image_root: Path) -> None:
    """Threads that libraries have started before do not count. OpenBLAS ends its own when a process forks: a script may
    have as many more."""
    script = """
import os, signal
children = []
try:
    while True:
        child = os.fork()
        if child == 0: signal.pause()
        children.append(child)
except BlockingIOError:
    for child in children: os.kill(child, 9)
print(len(children))
"""
    limits = msgspec.structs.replace(SMALL, pids=8)
    wanted = blueprint(PYTHON, image_root, limits, ())
    with Pool(sandbox, 1, wanted) as pool:
        assert pool.wait_full(WAIT)
        with pool.take(wanted) as warm, sandbox.container(wanted) as cold:
            assert log_of(cold, script, limits) == "7"
            assert log_of(warm, script, limits) in ("7", "8")


def test_a_killed_worker_takes_those_that_wait_along(image_root: Path) -> None:
    directory = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    arguments = [sys.executable, "-c", WORKER, str(image_root), str(directory)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        left = Path(worker.stdout.readline().strip())
        processes = [each for each in psutil.Process(worker.pid).children(recursive=True) if each.uids().real > 1 << 30]
        assert len(processes) == 4
        worker.kill()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    assert leftovers.sweep(directory) == [left.name]
    directory.rmdir()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                child.wait()


def test_closing_does_not_wait_for_one_that_is_being_made(sandbox: Sandbox, usual: Blueprint) -> None:
    for _ in range(3):
        with Pool(sandbox, 2, usual):
            pass
