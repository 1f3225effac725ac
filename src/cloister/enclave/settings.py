"""Everything that can be set about an enclave, with its units and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloister.enclave.limits import Allowances
from cloister.enclave.open_rooms import MEMORY_BYTES
from cloister.wire.silence import HEARTBEAT_SECONDS, SILENCE_SECONDS


@dataclass(frozen=True, kw_only=True)
class EnclaveSettings(Allowances):
    """What an enclave process is told."""

    data: Path
    """Folder for the sealed store and its key; made where it is missing."""
    store: str | None = None
    """Where the sealed store lies: the path of an SQLite file, or a URL of PostgreSQL (``postgresql://``). By default
    the file ``rooms.db`` in `data`."""
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    """After so much silence in an answer a sign of life is sent."""
    silence_seconds: float = SILENCE_SECONDS
    """After how long a hub's machine that acknowledges nothing is taken for gone."""
    memory_bytes: int = MEMORY_BYTES
    """What rooms may take in memory together, in bytes, before those that nobody uses are let go."""
