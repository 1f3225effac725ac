"""`kill -9` of any one process at any moment, then `cloister up` on the same folder: nothing that was acknowledged
is lost, and what was under way is told so and can be done again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import ApiError, BadRequestError, EnclaveError, RollbackDetected
from cloister.formats.dataset import PART_SIZE
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.key import Key
from cloister.wire.patience import Patience
from cloister.worker.sandbox import cgroups
from cloister.worker.sandbox.leftovers import DEFAULT_DIRECTORY
from tests.installation import WAITS, Installation, attach, compute_node, data_node, let_go, run

OWNER = "owner@restart.example"
PATIENT = Patience(pauses=(0.25,) * 240)
"""Outlasts a restart, however busy the machine is."""
IMPATIENT = Patience(pauses=())
WAIT = 60
"""Seconds after which a test that waits for an event fails."""

DONE = f"""
{WAITS}
with open("/output/done.txt", "w") as file:
    file.write("done")
"""
DIGEST = """
import hashlib
with open("/input/data", "rb") as source, open("/output/digest.txt", "w") as file:
    file.write(hashlib.file_digest(source, "sha256").hexdigest())
"""
COUNT = """
with open("/input/text") as source, open("/output/count.txt", "w") as file:
    file.write(str(len(source.read())))
"""


def publish(client: Client) -> AnalyticsDcr:
    """A room with a quick computation, one that waits until it is let go, and one over much data."""
    builder = AnalyticsDcrBuilder(client=client).with_name("Restart").with_owner(client.user_email)
    for name in ("text", "input", "data"):
        builder.add_node_definition(RawDataNodeDefinition(name=name, is_required=True))
    for name, script, needed in (("count", COUNT, "text"), ("wait", DONE, "input"), ("digest", DIGEST, "data")):
        builder.add_node_definition(PythonComputeNodeDefinition(name=name, script=script, dependencies=[needed]))
    builder.add_participant(
        client.user_email, data_owner_of=["text", "input", "data"], analyst_of=["count", "wait", "digest"]
    )
    return client.publish_analytics_dcr(builder.build())


class Held(io.BytesIO):
    """A file that can be read up to a point, and on from there once `release` is set."""

    def __init__(self, content: bytes, held_at: int) -> None:
        super().__init__(content)
        self._held_at = held_at
        self.reached = threading.Event()
        self.release = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._held_at and not self.reached.is_set():
            self.reached.set()
            assert self.release.wait(WAIT)
        return super().read(size)


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that lives through everything here; every test leaves it running.

    None of its containers waits, so all that is there is a task's.
    """
    folder = tmp_path_factory.mktemp("battered")
    running = Installation(folder / "data", folder / "homes", ("--workers", "1", "--warm", "0")).start()
    yield running
    assert running.stop(signal.SIGINT) == 0
    assert running.output == [f"ready {running.url}\n"] * len(running.output)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["up", "hub", "enclave"])
def test_killed_while_it_has_much_to_do(battered: Installation, victim: str) -> None:
    owner = battered.client(OWNER, patience=PATIENT)
    room = publish(owner)
    attach(room, "text", b"acknowledged")
    count = compute_node(room, "count")
    result = count.run_computation_and_get_results_as_bytes()
    attach(room, "input", b"x")
    data = random.Random(victim).randbytes(3 * PART_SIZE + 1000)
    upload, key = Held(data, 3 * PART_SIZE), Key()
    wait = compute_node(room, "wait")
    wait.run_computation()
    with ThreadPoolExecutor() as pool:
        uploading = pool.submit(data_node(room, "data").upload_and_publish_dataset, upload, key, "data")
        waiting = pool.submit(wait.get_results_as_bytes)
        assert upload.reached.wait(WAIT)
        battered.script()
        log = room.retrieve_audit_log()

        code = battered.crash(victim)
        assert code == (-signal.SIGKILL if victim == "up" else 1)
        if victim != "up":
            assert f"cloister: The {victim} has ended (exit code -9)." in battered.log[-1]
        battered.start()

        # Who waited is told, by the same connection as before as far as they can see.
        error = waiting.exception(WAIT)
        assert isinstance(error, BadRequestError)
        assert "was interrupted by a restart of the enclave. Run it again." in str(error)
        # An upload goes on where it was.
        upload.release.set()
        uploading.result(WAIT)
    # The finished result is there, to the byte; the log has grown, by what has happened since.
    assert count.get_results_as_bytes() == result
    after = room.retrieve_audit_log()
    assert after.startswith(log)
    assert "Computation wait has ended without a result: interrupted,void run" in after
    # Another machine of the same user, which remembers nothing, finds everything too.
    elsewhere = battered.client(OWNER, machine="elsewhere").retrieve_analytics_dcr(room.id)
    assert [each.node for each in elsewhere.status().attached] == ["data", "input", "text"]
    assert run(elsewhere, "count").read("count.txt") == b"12"
    # What was interrupted can be run again, and what was uploaded across the restart is whole.
    assert_done(battered, room)
    assert run(room, "digest").read("digest.txt").decode() == hashlib.sha256(data).hexdigest()


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_task_given_to_another(battered: Installation) -> None:
    room = publish(battered.client(OWNER, patience=IMPATIENT))
    worker = battered.part("worker")
    place = _sandbox_of(worker)
    # Once: the analyst notices nothing but the time it takes. The client has no patience, so `up` must live on.
    attach(room, "input", b"x")
    wait = compute_node(room, "wait")
    wait.run_computation()
    script = battered.script()
    worker.kill()
    second = battered.another_worker(worker)
    _wait_until_ended(script)
    let_go(battered.script())
    assert wait.get_results_as_zip().read("done.txt") == b"done"
    _assert_gone(place)
    # Twice: that is told, and it can be run again.
    data_node(room, "input").remove_published_dataset()
    attach(room, "input", b"y")
    wait.run_computation()
    script = battered.script()
    second.kill()
    third = battered.another_worker(second)
    _wait_until_ended(script)
    battered.script()
    third.kill()
    with pytest.raises(BadRequestError, match="lost its worker twice"):
        wait.get_results_as_bytes()
    wait.run_computation()
    script = battered.script()
    # What isn't wanted any more is ended, and nothing else with it.
    data_node(room, "input").remove_published_dataset()
    _wait_until_ended(script)
    attach(room, "input", b"z")
    assert_done(battered, room)
    assert battered.process is not None
    assert battered.process.poll() is None


def test_a_killed_container_is_a_failed_computation(battered: Installation) -> None:
    room = publish(battered.client(OWNER, patience=IMPATIENT))
    worker = battered.part("worker")
    wait = compute_node(room, "wait")
    attach(room, "input", b"x")
    for victim in ("script", "tini"):
        wait.run_computation()
        script = battered.script()
        tini = script.parent()
        assert tini is not None
        (script if victim == "script" else tini).kill()
        with pytest.raises(EnclaveError, match="crashed, or was ended by a signal"):
            wait.get_results_as_bytes()
        assert list(_sandbox_of(worker).iterdir()) == []
    assert battered.part("worker") == worker
    assert run_anything(battered)


def test_a_killed_runtime_harms_nobody(battered: Installation) -> None:
    client = battered.client(OWNER, patience=IMPATIENT)
    worker = battered.part("worker")
    killed = False
    while not killed:
        # It is there for a tenth of a second. Where that was missed, there are further computations.
        room = publish(client)
        attach(room, "text", b"four")
        count = compute_node(room, "count")
        with ThreadPoolExecutor() as pool:
            counting = pool.submit(count.run_computation_and_get_results_as_zip)
            while not killed and not counting.done():
                killed = _killed_runtime(worker)
            # The container that it was starting has ended with it, or was not started. Another try is as good.
            result = counting.result(WAIT)
        assert result is not None
        assert result.read("count.txt") == b"4"
    assert list(_sandbox_of(worker).iterdir()) == []
    assert battered.part("worker") == worker


@dataclass
class Acknowledged:
    """What a user was told is so."""

    room: AnalyticsDcr
    attached: list[str] = field(default_factory=list)
    result: bytes | None = None
    log: str = ""


def work(client: Client, done: list[Acknowledged], enough: threading.Event) -> None:
    """Publishes, attaches, runs and reads, one room after the other, until told to end or until nobody answers."""
    number = 0
    while not enough.is_set():
        number += 1
        try:
            room = publish(client)
            told = Acknowledged(room)
            done.append(told)
            for node in ("text", "input"):
                attach(room, node, b"1" * number)
                told.attached.append(node)
            told.result = compute_node(room, "count").run_computation_and_get_results_as_bytes()
            told.log = room.retrieve_audit_log()
        except ApiError:
            return


@pytest.mark.slow
def test_killed_at_any_moment(battered: Installation) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown where the test fails
    chance = random.Random(seed)
    everything: list[Acknowledged] = []
    # Only the worker's end lets everybody finish what they have begun: it has to be among them.
    for victim in chance.sample(["up", "hub", "enclave", "worker"], 4):
        enough = threading.Event()
        with ThreadPoolExecutor() as pool:
            users = [battered.client(f"{name}@restart.example", patience=IMPATIENT) for name in ("one", "two")]
            working = [pool.submit(work, user, everything, enough) for user in users]
            enough.wait(chance.uniform(0.05, 1.5))
            if victim == "worker":
                worker = battered.part(victim)
                worker.kill()
                battered.another_worker(worker)
            else:
                battered.crash(victim)
            enough.set()
        for each in working:
            each.result()
        if victim != "worker":
            battered.start()
    assert any(told.result is not None for told in everything)
    for told in everything:
        room = told.room.client.retrieve_analytics_dcr(told.room.id)
        assert room.definition == told.room.definition
        assert {each.node for each in room.status().attached} >= set(told.attached)
        if told.result is not None:
            assert compute_node(told.room, "count").get_results_as_bytes() == told.result
        assert room.retrieve_audit_log().startswith(told.log)
    last = everything[-1].room
    for node in {"text"} - {each.node for each in last.status().attached}:
        attach(last, node, b"1")
    assert run(last, "count").namelist() == ["count.txt"]


@pytest.mark.slow
def test_an_old_copy_of_the_store_is_noticed(own_installation: Installation, tmp_path: Path) -> None:
    mine = own_installation.start()
    room = publish(mine.client(OWNER))
    attach(room, "text", b"old")
    assert mine.stop(signal.SIGTERM) == 0
    copy = tmp_path / "copy"
    shutil.copytree(mine.data / "enclave", copy)
    mine.start()
    client = mine.client(OWNER)
    # The enclave's keys are the ones before: its log goes on.
    room = client.retrieve_analytics_dcr(room.id)
    assert run(room, "count").read("count.txt") == b"3"
    # A computation runs when the end comes: it ends in order all the same.
    attach(room, "input", b"x")
    compute_node(room, "wait").run_computation()
    script = mine.script()
    assert mine.stop(signal.SIGINT) == 0
    assert not script.is_running()
    assert mine.output == [f"ready {mine.url}\n"] * 2
    shutil.rmtree(mine.data / "enclave")
    shutil.copytree(copy, mine.data / "enclave")
    mine.start()
    with pytest.raises(RollbackDetected, match="restored an old copy"):
        mine.client(OWNER).retrieve_analytics_dcr(room.id)
    # Who has seen no more than the copy holds can't tell; who has seen more still refuses when the log has grown anew.
    elsewhere = mine.client(OWNER, machine="elsewhere").retrieve_analytics_dcr(room.id)
    for _ in range(12):
        elsewhere.retrieve_audit_log()
    with pytest.raises(RollbackDetected):
        mine.client(OWNER).retrieve_analytics_dcr(room.id)


def test_one_installation_a_folder(battered: Installation) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "cloister.cli", "up", "--data", battered.data, "--port", "0"],
        capture_output=True, text=True, timeout=WAIT, check=False,
    )  # fmt: skip
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"cloister: Another `cloister up` is running on {battered.data}. Stop it first, or use another folder.\n"
    )
    assert run_anything(battered)


def test_a_port_that_is_taken(battered: Installation, tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "cloister.cli", "up", "--data", tmp_path / "data", "--port", str(battered.port)],
        capture_output=True, text=True, timeout=WAIT, check=False,
    )  # fmt: skip
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"cloister: The hub can't listen on 127.0.0.1 port {battered.port}: Address already in use. "
        "Choose another address or port.\n"
    )


def run_anything(installation: Installation) -> bool:
    """Whether the installation does what it is for."""
    room = publish(installation.client(OWNER))
    attach(room, "text", b"x")
    return run(room, "count").read("count.txt") == b"1"


def assert_done(installation: Installation, room: AnalyticsDcr) -> None:
    """The computation that waits can be run, and does what it is for."""
    wait = compute_node(room, "wait")
    wait.run_computation()
    let_go(installation.script())
    assert wait.get_results_as_zip().read("done.txt") == b"done"


def _killed_runtime(worker: psutil.Process) -> bool:
    """Kills the OCI runtime that this worker has called, if it has one just now."""
    for child in worker.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "--detach" in child.cmdline():
                child.kill()
                return True
    return False


def _sandbox_of(worker: psutil.Process) -> Path:
    """The folder that a worker has its containers in: it holds it locked."""
    held = (link.readlink() for link in Path(f"/proc/{worker.pid}/fd").iterdir())
    return next(path for path in held if path.parent == DEFAULT_DIRECTORY)


def _assert_gone(place: Path) -> None:
    """Nothing is left of a worker that was killed: folders, mounts, control groups."""
    assert not place.exists()
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            assert str(place) not in mounts.read_text()
        except (FileNotFoundError, ProcessLookupError, OSError):
            continue
    assert cgroups.names(f"cloister-{place.name}-", cgroups.hierarchies()) == set()


def _wait_until_ended(process: psutil.Process) -> None:
    _, alive = psutil.wait_procs([process], WAIT)
    assert not alive
