"""A whole Cloister, started as its users start it: real processes, real containers, real files."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from cloister.cli.operators.layout import Layout
from cloister.hub import accounts
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.nodes import RawDataNode, ScriptComputeNode
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.worker.sandbox.bundle import LAUNCHER

START_SECONDS = 60
STOP_SECONDS = 30
WAITS = """
import signal, time
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(True))
while not told:
    time.sleep(0.02)
"""
"""The beginning of a script that waits until `let_go`."""


@dataclass
class Installation:
    """`cloister up` on a folder, and the clients of its users, each with a state folder (a machine) of their own."""

    data: Path
    homes: Path
    options: Sequence[str] = ("--workers", "1")
    url: str = ""
    port: int = 0
    process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)
    """Everything it wrote to standard error."""
    output: list[str] = field(default_factory=list)
    """Everything it wrote to standard output."""
    _readers: list[threading.Thread] = field(default_factory=list)
    _clients: list[Client] = field(default_factory=list)

    def start(self) -> Installation:
        """Starts it and waits until it says that it is ready; on the same port every time."""
        ready = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cloister.cli", "up", "--data", self.data, "--port", str(self.port), *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=_drain, args=(self.process.stdout, self.output, ready), daemon=True),
            threading.Thread(target=_drain, args=(self.process.stderr, self.log, None), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        if not ready.wait(START_SECONDS) or not self.output or not self.output[-1].startswith("ready "):
            self.stop()
            raise AssertionError("not ready:\n" + "".join(self.log[-40:]))
        self.url = self.output[-1].removeprefix("ready ").strip()
        self.port = int(self.url.rpartition(":")[2])
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it with a signal and waits until every process of it is gone; its exit code."""
        assert self.process is not None
        self.leave()
        family = self._family()
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self._ended(family)

    def leave(self) -> None:
        """Ends all connections of the clients."""
        while self._clients:
            self._clients.pop().close()

    def crash(self, part: str) -> int:
        """Kills a part (``up``, ``hub`` or ``enclave``) as `kill -9` does, and waits until everything has ended.

        Clients stay as they are: they are other machines. Returns the exit code of `cloister up`.
        """
        family = self._family()
        self.part(part).kill()
        return self._ended(family)

    def _ended(self, family: Sequence[psutil.Process]) -> int:
        """Waits until these processes are gone, and has read all that they wrote."""
        assert self.process is not None
        code = self.process.wait(STOP_SECONDS)
        _, alive = psutil.wait_procs(family, STOP_SECONDS)
        assert not alive, f"still there: {alive}"
        for reader in self._readers:
            reader.join(STOP_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def part(self, name: str) -> psutil.Process:
        """The process of one part: ``up``, ``hub``, ``enclave`` or ``worker`` (the first)."""
        up, *others = self._family()
        if name == "up":
            return up
        return next(process for process in others if _runs(process, name))

    def script(self) -> psutil.Process:
        """The process of the script that runs in a container now; waits until there is one."""
        return _appeared(lambda: next((process for process in self._family() if _is_script(process)), None))

    def another_worker(self, than: psutil.Process) -> psutil.Process:
        """The worker that has taken the place of this one; waits until there is one."""
        return _appeared(
            lambda: next((each for each in self._family() if each != than and _runs(each, "worker")), None)
        )

    def _family(self) -> list[psutil.Process]:
        """`cloister up`, and everything below it: parts and containers."""
        assert self.process is not None
        try:
            up = psutil.Process(self.process.pid)
            return [up, *up.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def token(self, email: str) -> str:
        """A fresh API token of a user, who is made if not there."""
        return accounts.add_user(Layout(self.data).hub_settings(), email)

    def client(
        self,
        email: str,
        *,
        machine: str | None = None,
        token: str | None = None,
        url: str | None = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        allow_software: bool = True,
        check_keys: KeyCheck | None = None,
    ) -> Client:
        """A client of that user, on a machine of their own. ``url``: where it looks for the hub."""
        folder = StateFolder(self.homes / (machine or email))
        client = Client(
            email,
            Hub(url or self.url, token or self.token(email)),
            folder=folder,
            device=open_device_key(folder, self.url, email, passphrase=None),
            allow_software=allow_software,
            patience=patience,
            check_keys=check_keys,
        )
        self._clients.append(client)
        return client


def _runs(process: psutil.Process, part: str) -> bool:
    try:
        return process.cmdline()[1:4] == ["-m", "cloister.cli", part]
    except psutil.NoSuchProcess:
        return False


def _is_script(process: psutil.Process) -> bool:
    """Whether it is a launcher that has its task; one that waits for it reads from a pipe."""
    try:
        if process.cmdline()[:2] != ["/usr/bin/python3", LAUNCHER]:
            return False
        return not str(Path(f"/proc/{process.pid}/fd/0").readlink()).startswith("pipe:")
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False


def _appeared(look: Callable[[], psutil.Process | None]) -> psutil.Process:
    """The kernel tells nobody of new processes but those who trace them: so it is asked, over and over."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
    raise AssertionError("the process has not appeared")


def let_go(script: psutil.Process) -> None:
    """Lets a script that begins with `WAITS` go on, as soon as it waits."""
    _appeared(lambda: script if _handles(script, signal.SIGUSR1) else None)
    script.send_signal(signal.SIGUSR1)


def _handles(process: psutil.Process, number: int) -> bool:
    caught = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "SigCgt:" in line)
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def _drain(stream: IO[str], lines: list[str], ready: threading.Event | None) -> None:
    for line in stream:
        lines.append(line)
        if ready is not None:
            ready.set()
    if ready is not None:
        ready.set()


def data_node(room: AnalyticsDcr, node: str) -> RawDataNode:
    """A data node of a published room."""
    found = room.get_node(node)
    assert isinstance(found, RawDataNode)
    return found


def compute_node(room: AnalyticsDcr, node: str) -> ScriptComputeNode:
    """A computation of a published room."""
    found = room.get_node(node)
    assert isinstance(found, ScriptComputeNode)
    return found


def attach(room: AnalyticsDcr, node: str, data: bytes, key: Key | None = None) -> None:
    """Encrypts, uploads and attaches a dataset."""
    data_node(room, node).upload_and_publish_dataset(io.BytesIO(data), key or Key(), f"{node}.csv")


def run(room: AnalyticsDcr, node: str) -> zipfile.ZipFile:
    """Runs a computation and fetches its result."""
    result = compute_node(room, node).run_computation_and_get_results_as_zip()
    assert result is not None
    return result
