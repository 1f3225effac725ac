"""`cloister hub`: the hub, alone."""

from __future__ import annotations

from typing import Any

import click

from cloister.cli.operators.config import configured, set_up_logs
from cloister.cli.operators.metrics import showing
from cloister.cli.operators.options import hub_fields
from cloister.cli.operators.process import inherited_socket, keep_lock, notify_ready
from cloister.cli.operators.settings import hub_settings
from cloister.hub.metrics import REGISTRY
from cloister.hub.server import serve
from cloister.hub.settings import HubSettings


@click.command()
@configured(hub_settings())
@click.option("--listen-fd", type=int, hidden=True)
@click.option("--lock-fd", type=int, hidden=True)
def hub(listen_fd: int | None, lock_fd: int | None, **given: Any) -> None:
    """Start a hub: accounts, encrypted blobs, and the relay to the enclave.

    It sees ciphertext only. Clients speak to it; workers too, with a token of their own.

    Each option can also be a line in [hub] of the configuration, or a variable: --tls-cert is tls_cert there, and
    CLOISTER_HUB_ with the name in capitals. `cloister config sample` prints them all. It lists the
    limits, too, which have no option shown here.
    """
    keep_lock(lock_fd)
    set_up_logs(given)
    with showing(given["metrics"], REGISTRY):
        serve(
            HubSettings(data=given["data"], **hub_fields(given)),
            sockets=None if listen_fd is None else [inherited_socket(listen_fd)],
            host=given["host"],
            port=given["port"],
            tls_cert=given["tls_cert"],
            tls_key=given["tls_key"],
            insecure_http_ok=given["insecure_http"],
            grace=given["grace"],
            on_ready=lambda _url: notify_ready(),
        )
