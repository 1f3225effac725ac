"""`cloister worker`: one worker, alone."""

from __future__ import annotations

import os
import signal
import ssl
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click

from cloister.cli.operators.ceilings import ceilings, disk, memory_budget
from cloister.cli.operators.config import configured, set_up_logs
from cloister.cli.operators.metrics import showing
from cloister.cli.operators.process import keep_lock, notify_ready
from cloister.cli.operators.settings import WORKER
from cloister.errors import CloisterError
from cloister.rooms.limits import Limits
from cloister.trust.evidence import SoftwareSource
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.pinning import pinned
from cloister.worker.agent import Agent
from cloister.worker.images.offer import Offer
from cloister.worker.linux import enter_private_mounts
from cloister.worker.metrics import REGISTRY, watch
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import blueprint
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.pool import Pool
from cloister.worker.sandbox.probe import detect, require_rights
from cloister.worker.sandbox.scratch import free_memory


@click.command()
@configured(WORKER)
@click.option("--lock-fd", type=int, hidden=True)
def worker(lock_fd: int | None, **given: Any) -> None:
    """Start a worker: it pulls one task after the other and runs each in a sealed container. Needs root.

    `cloister worker-token add NAME`, on the hub's machine, prints the token that it needs.

    Each option can also be a line in [worker] of the configuration, or a variable: --hub-cert is hub_cert there, and
    CLOISTER_WORKER_ with the name in capitals. `cloister config sample` prints them all.
    """
    keep_lock(lock_fd)
    set_up_logs(given)
    token = _token(given["token_file"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    silence = given["silence_seconds"]
    hub = Hub(given["hub"], token, timeout=silence, silence=silence, tls=_only(given["hub_cert"]))
    # A worker of software evidence works for an enclave of software evidence; it holds no secrets before that.
    channel = Channel(hub, allow_software=True, patience=Patience(pauses=()))
    # Before anything is mounted: should this process be killed, the kernel drops its plaintext with its mounts.
    require_rights()
    enter_private_mounts()
    offer = Offer(given["image"])
    try:
        image = offer.open(offer.references[0])
        usual = blueprint(PYTHON, image.root, Limits(), ())
        with (
            Sandbox(detect(image.root), memory=memory_budget(given), disk=disk(given)) as sandbox,
            Pool(sandbox, given["warm"], usual, given["warm_import"]) as pool,
        ):
            agent = Agent(
                hub,
                channel,
                SoftwareSource("worker"),
                sandbox,
                pool,
                offer,
                notify_ready,
                limits=ceilings(given),
                single_room=given["single_room"],
                grace=given["grace"],
            )
            watch(lambda: len(pool.waiting), free_memory)
            with showing(given["metrics"], REGISTRY, lambda: agent.connected):
                _stop_by_signals(agent)
                agent.run()
    finally:
        offer.close()
        hub.close()


def _token(file: Path | None) -> str:
    """The worker's token for the hub.

    Raises:
        CloisterError: there is none.
    """
    token = os.environ.pop("CLOISTER_WORKER_TOKEN", "")
    if file is None:
        if not token:
            raise CloisterError(
                "The worker has no token. Make one on the hub's machine (cloister worker-token add NAME), put it into "
                "a file that only root can read, and name that by --token-file."
            )
        return token
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise CloisterError(f"The token in {file} can't be read.") from None


def _only(certificate: Path | None) -> ssl.SSLContext | None:
    """Trust in one certificate, by whatever name the hub is reached on this machine."""
    if certificate is None:
        return None
    try:
        return pinned(certificate)
    except (OSError, ssl.SSLError) as error:
        raise CloisterError(f"{certificate} can't be used as the hub's certificate (PEM): {error}.") from None


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _stop_by_signals(agent: Agent) -> None:
    """The first one lets the task end, or hands it back; the second ends everything at once."""
    signals = (signal.SIGTERM, signal.SIGINT)
    told, tell = os.pipe()
    os.set_blocking(tell, False)

    def handle(_number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, lambda *_: None)
        agent.stop()

    def count() -> None:
        seen = 0
        while seen < 2:
            seen += len(os.read(told, 2))
        os._exit(1)  # as if it were killed: the kernel ends its container and drops its plaintext

    # Handlers run in the main thread, when it comes to them: a signal that the kernel gives to another thread doesn't
    # wake it from reading. The descriptor is written in whichever thread it is.
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=count, name="signals", daemon=True).start()
    for number in signals:
        signal.signal(number, handle)
