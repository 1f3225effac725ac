"""Hub, enclave and workers as processes of their own, configured by one file: who may connect, who gets which task,
what their operators see, and how they stop."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.rooms.nodes import PythonNode
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.worker.images.recipe import load_recipe, recipes_folder
from cloister.worker.images.store import default_store, find_image
from tests.apart import START_SECONDS, Part, part
from tests.hub.test_server import write_certificate
from tests.installation import WAITS, Installation, _appeared, _is_script, attach, let_go, run
from tests.ports import free_port

ME = "me@apart.example"
HANDED_BACK = 'cloister_enclave_tasks_total{outcome="handedback"}'
LOST = 'cloister_enclave_tasks_total{outcome="lost"}'
HELD = f"{WAITS}\ntime.sleep(0.5)  # whoever was told to stop hears of it\nopen('/output/done', 'w').write('done')"


class InOther(PythonComputeNodeDefinition):
    """A computation in the image `other`."""

    @property
    def record(self) -> PythonNode:
        return msgspec.structs.replace(super().record, image="other")


@dataclass
class Apart:
    """A hub and an enclave, with TLS and a shared secret between them."""

    folder: Path
    config: Path
    url: str
    hub: Part
    enclave: Part
    metrics: dict[str, int]
    parts: contextlib.ExitStack
    """Ends what is still there once the tests are over."""
    held: contextlib.ExitStack
    """Ends before the hub and the enclave do."""

    def worker(
        self, name: str, *options: str | Path, environment: dict[str, str] | None = None
    ) -> contextlib.AbstractContextManager[Part]:
        """One more worker; it has a token of its own, in a file."""
        token = self.folder / f"{name}.token"
        token.write_text(cloister("worker-token", "add", name, "--config", self.config))
        words = ("worker", "--config", self.config, "--token-file", token, "--warm", "0", *options)
        return part(*words, environment=environment)

    def client(self) -> Client:
        token = cloister("user", "add", ME, "--config", self.config).strip()
        users = Installation(self.folder, self.folder / "homes", url=self.url)
        self.held.callback(users.leave)
        return users.client(ME, token=token)

    def shown(self, of: str) -> dict[str, float]:
        """The metrics of a part."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics[of]}/metrics", trust_env=False).text
        found = re.findall(r"^([^#\s]\S*) (\S+)$", text, flags=re.MULTILINE)
        return defaultdict(float, {name: float(value) for name, value in found})


def cloister(*words: str | Path) -> str:
    command = [sys.executable, "-m", "cloister.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    tmp_path = tmp_path_factory.mktemp("apart")
    certificate, key = write_certificate(tmp_path)
    (tmp_path / "secret").write_text(secrets.token_hex(32))
    hub, enclave, *metrics = (free_port() for _ in range(5))
    config = tmp_path / "cloister.toml"
    config.write_text(
        f"""
        [hub]
        data = "hub"
        port = {hub}
        enclave_url = "https://localhost:{enclave}"
        enclave_cert = "{certificate.name}"
        enclave_secret_file = "secret"
        metrics = "127.0.0.1:{metrics[0]}"
        grace = 0.0

        [enclave]
        data = "enclave"
        port = {enclave}
        tls_cert = "{certificate.name}"
        tls_key = "{key.name}"
        hub_secret_file = "secret"
        metrics = ":{metrics[1]}"

        [worker]
        hub = "http://127.0.0.1:{hub}"
        metrics = "127.0.0.1:{metrics[2]}"

        [log]
        format = "json"
        """
    )
    ports = dict(zip(("hub", "enclave", "worker"), metrics, strict=True))
    with contextlib.ExitStack() as parts:
        first, second = (parts.enter_context(part(name, "--config", config)) for name in ("enclave", "hub"))
        with contextlib.ExitStack() as held:
            running = Apart(tmp_path, config, f"http://127.0.0.1:{hub}", second, first, ports, parts, held)
            yield running
        assert running.hub.stop() == 0
        assert running.enclave.stop() == 0


def other_images(folder: Path) -> dict[str, str]:
    """A store and recipes as of another machine, with one image, of the name `other`."""
    image = find_image("python")
    recipes, store = folder / "recipes", folder / "images"
    shutil.copytree(recipes_folder(), recipes, ignore=lambda _folder, names: [*{"python-ml", "r"}.intersection(names)])
    (recipes / "python").rename(recipes / "other")
    recipe = load_recipe("other", recipes)
    place = store / "measurements" / image.measurement
    place.mkdir(parents=True)
    (place / "image.json").write_bytes(
        msgspec.json.encode(msgspec.structs.replace(image, name="other", recipe=recipe.digest))
    )
    root = "rootfs.erofs" if image.format == "erofs" else "rootfs"
    (place / root).symlink_to(default_store() / "measurements" / image.measurement / root)
    (store / "recipes").mkdir()
    (store / "recipes" / f"other.{recipe.digest}").symlink_to(place)
    return {"CLOISTER_IMAGES": str(store), "CLOISTER_RECIPES": str(recipes)}


def publish(client: Client, nodes: list[PythonComputeNodeDefinition]) -> AnalyticsDcr:
    builder = AnalyticsDcrBuilder(client=client).with_name("apart").with_owner(ME)
    builder.add_node_definition(RawDataNodeDefinition(name="data", is_required=True))
    for node in nodes:
        builder.add_node_definition(node)
    builder.add_participant(ME, data_owner_of=["data"], analyst_of=[node.name for node in nodes])
    room = client.publish_analytics_dcr(builder.build())
    attach(room, "data", b"some data")
    return room


@pytest.mark.slow
def test_two_workers_with_different_images_and_what_operators_see(apart: Apart, tmp_path: Path) -> None:
    script = "open('/output/r', 'w').write(open('/input/data').read().upper())"
    elsewhere = other_images(tmp_path / "elsewhere")
    with (
        apart.worker("one", "--image", "python") as one,
        apart.worker("two", "--image", "other", "--metrics", "", environment=elsewhere) as two,
    ):
        ready = httpx.get(f"{apart.url}/readyz", trust_env=False)
        assert (ready.status_code, ready.json()) == (
            200,
            {"status": "ok", "database": "ok", "blobs": "ok", "enclave": "ok"},
        )
        worker = f"http://127.0.0.1:{apart.metrics['worker']}"
        assert httpx.get(f"{worker}/readyz", trust_env=False).status_code == 200
        nodes = [PythonComputeNodeDefinition(name=name, script=script, dependencies=["data"]) for name in ("a", "b")]
        room = publish(apart.client(), [*nodes, InOther(name="c", script=script, dependencies=["data"])])
        before = apart.shown("enclave")
        for node in ("a", "b", "c"):
            assert run(room, node).read("r") == b"SOME DATA"

        enclave, hub, first = (apart.shown(of) for of in ("enclave", "hub", "worker"))
        for name, change in (
            ('cloister_enclave_tasks_total{outcome="finished"}', 3),
            ('cloister_enclave_events_total{type="run_finished"}', 3),
            ("cloister_enclave_append_seconds_count", 9),
        ):
            assert enclave[name] - before[name] == change
        assert enclave["cloister_enclave_rooms_open"] >= 1
        assert hub['cloister_hub_requests_total{method="POST",route="/v1/enclave/messages",status="200"}'] > 5
        assert first['cloister_worker_tasks_total{outcome="finished"}'] == 2
        assert first["cloister_worker_task_peak_memory_bytes_count"] == 2
        assert first["cloister_worker_connected"] == 1
        assert (two.stop(), one.stop()) == (0, 0)

    # What the three of them say can be put together by ids, and names nobody and nothing.
    lines = [[json.loads(line) for line in each.log] for each in (apart.enclave, one, apart.hub)]
    given, done = ({line["task"] for line in each if "task" in line} for each in lines[:2])
    assert len(done) == 2
    assert done < given
    assert {line["request"] for line in lines[0] if "request" in line} <= {line.get("request") for line in lines[2]}
    for each in (apart.enclave, one, two, apart.hub):
        assert not [line for line in each.log if ME in line or room.id in line or "upper" in line]


def test_strangers_can_not_use_the_enclave_up(apart: Apart, tmp_path: Path) -> None:
    text = apart.config.read_text()
    port = re.findall(r"localhost:(\d+)", text)[0]
    trusting = ssl.create_default_context(cafile=str(apart.folder / "cert.pem"))
    trusting.check_hostname = False
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusting, trust_env=False) as stranger:
        for path in ("/readyz", "/keys", f"/evidence?nonce={'00' * 32}", "/nothing"):
            assert stranger.get(path).status_code == 401
        for secret in ("", "Bearer", "Bearer " + "0" * 64, "Basic x"):
            assert stranger.post("/messages", content=b"x", headers={"Authorization": secret}).status_code == 401
        assert stranger.get("/healthz").json() == {"status": "ok"}

    # A hub with another secret, or that trusts another certificate, says so to whoever runs it, and to nobody else.
    (tmp_path / "other").mkdir()
    write_certificate(tmp_path / "other")
    (tmp_path / "another").write_text("0" * 64)
    for wrong, words in (
        (("--enclave-secret-file", tmp_path / "another"), "does not know this hub"),
        (("--enclave-cert", tmp_path / "other/cert.pem"), "certificate verify failed"),
    ):
        common = ("--config", apart.config, "--metrics", "", "--port", str(free := free_port()))
        with part("hub", *common, "--data", tmp_path / "second", *wrong) as hub:
            ready = httpx.get(f"http://127.0.0.1:{free}/readyz", trust_env=False)
            assert (ready.status_code, ready.json()["enclave"]) == (503, "failing")
            assert hub.stop() == 0
        assert hub.said(words), hub.log


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "could use up this enclave"),
        (("--host", "0.0.0.0", "--hub-secret-file", "secret"), "plain HTTP on 0.0.0.0"),
        (("--hub-secret-file", "short"), "takes one line of 32 letters"),
        (("--tls-cert", "secret"), "needs both --tls-cert and --tls-key"),
        (("--tls-cert", "secret", "--tls-key", "secret"), "can't be used"),
        (("--store", "postgresql://u:geheim@db/x"), "holds a password"),
    ],
)
def test_a_door_that_is_not_safe_is_not_opened(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    (tmp_path / "secret").write_text("0" * 64)
    (tmp_path / "short").write_text("0" * 31)
    command = [sys.executable, "-m", "cloister.cli", "enclave", "--data", "enclave", "--port", "0", *options]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert words in ran.stderr
    assert "geheim" not in ran.stderr
    assert "Traceback" not in ran.stderr


@dataclass
class Running:
    """A computation that is waited for in a thread."""

    thread: threading.Thread
    results: list[zipfile.ZipFile]

    @classmethod
    def start(cls, room: AnalyticsDcr, node: str) -> Running:
        results: list[zipfile.ZipFile] = []
        thread = threading.Thread(target=lambda: results.append(run(room, node)), daemon=True)
        thread.start()
        return cls(thread, results)

    def done(self) -> bytes:
        self.thread.join(START_SECONDS)
        assert self.results, "no result"
        with self.results[0] as archive:
            return archive.read("done")


def script_of(worker: Part) -> psutil.Process:
    """The process of the script that this worker runs now; waits until there is one."""
    parent = psutil.Process(worker.process.pid)
    return _appeared(lambda: next((each for each in parent.children(recursive=True) if _is_script(each)), None))


@pytest.mark.slow
def test_a_worker_that_is_stopped_hands_its_task_back_or_ends_it(apart: Apart) -> None:
    nodes = [PythonComputeNodeDefinition(name=f"n{each}", script=HELD, dependencies=["data"]) for each in range(3)]
    with contextlib.ExitStack() as held:
        first = held.enter_context(apart.worker("first", "--grace", "0"))
        room = publish(apart.client(), nodes)
        # 1. Without time to end it, the task is handed back, and another worker has it at once.
        before = apart.shown("enclave")
        running = Running.start(room, "n0")
        script = script_of(first)
        first.signal()
        assert first.ended() == 0
        assert not script.is_running()
        second = held.enter_context(apart.worker("second", "--grace", "60"))
        let_go(script_of(second))
        assert running.done() == b"done"
        assert first.said("is handed back")
        shown = apart.shown("enclave")
        assert shown[HANDED_BACK] - before[HANDED_BACK] == 1
        assert shown[LOST] == before[LOST]
        # 2. With time, it ends its task, and then itself.
        running = Running.start(room, "n1")
        script = script_of(second)
        second.signal()
        let_go(script)
        assert running.done() == b"done"
        assert second.ended() == 0
        assert not second.said("is handed back")
        # 3. A second signal ends it where it stands, with its container; the task is another worker's.
        third = held.enter_context(apart.worker("third", "--grace", "60"))
        running = Running.start(room, "n2")
        script = script_of(third)
        third.signal()
        third.signal(signal.SIGINT)
        assert third.ended() == 1
        script.wait(START_SECONDS)
        fourth = held.enter_context(apart.worker("fourth", "--grace", "600"))
        let_go(script_of(fourth))
        assert running.done() == b"done"
        # 4. Without a task there is nothing to wait for.
        assert fourth.stop() == 0
        assert apart.shown("enclave")[LOST] - before[LOST] == 1


@pytest.mark.slow
def test_an_enclave_that_is_stopped_lets_tasks_end(apart: Apart) -> None:
    node = PythonComputeNodeDefinition(name="n", script=HELD, dependencies=["data"])
    with apart.worker("last", "--grace", "0") as worker:
        room = publish(apart.client(), [node])
        running = Running.start(room, "n")
        script = script_of(worker)
        apart.enclave.signal()
        let_go(script)
        assert apart.enclave.ended() == 0
        assert not apart.enclave.said("were still out")
        assert apart.enclave.said("is reported: finished")
        # The client has asked again since: what was finished is answered by the next one.
        apart.enclave = apart.parts.enter_context(part("enclave", "--config", apart.config))
        assert running.done() == b"done"
        assert apart.shown("enclave")['cloister_enclave_tasks_total{outcome="finished"}'] == 0
        worker.stop()
