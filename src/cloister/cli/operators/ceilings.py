"""What workers of an installation allow one computation, and what they themselves may use of their machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cloister.cli.setting import Setting
from cloister.rooms.graph import MAX_LOG_BYTES
from cloister.rooms.limits import GIB, MIB, Limits
from cloister.worker.sandbox.budget import MemoryBudget
from cloister.worker.sandbox.encrypted import DEFAULT_FOLDER, Disk

_UNITS = {"": 1, "KiB": 1024, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}
_SIZE = re.compile(r"([0-9]{1,15}) ?(|KiB|MiB|GiB|TiB)")


class Size(click.ParamType[int]):
    """A number of bytes: `1000000`, `512MiB`, `16GiB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """As `click.ParamType`."""
        if isinstance(value, int):
            return value
        if (found := _SIZE.fullmatch(str(value).strip())) is None:
            self.fail(f"{value!r} is not a size; write bytes, or KiB, MiB, GiB or TiB: 16GiB.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


SIZE = Size()


def _most(name: str, kind: click.ParamType[Any], help_text: str, **more: Any) -> Setting:
    return Setting(
        section="worker", name=f"max_{name}", kind=kind, help=f"The most that a computation may {help_text}", **more
    )


CEILINGS: Mapping[str, Setting] = {
    "memory_bytes": _most(
        "memory",
        SIZE,
        "ask for of memory.  [default: the machine's, and no less than 4GiB]",
        example="64GiB",
    ),
    "pids": _most("pids", click.IntRange(1), "ask for of processes and threads.", default=16384),
    "cpus": _most(
        "cpus",
        click.FloatRange(0.01, 1024),
        "ask for of cores.  [default: the machine's, and no less than 2]",
        example=8.0,
    ),
    "wall_seconds": _most("wall_seconds", click.IntRange(1), "ask for of time.", default=7 * 86_400),
    "output_bytes": _most("output", SIZE, "ask for of output.", default="1TiB"),
    "output_files": _most(
        "output_files", click.IntRange(1), "ask for of files and folders of output.", default=1_000_000
    ),
    "scratch_bytes": _most("scratch", SIZE, "ask for of /tmp and /scratch.", default="1TiB"),
    "log_bytes": _most("log", SIZE, "ask for of console.", default=f"{MAX_LOG_BYTES // MIB}MiB"),
}
"""By the limit of a definition that each is the ceiling of."""

ROOM = (
    *CEILINGS.values(),
    Setting(
        section="worker",
        name="memory_budget",
        kind=SIZE,
        example="8GiB",
        help="What all workers of this machine together may hold in memory besides running computations: inputs and "
        "waiting containers.  [default: what is free, less 256MiB]",
    ),
    Setting(
        section="worker",
        name="scratch",
        kind=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_FOLDER,
        help="Folder for what doesn't fit into memory: encrypted, with a key that nobody keeps; made if missing.",
    ),
    Setting(
        section="worker",
        name="scratch_disk",
        kind=SIZE,
        example="100GiB",
        help="What this worker may take of that disk; 0 for nothing.  [default: what is free, less 1GiB]",
    ),
)
"""Settings of every worker, also of those that `cloister up` starts."""


def ceilings(given: Mapping[str, Any]) -> Limits:
    """What a worker allows a computation, by its settings and its machine."""
    usual = Limits()
    machine: dict[str, Any] = {
        "memory_bytes": max(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), usual.memory_bytes),
        "cpus": max(float(len(os.sched_getaffinity(0))), usual.cpus),
    }
    chosen = {field: given[setting.parameter] for field, setting in CEILINGS.items()}
    return Limits(**{field: machine[field] if value is None else value for field, value in chosen.items()})


def overcommitted(workers: int, max_memory: int | None) -> str | None:
    """What there is to say where that many workers' computations may want more memory than this machine has.

    Args:
        max_memory: the most that each may have, if that is set; else those are counted that ask for no more than usual.
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    each = Limits().memory_bytes if max_memory is None else max_memory
    if workers * each <= total:
        return None
    return (
        f"The computations of {workers} workers may use {each / GIB:.1f} GiB of memory each, and this machine has "
        f"{total / GIB:.1f} GiB. Where it runs out, the kernel ends some of them, which are then run once more. Let "
        f"--max-memory be {total // workers // MIB}MiB or less, start fewer workers (--workers), or add memory."
    )


def memory_budget(given: Mapping[str, Any]) -> MemoryBudget:
    """The machine's, as this worker keeps it."""
    return MemoryBudget(most_bytes=given["memory_budget"])


def disk(given: Mapping[str, Any]) -> Disk | None:
    """Where a worker may put what doesn't fit into memory; None where nowhere."""
    most: int | None = given["scratch_disk"]
    return None if most == 0 else Disk(given["scratch"], most)
