"""An installation whose parts keep everything in PostgreSQL and in an S3 store: real servers, real processes."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import obstore
import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import ApiError
from cloister.formats.dataset import PART_SIZE
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.wire.patience import Patience
from tests.apart import Part, part
from tests.e2e.test_apart import cloister
from tests.installation import Installation, attach, run
from tests.ports import free_port
from tests.postgres import PostgresServer
from tests.s3 import BUCKET, S3Server

ME = "me@storage.example"
PATIENT = Patience(pauses=(0.25,) * 240)
"""Outlasts a restart, however busy the machine is."""
IMPATIENT = Patience(pauses=())
SUM = "import hashlib; open('/output/r', 'w').write(hashlib.sha256(open('/input/data', 'rb').read()).hexdigest())"


@dataclass
class Stored:
    """A hub, an enclave and a worker, and where they keep what."""

    folder: Path
    url: str
    config: Path
    hub: Part
    enclave: Part
    worker: Part
    prefix: str

    def client(self, patience: Patience = PATIENT) -> Client:
        token = cloister("user", "add", ME, "--config", self.config).strip()
        users = Installation(self.folder, self.folder / "homes", url=self.url)
        return users.client(ME, token=token, patience=patience)


@pytest.fixture
def stored(postgres: PostgresServer, s3: S3Server, tmp_path: Path) -> Iterator[Stored]:
    hub, enclave = free_port(), free_port()
    (tmp_path / "database").write_text(postgres.fresh())
    (tmp_path / "store").write_text(postgres.fresh())
    prefix = secrets.token_hex(4)
    config = tmp_path / "cloister.toml"
    config.write_text(
        f"""
        [hub]
        data = "hub"
        port = {hub}
        enclave_url = "http://127.0.0.1:{enclave}"
        database_url_file = "database"
        blob_store_url = "s3://{BUCKET}/{prefix}"
        [enclave]
        data = "enclave"
        port = {enclave}
        store_file = "store"
        [worker]
        hub = "http://127.0.0.1:{hub}"
        warm = 0
        """
    )
    token = tmp_path / "worker.token"
    with contextlib.ExitStack() as running:
        first = running.enter_context(part("enclave", "--config", config))
        second = running.enter_context(part("hub", "--config", config, environment=s3.environment()))
        token.write_text(cloister("worker-token", "add", "one", "--config", config))
        third = running.enter_context(part("worker", "--config", config, "--token-file", token))
        yield Stored(tmp_path, f"http://127.0.0.1:{hub}", config, second, first, third, prefix)
        assert [each.stop() for each in (third, second, first)] == [0, 0, 0]


def publish(client: Client, *nodes: str) -> AnalyticsDcr:
    builder = AnalyticsDcrBuilder(client=client).with_name("stored").with_owner(ME)
    builder.add_node_definition(RawDataNodeDefinition(name="data", is_required=True))
    for node in nodes:
        script = f"{SUM} # {node}"
        builder.add_node_definition(PythonComputeNodeDefinition(name=node, script=script, dependencies=["data"]))
    builder.add_participant(ME, data_owner_of=["data"], analyst_of=list(nodes))
    return client.publish_analytics_dcr(builder.build())


@pytest.mark.slow
def test_everything_lies_there_and_outlives_what_happens_to_it(
    stored: Stored, postgres: PostgresServer, s3: S3Server, tmp_path: Path
) -> None:
    data = secrets.token_bytes(PART_SIZE + 1000)
    room = publish(stored.client(), "one", "two", "three")
    attach(room, "data", data)
    first = run(room, "one").read("r")
    objects = [entry["path"] for batch in obstore.list(s3.store(), prefix=stored.prefix) for entry in batch]
    assert len(objects) == 3, "two parts of the dataset, one of the result"
    for folder in (tmp_path / "hub", tmp_path / "enclave"):
        assert not {file.suffix for file in folder.rglob("*")} & {".db", ".sqlite3"}
    # Dataset and result went directly, both ways: the hub itself has seen no part.
    assert not [line for line in stored.hub.log if "/parts/{index} " in line]

    # The database is restarted: nobody has to do anything, and nothing is lost.
    postgres.stop()
    postgres.start()
    assert run(room, "two").read("r") == first

    # While it is away it is said; the very same client goes on once it is back.
    client = stored.client(IMPATIENT)
    here = client.retrieve_analytics_dcr(room.id)
    postgres.stop()
    with pytest.raises(ApiError, match="Try again in a few seconds"):
        client.retrieve_analytics_dcr(room.id)
    postgres.start()

    # The blobs go away while a computation needs them, and come back: it only takes longer.
    s3.stop()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, here, "three")
        while not stored.hub.said("/parts/{index} 503 "):
            assert not running.done()
            os.sched_yield()
        s3.start()
        assert running.result().read("r") == first
    assert run(room, "one").read("r") == first
    for each in (stored.hub, stored.enclave):
        assert not [line for line in each.log if postgres.password in line or s3.secret_key in line]


@pytest.mark.slow
def test_an_installation_of_one_machine_makes_its_accounts_where_its_hub_looks(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """It is ready once a worker was let in: by a token that its hub knows."""
    (tmp_path / "database").write_text(postgres.fresh())
    config = tmp_path / "cloister.toml"
    config.write_text('[hub]\ndatabase_url_file = "database"\n[worker]\nwarm = 0\n')
    options = ("--workers", "1", "--config", str(config))
    installation = Installation(tmp_path / "data", tmp_path / "homes", options).start()
    try:
        token = cloister("user", "add", ME, "--data", tmp_path / "data", "--config", config).strip()
        assert installation.client(ME, token=token).get_data_room_descriptions() == []
        assert not (tmp_path / "data" / "hub" / "hub.sqlite3").exists()
    finally:
        assert installation.stop() == 0
