"""Who takes part in the demo, each on a machine of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cloister


@dataclass(frozen=True)
class Party:
    """A user and their machine: a folder that nobody else's part of the demo looks into."""

    name: str
    email: str
    token: str
    """Of the hub's API. Their operator would hand it to them: `cloister user add EMAIL`."""
    folder: Path

    def client(self, url: str, *, trust_software: bool = True) -> cloister.Client:
        """Logs in at the hub. In a script this is `cloister.create_client(email, token)`, with the environment set."""
        with _environment({"CLOISTER_URL": url, "CLOISTER_HOME": str(self.folder / "state")}):
            return cloister.create_client(self.email, self.token, trust_software_enclave=trust_software)

    def write(self, name: str, content: bytes) -> Path:
        """Saves a file on this party's machine."""
        path = self.folder / name
        path.write_bytes(content)
        return path


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """What differs between machines is their environment; the demo has but one process."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
