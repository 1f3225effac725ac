"""What one computation may use: part of a room's definition, enforced by the worker."""

from __future__ import annotations

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
