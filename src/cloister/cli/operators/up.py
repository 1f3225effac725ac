"""`cloister up`: hub, enclave and workers on one machine, each its own process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import functools
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cloister.cli.operators.ceilings import ROOM, overcommitted
from cloister.cli.operators.config import configured, set_up_logs
from cloister.cli.operators.layout import Layout
from cloister.cli.operators.metrics import split
from cloister.cli.operators.options import secret_url
from cloister.cli.operators.process import end_with_parent
from cloister.cli.operators.settings import up_settings
from cloister.engines.local import LocalEngine, stop
from cloister.errors import CloisterError
from cloister.hub import accounts
from cloister.kept import kept
from cloister.listening import bind

log = logging.getLogger("cloister.up")
LOCK_SECONDS = 15.0
"""How long to wait for the parts of an installation on the same folder that is just ending."""
RUNNING_SECONDS = 1.0
"""How long to wait for a `cloister up` on the same folder that has just been killed."""


@click.command()
@configured(up_settings())
def up(config: Path | None, **given: Any) -> None:
    """Start hub, enclave and workers on this machine. Needs root, for the containers.

    Prints `ready URL` once computations can be run, and logs to standard error. Runs until Ctrl-C (SIGINT) or SIGTERM.
    Started again on the same folder, it has lost nothing.

    The enclave runs as software, without trusted hardware: whoever operates this machine can read everything. Clients
    have to say that they know, by CLOISTER_TRUST_SOFTWARE_ENCLAVE=1.
    """
    set_up_logs(given)
    data: Path = given["data"]
    layout = Layout(data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    another = CloisterError(f"Another `cloister up` is running on {data}. Stop it first, or use another folder.")
    still = CloisterError(f"Parts of an earlier `cloister up` on {data} do not end. Kill them, or use another folder.")
    with (
        _locked(layout.running, RUNNING_SECONDS, another) as running,
        _locked(layout.lock, LOCK_SECONDS, still) as lock,
        bind(given["host"], given["port"], "The hub") as front,
        bind("127.0.0.1", 0, "The enclave") as back,
    ):
        kept(layout.hub_secret, secrets.token_hex(32).encode())
        asyncio.run(Supervisor(layout, running, lock, front, back, config, given).run())


@dataclass
class Supervisor:
    """Starts the parts and waits: for a signal, or for the hub or the enclave to end, which ends everything."""

    layout: Layout
    running: int
    lock: int
    front: socket.socket
    back: socket.socket
    config: Path | None
    given: Mapping[str, Any]
    """The settings of `cloister up`; the parts find what else concerns them where it has found these."""

    @property
    def url(self) -> str:
        """Where the hub answers. It speaks TLS with whoever reaches it; workers on this machine do too, by the same
        door."""
        return f"{'https' if self.given['tls_cert'] else 'http'}://{_address(self.front)}"

    async def run(self) -> None:
        """Until a signal comes.

        Raises:
            CloisterError: a part has ended by itself.
        """
        loop = asyncio.get_running_loop()
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        parts = asyncio.create_task(self._parts())
        signalled = asyncio.create_task(ending.wait())
        await asyncio.wait({parts, signalled}, return_when=asyncio.FIRST_COMPLETED)
        # From here on the next one waits for this one's end instead of refusing to start.
        fcntl.flock(self.running, fcntl.LOCK_UN)
        signalled.cancel()
        parts.cancel()
        try:
            await parts
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _parts(self) -> None:
        ready = Readiness()
        url = secret_url(
            self.given["database_url"], self.given["database_url_file"], "database_url", "database_url_file"
        )
        settings = dataclasses.replace(self.layout.hub_settings(), database_url=url)
        with contextlib.suppress(CloisterError):
            accounts.revoke_worker_tokens(settings, "local")
        token = accounts.add_worker(settings, "local")
        enclave_url = f"http://{_address(self.back)}"
        async with contextlib.AsyncExitStack() as running, asyncio.TaskGroup() as group:
            secret = str(self.layout.hub_secret)
            # Workers have ended by then: nothing is out that could be waited for.
            at_once = {"grace": 0.0}
            enclave = await self._start(
                "enclave",
                {"data": self.layout.enclave, "hub_secret_file": secret, **at_once},
                listen=self.back,
                notify=ready.expect("enclave"),
            )
            running.push_async_callback(stop, enclave)
            same = ("tls_cert", "tls_key", "insecure_http", "database_url", "database_url_file")
            door = {name: self.given[name] for name in same}
            hub = await self._start(
                "hub",
                {
                    "data": settings.data,
                    "enclave_url": enclave_url,
                    "enclave_secret_file": secret,
                    **door,
                    **at_once,
                },
                listen=self.front,
                notify=ready.expect("hub"),
            )
            running.push_async_callback(stop, hub)
            group.create_task(_watch(enclave, "enclave"))
            group.create_task(_watch(hub, "hub"))
            await ready.of("enclave")
            await ready.of("hub")
            notify = ready.expect("worker")
            grace = self.given["grace"]
            options = {"hub": self.url, "hub_cert": self.given["tls_cert"], "grace": grace}
            options |= {name: self.given[name] for name in ("warm", "image", *(each.parameter for each in ROOM))}
            workers = self.given["workers"] or os.cpu_count() or 1
            if warning := overcommitted(workers, self.given["max_memory"]):
                log.warning("%s", warning)
            engine = LocalEngine(
                lambda place: self._start(
                    "worker", options | {"metrics": self._metrics(place)}, notify=notify, token=token
                ),
                workers,
                served=lambda: ready.heard("worker"),
                grace=grace,
            )
            group.create_task(engine.run())
            await ready.of("worker")
            print(f"ready {self.url}", flush=True)

    def _metrics(self, place: int) -> str:
        """Where a worker shows its metrics: a port each, from the one that is set on."""
        address = self.given["worker_metrics"]
        if not address:
            return ""
        host, port = split(address)
        return f"[{host}]:{port + place}" if port else address

    async def _start(
        self,
        part: str,
        settings: Mapping[str, object],
        *,
        notify: str,
        listen: socket.socket | None = None,
        token: str | None = None,
    ) -> asyncio.subprocess.Process:
        """Starts a part. It ends with this process, and holds the lock of the folder until then."""
        environment = {**os.environ, "NOTIFY_SOCKET": notify}
        descriptors = [self.lock]
        options = [*_options(settings), "--lock-fd", str(self.lock)]
        options += ["--log-format", self.given["log_format"], "--log-level", self.given["log_level"]]
        if self.config is not None:
            options += ["--config", str(self.config)]
        if listen is not None:
            descriptors.append(listen.fileno())
            options += ["--listen-fd", str(listen.fileno())]
        if token is not None:
            environment["CLOISTER_WORKER_TOKEN"] = token
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cloister.cli",
            part,
            *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=descriptors,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the others in order
            preexec_fn=functools.partial(end_with_parent, os.getpid()),
        )


class Readiness:
    """Where parts say that they serve: one datagram socket each, as systemd has it. Their names are abstract ones
    (unix(7)), so that nothing of them is left however this process ends."""

    def __init__(self) -> None:
        self._prefix = f"cloister-{secrets.token_hex(16)}"
        self._events: dict[str, asyncio.Event] = {}

    def expect(self, part: str) -> str:
        """What to give the part as NOTIFY_SOCKET."""
        name = f"{self._prefix}-{part}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        listening.bind(f"\0{name}")
        event = self._events[part] = asyncio.Event()

        def heard() -> None:
            if b"READY=1" in listening.recv(4096):
                event.set()

        asyncio.get_running_loop().add_reader(listening, heard)
        return f"@{name}"

    def heard(self, part: str) -> bool:
        """Whether the part has said so."""
        return self._events[part].is_set()

    async def of(self, part: str) -> None:
        """Until the part has said so."""
        await self._events[part].wait()


def _options(settings: Mapping[str, object]) -> list[str]:
    """Settings as options of a command; those that aren't set are left out."""
    options = []
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            options.append(option)
        elif isinstance(value, tuple):
            options += [word for each in value for word in (option, str(each))]
        elif value is not None and value is not False:
            options += [option, str(value)]
    return options


async def _watch(process: asyncio.subprocess.Process, part: str) -> None:
    code = await process.wait()
    raise CloisterError(f"The {part} has ended (exit code {code}). Its messages say why. Start `cloister up` again.")


@contextlib.contextmanager
def _locked(file: Path, seconds: float, too_late: CloisterError) -> Iterator[int]:
    """Holds a lock; waits for it a while.

    Raises:
        CloisterError: ``too_late``.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(descriptor, seconds, too_late)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, seconds: float, too_late: CloisterError) -> None:
    def end(*_: object) -> None:
        raise too_late

    before: Callable[..., object] | int | None = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first: the rest follows from it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
