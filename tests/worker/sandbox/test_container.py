"""A container's life when things go wrong around it: its worker, its runtime, its first process are killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import MIB
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import blueprint
from cloister.worker.sandbox import cgroups, leftovers, probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.runtime import Runtime
from tests.containers import SMALL, Machine
from tests.worker.sandbox.test_probe import RUNTIME, write_runtime

WORKER = """
import pathlib, sys
from cloister.rooms.limits import Limits
from cloister.worker import linux
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
image, directory = map(pathlib.Path, sys.argv[1:])
limits = Limits(memory_bytes=1 << 27)
with Sandbox(probe.detect(image), directory) as sandbox:
    print(sandbox.directory, flush=True)
    with sandbox.container(blueprint(PYTHON, image, limits, ())) as container:
        script = "import os, signal\\nos.fork()\\nsignal.pause()"
        print(run_script(PYTHON, container, ScriptTask(script=script, limits=limits)).error, flush=True)
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place for sandboxes of its own; whatever happened in it, it is left empty and removed."""
    made = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    yield made
    leftovers.sweep(made)
    made.rmdir()
    # This process adopts orphans, so those of the workers that a test killed are its own to wait for.
    for child in psutil.Process().children():
        if child.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, 0)


def inside(pid: int) -> list[psutil.Process]:
    """The processes of containers that the worker `pid` has started."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.uids().real >= 0x70000000:
                found.append(process)
    return found


def wait_for_script(worker: int) -> list[psutil.Process]:
    """Wait until tini, the script and its child run."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in inside(worker):
                family = [process, *process.children(recursive=True)]
                if process.name() == "tini" and len(family) == 3:
                    return family
    raise AssertionError(f"the container did not start: {inside(worker)}")


def zombies() -> set[psutil.Process]:
    """Children that have ended and that nobody has waited for."""
    return {child for child in psutil.Process().children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE}


@pytest.fixture
def _no_new_zombies() -> Iterator[None]:
    """A browser that other tests have open may have some of its own."""
    before = zombies()
    yield
    assert zombies() <= before


def test_a_killed_worker_takes_its_container_along(image_root: Path, directory: Path) -> None:
    """`kill -9` of the worker: the script ends at once, and the next sandbox sweeps the rest."""
    arguments = [sys.executable, "-c", WORKER, str(image_root), str(directory)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        left = Path(worker.stdout.readline().strip())
        processes = wait_for_script(worker.pid)
        worker.kill()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    prefix = leftovers.group_name(directory, left.name, "")
    assert left.exists()
    assert cgroups.names(prefix, cgroups.hierarchies())
    assert leftovers.sweep(directory) == [left.name]
    assert not left.exists()
    assert not cgroups.names(prefix, cgroups.hierarchies())
    assert str(left) not in Path("/proc/self/mountinfo").read_text()
    assert list(directory.iterdir()) == []


def test_workers_with_a_run_of_their_own_do_not_sweep_each_other(image_root: Path, directory: Path) -> None:
    """As in two containers that see the control groups of one machine: one path, two directories."""
    script = (
        "import pathlib, subprocess; from cloister.worker.sandbox import leftovers;"
        f"place = pathlib.Path('{directory}');"
        "subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', '/run'], check=True); place.mkdir();"
        "print(leftovers.sweep(place))"
    )
    usual = blueprint(PYTHON, image_root, SMALL, ())
    with Sandbox(probe.detect(image_root), directory) as sandbox, sandbox.container(usual) as waiting:
        waiting.wait_ready()
        other = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", script]
        assert subprocess.run(other, capture_output=True, text=True, check=True).stdout == "[]\n"
        assert waiting.alive


@pytest.mark.slow
def test_a_worker_killed_at_any_moment(image_root: Path, directory: Path) -> None:
    """Also while the runtime is just starting the container: nothing is left once it was swept."""
    arguments = [sys.executable, "-c", WORKER, str(image_root), str(directory)]
    for milliseconds in range(0, 90, 6):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            threading.Event().wait(milliseconds / 1000)
            worker.kill()
        leftovers.sweep(directory)
    leftovers.sweep(directory)
    assert not cgroups.names(leftovers.group_name(directory, "", "")[:-2], cgroups.hierarchies())
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("victim", ["tini", "script"])
def test_a_killed_process_inside(machine: Machine, victim: str) -> None:
    """Somebody, or the machine's own lack of memory, kills the first process, or the script."""
    script = "import os, signal\nos.fork()\nsignal.pause()"
    with ThreadPoolExecutor(1) as pool:
        finished = pool.submit(machine.run, script)
        found = wait_for_script(os.getpid())
        tini = next(process for process in found if "tini" in process.name())
        target = tini if victim == "tini" else tini.children()[0]
        target.send_signal(signal.SIGKILL)
        ran = finished.result(timeout=20)
    assert ran.outcome.exit_code == 137
    assert ran.outcome.limit is None
    assert ran.error == "The script crashed, or was ended by a signal. Its output was not collected."
    assert machine.left() == []


def test_several_at_once(machine: Machine) -> None:
    def run(number: int) -> bytes:
        script = "import time\nopen('/output/x', 'w').write(open('/input/n').read())\ntime.sleep(0.2)"
        with machine.running(script, inputs={"n": str(number).encode()}) as run:
            assert run.error is None
            return (run.outcome.output / "x").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(6))) == [str(number).encode() for number in range(6)]
    assert machine.left() == []


def test_an_error_of_the_caller_leaves_nothing(machine: Machine) -> None:
    with pytest.raises(KeyError), machine.running("print(1)"):
        raise KeyError
    assert machine.left() == []


def test_an_image_that_is_none(machine: Machine, tmp_path: Path) -> None:
    other = Machine(machine.sandbox, tmp_path)
    with pytest.raises(SandboxUnavailable, match="cloister image build"):
        other.run("print(1)")
    assert machine.left() == []


@pytest.mark.usefixtures("_no_new_zombies")
def test_a_runtime_that_does_not_start(image_root: Path, directory: Path) -> None:
    """There is no second way to run a script: it fails, and the script has not run."""
    with Sandbox(Runtime(Path("/bin/false"), "none"), directory) as sandbox:
        broken = Machine(sandbox, image_root)
        with pytest.raises(SandboxUnavailable, match="false could not start a container"):
            broken.run("open('/output/x', 'w')")
        assert broken.left() == []


@pytest.mark.usefixtures("_no_new_zombies")
@pytest.mark.parametrize("memory_bytes", [1, 4096, 64 * 1024, MIB, 3 * MIB, 8 * MIB])
def test_a_memory_limit_below_what_a_runtime_needs(machine: Machine, memory_bytes: int) -> None:
    """What making the container takes is not the task's: its own use counts. Where next to nothing may be used, even
    a script that does nothing is ended, or it isn't, as the kernel rounds; if it is, the error says why."""
    limits = msgspec.structs.replace(SMALL, memory_bytes=memory_bytes)
    ran = machine.run("held = []\nwhile True: held.append(bytearray(1 << 20))", limits=limits)
    assert ran.outcome.limit == "memory"
    assert ran.error is not None
    assert ran.error.startswith(f"The computation exceeded its limit on memory ({memory_bytes} bytes")
    assert machine.run("1", limits=limits).run.limit in (None, "memory")


def test_a_machine_without_memory_is_not_the_limit_of_the_script(image_root: Path, tmp_path: Path) -> None:
    """The kernel kills a computation within its own limit: it is not told that it asked for too much, but is given to
    another worker. Here a group above stands for the machine."""
    above, where = f"cloister-test-{secrets.token_hex(8)}", cgroups.hierarchies()
    weakening = f"linux['cgroupsPath'] = '/{above}' + linux['cgroupsPath']"
    good = str(probe.detect(image_root).path)
    text = RUNTIME.format(python=sys.executable, weakening=weakening, runtime=good)
    runtime = Runtime.named(str(write_runtime(tmp_path / "runtime", text)))
    outer = cgroups.create(above, where)
    try:
        outer.set_limits(memory_bytes=96 * MIB, pids=1000, cpu_quota=200_000)
        with Sandbox(runtime) as sandbox:
            cold = Machine(sandbox, image_root)
            assert cold.run("print('fits')").log == "fits\n"
            with pytest.raises(SandboxUnavailable, match="within its own limit"):
                cold.run(f"bytearray({150 * MIB})")
            assert cold.left() == []
    finally:
        assert cgroups.remove(above, where)


def test_descriptors_do_not_pile_up(machine: Machine) -> None:
    own = Path("/proc/self/fd")
    machine.run("1")
    before = len(list(own.iterdir()))
    for _ in range(3):
        machine.run("1 / 0", cancelled=threading.Event())
    assert len(list(own.iterdir())) == before
