"""`cloister worker`: one worker, alone."""

from __future__ import annotations

import os
import signal
import ssl
from pathlib import Path
from types import FrameType

import click

from cloister.cli.options import FILE
from cloister.cli.process import keep_lock, log_to_stderr, notify_ready
from cloister.errors import CloisterError, SandboxUnavailable
from cloister.rooms.limits import Limits
from cloister.trust.evidence import SoftwareSource
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.worker.agent import Agent
from cloister.worker.images.offer import Offer
from cloister.worker.linux import enter_private_mounts
from cloister.worker.runners.python import blueprint
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.pool import DEFAULT_IMPORTS, Pool
from cloister.worker.sandbox.probe import detect


@click.command()
@click.option("--hub", "hub_url", required=True, help="Address of the hub, e.g. https://hub.example.org.")
@click.option("--hub-cert", type=FILE, help="Trust this certificate of the hub, whatever name it bears.")
@click.option("--single-room", is_flag=True, help="Stay with the room of the first task until started anew.")
@click.option(
    "--warm",
    default=1,
    show_default=True,
    type=click.IntRange(0, 32),
    help="How many containers wait for their task, each with some 100 MiB.",
)
@click.option(
    "--warm-import",
    "imports",
    multiple=True,
    default=DEFAULT_IMPORTS,
    show_default=True,
    help="A module that waiting containers have imported; repeat it for more.",
)
@click.option("--lock-fd", type=int, hidden=True)
def worker(
    hub_url: str, hub_cert: Path | None, single_room: bool, warm: int, imports: tuple[str, ...], lock_fd: int | None
) -> None:
    """Start a worker: it pulls one task after the other and runs each in a sealed container.

    Its token for the hub is read from the environment, CLOISTER_WORKER_TOKEN.
    """
    keep_lock(lock_fd)
    log_to_stderr()
    token = os.environ.pop("CLOISTER_WORKER_TOKEN", "")
    if not token:
        raise CloisterError("CLOISTER_WORKER_TOKEN is not set. Start workers by `cloister up`.")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    hub = Hub(hub_url, token, tls=_only(hub_cert))
    # A worker of software evidence works for an enclave of software evidence; it holds no secrets before that.
    channel = Channel(hub, allow_software=True, patience=Patience(pauses=()))
    # Before anything is mounted: should this process be killed, the kernel drops its plaintext with its mounts.
    try:
        enter_private_mounts()
    except PermissionError:
        raise SandboxUnavailable("A worker has to be started by root: it makes containers. Use sudo.") from None
    offer = Offer()
    try:
        image = offer.open(offer.references[0])
        usual = blueprint(image.root, Limits(), ())
        with Sandbox(detect(image.root)) as sandbox, Pool(sandbox, warm, usual, imports) as pool:
            source = SoftwareSource("worker")
            Agent(hub, channel, source, sandbox, pool, offer, notify_ready, single_room=single_room).run()
    finally:
        offer.close()
        hub.close()


def _only(certificate: Path | None) -> ssl.SSLContext | None:
    """Trust in one certificate, by whatever name the hub is reached on this machine."""
    if certificate is None:
        return None
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
