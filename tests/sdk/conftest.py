"""A hub with an enclave behind it, and clients of three users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloister.analytics import (
    AnalyticsDcrBuilder,
    AnalyticsDcrDefinition,
    PythonComputeNode,
    PythonComputeNodeDefinition,
    RawDataNode,
    RawDataNodeDefinition,
)
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.sdk.specifications import EnclaveSpecs
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience

from .hub_peer import PeerHub, Served

OWNER, BOB = "owner@example.org", "bob@example.org"
IMPATIENT = Patience(pauses=())


@dataclass
class World:
    """What a test of the client needs."""

    url: str
    hub: PeerHub
    folder: Path
    clients: ExitStack
    tokens: dict[str, str] = field(default_factory=dict)

    def client(
        self,
        email: str = OWNER,
        *,
        home: str | None = None,
        allow_software: bool = True,
        patience: Patience = IMPATIENT,
        timeout: float | None = None,
        enclave_specs: EnclaveSpecs | None = None,
        vault: str | None = None,
        check_keys: KeyCheck | None = None,
    ) -> Client:
        """A client on a machine of its own for each user, or that is called ``home``."""
        if email not in self.tokens:
            self.tokens[email] = self.hub.add_user(email)
        state = StateFolder(self.folder / (home or email))
        client = Client(
            email,
            Hub(self.url, self.tokens[email], timeout=timeout),
            folder=state,
            device=open_device_key(state, self.url, email),
            allow_software=allow_software,
            patience=patience,
            enclave_specs=enclave_specs,
            vault=vault,
            check_keys=check_keys,
        )
        return self.clients.enter_context(client)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as clients, Served(PeerHub()) as served:
        yield World(served.url, served.hub, tmp_path, clients)


def definition(client: Client, title: str = "Uppercase") -> AnalyticsDcrDefinition:
    """One file, one computation; the owner is data owner and analyst, Bob takes part."""
    return (
        AnalyticsDcrBuilder(client=client)
        .with_name(title)
        .with_owner(OWNER)
        .add_node_definition(RawDataNodeDefinition("text", is_required=True))
        .add_node_definition(PythonComputeNodeDefinition("upper", "print()", dependencies=["text"]))
        .add_participant(OWNER, data_owner_of=["text"], analyst_of=["upper"])
        .add_participant(BOB)
        .build()
    )


@dataclass
class Room:
    """A published room and its two nodes."""

    client: Client
    dcr: AnalyticsDcr
    text: RawDataNode
    upper: PythonComputeNode


@pytest.fixture
def publish(world: World) -> Callable[..., Room]:
    """Publishes a room as its owner."""

    def do(**options: object) -> Room:
        client = world.client(**options)  # type: ignore[arg-type]
        dcr = client.publish_analytics_dcr(definition(client))
        text, upper = dcr.get_node("text"), dcr.get_node("upper")
        assert isinstance(text, RawDataNode)
        assert isinstance(upper, PythonComputeNode)
        return Room(client, dcr, text, upper)

    return do
