"""What lies where below the folder that `cloister up` is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloister.hub.settings import HubSettings


@dataclass(frozen=True)
class Layout:
    """A data folder. Each part of Cloister has a folder of its own in it and looks at no other."""

    data: Path

    @property
    def enclave(self) -> Path:
        """Sealed rooms and, in software mode, the key that they are sealed with."""
        return self.data / "enclave"

    @property
    def hub_secret(self) -> Path:
        """What the hub shows to the enclave, so that other users of this machine can't use it up."""
        return self.data / "hub-enclave.secret"

    @property
    def lock(self) -> Path:
        """Held by every process of a running installation."""
        return self.data / "lock"

    @property
    def running(self) -> Path:
        """Held by `cloister up` alone, until it begins to end."""
        return self.data / "running"

    def hub_settings(self, enclave_url: str | None = None) -> HubSettings:
        """Settings of the hub: database, identity key and blobs."""
        return HubSettings(data=self.data / "hub", enclave_url=enclave_url)
