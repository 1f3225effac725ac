"""Containers under gVisor: what is different about how they begin and end. What scripts can do in them is tried by
`tests/attacks/`, under gVisor too."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
from cloister.worker.sandbox.pool import Pool
from cloister.worker.sandbox.runtime import Runtime
from tests.attacks.gvisor import DIFFERENT
from tests.containers import SMALL, Machine, needs_gvisor

pytestmark = [needs_gvisor, pytest.mark.slow]

WORKER = """
import pathlib, sys
from cloister.rooms.limits import Limits
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.runtime import Runtime
image, directory = map(pathlib.Path, sys.argv[1:])
limits = Limits(memory_bytes=1 << 27, wall_seconds=20)
with Sandbox(Runtime.named("runsc"), directory) as sandbox:
    print(sandbox.directory, flush=True)
    with sandbox.container(blueprint(PYTHON, image, limits, ())) as container:
        script = "import os, signal\\nos.fork()\\nopen('/output/up', 'w').close()\\nsignal.pause()"
        run_script(PYTHON, container, ScriptTask(script=script, limits=limits))
"""
WEAKENED = """
#!{python}
import os, sys
words = sys.argv[1:]
{change}
os.execv({runtime!r}, [{runtime!r}, *words])
"""
ROLES = ("run", "boot", "gofer")
"""gVisor's client, its kernel, and what opens files for it, by their command lines."""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place for sandboxes of its own, left empty."""
    made = Path("/run") / f"cloister-test-{secrets.token_hex(8)}"
    yield made
    leftovers.sweep(made)
    assert list(made.iterdir()) == []
    made.rmdir()
    for child in psutil.Process().children():
        if child.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, 0)


@pytest.fixture
def machine(image_root: Path, directory: Path) -> Iterator[Machine]:
    with Sandbox(Runtime.named("runsc"), directory) as sandbox:
        yield Machine(sandbox, image_root)


def test_it_passes_the_probe_when_it_is_chosen(
    image_root: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("runsc", "gvisor"):
        monkeypatch.setenv(probe.CHOICE, name)
        probe.detect.cache_clear()
        assert probe.detect(image_root, directory).walls == "gvisor"
    probe.detect.cache_clear()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("words = [word for word in words if word != '--oci-seccomp']", "Seccomp is 0 instead of 2"),
        (
            "words = [word.replace('=none', '=host') if 'network' in word else word for word in words]",
            "loopback|reach a network",
        ),
        ("words = [word for word in words if not word.startswith('--pass-fd')]", "ended, or hung|could not start"),
        ("sys.exit(1) if 'run' in words else None", "could not start a container"),
    ],
)
def test_one_that_leaves_something_out_is_refused(
    image_root: Path, directory: Path, tmp_path: Path, change: str, words: str
) -> None:
    good = str(Runtime.named("runsc").path)
    program = tmp_path / "runsc"
    program.write_text(WEAKENED.format(python=sys.executable, change=change, runtime=good).lstrip())
    program.chmod(0o755)
    with pytest.raises(SandboxUnavailable) as refused:
        probe.check(Runtime.named(str(program)), image_root, directory)
    assert any(word in str(refused.value) for word in words.split("|")), refused.value


def test_a_killed_worker_takes_its_container_along(image_root: Path, directory: Path) -> None:
    """`kill -9` of the worker: gVisor's processes end at once, and the next sandbox sweeps the rest."""
    arguments = [sys.executable, "-c", WORKER, str(image_root), str(directory)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stdout is not None
            left = Path(worker.stdout.readline().strip())
            deadline = time.monotonic() + 15
            while not list(left.glob("*/output/up")):
                assert time.monotonic() < deadline, "the script did not start"
            processes = psutil.Process(worker.pid).children(recursive=True)
        finally:
            worker.kill()
    assert {"runsc", "exe"} <= {process.name() for process in processes}
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    assert leftovers.sweep(directory) == [left.name]
    assert not cgroups.names(leftovers.group_name(directory, left.name, ""), cgroups.hierarchies())
    assert str(left) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("whose", ROLES)
def test_a_process_of_gvisors_is_killed(machine: Machine, whose: str) -> None:
    """The script ends, the run is an error, and nothing is left: no process, mount or group."""
    killed: list[str] = []

    def kill() -> None:
        own = psutil.Process()
        deadline = time.monotonic() + 15
        while not killed and time.monotonic() < deadline:
            for process in own.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    role = next((word for word in process.cmdline() if word in ROLES), None)
                    if role == whose and list(machine.sandbox.directory.glob("*/output/up")):
                        process.kill()
                        killed.append(role)
                        return

    thread = threading.Thread(target=kill)
    thread.start()
    limits = msgspec.structs.replace(SMALL, wall_seconds=10)
    ran = machine.run("import os, time\nopen('/output/up', 'w').close()\nos.fork()\ntime.sleep(60)", limits=limits)
    thread.join()
    assert killed
    assert ran.error is not None
    assert machine.left() == []
    assert [process for process in psutil.Process().children(recursive=True) if "exe" in process.name()] == []


def test_processes_are_limited_at_the_host(machine: Machine) -> None:
    """gVisor counts none of a script's processes; each takes two of the host's, and those are limited."""
    limits = msgspec.structs.replace(SMALL, memory_bytes=1024 * MIB, pids=16)
    ran = machine.run("import os\nwhile True:\n    if os.fork() == 0:\n        os.read(os.pipe()[0], 1)", limits=limits)
    assert "limit on pids" in (ran.error or "")


def test_containers_that_wait(machine: Machine, image_root: Path) -> None:
    """As elsewhere: libraries imported, one task each, another in its place."""
    with Pool(machine.sandbox, 1, blueprint(PYTHON, image_root, SMALL, ())) as pool:
        warm = Machine(machine.sandbox, image_root, pool)
        for number in range(2):
            ran = warm.run(f"import sys\nprint('pandas' in sys.modules)\nopen('/output/{number}', 'w').close()")
            assert ran.log == "True\n", ran.error
            assert list(ran.files) == [str(number)]


def test_what_scripts_see_of_their_kernel(machine: Machine) -> None:
    """The table in docs/operating.md says so."""
    seen = machine.run(
        "import json, os, platform\n"
        "print(json.dumps({'kernel': platform.release(), 'cores': os.cpu_count(), 'sys': os.listdir('/sys'),\n"
        "  'status': dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line),\n"
        "  'memory': os.sysconf('SC_PHYS_PAGES') * 4096, 'uid_map': open('/proc/self/uid_map').read().split()}))"
    ).json()
    assert seen["kernel"] == "4.4.0"
    assert seen["sys"] == []
    assert seen["uid_map"][1] == "0"
    assert seen["status"]["Seccomp"].strip() == "2"
    assert "NoNewPrivs" not in seen["status"]
    assert seen["memory"] < 64 << 30


def test_operators_are_told_what_is_different() -> None:
    text = (Path(__file__).parents[3] / "docs/operating.md").read_text()
    assert [fact for fact in DIFFERENT.values() if f"- {fact}\n" not in text] == []
