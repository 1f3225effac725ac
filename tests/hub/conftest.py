"""One hub and one enclave for most tests of a module, and three principals on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cloister.hub.accounts import add_user, add_worker
from cloister.hub.settings import KIB, HubSettings

from .peers import RunningEnclave, RunningHub


@dataclass(frozen=True)
class World:
    """A running hub with its enclave, and clients of two accounts, a worker, and nobody."""

    hub: RunningHub
    enclave: RunningEnclave
    alice: httpx.Client
    bob: httpx.Client
    worker: httpx.Client
    nobody: httpx.Client


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data: Path = tmp_path_factory.mktemp("hub")
    with RunningEnclave() as enclave:
        settings = HubSettings(
            data=data, enclave_url=enclave.url, json_bytes=64 * KIB, relay_slots=4, transfer_slots=64
        )
        tokens = [
            add_user(settings, "alice@example.com"),
            add_user(settings, "bob@example.com"),
            add_worker(settings, "worker-1"),
            None,
        ]
        with RunningHub(settings) as hub:
            clients = [hub.client(token) for token in tokens]
            yield World(hub, enclave, *clients)
            for client in clients:
                client.close()
