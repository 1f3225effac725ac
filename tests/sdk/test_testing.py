"""A test is a room of its author alone, of which nothing is left."""

from __future__ import annotations

import pytest

from cloister.analytics import AnalyticsDcrBuilder, AnalyticsDcrDefinition
from cloister.errors import BadRequestError, DefinitionInvalid, Refused, ServerError
from cloister.rooms.nodes import PythonNode
from cloister.sdk.client import Client
from cloister.sdk.definitions import PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.sdk.testing import NodeProgress

from .conftest import BOB, OWNER, World, definition


def of_bob(client: Client) -> AnalyticsDcrDefinition:
    """A room where the data is Bob's."""
    builder = AnalyticsDcrBuilder(client=client).with_name("x" * 256).with_owner(OWNER).with_privacy_budget(2)
    builder.add_node_definition(RawDataNodeDefinition("Bob's text".replace("'", ""), is_required=True, id="text"))
    builder.add_node_definition(PythonComputeNodeDefinition("upper", "print()", dependencies=["text"]))
    builder.add_participant(OWNER, analyst_of=["upper"]).add_participant(BOB, data_owner_of=["text"])
    return builder.build()


def test_nobody_but_its_author_is_in_it(world: World) -> None:
    client = world.client()
    report = client.validate_dcr(of_bob(client), {"Bobs text": b"abc"})
    assert report.passed
    (room,) = world.hub.enclave.rooms.values()
    (participant,) = room.definition.participants
    assert (participant.user, participant.keys) == (OWNER, (client.device_key,))
    assert (participant.data_owner_of, participant.analyst_of) == (("text",), ("upper",))
    # Not even the hub lets anybody in.
    assert (room.definition.pins_required, room.definition.issuers) == (True, ())
    assert room.definition.title.startswith("Test of xxx")
    assert room.definition.privacy_budget == 2
    node = room.definition.node("upper")
    assert isinstance(node, PythonNode)
    assert (node.logs_on_error, node.logs_on_success) == (True, True)
    assert world.hub.rooms == {}


def test_nothing_is_left_of_it(world: World) -> None:
    client = world.client()
    client.validate_dcr(of_bob(client), {"text": b"abc"})
    (room,) = world.hub.enclave.rooms.values()
    assert room.state.stopped
    assert [blob for blob in world.hub.blobs if blob == room.datasets["text"][0].dataset] == []
    assert client.get_available_datasets() == []
    assert not list((world.folder / OWNER / "uploads").glob("*"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_of_it_whatever_happens(world: World, error: type[BaseException]) -> None:
    client = world.client()

    def told(progress: NodeProgress) -> None:
        raise error

    with pytest.raises(error):
        client.validate_dcr(of_bob(client), {"text": b"abc"}, told=told)
    (room,) = world.hub.enclave.rooms.values()
    assert room.state.stopped
    assert world.hub.blobs.keys().isdisjoint({room.datasets["text"][0].dataset})


def test_whoever_cannot_stop_it_is_told_how(world: World) -> None:
    client = world.client()

    def told(progress: NodeProgress) -> None:
        if progress.status == "passed":
            world.hub.enclave.refusals.append(Refused("failed", "No."))

    with pytest.warns(UserWarning, match=r"could not be ended .*: cloister room stop [0-9a-f]{64}"):
        client.validate_dcr(of_bob(client), told=told)


def test_a_service_that_fails_is_no_failed_test(world: World) -> None:
    client = world.client()
    world.hub.enclave.images = ()
    with pytest.raises(ServerError, match="No worker offers the image 'python'"):
        client.validate_dcr(of_bob(client))
    assert world.hub.enclave.rooms == {}


def test_what_fails_is_reported(world: World) -> None:
    client = world.client()

    def told(progress: NodeProgress) -> None:
        if progress.status == "queued":
            return

    def fails(inputs: dict[str, bytes]) -> dict[str, bytes]:
        raise Refused("failed", "The computation 'upper' failed.\nline 1")

    world.hub.enclave.compute = fails
    report = client.validate_dcr(of_bob(client), told=told)
    assert not report.passed
    (node,) = report.nodes
    assert (node.outcome, node.error) == ("failed", "The computation 'upper' failed.\nline 1")
    assert "           line 1" in str(report)
    with pytest.raises(BadRequestError, match="has not passed its test"):
        client.publish_analytics_dcr(of_bob(client), tested=report)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"txet": b""}, "Did you mean 'text'"),
        ({"upper": b""}, "is no data node. There are: Bobs text, text"),
        ({"text": b"", "Bobs text": b""}, "twice"),
    ],
)
def test_test_data_of_unknown_nodes_is_an_error(world: World, data: dict[str, bytes], says: str) -> None:
    client = world.client()
    with pytest.raises(BadRequestError, match=says):
        client.validate_dcr(of_bob(client), data)
    assert world.hub.enclave.rooms == {}


def test_a_digest_is_of_what_the_author_wrote(world: World) -> None:
    client = world.client()
    assert definition(client).digest == definition(client).digest
    assert definition(client).digest != definition(client, title="Another").digest
    published = client.publish_analytics_dcr(definition(client))
    assert AnalyticsDcrDefinition.from_json(published.to_json()).digest == definition(client).digest


def test_an_exported_room_is_published_by_somebody_else(world: World) -> None:
    bob = world.client(BOB)
    read = AnalyticsDcrDefinition.from_json(definition(world.client()).to_json(), owner="BOB@example.org")
    assert read.owner == BOB
    assert bob.publish_analytics_dcr(read).owner == BOB
    stranger = AnalyticsDcrDefinition.from_json(read.to_json(), owner="carol@example.org")
    assert [each["user"] for each in stranger.permissions] == ["carol@example.org", OWNER, BOB]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{}", "missing required field"),
        ('{"title": ' * 100_000, "Expected `str`"),
        ('{"format": "other"}', "other"),
        ('{"format": "cloister-room", "version": 2}', "Invalid enum value 2"),
        ('{"title": "x", "owner": "a@b", "participants": [], "nodes": [], "more": 1}', "more"),
        ('{"title": "x", "owner": "a@b", "participants": [], "nodes": [{"kind": "new"}]}', "kind"),
        ("\ud800", "UTF-8"),
        (b"\xff", "UTF-8"),
        (
            '{"title": "x", "owner": "a@b", "participants": [{"user": "a@b"}, {"user": "a@b"}], "nodes": []}',
            "listed twice",
        ),
        (
            '{"title": "x", "owner": "a@b", "participants": [{"user": "a@b", "analyst_of": ["y"]}], "nodes": []}',
            "not in the room",
        ),
    ],
)
def test_what_is_no_configuration_is_refused(text: str | bytes, says: str) -> None:
    with pytest.raises(DefinitionInvalid, match=says):
        AnalyticsDcrDefinition.from_json(text)
