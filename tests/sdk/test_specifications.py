"""Enclave specifications: which enclaves and workers a user accepts, and that nothing else gets anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from cloister import EnclaveSpecification, EnclaveSpecifications, enclave_specifications
from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import BadRequestError, EvidenceRejected
from cloister.rooms.definition import Reference
from cloister.rooms.events import Published
from cloister.sdk.client import Client
from cloister.sdk.specifications import DOCUMENTED, KNOWN_WORKERS, EnclaveSpecs
from cloister.version import VERSION
from cloister.wire.channel import KNOWN_ENCLAVES

from .conftest import BOB, OWNER, Room, World, definition
from .enclave_peer import WORKER, PeerRoom

Publish = Callable[..., Room]
OTHER = Reference(evidence="sev-snp", measurement="22" * 32)
DRIVER, PYTHON = "decentriq.driver", "decentriq.python-ml-worker-32-64"


def specs(**parts: tuple[Reference, ...]) -> dict[str, EnclaveSpecification]:
    """Specifications that name these references of an ``enclave`` and a ``worker``."""
    return {part: EnclaveSpecification(part, "1", cast(Any, part), references) for part, references in parts.items()}


GOOD: EnclaveSpecs = specs(enclave=KNOWN_ENCLAVES, worker=(*KNOWN_WORKERS, WORKER))
OTHER_ENCLAVE: EnclaveSpecs = specs(enclave=(OTHER,), worker=(WORKER,))
OTHER_WORKER: EnclaveSpecs = specs(enclave=KNOWN_ENCLAVES, worker=(OTHER,))


class TestCollection:
    """What there is to choose from."""

    def test_the_latest_of_all_documented_names(self) -> None:
        latest = enclave_specifications.latest()
        assert set(latest) == {"cloister.enclave", "cloister.worker", *DOCUMENTED}
        assert latest[DRIVER].references == KNOWN_ENCLAVES
        for name in ("decentriq.sql-worker", "decentriq.r-ml-worker-32-32", "decentriq.python-synth-data-worker-32-64"):
            assert latest[name].references == latest[PYTHON].references == KNOWN_WORKERS

    def test_versions_are_named_as_they_are_listed(self) -> None:
        names = enclave_specifications.list()
        assert f"cloister.enclave:{VERSION}" in names
        assert enclave_specifications.versions(names) == enclave_specifications.latest()
        assert len(enclave_specifications.all()) == len(names)

    def test_versions_from_elsewhere_stand_for_the_latest(self) -> None:
        chosen = enclave_specifications.versions([f"{DRIVER}:v20", f"{PYTHON}:v23"])
        assert chosen == {name: enclave_specifications.latest()[name] for name in (DRIVER, PYTHON)}

    @pytest.mark.parametrize(
        "wanted",
        [
            "",
            "x",
            DRIVER,
            f"{DRIVER}:",
            f"{DRIVER}:latest",
            "decentriq.other:v1",
            "cloister.enclave:v1",
            f"{DRIVER}:v1\n",
        ],
    )
    def test_what_is_not_there_is_said_with_what_is(self, wanted: str) -> None:
        with pytest.raises(BadRequestError, match=r"There is no enclave specification .* cloister\.enclave:"):
            enclave_specifications.versions([wanted])

    def test_a_text_is_no_list(self) -> None:
        with pytest.raises(BadRequestError, match="list"):
            enclave_specifications.versions(f"{DRIVER}:v20")

    def test_collections_are_merged(self) -> None:
        newer = EnclaveSpecification("cloister.enclave", "99", "enclave", (OTHER,))
        merged = enclave_specifications.merge(EnclaveSpecifications([newer]))
        assert merged.latest()["cloister.enclave"] == newer
        assert f"cloister.enclave:{VERSION}" in merged.list()
        assert merged.versions(["cloister.enclave:99"]) == {"cloister.enclave": newer}
        # The collections themselves are as they were.
        assert enclave_specifications.latest()["cloister.enclave"].references == KNOWN_ENCLAVES
        assert "cloister.enclave:99" in repr(merged)


class TestPublishing:
    """Whoever publishes says what the room may have."""

    @pytest.mark.parametrize("where", ["client", "builder", "publish"])
    def test_the_room_names_what_is_accepted(self, where: str, world: World) -> None:
        room = publish(world, where, GOOD)
        assert set(room.definition.enclaves) <= set(KNOWN_ENCLAVES)
        assert room.definition.workers == (WORKER,)

    @pytest.mark.parametrize("where", ["client", "builder", "publish"])
    @pytest.mark.parametrize(("given", "why"), [(OTHER_ENCLAVE, "not among"), (OTHER_WORKER, "None of the workers")])
    def test_nothing_is_published_elsewhere(self, where: str, given: EnclaveSpecs, why: str, world: World) -> None:
        with pytest.raises(EvidenceRejected, match=why):
            publish(world, where, given)
        assert world.hub.enclave.rooms == {}

    def test_all_that_was_said_counts(self, world: World) -> None:
        client = world.client()
        built = builder(client, GOOD).build()
        assert built.enclave_specs is GOOD
        with pytest.raises(EvidenceRejected):
            client.publish_analytics_dcr(built, enclave_specs=OTHER_WORKER)

    @pytest.mark.parametrize("nonsense", [{}, {"a": 1}, [], "latest", specs(worker=KNOWN_WORKERS)])
    def test_what_is_no_specification_is_refused(self, nonsense: Any, world: World) -> None:
        client = world.client()
        for use in (
            lambda: AnalyticsDcrBuilder(client=client, enclave_specs=nonsense),
            lambda: client.publish_analytics_dcr(definition(client), enclave_specs=nonsense),
            lambda: client.retrieve_analytics_dcr("00" * 32, nonsense),
        ):
            with pytest.raises(BadRequestError, match="enclave_specs"):
                use()
        assert world.hub.seen == []


class TestRetrieving:
    """Whoever comes later decides anew."""

    def test_a_room_of_accepted_parts_is_opened(self, publish: Publish, world: World) -> None:
        room = publish()
        assert world.client(BOB).retrieve_analytics_dcr(room.dcr.id, enclave_specs=GOOD).id == room.dcr.id

    def test_an_enclave_that_is_not_accepted_is_asked_nothing(self, publish: Publish, world: World) -> None:
        room = publish()
        world.hub.seen.clear()
        with pytest.raises(EvidenceRejected, match="not among enclave_specs"):
            world.client(BOB).retrieve_analytics_dcr(room.dcr.id, OTHER_ENCLAVE)
        assert not [path for _, path in world.hub.seen if path.endswith("messages")]

    def test_a_room_that_others_may_hold_or_compute_is_not_opened(self, publish: Publish, world: World) -> None:
        room = publish()
        with pytest.raises(EvidenceRejected, match="names a worker that is not among"):
            world.client(BOB).retrieve_analytics_dcr(room.dcr.id, OTHER_WORKER)
        both = msgspec.structs.replace(room.dcr.definition, enclaves=(*room.dcr.definition.enclaves, OTHER))
        world.hub.enclave.rooms[both.id()] = PeerRoom(both.id())
        world.hub.enclave.rooms[both.id()].append(OWNER, Published(definition=both))
        with pytest.raises(EvidenceRejected, match="names an enclave that is not among"):
            room.client.retrieve_analytics_dcr(both.id(), GOOD)
        assert room.client.retrieve_analytics_dcr(both.id()).id == both.id()


def builder(client: Client, given: EnclaveSpecs | None = None) -> AnalyticsDcrBuilder:
    return (
        AnalyticsDcrBuilder(client=client, enclave_specs=given)
        .with_name("Specified")
        .with_owner(OWNER)
        .add_node_definition(RawDataNodeDefinition("text", is_required=True))
        .add_node_definition(PythonComputeNodeDefinition("upper", "print()", dependencies=["text"]))
        .add_participant(OWNER, data_owner_of=["text"], analyst_of=["upper"])
    )


def publish(world: World, where: str, given: EnclaveSpecs) -> Any:
    client = world.client(enclave_specs=given if where == "client" else None)
    built = builder(client, given if where == "builder" else None).build()
    return client.publish_analytics_dcr(built, enclave_specs=given if where == "publish" else None)
