"""Kinds of values that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder; made where it is missing."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that is there."""


def door(command: Callable[..., object]) -> Callable[..., object]:
    """The options of where and how the hub is reached: ``--host``, ``--port``, and those of TLS."""
    options = (
        click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            default=8642,
            show_default=True,
            help="Port to listen on; 0 takes a free one.",
        ),
        click.option("--tls-cert", type=FILE, help="Serve HTTPS with this certificate chain (PEM)."),
        click.option("--tls-key", type=FILE, help="The private key of that certificate (PEM)."),
        click.option("--insecure-http", is_flag=True, help="Allow plain HTTP on an address that other machines reach."),
    )
    for option in reversed(options):
        command = option(command)
    return command
