"""Datasets through real processes: restarts, a second machine, and what becomes of blobs that nobody needs."""

from __future__ import annotations

import asyncio
import io
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.cli.operators.layout import Layout
from cloister.errors import AuthorizationError, BadRequestError, EnclaveError, NotFoundError, RollbackDetected
from cloister.formats.dataset import PART_SIZE
from cloister.hub.app import create_app
from cloister.hub.collection import collect
from cloister.hub.services import Services
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.key import Key
from tests.installation import Installation, compute_node, data_node, run

OWNER = "owner@datasets.example"
COUNT = """
with open("/input/text", "rb") as source, open("/output/count.txt", "w") as file:
    file.write(str(len(source.read())))
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("datasets")
    installation = Installation(folder / "data", folder / "homes").start()
    yield installation
    installation.stop()


def publish(client: Client) -> AnalyticsDcr:
    builder = (
        AnalyticsDcrBuilder(client=client)
        .with_name("Datasets")
        .with_owner(client.user_email)
        .add_node_definition(RawDataNodeDefinition("text", is_required=True))
        .add_node_definition(PythonComputeNodeDefinition("count", COUNT, dependencies=["text"]))
        .add_participant(client.user_email, data_owner_of=["text"], analyst_of=["count"])
    )
    return client.publish_analytics_dcr(builder.build())


def test_kept_across_a_restart_and_used_from_another_machine(running: Installation) -> None:
    first, key = running.client(OWNER), Key()
    data = random.Random(7).randbytes(2 * PART_SIZE + 5)
    digest = first.upload_dataset(io.BytesIO(data), key, "text.bin", description="as of May")
    running.crash("enclave")
    running.start()
    assert first.get_dataset_key(digest) == key
    second = running.client(OWNER, machine="second")
    assert second.get_available_datasets() == first.get_available_datasets()
    with second.download_dataset(digest, key) as stream:
        assert stream.read() == data
    with pytest.raises(AuthorizationError, match="not admitted"):
        second.get_dataset_key(digest)
    first.admit_device(second.device_key)
    # The second machine has nothing but its account, and the word of the first.
    room = publish(second)
    data_node(room, "text").publish_dataset(digest, second.get_dataset_key(digest))
    assert run(room, "count").read("count.txt") == str(len(data)).encode()
    # The first one knows where it is attached.
    with pytest.raises(BadRequestError, match=room.id):
        first.delete_dataset(digest)
    data_node(room, "text").remove_published_dataset()
    first.delete_dataset(digest)
    assert second.get_dataset(digest) is None
    with pytest.raises(NotFoundError):
        second.download_dataset(digest, key)


def test_another_port_and_another_installation_in_its_place(tmp_path: Path) -> None:
    first, key = Installation(tmp_path / "one", tmp_path / "homes").start(), Key()
    before = first.port
    digest = first.client(OWNER).upload_dataset(b"data", key, "text.txt")
    first.stop()
    # The same device, and its vault, are there on any port.
    first.port = 0
    first.start()
    assert first.port != before
    moved = first.client(OWNER)
    assert moved.get_dataset_key(digest) == key
    assert moved.get_dataset_key(moved.upload_dataset(b"more", key, "more.txt")) == key
    first.stop()
    # A trial that is begun anew has another vault, and says so once.
    second = Installation(tmp_path / "two", tmp_path / "homes")
    second.port = first.port
    second.start()
    with pytest.warns(UserWarning, match=rf"{moved.vault_id}.* is not there any more"):
        other = second.client(OWNER).upload_dataset(b"other", key, "other.txt")
    again = second.client(OWNER)
    assert again.get_dataset_key(other) == key
    assert [each["id"] for each in again.get_available_datasets()] == [other]
    second.stop()


def test_vaults_of_others_are_not_there(running: Installation) -> None:
    mine = running.client(OWNER)
    digest = mine.upload_dataset(b"mine", Key(), "mine")
    other = running.client("other@datasets.example")
    assert other.get_available_datasets() == []
    assert other.get_dataset(digest) is None
    assert other.vault_id != mine.vault_id
    with pytest.raises(NotFoundError):
        other.delete_dataset(digest, force=True)
    # Nor into a room of one's own, with whatever key.
    room = publish(other)
    for key in (mine.get_dataset_key(digest), Key()):
        with pytest.raises(NotFoundError, match="You have no dataset"):
            data_node(room, "text").publish_dataset(digest, key)
    assert room.status().attached == ()
    mine.delete_dataset(digest)


def test_an_attached_dataset_that_is_deleted_all_the_same(running: Installation) -> None:
    """What was computed stays; what is computed anew says which input is gone; and it can be attached anew."""
    client = running.client("forced@datasets.example")
    room = publish(client)
    data_node(room, "text").upload_and_publish_dataset(b"1234", Key(), "text")
    (digest,) = (each["id"] for each in client.get_available_datasets())
    with pytest.raises(BadRequestError, match=r"attached to the data node 'text' .* or force it"):
        client.delete_dataset(digest)
    client.delete_dataset(digest, force=True)
    assert client.get_available_datasets() == []
    with pytest.raises(EnclaveError, match="The input 'text'"):
        run(room, "count")
    data_node(room, "text").remove_published_dataset()
    data_node(room, "text").upload_and_publish_dataset(b"12345", Key(), "text")
    assert run(room, "count").read("count.txt") == b"5"


def test_the_hub_keeps_what_is_of_use_and_nothing_else(running: Installation) -> None:
    client = running.client(OWNER)
    room = publish(client)
    kept = client.upload_dataset(b"kept in the vault", Key(), "kept")
    data_node(room, "text").upload_and_publish_dataset(b"attached", Key(), "attached")
    result = compute_node(room, "count").run_computation_and_get_results_as_bytes()
    attached = next(each["id"] for each in client.get_available_datasets() if each["name"] == "attached")
    before = blobs(running)
    assert collected(running, days=0) == 0
    # What earlier tests have left, of results that can't be fetched any more, is all that goes.
    gone = collected_in_days(running, 30)
    after = blobs(running)
    assert len(before) - len(after) == gone
    assert client.download_dataset(kept, client.get_dataset_key(kept)).read() == b"kept in the vault"
    assert client.download_dataset(attached, client.get_dataset_key(attached)).read() == b"attached"
    assert compute_node(room, "count").run_computation_and_get_results_as_bytes() == result
    # A room that is stopped needs neither; the vault still has one of them.
    room.stop()
    assert (collected(running, days=60), collected_in_days(running, 61)) == (0, 1)
    assert client.download_dataset(attached, client.get_dataset_key(attached)).read() == b"attached"
    for digest in (kept, attached):
        client.delete_dataset(digest)
    # Deleted by whoever has uploaded it, at once.
    assert len(after) - len(blobs(running)) == 3


def test_a_vault_that_was_rolled_back_is_noticed(running: Installation) -> None:
    client = running.client("rolled@datasets.example")
    digest = client.upload_dataset(b"data", Key(), "data")
    where = client.vault_id
    running.stop(signal.SIGTERM)
    with closing(sqlite3.connect(Layout(running.data).enclave / "rooms.db")) as store, store:
        store.execute("DELETE FROM rows WHERE room = ? AND position >= 2", (f"vault/{where}",))
    running.start()
    with pytest.raises(RollbackDetected):
        running.client("rolled@datasets.example").get_dataset(digest)


def blobs(running: Installation) -> set[str]:
    """Those that the hub has whole."""
    with closing(sqlite3.connect(Layout(running.data).hub_settings().sqlite_file)) as database:
        return {blob for (blob,) in database.execute("SELECT id FROM blobs WHERE complete")}


def collected_in_days(running: Installation, first: int) -> int:
    """How many go in nine days from that one on, where the hub asks more than once a day."""
    return sum(collected(running, days=first + each * 0.9) for each in range(11))


def collected(running: Installation, *, days: float) -> int:
    """How many blobs the hub's tidying deletes that many days from now."""
    enclave = f"http://127.0.0.1:{enclave_port(running)}"
    layout = Layout(running.data)
    settings = replace(layout.hub_settings(), enclave_url=enclave, enclave_secret_file=layout.hub_secret)

    async def work() -> int:
        services: Services = create_app(settings).state.services
        try:
            return await collect(services, datetime.now(UTC) + timedelta(days=days))
        finally:
            await services.upstream.close()
            services.database.close()

    return asyncio.run(work())


def enclave_port(running: Installation) -> int:
    """Where the enclave listens."""
    return next(each.laddr.port for each in running.part("enclave").net_connections("tcp") if each.status == "LISTEN")
