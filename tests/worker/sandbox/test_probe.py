"""The probe believes what it sees: runtimes that leave something out are refused, each with what it left out.

The bad runtimes are real ones that are handed a weaker configuration than Cloister wrote.
"""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from cloister.errors import SandboxUnavailable
from cloister.worker import linux
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.runtime import Runtime

WEAKENINGS = {
    "no filter": ("del linux['seccomp']", "open a socket to its host (AF_VSOCK)"),
    "a filter that lets vsock through": (
        "linux['seccomp']['syscalls'].append({'names': ['socket'], 'action': 'SCMP_ACT_ALLOW'})",
        "open a netlink socket",
    ),
    "no memory limit": ("del linux['resources']['memory']", "did not set the limits"),
    "no limit on processes": ("del linux['resources']['pids']", "did not set the limits"),
    "no limits at all": ("del linux['resources']", "did not set the limits"),
    "the host's network": (
        "linux['namespaces'] = [n for n in linux['namespaces'] if n['type'] != 'network']",
        "could not start|reach a network|loopback",
    ),
    "capabilities": ("process['capabilities'] = {'bounding': ['CAP_CHOWN']}", "capabilities are left (CapBnd"),
    "new privileges": ("process['noNewPrivileges'] = False", "NoNewPrivs is 0"),
    "a writable input": (
        "[m['options'].remove('ro') for m in config['mounts'] if m['destination'] == '/input']",
        "/input is not mounted ro",
    ),
    "a mount more": (
        "config['mounts'].append(dict(destination='/sys', type='bind', source='/sys', options=['rbind', 'ro']))",
        "read /sys",
    ),
}
RUNTIME = """
#!{python}
import json, os, sys
if "--bundle" in sys.argv:
    path = sys.argv[sys.argv.index("--bundle") + 1] + "/config.json"
    with open(path) as file:
        config = json.load(file)
    linux, process = config["linux"], config["process"]
    {weakening}
    with open(path, "w") as file:
        json.dump(config, file)
os.execv({runtime!r}, [{runtime!r}, *sys.argv[1:]])
"""


def write_runtime(path: Path, text: str) -> Path:
    path.write_text(text.lstrip())
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("weakening", WEAKENINGS)
def test_a_runtime_that_leaves_something_out(image_root: Path, tmp_path: Path, weakening: str) -> None:
    change, words = WEAKENINGS[weakening]
    good = str(probe.detect(image_root).path)
    text = RUNTIME.format(python=sys.executable, weakening=change, runtime=good)
    runtime = Runtime.named(str(write_runtime(tmp_path / "runtime", text)))
    with pytest.raises(SandboxUnavailable) as refused:
        probe.check(runtime, image_root)
    assert any(word in str(refused.value) for word in words.split("|")), refused.value


def test_the_wrapper_itself_is_no_fault(image_root: Path, tmp_path: Path) -> None:
    good = str(probe.detect(image_root).path)
    text = RUNTIME.format(python=sys.executable, weakening="pass", runtime=good)
    probe.check(Runtime.named(str(write_runtime(tmp_path / "runtime", text))), image_root)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 0", "could not start a container"),
        ("exit 1", "does not run"),
        ('[ "$1" = --version ] && echo lying 1.0 && exit; exit 0', "could not start a container"),
        # Runs the canary bare: what it was asked to never do.
        (
            '[ "$1" = --version ] && exit; until [ "$1" = --pid-file ]; do shift; done; sleep 30 & echo $! > "$2"',
            "could not start|control group|limits",
        ),
    ],
)
def test_programs_that_are_no_runtimes(image_root: Path, tmp_path: Path, body: str, words: str) -> None:
    name = str(write_runtime(tmp_path / "runtime", f"#!/bin/sh\n{body}\n"))
    with pytest.raises(SandboxUnavailable) as refused:
        probe.check(Runtime.named(name), image_root)
    assert any(word in str(refused.value) for word in words.split("|")), refused.value


def test_a_chosen_runtime_is_not_replaced(image_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the installation asked for one, no other will do."""
    probe.detect.cache_clear()
    monkeypatch.setenv(probe.CHOICE, str(tmp_path / "none"))
    with pytest.raises(SandboxUnavailable, match="not installed") as refused:
        probe.detect(image_root)
    assert "CLOISTER_RUNTIME" in str(refused.value)
    assert "apt-get install" in str(refused.value)
    monkeypatch.delenv(probe.CHOICE)
    chosen = probe.detect(image_root)
    monkeypatch.setenv(probe.CHOICE, str(chosen.path))
    probe.detect.cache_clear()
    assert probe.detect(image_root) == chosen


@pytest.mark.parametrize(
    ("name", "version"),
    [("kata-runtime", "kata-runtime  : 3.13.0"), ("kata-qemu", "1.0"), ("renamed", "kata-runtime  : 3.13.0")],
)
def test_kata_is_refused_in_words(tmp_path: Path, name: str, version: str) -> None:
    """By its name as by what it says it is, and before anything is started."""
    program = write_runtime(tmp_path / name, f"#!/bin/sh\necho '{version}'\n")
    with pytest.raises(SandboxUnavailable, match=r"Kata Containers can't be used: .* Use runsc"):
        Runtime.named(str(program))


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
ROOTLESS = {"another user": NOBODY, "root of a user namespace": NAMESPACE}
DETECT = "from pathlib import Path; from cloister.worker.sandbox import probe; probe.detect(Path('/nowhere'))"


@pytest.mark.parametrize("who", ROOTLESS)
def test_rootless_workers_are_refused_in_words(who: str) -> None:
    """Also with a control group of their own: a user's mounts can't be kept out of swap, nor be images."""
    refused = subprocess.run(
        [*ROOTLESS[who], sys.executable, "-c", DETECT], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "SandboxUnavailable: A worker has to be started by this machine's root" in refused.stderr
    assert "may be swapped out" in refused.stderr


def test_an_image_that_nothing_can_be_tried_in(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"has no /usr/bin/python3.*name another image before it"):
        probe.detect(tmp_path)


def test_what_a_rootless_worker_could_not_do() -> None:
    """Should this fail some day, kernels have learnt what rootless workers need, and ADR 20 can be thought over."""
    alone = [*NOBODY, *NAMESPACE]
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        attempt = f"mount -t tmpfs tmpfs {place} && echo mounted && mount -t tmpfs -o noswap tmpfs {place}"
        said = subprocess.run([*alone, "sh", "-c", attempt], capture_output=True, text=True, check=False)
    assert said.stdout == "mounted\n"
    assert said.returncode != 0


def test_the_rights_of_root() -> None:
    assert probe.has_rights(0, "         0          0 4294967295\n")
    assert not probe.has_rights(1000, "         0          0 4294967295\n")
    assert not probe.has_rights(0, "         0       1000          1\n")
    assert not probe.has_rights(0, "0 100000 65536\n")
    assert not probe.has_rights(0, "")


def test_it_is_quick(image_root: Path) -> None:
    probe.detect.cache_clear()
    started = time.monotonic()
    probe.detect(image_root)
    assert time.monotonic() - started < 5  # about 0.2 s where nothing else runs


def test_faults_of_mounts() -> None:
    lines = {
        "/": "ro,nosuid,nodev",
        "/proc": "rw,nosuid,nodev,noexec",
        "/dev": "ro,nosuid,noexec",
        "/dev/shm": "rw,nosuid,nodev,noexec",
        "/input": "ro,nosuid,nodev,noexec",
        "/input/code": "ro,nosuid,nodev,noexec",
        "/output": "rw,nosuid,nodev,noexec",
        "/tmp": "rw,nosuid,nodev",
        "/scratch": "rw,nosuid,nodev",
    }

    def table(changes: dict[str, str]) -> str:
        return "\n".join(f"1 2 0:3 / {place} {flags} - x x rw" for place, flags in {**lines, **changes}.items())

    assert probe.mount_faults(table({})) == []
    assert probe.mount_faults(table({"/output": "rw,noexec"})) == ["/output is not mounted nodev, nosuid"]
    assert probe.mount_faults(table({"/input": "rw,nosuid,nodev,noexec"})) == ["/input is not mounted ro"]
    assert probe.mount_faults(table({"/sys": "ro"})) == ["/sys is mounted although nothing asked for it"]
    assert "/tmp is not mounted" in probe.mount_faults("")


def test_faults_of_status() -> None:
    good = {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0000000000000000"),
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }
    assert probe.status_faults(good, "0 1900000000 1\n1000 1900001000 1\n") == []
    assert probe.status_faults(good, "0 0 4294967295\n") != []
    assert probe.status_faults(good, "") != []
    assert probe.status_faults({**good, "Seccomp": "0"}, "0 1 1\n") == ["Seccomp is 0 instead of 2"]
    assert len(probe.status_faults({}, "0 1 1\n")) == 7


def test_the_canary_and_the_launcher_are_plain_python() -> None:
    """They run under the image's Python: nothing of ours may be imported."""
    worker = Path(linux.__file__).parent
    for path in (worker / "sandbox/canary.py", worker / "runners/launcher.py"):
        text = path.read_text()
        compile(textwrap.dedent(text), path.name, "exec")
        assert re.search(r"(import|from) cloister\b", text) is None
