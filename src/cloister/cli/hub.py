"""`cloister hub`: the hub, alone."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.options import FOLDER, door
from cloister.cli.process import inherited_socket, keep_lock, notify_ready
from cloister.hub.server import serve
from cloister.hub.settings import HubSettings


@click.command()
@click.option("--data", type=FOLDER, required=True, help="Folder that keeps accounts and ciphertext; made if missing.")
@click.option("--enclave-url", required=True, help="Where the enclave answers, e.g. http://10.0.0.2:7801.")
@door
@click.option("--listen-fd", type=int, hidden=True)
@click.option("--lock-fd", type=int, hidden=True)
def hub(
    data: Path,
    enclave_url: str,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure_http: bool,
    listen_fd: int | None,
    lock_fd: int | None,
) -> None:
    """Start a hub: accounts, encrypted blobs, and the relay to the enclave.

    It sees ciphertext only. Clients speak to it; workers too, with a token of their own.
    """
    keep_lock(lock_fd)
    serve(
        HubSettings(data=data, enclave_url=enclave_url),
        sockets=None if listen_fd is None else [inherited_socket(listen_fd)],
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure_http_ok=insecure_http,
        on_ready=lambda _url: notify_ready(),
    )
