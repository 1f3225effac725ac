"""`cloister enclave`: the enclave, alone."""

from __future__ import annotations

from typing import Any

import click

from cloister.cli.operators.config import configured, set_up_logs
from cloister.cli.operators.metrics import showing
from cloister.cli.operators.options import secret_url
from cloister.cli.operators.process import inherited_socket, keep_lock, notify_ready
from cloister.cli.operators.settings import enclave_settings
from cloister.cli.setting import picked
from cloister.enclave.metrics import REGISTRY
from cloister.enclave.server import DoorSettings, serve
from cloister.enclave.settings import EnclaveSettings
from cloister.listening import bind
from cloister.secret import read_secret


@click.command()
@configured(enclave_settings())
@click.option("--listen-fd", type=int, hidden=True)
@click.option("--lock-fd", type=int, hidden=True)
def enclave(listen_fd: int | None, lock_fd: int | None, **given: Any) -> None:
    """Start an enclave: it holds the rooms and keys, and hands tasks to workers.

    Only its hub needs to reach it. All that it is sent and answers is sealed end to end. Beyond this machine it asks
    the hub for a secret that both are given, and for TLS unless you say that the network is private.

    Each option can also be a line in [enclave] of the configuration, or a variable: --tls-cert is tls_cert there, and
    CLOISTER_ENCLAVE_ with the name in capitals. `cloister config sample` prints them all.
    """
    keep_lock(lock_fd)
    set_up_logs(given)
    given["store"] = secret_url(given["store"], given["store_file"], "store", "store_file")
    secret = given["hub_secret_file"]
    alone = listen_fd is None
    door = DoorSettings(
        secret=None if secret is None else read_secret(secret).encode(),
        # Started by `cloister up`, it is reached by the hub on this machine alone.
        tls_cert=given["tls_cert"] if alone else None,
        tls_key=given["tls_key"] if alone else None,
        insecure_http=given["insecure_http"],
        grace=given["grace"],
    )
    listening = bind(given["host"], given["port"], "The enclave") if listen_fd is None else inherited_socket(listen_fd)
    with showing(given["metrics"], REGISTRY):
        serve(EnclaveSettings(**picked(EnclaveSettings, given)), door, sockets=[listening], on_ready=notify_ready)
