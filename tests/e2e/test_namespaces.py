"""Hub, enclave, workers, database, blob store and clients on hosts of their own: who reaches whom, and links that are
cut in the middle of something and healed once that was noticed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest

from cloister.formats.dataset import PART_SIZE
from cloister.wire.transfers import PARALLEL
from tests.apart import START_SECONDS, Part, part
from tests.authority import Authority
from tests.conformance.test_scripts import FOLDER
from tests.e2e.test_apart import cloister, other_images, script_of
from tests.hub.test_server import write_certificate
from tests.network import Host, Switch
from tests.postgres import PostgresServer
from tests.s3 import BUCKET, S3Server

pytestmark = pytest.mark.slow

ME = "me@hosts.example"
SECONDS = 4.0
"""Of silence, after which something is taken for gone."""
OUTSIDE, INSIDE = 1, 2
MEGABITS = 400
HUB, ENCLAVE = 443, 7801
LARGE = secrets.token_bytes(PARALLEL * PART_SIZE + 1000)
"""The last part begins when the first one has arrived."""
SMALL = LARGE[: PART_SIZE + 1000]
COPY = "import shutil; shutil.copy('/input/data', '/output/r')"
LONG = """
import hashlib, time
time.sleep(2)
with open('/input/data', 'rb') as data, open('/output/r', 'w') as result:
    result.write(hashlib.file_digest(data, 'sha256').hexdigest())
"""


class Remote:
    """A participant's program on a host, see `tests.participant`."""

    def __init__(self, environment: dict[str, str], *words: str | Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.participant", *map(str, words)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(["error", "it has ended"])

    def begin(self, *action: str | dict[str, str]) -> None:
        """What comes of it is to be waited for."""
        assert self._process.stdin is not None
        print(json.dumps(action), file=self._process.stdin, flush=True)

    def until(self, kind: str) -> list[Any]:
        """Waits until it says that; what it says with it. What it says before is of no interest."""
        while True:
            said, *rest = self._said.get(timeout=START_SECONDS)
            if said == kind:
                return list(rest)
            assert said not in ("answer", "error"), rest

    def answer(self) -> Any:
        """Waits for the end of what was begun."""
        return self.until("answer")[0]

    def ask(self, *action: str | dict[str, str]) -> Any:
        self.begin(*action)
        return self.answer()

    def leave(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@dataclass
class Hosts:
    """An installation on hosts, and who runs what there."""

    folder: Path
    config: Path
    switch: Switch
    hub: Host
    enclave: Host
    database: Host
    store: Host
    clients: Host
    workers: list[Host]
    postgres: PostgresServer
    s3: S3Server
    trust: dict[str, str]
    """Tells programs whose certificates to trust."""
    held: contextlib.ExitStack
    running: dict[str, Part] = field(default_factory=dict)
    """Hub and enclave."""

    @property
    def url(self) -> str:
        return f"https://{self.hub.address(OUTSIDE)}"

    def start(self, host: Host, name: str, *options: str | Path, environment: dict[str, str] | None = None) -> Part:
        """Starts a part on a host."""
        starting = part(name, "--config", self.config, *options, environment={**self.trust, **(environment or {})})
        return host.do(lambda: self.held.enter_context(starting))

    def start_hub(self) -> None:
        self.running["hub"] = self.start(self.hub, "hub", environment=self.s3.environment())

    def worker(self, place: int, *images: str, environment: dict[str, str] | None = None) -> Part:
        """A worker with these images, on a host that has none."""
        token = self.folder / f"worker{place}.token"
        if not token.exists():
            token.write_text(self.tell("worker-token", "add", token.stem))
        options = ["--token-file", str(token), "--warm", "0", *(f"--image={image}" for image in images)]
        return self.start(self.workers[place], "worker", *options, environment=environment)

    def tell(self, *words: str) -> str:
        """A command of `cloister` on the hub's host."""
        return self.hub.do(lambda: cloister(*words, "--config", self.config))

    def remote(self) -> Remote:
        """The program of a participant."""
        words = (self.url, self.token, ME, self.folder / "home", str(SECONDS))
        remote = self.clients.do(lambda: Remote(self.trust, *words))
        self.held.callback(remote.leave)
        return remote

    @cached_property
    def token(self) -> str:
        """The participant's."""
        return self.tell("user", "add", ME).strip()

    def file(self, content: bytes) -> str:
        path = self.folder / secrets.token_hex(4)
        path.write_bytes(content)
        return str(path)


@pytest.fixture(scope="module")
def network() -> Iterator[Switch]:
    switch = Switch([OUTSIDE, INSIDE])
    yield switch
    switch.leave()


@pytest.fixture(scope="module")
def hosts(network: Switch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """All hosts, with a hub and an enclave that run."""
    folder = tmp_path_factory.mktemp("hosts")
    hub, enclave, database = network.plug(OUTSIDE, INSIDE), network.plug(INSIDE), network.plug(INSIDE)
    store, clients = network.plug(OUTSIDE), network.plug(OUTSIDE, serves=False, megabits=MEGABITS)
    workers = [network.plug(OUTSIDE, serves=False) for _ in range(2)]
    authority = Authority(folder)
    authority.issue(folder / "hub", hub.address(OUTSIDE))
    s3 = S3Server(store.address(OUTSIDE), authority.issue(folder / "store", store.address(OUTSIDE)))
    (folder / "enclave").mkdir()
    write_certificate(folder / "enclave")
    (folder / "secret").write_text(secrets.token_hex(32))
    config = folder / "cloister.toml"
    config.write_text(
        f"""
        [hub]
        data = "hub-data"
        host = "{hub.address(OUTSIDE)}"
        port = {HUB}
        tls_cert = "hub/cert.pem"
        tls_key = "hub/key.pem"
        enclave_url = "https://{enclave.address(INSIDE)}:{ENCLAVE}"
        enclave_cert = "enclave/cert.pem"
        enclave_secret_file = "secret"
        database_url_file = "database-url"
        blob_store_url = "s3://{BUCKET}/blobs"
        idle_seconds = {SECONDS}
        silence_seconds = {SECONDS}
        grace = 0.0

        [enclave]
        data = "enclave-data"
        host = "{enclave.address(INSIDE)}"
        port = {ENCLAVE}
        tls_cert = "enclave/cert.pem"
        tls_key = "enclave/key.pem"
        hub_secret_file = "secret"
        store_file = "store-url"
        heartbeat_seconds = {SECONDS / 4}
        silence_seconds = {SECONDS}
        grace = 0.0

        [worker]
        hub = "https://{hub.address(OUTSIDE)}"
        hub_cert = "hub/cert.pem"
        silence_seconds = {SECONDS}
        grace = 0.0
        """
    )
    with contextlib.ExitStack() as servers:
        postgres = PostgresServer(database.address(INSIDE))
        database.do(lambda: servers.enter_context(postgres))
        store.do(lambda: servers.enter_context(s3))
        for name in ("database-url", "store-url"):
            (folder / name).write_text(database.do(postgres.fresh))
        with contextlib.ExitStack() as held:
            installation = Hosts(
                folder=folder,
                config=config,
                switch=network,
                hub=hub,
                enclave=enclave,
                database=database,
                store=store,
                clients=clients,
                workers=workers,
                postgres=postgres,
                s3=s3,
                trust={"SSL_CERT_FILE": str(authority.certificate)},
                held=held,
            )
            installation.running["enclave"] = installation.start(enclave, "enclave")
            installation.start_hub()
            yield installation


@pytest.fixture(scope="module")
def me(hosts: Hosts) -> Remote:
    return hosts.remote()


def digest(data: bytes) -> dict[str, str]:
    """A result that is a copy of it."""
    return {"r": hashlib.sha256(data).hexdigest()}


def hashed(data: bytes) -> dict[str, str]:
    """A result that holds its hash."""
    return digest(hashlib.sha256(data).hexdigest().encode())


def reaches(host: Host, address: str, port: int) -> bool:
    """Whether there is a way from one to the other."""

    def connect() -> bool:
        try:
            socket.create_connection((address, port), 1.0).close()
        except OSError:
            return False
        return True

    return host.do(connect)


def test_nobody_reaches_what_they_need_not(hosts: Hosts) -> None:
    hub, store = (hosts.hub.address(OUTSIDE), HUB), (hosts.store.address(OUTSIDE), hosts.s3.port)
    enclave = hosts.enclave.address(INSIDE), ENCLAVE
    database = hosts.database.address(INSIDE), hosts.postgres.port
    reached = {
        name: {what for what in (hub, store, enclave, database) if reaches(host, *what)}
        for name, host in (
            ("clients", hosts.clients),
            ("worker", hosts.workers[0]),
            ("hub", hosts.hub),
            ("enclave", hosts.enclave),
        )
    }
    assert reached == {
        "clients": {hub, store},
        "worker": {hub, store},
        "hub": {hub, store, enclave, database},
        "enclave": {enclave, database},
    }


def test_everything_works_across_hosts(hosts: Hosts, me: Remote, tmp_path: Path) -> None:
    lines = len(hosts.running["hub"].log)
    one = hosts.worker(0, "python")
    two = hosts.worker(1, "other", environment=other_images(tmp_path))
    room = me.ask("publish", {"one": COPY, "an other": COPY})
    me.ask("attach", room, hosts.file(SMALL))
    assert me.ask("run", room, "one") == me.ask("run", room, "an other") == digest(SMALL)
    for each in (one, two):
        each.until_said("finished")
    # Parts went to the store and came from there, both ways, without the hub.
    assert not hosts.running["hub"].said("/parts/{index} ", lines)
    for example in FOLDER.glob("*.py"):
        environment = {
            **os.environ,
            **hosts.trust,
            "CLOISTER_URL": hosts.url,
            "CLOISTER_HOME": str(hosts.folder / "home"),
            "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1",
            "CONFORMANCE_USER": ME,
            "CONFORMANCE_TOKEN": hosts.token,
        }
        ran = hosts.clients.do(partial(_ran, [sys.executable, example], environment))
        assert ran.stdout.startswith(f"conformance: {example.stem} ok"), ran.stderr
    assert (one.stop(), two.stop()) == (0, 0)


def _ran(command: list[str | Path], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_transfers_go_on_once_a_link_is_healed(hosts: Hosts, me: Remote) -> None:
    worker = hosts.worker(0, "python")
    room = me.ask("publish", {"copy": COPY})
    for action in (("attach", room, hosts.file(LARGE)), ("run", room, "copy")):
        me.begin(*action)
        done, total = me.until("progress")
        with hosts.switch.without(hosts.clients):
            me.until("pause")
        assert done < total
        answer = me.answer()
    assert answer == digest(LARGE)
    assert worker.stop() == 0


def test_a_task_whose_worker_is_cut_off_goes_to_another_or_back(hosts: Hosts, me: Remote) -> None:
    enclave = hosts.running["enclave"]
    one = hosts.worker(0, "python")
    room = me.ask("publish", {name: f"{LONG}# {name}" for name in "abc"})
    me.ask("attach", room, hosts.file(LARGE))

    # To another one; the first one is cut off while it fetches its input.
    me.begin("run", room, "a")
    began = one.until_said("begins")
    lines = len(enclave.log)
    with hosts.switch.without(hosts.workers[0]):
        two = hosts.worker(1, "python")
        enclave.until_said("is lost with its worker", lines)
        assert me.answer() == hashed(LARGE)
        one.until_said("cancelled", began)
    assert two.stop() == 0

    # Back to the one that had it, which was cut off while the script ran.
    me.begin("run", room, "b")
    script_of(one)
    lines = len(enclave.log)
    with hosts.switch.without(hosts.workers[0]):
        enclave.until_said("is lost with its worker", lines)
    assert me.answer() == hashed(LARGE)

    # The worker's machine is gone for good, and the hub is started anew meanwhile.
    began = len(one.log)
    me.begin("run", room, "c")
    one.until_said("begins", began)
    hosts.switch.cut(hosts.workers[0])
    one.signal(signal.SIGKILL)
    assert hosts.running["hub"].stop() == 0
    hosts.start_hub()
    three = hosts.worker(1, "python")
    assert me.answer() == hashed(LARGE)
    assert three.stop() == 0
    hosts.switch.heal(hosts.workers[0])


def test_who_waits_notices_links_that_are_cut_and_healed(hosts: Hosts, me: Remote) -> None:
    worker = hosts.worker(0, "python")
    room = me.ask("publish", {name: f"{LONG}# {name}" for name in ("client", "enclave")})
    me.ask("attach", room, hosts.file(SMALL))
    for name, host in (("client", hosts.clients), ("enclave", hosts.enclave)):
        lines = len(worker.log)
        me.begin("run", room, name)
        worker.until_said("begins", lines)
        with hosts.switch.without(host):
            me.until("pause")
        assert me.answer() == hashed(SMALL)
    assert worker.stop() == 0


def test_stores_that_are_cut_off_and_healed(hosts: Hosts, me: Remote) -> None:
    worker = hosts.worker(0, "python")
    room = me.ask("publish", {"hash": LONG})
    hub = hosts.running["hub"]
    me.begin("attach", room, hosts.file(LARGE))
    me.until("progress")
    lines = len(hub.log)
    with hosts.switch.without(hosts.store), hosts.switch.without(hosts.database):
        hub.until_said(" 503 ", lines)
    me.answer()
    lines = len(hub.log)
    with hosts.switch.without(hosts.database):
        me.begin("run", room, "hash")
        hub.until_said(" 503 ", lines)
    assert me.answer() == hashed(LARGE)
    assert worker.stop() == 0
