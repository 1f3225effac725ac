"""`cloister enclave`: the enclave, alone."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from cloister.cli.options import FOLDER
from cloister.cli.process import inherited_socket, keep_lock, log_to_stderr, notify_ready
from cloister.enclave.server import EnclaveSettings, serve


@click.command()
@click.option(
    "--data", type=FOLDER, required=True, help="Folder that keeps its sealed rooms and keys; made if missing."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on, for the hub alone.")
@click.option("--port", type=click.IntRange(0, 65535), default=7801, show_default=True, help="Port to listen on.")
@click.option("--listen-fd", type=int, hidden=True)
@click.option("--lock-fd", type=int, hidden=True)
def enclave(data: Path, host: str, port: int, listen_fd: int | None, lock_fd: int | None) -> None:
    """Start an enclave: it holds the rooms and keys, and hands tasks to workers.

    Only its hub needs to reach it. All that it is sent and answers is sealed end to end.
    """
    keep_lock(lock_fd)
    log_to_stderr()
    listening = socket.create_server((host, port)) if listen_fd is None else inherited_socket(listen_fd)
    # Accepted connections inherit it. Without it every small answer would wait for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    serve(EnclaveSettings(data=data), sockets=[listening], on_ready=notify_ready)
