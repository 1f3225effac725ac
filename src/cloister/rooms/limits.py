"""What one computation may use: part of a room's definition, enforced by the worker."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MIB = 1024 * 1024
GIB = 1024 * MIB


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Upper bounds for one run of one container. Exceeding one ends the run with an error that names it."""

    memory_bytes: int = 4 * GIB
    """Resident memory of all its processes together, in bytes, shared memory included."""
    pids: int = 512
    """Processes and threads alive at once."""
    cpus: float = 2.0
    """Processor cores, as a share over time."""
    wall_seconds: int = 3600
    """Time from start to end, in seconds."""
    output_bytes: int = 4 * GIB
    """All files below /output together, in bytes."""
    output_files: int = 100_000
    """Files and folders below /output."""
    scratch_bytes: int = 2 * GIB
    """All files below /tmp and /scratch together, in bytes; they count as memory too."""
    log_bytes: int = 1 * MIB
    """What is kept of standard output and standard error together, in bytes: the head, then the tail."""


def most(one: Limits, other: Limits) -> Limits:
    """Of each limit the larger one."""
    return Limits(**{field: max(getattr(one, field), getattr(other, field)) for field in Limits.__struct_fields__})


NAMES: Mapping[str, tuple[str, str]] = {
    "memory_bytes": ("memory", "bytes"),
    "pids": ("pids", "processes and threads"),
    "cpus": ("cpus", "cores"),
    "wall_seconds": ("wall time", "seconds"),
    "output_bytes": ("output size", "bytes"),
    "output_files": ("output files", "files and folders"),
    "scratch_bytes": ("scratch", "bytes"),
    "log_bytes": ("log", "bytes"),
}
"""What each limit is called in messages, and what it counts."""


def beyond(asked: Limits, allowed: Limits) -> str:
    """What is asked for and isn't allowed, with both figures; empty where all is."""
    return "; ".join(
        f"{name}: {getattr(asked, field)} {unit}, where {getattr(allowed, field)} are allowed"
        for field, (name, unit) in NAMES.items()
        if getattr(asked, field) > getattr(allowed, field)
    )
