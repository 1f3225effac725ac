"""Nothing that is secret is ever seen by those who must not: canaries are looked for in all that the hub, the engine
and the workers stored, sent and logged, and in all that lies beside the sealing key."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloister.analytics import AnalyticsDcrBuilder, FileContent, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.cli.operators.layout import Layout
from cloister.enclave.storage_key import signing_key
from cloister.enclave.store import SqliteStore
from cloister.errors import EnclaveError
from cloister.hub import accounts
from cloister.protocol import FetchResult, Result
from cloister.sdk.checkpoints import CheckpointMemory
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.link import Identity, RoomLink
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.worker.sandbox.leftovers import DEFAULT_DIRECTORY
from tests.attacks.recorder import Recorder, files, spellings, traces
from tests.installation import START_SECONDS, STOP_SECONDS, Installation, compute_node, data_node
from tests.ports import free_port

OWNER = "owner@canary.example"

MAKE = """
import hashlib
import sys
with open("/input/data") as file:
    first = file.readline().strip()
def made(word):
    return hashlib.sha256((word + first).encode()).hexdigest()
"""
WELL = """
with open("/input/code/extra.txt") as extra, open("/output/result.txt", "w") as file:
    file.write((made("result") + "\\n") * 500 + extra.read())
for place in ("/tmp/left", "/scratch/left"):
    with open(place, "w") as file:
        file.write(made("left") * 500)
print(made("stdout") * 10)
print(made("stderr") * 10, file=sys.stderr)
"""
BADLY = """
print(made("stdout"))
raise ValueError(made("exception"))
"""


def random_text() -> str:
    return f"canary{secrets.token_hex(24)}"


def made(word: str, first: str) -> bytes:
    """What a script makes of the data; it stands nowhere but where the script puts it."""
    return hashlib.sha256((word + first).encode()).hexdigest().encode()


def live(installation: Installation) -> dict[str, bytes]:
    """A room's life. Returns its secrets by name."""
    token = installation.token(OWNER)
    client = installation.client(OWNER, token=token)
    texts = {name: random_text() for name in ("data", "script", "title", "description", "extra", "file name", "about")}
    key = Key()
    builder = (
        AnalyticsDcrBuilder(client=client)
        .with_name(texts["title"])
        .with_description(texts["description"])
        .with_owner(OWNER)
        .add_node_definition(RawDataNodeDefinition("data", is_required=True))
    )
    script = f"# {texts['script']}\n{MAKE}"
    extra = FileContent("extra.txt", texts["extra"])
    for node, does, on_error in (("well", WELL, False), ("badly", BADLY, True), ("silently", BADLY, False)):
        builder.add_node_definition(
            PythonComputeNodeDefinition(
                node, script + does, [extra], ["data"], enable_logs_on_error=on_error, enable_logs_on_success=True
            )
        )
    builder.add_participant(OWNER, data_owner_of=["data"], analyst_of=["well", "badly", "silently"])
    room = client.publish_analytics_dcr(builder.build())
    data_node(room, "data").upload_and_publish_dataset(
        io.BytesIO(f"{texts['data']}\n".encode() * 4000), key, texts["file name"], texts["about"]
    )
    # The vault has the name, the description and the key; on another dataset of its own, too.
    texts |= {"other name": random_text(), "other about": random_text()}
    other = Key()
    digest = client.upload_dataset(texts["data"].encode(), other, texts["other name"], description=texts["other about"])
    listed = {(each["name"], each["description"]) for each in client.get_available_datasets()}
    assert listed == {(texts["file name"], texts["about"]), (texts["other name"], texts["other about"])}
    assert client.get_dataset_key(digest) == other
    found = {name: text.encode() for name, text in texts.items()}
    found |= {name: made(name, texts["data"]) for name in ("result", "left", "stdout", "stderr", "exception")}
    # All of these are real: who may see them does.
    well = compute_node(room, "well")
    archive = well.run_computation_and_get_results_as_bytes()
    with well.get_results_as_zip() as opened:
        shown = [opened.read(name) for name in opened.namelist()]
    assert traces(found, shown) == {"result", "extra", "stdout", "stderr"}
    with pytest.raises(EnclaveError) as told:
        compute_node(room, "badly").run_computation_and_get_results_as_bytes()
    assert traces(found, [str(told.value).encode()]) >= {"stdout", "exception"}
    with pytest.raises(EnclaveError) as told:
        compute_node(room, "silently").run_computation_and_get_results_as_bytes()
    assert traces(found, [str(told.value).encode()]) == set()
    # Compressed, a result looks different: pieces of the very archive, but for those that any file may hold.
    pieces = {at: archive[at : at + 24] for at in range(0, len(archive) - 24, 50)}
    found |= {f"archive at {at}": piece for at, piece in pieces.items() if len(set(piece)) > 16}
    assert any(name.startswith("archive") for name in found)
    device = open_device_key(StateFolder(installation.homes / OWNER), installation.url, OWNER)
    return {
        **found,
        "dataset key": key.material,
        "other dataset's key": other.material,
        "result key": _result(installation, room.id, token).key,
        "device key": device.private_bytes_raw(),
        "API token": token.encode(),
        "API token's bytes": base64.urlsafe_b64decode(token),
        "sealing key": bytes.fromhex((Layout(installation.data).enclave / "sealing.key").read_text().strip()),
    }


def _result(installation: Installation, room: str, token: str) -> Result:
    """What the enclave tells the analyst about the result, which the client keeps to itself."""
    folder = StateFolder(installation.homes / OWNER)
    hub = Hub(installation.url, token)
    with contextlib.closing(hub):
        identity = Identity(hub, OWNER, open_device_key(folder, installation.url, OWNER))
        link = RoomLink(Channel(hub, allow_software=True), identity, CheckpointMemory(folder), room)
        return link.ask(FetchResult(node="well"), Result).body


def at_rest(installation: Installation, known: Mapping[str, bytes]) -> set[str]:
    """Secrets that are found in what the hub and the enclave keep."""
    layout = Layout(installation.data)
    sealing = layout.enclave / "sealing.key"
    store = SqliteStore(layout.enclave / "rooms.db")
    with contextlib.closing(store):
        signing = signing_key(store, bytes.fromhex(sealing.read_text().strip())).private_bytes_raw()
    kept = [*files(layout.hub_settings().data), *files(layout.enclave, but=[sealing])]
    assert sum(map(len, kept)) > 200_000
    return traces({**known, "signing key": signing}, kept)


@dataclass
class Apart:
    """Hub, enclave and one worker, each started by its own command, with somebody listening between all of them."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str | Path, **more: str) -> None:
        """Starts a part, and waits until it says that it serves."""
        name = str(command[0])
        told = self.folder / f"{name}.ready"
        environment = {**os.environ, "NOTIFY_SOCKET": str(told), "TMPDIR": str(self.folder / "tmp"), **more}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, self.log(name).open("wb") as log:
            ready.bind(str(told))
            ready.settimeout(START_SECONDS)
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cloister.cli", *command], stdout=log, stderr=log, env=environment
                )
            )
            assert ready.recv(64) == b"READY=1"

    def log(self, name: str) -> Path:
        """What that part wrote."""
        return self.folder / f"{name}.log"

    def stop(self) -> None:
        """The last one first."""
        while self.processes:
            process = self.processes.pop()
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0


def test_every_spelling_is_found() -> None:
    secret = secrets.token_bytes(32)
    for before in range(7):
        around = secrets.token_bytes(before) + secret + secrets.token_bytes(5)
        texts = [around, around.hex().encode(), base64.b64encode(around), base64.urlsafe_b64encode(around)]
        assert [traces({"it": secret}, [text]) for text in texts] == [{"it"}] * 4
        assert traces({"it": secrets.token_bytes(32)}, texts) == set()
    assert min(map(len, spellings(secret))) >= 32


@pytest.mark.slow
def test_nothing_secret_crosses_the_network_or_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    layout, hub_port, enclave_port = Layout(tmp_path / "data"), free_port(), free_port()
    with Recorder(hub_port) as at_hub, Recorder(enclave_port) as at_enclave:
        apart = Apart(tmp_path)
        installation = Installation(layout.data, tmp_path / "homes", url=at_hub.url)
        try:
            apart.start("enclave", "--data", layout.enclave, "--port", str(enclave_port))
            settings = layout.hub_settings()
            apart.start("hub", "--data", settings.data, "--enclave-url", at_enclave.url, "--port", str(hub_port))
            token = accounts.add_worker(settings, "apart")
            apart.start("worker", "--hub", at_hub.url, "--warm", "0", CLOISTER_WORKER_TOKEN=token)
            known = live(installation)
            worker = apart.processes[-1]
            # The worker has forgotten, and no container waits: the lock that it holds is on an empty folder.
            held = [link.readlink() for link in Path(f"/proc/{worker.pid}/fd").iterdir()]
            (sandbox,) = [path for path in held if path.parent == DEFAULT_DIRECTORY]
            assert list(sandbox.iterdir()) == []
            heard = [*at_hub.heard(), *at_enclave.heard()]
            assert at_rest(installation, known) == set()
            # The control: unsealed, the same way, every one of them would be heard, and found.
            with contextlib.closing(Hub(at_hub.url, installation.token(OWNER))) as hub:
                everything = b" ".join(known.values())
                hub.put_part(secrets.token_hex(32), 0, everything, hashlib.sha256(everything).digest())
            assert traces(known, at_hub.heard()) == known.keys()
            assert at_rest(installation, known) == known.keys()
        finally:
            installation.leave()
            apart.stop()
    assert len(heard) > 6
    assert sum(map(len, heard)) > 300_000
    # The API token is the one thing that the hub is shown: it stands at the head of every request.
    assert traces(known, heard) == {"API token", "API token's bytes"}
    logs = [apart.log(name).read_bytes() for name in ("enclave", "hub", "worker")]
    assert b"/v1/enclave/messages" in logs[1]
    assert traces(known, logs) == set()
    assert traces(known, files(tmp_path / "tmp")) == set()


@pytest.mark.slow
def test_nothing_secret_is_told_to_the_engine_logged_or_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    installation = Installation(tmp_path / "data", tmp_path / "homes").start()
    try:
        known = live(installation)
        up = installation.part("up")
        asked = [Path(f"/proc/{up.pid}/{what}").read_bytes() for what in ("cmdline", "environ")]
        assert b"cloister.cli" in asked[0]
        assert str(temporary).encode() in asked[1]
        # While everything runs; the worker's own token for the hub is no secret that protects data.
        assert traces(known, asked) == set()
        assert traces(known, files(temporary)) == set()
    finally:
        assert installation.stop() == 0
    logs = ["".join(installation.log).encode(), "".join(installation.output).encode()]
    assert b"/v1/enclave/messages" in logs[0]
    assert traces(known, logs) == set()
    assert at_rest(installation, known) == set()
    assert list(temporary.iterdir()) == []
