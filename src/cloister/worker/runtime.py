"""Find an OCI runtime that really enforces what Cloister asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Runtime:
    """A container runtime that has passed the probe on this machine, in this process."""

    path: Path
    version: str

    @classmethod
    def detect(cls, image_root: Path) -> Runtime:
        """Probe what `CLOISTER_RUNTIME` names, or else crun, then runc; the first good one wins.

        Raises:
            SandboxUnavailable: none enforces what is needed. There is no fallback.
        """
        raise NotImplementedError
