"""What workers that were killed have left on this machine: known by its names, and removed.

Each worker's things bear the name of its own directory, and a mark of the one that this lies in: so a worker can be
told from others, and those of one place from those of another. Two that see control groups of one machine but each a
/run of its own, as in containers, must not take each other's computations for leftovers: a path alone is no mark.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cloister.worker.sandbox import cgroups, scratch
from cloister.worker.sandbox.runtime import stop_starting

DEFAULT_DIRECTORY = Path("/run/cloister/sandboxes")


def group_name(directory: Path, worker: str, run: str) -> str:
    """The name of a run's control group and container: it tells whose it is, so that it can be swept.

    Args:
        directory: has to be there.
    """
    return f"cloister-{_tag(directory)}-{worker}-{run}"


def sweep(directory: Path = DEFAULT_DIRECTORY) -> list[str]:
    """Remove what workers that no longer live have left under `directory`; their names.

    Processes are killed, control groups removed, mounts unmounted (as far as they are seen from here), files removed.
    """
    if not directory.is_dir():
        return []
    where = cgroups.hierarchies()
    swept = set()
    for left in scratch.abandoned(directory):
        stop_starting(left)
        for name in cgroups.names(group_name(directory, left.name, ""), where):
            cgroups.remove(name, where)
        scratch.clear(left)
        swept.add(left.name)
    # A runtime that was just starting something may have gone on for a moment after an earlier sweep.
    for name in cgroups.names(f"cloister-{_tag(directory)}-", where):
        worker = name.split("-")[2]
        if not (directory / worker).exists():
            cgroups.remove(name, where)
            swept.add(worker)
    return sorted(swept)


def _tag(directory: Path) -> str:
    facts = directory.stat()
    place = f"{directory.absolute()}\0{facts.st_dev}\0{facts.st_ino}"
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
