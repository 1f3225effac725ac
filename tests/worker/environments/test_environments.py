"""Custom environments in real containers, from a small index on loopback: what comes of honest and of hostile ones."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloister.errors import EnclaveError
from cloister.rooms.environments import LockedPackage, plain_requirements
from cloister.rooms.limits import MIB, Limits
from cloister.worker import linux
from cloister.worker.environments.gate import Gate
from cloister.worker.environments.source import PORT, Source, configured_source
from cloister.worker.environments.store import PLACE, Environments, Made, environment_digest, report
from cloister.worker.images import store as images
from cloister.worker.images.store import OpenImage
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptRun, ScriptTask, blueprint, run_script
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.pool import Pool
from cloister.worker.sandbox.runtime import Runtime
from tests.containers import SMALL, needs_gvisor
from tests.worker.environments.index import Index, serving

INSTALLING = Limits(
    memory_bytes=512 * MIB,
    pids=64,
    wall_seconds=60,
    output_bytes=16 * MIB,
    output_files=500,
    scratch_bytes=64 * MIB,
    log_bytes=MIB // 16,
)
GO_ON = threading.Event()
"""Never set: nothing is cancelled."""


@dataclass
class Bench:
    """A worker's place for environments, and an index."""

    index: Index
    sandbox: Sandbox
    image: OpenImage
    store: Path

    def environments(self, **options: Any) -> Environments:
        return Environments(self.sandbox, self.store, source=lambda: self.index.source, **options)

    def resolve(self, requirements: str) -> tuple[LockedPackage, ...]:
        return self.environments().resolve(requirements, self.image, INSTALLING, GO_ON)

    def install(self, lock: tuple[LockedPackage, ...], limits: Limits = INSTALLING) -> Made:
        with self.environments().held(lock, self.image, limits, GO_ON) as (made, _):
            return made

    def run(self, script: str, lock: tuple[LockedPackage, ...], limits: Limits = SMALL) -> ScriptRun:
        """A script that finds these packages; what it printed is its console."""
        with self.environments().held(lock, self.image, INSTALLING, GO_ON) as (_, layer):
            wanted = blueprint(PYTHON, self.image.root, limits, (), layers=(layer,))
            with self.sandbox.container(wanted) as container:
                container.input_folder(MIB, 10)
                return run_script(PYTHON, container, ScriptTask(script=script, limits=limits))

    def told(self, script: str, lock: tuple[LockedPackage, ...]) -> Any:
        """What such a script printed, as JSON."""
        run = self.run(script, lock)
        assert run.error is None, f"{run.error}\n{run.console}"
        return json.loads(run.console)


@pytest.fixture(scope="module")
def image() -> Iterator[OpenImage]:
    with images.open_image("python") as image:
        yield image


@pytest.fixture(scope="module")
def sandbox(image: OpenImage) -> Iterator[Sandbox]:
    with Sandbox(probe.detect(image.root)) as sandbox:
        yield sandbox
        assert list(sandbox.directory.iterdir()) == []


@pytest.fixture
def bench(image: OpenImage, sandbox: Sandbox, tmp_path: Path) -> Iterator[Bench]:
    with serving(tmp_path) as index:
        yield Bench(index, sandbox, image, tmp_path / "environments")


def greeting(bench: Bench) -> None:
    """Two releases of a package that needs another."""
    bench.index.add(
        "greeting", "1.0", {"greeting.py": b"from word import WORD\nTEXT = f'{WORD} 1'\n"}, requires=["word"]
    )
    bench.index.add(
        "greeting", "2.0", {"greeting.py": b"from word import WORD\nTEXT = f'{WORD} 2'\n"}, requires=["word"]
    )
    bench.index.add("word", "3.1", {"word/__init__.py": b"WORD = 'hello'\n"})


def test_requirements_are_resolved_installed_and_found(bench: Bench) -> None:
    greeting(bench)
    lock = bench.resolve("# what we agreed on\ngreeting < 2  # not yet\n")
    assert [(each.name, each.version, len(each.sha256)) for each in lock] == [
        ("greeting", "1.0", 1),
        ("word", "3.1", 1),
    ]
    script = """
import greeting, json, subprocess, sys
child = subprocess.run([sys.executable, "-c", "import greeting; print(greeting.TEXT)"], capture_output=True, text=True)
print(json.dumps([greeting.TEXT, greeting.__file__, greeting.__cached__, child.stdout.strip()]))
"""
    text, file, cached, by_child = bench.told(script, lock)
    assert (text, by_child, file) == ("hello 1", "hello 1", f"{PLACE}/greeting.py")
    assert cached == f"{PLACE}/__pycache__/greeting.cpython-311.pyc"
    told = report(bench.install(lock), plain_requirements("Greeting<2"))
    assert [(each["metadata"]["name"], each["requested"]) for each in told["install"]] == [
        ("greeting", True),
        ("word", False),
    ]
    assert told["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"] == lock[0].sha256[0]
    assert told["files"] > 6
    assert told["size"] > 100


@pytest.mark.slow
def test_its_packages_come_before_those_of_the_image_and_after_the_standard_library(bench: Bench) -> None:
    """Also those that a container that waits has imported already: it is not handed out for this."""
    bench.index.add("numpy", "99.0", {"numpy/__init__.py": b"__version__ = 'ours'\n"})
    shadows = {f"{name}.py": b"raise SystemExit('shadowed')\n" for name in ("os", "json", "importlib", "typing", "gc")}
    bench.index.add("shadow", "1.0", shadows)
    lock = bench.resolve("numpy\nshadow")
    script = "import gc, importlib, json, os, typing, numpy\nprint(json.dumps([numpy.__version__, os.__file__]))"
    assert bench.told(script, lock) == ["ours", "/usr/lib/python3.11/os.py"]
    warm = blueprint(PYTHON, bench.image.root, SMALL, ())
    with (
        Pool(bench.sandbox, 1, warm) as pool,
        bench.environments().held(lock, bench.image, INSTALLING, GO_ON) as (_, layer),
    ):
        assert pool.wait_full(60)
        with pool.take(blueprint(PYTHON, bench.image.root, SMALL, (), layers=(layer,))) as container:
            assert container.blueprint.imports == ()
            container.input_folder(MIB, 10)
            run = run_script(PYTHON, container, ScriptTask(script=script, limits=SMALL))
        assert json.loads(run.console)[0] == "ours"
        with pool.take(warm) as container:
            container.input_folder(MIB, 10)
            task = ScriptTask(script="import numpy; print(numpy.__version__)", limits=SMALL)
            assert run_script(PYTHON, container, task).console != "ours"


def test_what_path_files_of_packages_add_is_found(bench: Bench) -> None:
    bench.index.add("legacy", "1.0", {"legacy.pth": b"legacy-inner\n", "legacy-inner/inner.py": b"VALUE = 7\n"})
    script = "import inner, json, sys; print(json.dumps([inner.VALUE, inner.__file__, sys.path]))"
    value, file, path = bench.told(script, bench.resolve("legacy"))
    assert (value, file) == (7, f"{PLACE}/legacy-inner/inner.py")
    assert path.index(PLACE) < path.index("/usr/local/lib/python3.11/dist-packages")
    assert path.index("/usr/lib/python3.11") < path.index(PLACE)


def test_a_failure_in_a_package_tells_no_names_of_it(bench: Bench) -> None:
    """A package is no part of what readers of a definition have read: its names could spell data."""
    code = b"class SecretName(Exception): pass\ndef secret_function(): raise SecretName('secret message')\n"
    bench.index.add("failing", "1.0", {"failing.py": code})
    run = bench.run("import failing\nfailing.secret_function()\n", bench.resolve("failing"))
    assert run.error is not None
    assert 'File "/input/code/main.py", line 2' in run.error
    assert "ecret" not in run.error


def test_nothing_of_an_environment_can_be_changed_by_a_script(bench: Bench) -> None:
    greeting(bench)
    lock = bench.resolve("greeting")
    script = f"""
import json, os
def tried(act):
    try: act()
    except OSError as error: return type(error).__name__
print(json.dumps([tried(lambda: open("{PLACE}/greeting.py", "w")), tried(lambda: os.unlink("{PLACE}/greeting.py")),
    tried(lambda: open("{PLACE}/new.py", "w")), open("/proc/self/mountinfo").read()]))
"""
    *refused, mounts = bench.told(script, lock)
    assert refused == ["OSError"] * 3 or set(refused) <= {"OSError", "PermissionError"}
    assert str(bench.store) not in mounts
    assert environment_digest(lock, bench.image.measurement) not in mounts


# --- the cache ---


def test_it_is_installed_once_for_each_lock_whatever_the_text(bench: Bench) -> None:
    greeting(bench)
    made = bench.install(bench.resolve("greeting\nword"))
    same = bench.resolve("word>=1  # first\ngreeting==2.0")
    bench.index.asked.clear()
    bench.index.files.clear()  # and it works when the index is gone
    assert bench.install(same) == made
    assert bench.index.asked == []
    assert bench.told("import greeting, json; print(json.dumps(greeting.TEXT))", same) == "hello 2"


def test_a_damaged_one_is_made_again(bench: Bench) -> None:
    greeting(bench)
    lock = bench.resolve("greeting")
    made = bench.install(lock)
    file = bench.store / environment_digest(lock, bench.image.measurement) / f"layer{PLACE}/greeting.py"
    file.write_text("TEXT = 'of somebody else'\n")
    assert bench.install(lock).measurement == made.measurement
    assert "WORD" in file.read_text()
    shutil.rmtree(file.parent.parent)
    assert bench.install(lock).measurement == made.measurement
    assert "WORD" in file.read_text()


def test_what_a_killed_worker_left_is_removed(bench: Bench) -> None:
    greeting(bench)
    lock = bench.resolve("greeting")
    left = bench.store / f".new-{environment_digest(lock, bench.image.measurement)}.killed"
    (left / "ready/layer").mkdir(parents=True)
    bench.install(lock)
    assert not left.exists()


def test_an_environment_of_nothing_changes_nothing(bench: Bench) -> None:
    assert bench.resolve("# for later\n") == ()
    assert bench.index.asked == []
    assert bench.told("import json, numpy; print(json.dumps(numpy.__file__))", ()).startswith("/usr/local/lib")


@pytest.mark.slow
def test_what_was_used_least_lately_makes_room(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.index.add(name, "1.0", {f"{name}.py": b"#" * 100_000})
    locks = {name: bench.resolve(name) for name in ("one", "two", "three")}
    places = {name: bench.store / environment_digest(lock, bench.image.measurement) for name, lock in locks.items()}
    environments = bench.environments(most_bytes=250_000)
    with environments.held(locks["one"], bench.image, INSTALLING, GO_ON):
        with environments.held(locks["two"], bench.image, INSTALLING, GO_ON):
            pass
        with environments.held(locks["three"], bench.image, INSTALLING, GO_ON):
            pass
        # The oldest is in use.
        assert {name for name, place in places.items() if place.exists()} == {"one", "three"}
    with environments.held(locks["two"], bench.image, INSTALLING, GO_ON):
        pass
    assert {name for name, place in places.items() if place.exists()} == {"two", "three"}


def test_a_disk_without_room_is_told(bench: Bench) -> None:
    bench.index.add("large", "1.0", {"large.bin": os.urandom(12 * MIB)})
    bench.index.add("little", "1.0", {"little.py": b""})
    bench.store.mkdir()
    linux.mount("tmpfs", bench.store, "tmpfs", 0, f"size={46 * MIB}")  # the installer takes most of it
    try:
        with pytest.raises(EnclaveError, match="The worker's disk has no room"):
            bench.install(bench.resolve("large"))
        assert bench.install(bench.resolve("little")).files > 0
    finally:
        linux.unmount(bench.store)


def test_who_waits_for_another_worker_can_be_told_not_to(bench: Bench) -> None:
    greeting(bench)
    lock = bench.resolve("greeting")
    cancelled = threading.Event()
    cancelled.set()
    digest = environment_digest(lock, bench.image.measurement)
    guard = os.open(bench.store / f"{digest}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        with (
            pytest.raises(EnclaveError, match="withdrawn"),
            bench.environments().held(lock, bench.image, INSTALLING, cancelled),
        ):
            pass
    finally:
        os.close(guard)


@needs_gvisor
def test_gvisors_containers_refuse_to_install(bench: Bench) -> None:
    with (
        Sandbox(Runtime.named("runsc")) as sandbox,
        pytest.raises(EnclaveError, match=r"gVisor's.*no way to a package"),
    ):
        Environments(sandbox, bench.store, source=lambda: bench.index.source).resolve(
            "six", bench.image, INSTALLING, GO_ON
        )


# --- what is wrong is told in the installer's words ---


def test_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(EnclaveError, match="absent was not found in the package registry"):
        bench.resolve("absent")


def test_what_does_not_fit_together(bench: Bench) -> None:
    greeting(bench)
    with pytest.raises(EnclaveError, match="unsatisfiable"):
        bench.resolve("greeting\nword<3")


def test_sources_are_not_built(bench: Bench) -> None:
    """Building runs what somebody else wrote."""
    bench.index.files["source"] = {"source-1.0.tar.gz": b"never opened"}
    with pytest.raises(EnclaveError, match=r"no usable wheels|no wheels"):
        bench.resolve("source")


@pytest.mark.parametrize(
    "requirements",
    [
        "--index-url https://elsewhere.example/simple\nsix",
        "-r /etc/passwd",
        "-e .",
        "six @ https://elsewhere.example/six.whl",
        "six @ file:///etc/passwd",
        "./six.whl",
        "file:///six.whl",
        "six --hash=sha256:00",
        "six \\\n==1.0",
        "${HOME}",
    ],
)
def test_nothing_but_plain_requirements_is_handed_to_the_installer(bench: Bench, requirements: str) -> None:
    with pytest.raises(EnclaveError, match="is not a plain requirement"):
        bench.resolve(requirements)
    assert bench.index.asked == []


# --- an index, or somebody between, that means ill ---


def test_another_file_than_the_lock_names_is_not_installed(bench: Bench) -> None:
    greeting(bench)
    lock = bench.resolve("greeting")
    bench.index.add("word", "3.1", {"word/__init__.py": b"WORD = 'something else'\n"})
    with pytest.raises(EnclaveError, match=r"(?i)hash"):
        bench.install(lock)
    assert list(bench.store.glob("*/environment.json")) == []
    assert list(bench.store.glob(".new-*")) == []


def test_a_lock_that_was_tampered_with_installs_nothing(bench: Bench) -> None:
    greeting(bench)
    first, *rest = bench.resolve("greeting")
    changed = LockedPackage(name=first.name, version=first.version, sha256=("00" * 32,))
    with pytest.raises(EnclaveError, match=r"(?i)hash"):
        bench.install((changed, *rest))


@pytest.mark.parametrize("path", ["../../escaped.py", "/escaped.py", "../output/../tmp/escaped.py"])
def test_a_wheel_that_reaches_beyond_its_folder(bench: Bench, path: str) -> None:
    digest = bench.index.add("escaping", "1.0", {path: b"escaped", "escaping.py": b""})
    lock = (LockedPackage(name="escaping", version="1.0", sha256=(digest,)),)
    with contextlib.suppress(EnclaveError):
        bench.install(lock)
    outside = [each for each in bench.store.rglob("escaped.py") if PLACE not in str(each)]
    assert outside == []
    assert not Path("/escaped.py").exists()


@pytest.mark.slow
def test_a_wheel_that_grows_without_end(bench: Bench) -> None:
    digest = bench.index.add("growing", "1.0", {"zeros": bytes(200 * MIB)})
    lock = (LockedPackage(name="growing", version="1.0", sha256=(digest,)),)
    with pytest.raises(EnclaveError, match=r"exceeded its limit on|No space left"):
        bench.install(lock)
    assert list(bench.store.glob("*/environment.json")) == []


def test_a_wheel_of_very_many_files(bench: Bench) -> None:
    digest = bench.index.add("many", "1.0", {f"f{number}": b"" for number in range(1000)})
    lock = (LockedPackage(name="many", version="1.0", sha256=(digest,)),)
    with pytest.raises(EnclaveError, match=r"exceeded its limit on output files|No space left"):
        bench.install(lock)


# --- the way out ---

CONNECTS = """
import json, socket
def tried(address, said=b""):
    try:
        with socket.create_connection(address, 5) as there:
            there.sendall(said)
            return there.recv(100).decode().partition("\\r\\n")[0]
    except OSError as error:
        return type(error).__name__
GATE = ("127.0.0.1", 3128)
print(json.dumps({
    "a host of the machine": tried(("127.0.0.1", PORT)),
    "a host elsewhere": tried(("192.0.2.1", 443)),
    "another port": tried(GATE, b"CONNECT localhost:1 HTTP/1.1\\r\\n\\r\\n"),
    "another host": tried(GATE, b"CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n" % PORT),
    "metadata of a cloud": tried(GATE, b"CONNECT 169.254.169.254:80 HTTP/1.1\\r\\n\\r\\n"),
    "another method": tried(GATE, b"GET https://localhost:%d/ HTTP/1.1\\r\\n\\r\\n" % PORT),
    "much": tried(GATE, b"CONNECT " + b"a" * 20000),
    "the index": tried(GATE, b"CONNECT LOCALHOST:%d HTTP/1.1\\r\\nHost: elsewhere\\r\\n\\r\\n" % PORT),
}))
"""


def test_a_container_that_installs_reaches_the_index_and_nothing_else(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as machine:
        port = machine.getsockname()[1]
        limits = SMALL
        with bench.sandbox.container(blueprint(PYTHON, bench.image.root, limits, ())) as container:
            container.input_folder(MIB, 10)
            container.wait_ready()
            listener = linux.listen_in_network_of(container.client, 3128)
            with Gate(listener, {("localhost", port)}):
                run = run_script(
                    PYTHON, container, ScriptTask(script=CONNECTS.replace("PORT", str(port)), limits=limits)
                )
    assert run.error is None, run.console
    told = json.loads(run.console)
    refused = ("HTTP/1.1 403 Forbidden", "")
    assert told.pop("the index") == "HTTP/1.1 200 OK"
    assert told.pop("a host of the machine") in ("ConnectionRefusedError", "PermissionError")
    assert told.pop("a host elsewhere") == "OSError"
    assert told.pop("much") in ("", "ConnectionResetError", "BrokenPipeError")
    assert set(told.values()) <= set(refused)


@pytest.mark.slow
def test_an_index_that_is_away_is_told(bench: Bench) -> None:
    away = Source("https://localhost:1/simple", frozenset({("localhost", 1)}), bench.index.certificate)
    environments = Environments(bench.sandbox, bench.store, source=lambda: away)
    with pytest.raises(EnclaveError, match="installer says"):
        environments.resolve("six", bench.image, INSTALLING, GO_ON)


def test_which_hosts_the_operator_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOISTER_PACKAGE_INDEX", raising=False)
    monkeypatch.delenv("CLOISTER_PACKAGE_HOSTS", raising=False)
    assert configured_source().hosts == {("pypi.org", PORT), ("files.pythonhosted.org", PORT)}
    monkeypatch.setenv("CLOISTER_PACKAGE_INDEX", "https://Index.example:8443/root/simple/")
    monkeypatch.setenv("CLOISTER_PACKAGE_HOSTS", "files.example, other.example:444")
    source = configured_source()
    assert source.index == "https://Index.example:8443/root/simple"
    assert source.hosts == {("index.example", 8443), ("files.example", PORT), ("other.example", 444)}


@pytest.mark.parametrize(
    ("index", "hosts"),
    [
        ("http://index.example/simple", ""),
        ("https://user:secret@index.example/simple", ""),
        ("https:///simple", ""),
        ("https://index.example/simple", "files.example/path"),
        ("https://index.example/simple", "files.example:many"),
    ],
)
def test_an_index_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch, index: str, hosts: str) -> None:
    monkeypatch.setenv("CLOISTER_PACKAGE_INDEX", index)
    monkeypatch.setenv("CLOISTER_PACKAGE_HOSTS", hosts)
    with pytest.raises(EnclaveError, match="CLOISTER_PACKAGE_INDEX") as caught:
        configured_source()
    assert "secret" not in caught.value.message


@pytest.mark.slow
def test_from_the_python_package_index(image: OpenImage, sandbox: Sandbox, tmp_path: Path) -> None:
    try:
        socket.create_connection(("pypi.org", PORT), 5).close()
    except OSError as error:
        pytest.skip(f"NOT TRIED: the Python Package Index can't be reached from here ({error})")
    environments = Environments(sandbox, tmp_path)
    lock = environments.resolve("six==1.16.0", image, INSTALLING, GO_ON)
    assert lock == (
        LockedPackage(
            name="six",
            version="1.16.0",
            sha256=("8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",),
        ),
    )
    with environments.held(lock, image, INSTALLING, GO_ON) as (made, layer):
        assert (layer / PLACE.lstrip("/") / "six.py").exists()
        assert made.packages == lock
