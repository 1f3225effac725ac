"""One script that imports pandas and sums a small CSV: bare, in a container, in podman."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from bench.bare import INTERPRETER, SCRIPT, Bare, bare
from bench.report import Table, compared
from cloister.rooms.limits import MIB, Limits
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.pool import Pool

SUM = """
import pandas
with open("/output/sum.txt", "w") as file:
    file.write(str(pandas.read_csv("/input/numbers")["value"].sum()))
"""
NUMBERS = b"id,value\n" + b"".join(b"%d,%d\n" % (n, n * 7) for n in range(1000))

_LIMITS = Limits()


def measure(sandbox: Sandbox, image_root: Path, repetitions: int) -> Table:
    """Each way in turns, `repetitions` times, after once that doesn't count."""
    notes = ["from start to the result being read, and clean-up; targets: cold at most 1.25 x, warm under 0.15 x"]
    wanted = blueprint(PYTHON, image_root, _LIMITS, ["numbers"])
    with bare(image_root, SUM, {"numbers": NUMBERS}) as files, Pool(sandbox, 1, wanted) as pool:
        ways: dict[str, Callable[[], None]] = {
            "bare, in a chroot": files.run,
            "cold container": lambda: _contained(sandbox.container(wanted)),
            "warm container": lambda: _contained(pool.take(wanted)),
        }
        if (problem := _podman_problem(files)) is None:
            ways["podman run --rootfs"] = lambda: _podman(files)
        else:
            notes.append(f"no row for podman: {problem}")
        samples = in_turns(ways, pool, repetitions)
    return Table(title="Import pandas, sum a small CSV", rows=compared(samples), notes=tuple(notes))


def in_turns(ways: Mapping[str, Callable[[], None]], pool: Pool, repetitions: int) -> list[tuple[str, list[float]]]:
    """How long each way takes, in seconds: in turns, `repetitions` times, after once that doesn't count."""
    samples: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, run in ways.items():
            if not pool.wait_full(60):
                raise RuntimeError("No container waits, though one should.")
            started = time.perf_counter()
            run()
            if repetition:
                samples[name].append(time.perf_counter() - started)
    return list(samples.items())


def _contained(made: AbstractContextManager[Container]) -> None:
    with made as container:
        (container.input_folder(MIB, 10) / "numbers").write_bytes(NUMBERS)
        run = run_script(PYTHON, container, ScriptTask(script=SUM, limits=_LIMITS))
        if run.error is not None:
            raise RuntimeError(run.error)
        for _ in run.result():
            pass


def _podman(files: Bare) -> None:
    command = ["podman", "--cgroup-manager", "cgroupfs", "--runtime", "runc", "run", "--rm", "--network", "none"]
    environment = [f"--env={name}={value}" for name, value in files.environment.items()]
    # Its usual limits may be above what this machine allows.
    command += [*environment, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
    command += ["--rootfs", str(files.root), INTERPRETER, SCRIPT]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _podman_problem(files: Bare) -> str | None:
    """Why podman can't be compared with here; None where it can."""
    if shutil.which("podman") is None:
        return "it is not installed"
    try:
        _podman(files)
    except subprocess.CalledProcessError as error:
        return "it fails here: " + " ".join(str(error.stderr).split())[-200:]
    return None
