"""What a script can see of its container's past: nothing but modules that are loaded, and what they brought along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloister.worker.runners.python import PYTHON, uses_libraries
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.pool import Pool
from tests.containers import SMALL, Machine

LOOK = """
import gc, json, locale, os, random, re, resource, signal, sys, tempfile, threading, warnings
import multiprocessing, numpy, pandas
found = {
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": list(sys.flags), "name": __name__,
    "globals": sorted(globals()), "main": sys.modules["__main__"].__dict__ is globals(), "spec": repr(__spec__),
    "environment": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0o22),
    "command line": open("/proc/self/cmdline").read(), "initial environment": open("/proc/self/environ").read(),
    "descriptors": {fd: os.readlink(f"/proc/self/fd/{fd}").split(":")[0] for fd in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{fd}")},
    "stdin": sys.stdin.read(), "blocking": [os.get_blocking(fd) for fd in range(3)],
    "buffering": [sys.stdout.line_buffering, sys.stderr.line_buffering, sys.stdout.encoding, sys.stdout.errors],
    "signals": {number: str(signal.getsignal(number)).split(" at ")[0] for number in signal.valid_signals()},
    "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "filters": [str(each) for each in warnings.filters], "locale": locale.setlocale(locale.LC_ALL),
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__, sys.gettrace(),
              len(sys.meta_path), len(sys.path_hooks)],
    "gc": [gc.isenabled(), gc.get_threshold(), gc.callbacks], "recursion": sys.getrecursionlimit(),
    "switch": sys.getswitchinterval(), "threads": [each.name for each in threading.enumerate()],
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name[:7] == "RLIMIT_"},
    "folders": {place: sorted(os.listdir(place)) for place in ("/", "/tmp", "/scratch", "/output", "/dev/shm",
                "/input", "/input/code", "/code", "/run", "/dev")},
    "space": {place: [os.statvfs(place).f_blocks, os.statvfs(place).f_files, os.statvfs(place).f_bfree]
              for place in ("/", "/tmp", "/scratch", "/output", "/dev/shm", "/input", "/input/code")},
    "mounts": [line.split()[4:6] + re.sub("fd/[0-9]+", "fd", line.split(" - ")[1]).split()  # of the worker
               for line in open("/proc/self/mountinfo")],
    "ids": [os.getuid(), os.getgid(), os.getgroups(), os.getpgrp() > 0, os.getppid()],
    "nice": [os.nice(0), os.sched_getscheduler(0), sorted(os.sched_getaffinity(0))],
    "temporary": tempfile.tempdir, "start method": multiprocessing.get_start_method(allow_none=True),
    "numpy": [numpy.get_printoptions(), numpy.geterr()], "children": len(multiprocessing.active_children()),
    "pandas": str(pandas.options.display.max_rows),
}
print(json.dumps(found, default=str))
"""
RANDOM = """
import json, random, secrets, numpy, uuid
print(json.dumps([random.random(), numpy.random.random(), numpy.random.default_rng().random(), secrets.token_hex(4),
                  hash("text"), str(uuid.uuid4()), id(object())]))
"""


def test_a_script_finds_the_same(image_root: Path) -> None:
    """One that imports what others find imported already: all else is alike, down to mounts and space."""
    wanted = blueprint(PYTHON, image_root, SMALL, ["data"])
    task = ScriptTask(script=LOOK, limits=SMALL, files={"lib/helper.py": "x = 1"})
    seen: list[dict[str, Any]] = []
    with Sandbox(probe.detect(image_root)) as sandbox, Pool(sandbox, 1, wanted) as pool:
        assert pool.wait_full(60)
        with pool.take(wanted) as warm, sandbox.container(wanted) as cold:
            assert warm.blueprint.imports
            for each in (cold, warm):
                (each.input_folder(8192, 2) / "data").write_text("x")
                run = run_script(PYTHON, each, task)
                assert run.error is None, run.console
                seen.append(json.loads(run.console))
    for name, value in seen[0].items():
        assert seen[1][name] == value, name
    assert seen[0].keys() == seen[1].keys()


def test_random_numbers_are_new_every_time(machine: Machine) -> None:
    first, second = machine.run(RANDOM).json(), machine.run(RANDOM).json()
    assert all(one != other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "script",
    [
        "f = open('/output/x', 'w'); f.write('kept')",
        "import sys\nsys.held = open('/output/x', 'w'); sys.held.write('kept')",
        "import json\njson.held = open('/output/x', 'w'); json.held.write('kept')",
        "import helper",
        "def f():\n    file = open('/output/x', 'w')\n    file.write('kept')\n    yield\ng = f()\nnext(g)",
        "class Late:\n    def __del__(self):\n        open('/output/x', 'w').write('kept')\nlate = Late()",
        "class Late:\n    def __del__(self):\n        open('/output/x', 'w').write('kept')\na = Late(); a.a = a",
        "import os, sys\nos._exit = None\nf = open('/output/x', 'w'); f.write('kept'); sys.exit()",
        "import gzip, weakref\nf = open('/output/x', 'w'); weakref.finalize(f, lambda: None); f.write('kept')",
    ],
)
def test_what_a_script_leaves_open_is_written_when_it_ends(machine: Machine, script: str) -> None:
    ran = machine.run(script, files={"helper.py": "f = open('/output/x', 'w'); f.write('kept')"})
    assert ran.error is None, ran.log
    assert ran.files == {"x": b"kept"}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import sys; sys.exit(256 + 3)", 3),
        ("import sys; sys.exit(-1)", 255),
        ("raise SystemExit(True)", 1),
        ("import sys, os; os.close(1); print('lost')", 120),
        ("import atexit, os; atexit.register(os._exit, 9)", 9),
        ("import os\nif os.fork() == 0: raise SystemExit(5)\nos._exit(os.waitstatus_to_exitcode(os.wait()[1]))", 5),
        ("import sys; sys.stdout.close()", 0),
        ("import sys; sys.stdout = None", 0),
    ],
)
def test_exit_codes_are_the_interpreters(machine: Machine, script: str, code: int) -> None:
    assert machine.run(script).outcome.exit_code == code


def test_a_finalizer_that_fails_is_told_and_changes_nothing(machine: Machine) -> None:
    ran = machine.run("class Late:\n    def __del__(self):\n        1 / 0\nlate = Late()")
    assert ran.error is None
    assert "Exception ignored in" in ran.log
    assert "ZeroDivisionError" in ran.log


@pytest.mark.parametrize(
    ("texts", "libraries"),
    [
        (["import os, sys\nfrom pathlib import Path"], False),
        (["print('import pandas')"], False),
        (["import pandas as pd"], True),
        (["def f():\n    from sklearn.svm import SVC"], True),
        (["import json", "import numpy"], True),
        ([], False),
    ],
)
def test_what_seems_to_use_libraries(texts: list[str], libraries: bool) -> None:
    assert uses_libraries(texts) is libraries
