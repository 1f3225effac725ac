"""`cloister user`: accounts, on the data folder of a hub that may be running or not."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.layout import Layout
from cloister.cli.options import FOLDER
from cloister.hub import accounts


@click.group()
def user() -> None:
    """Users and their API tokens."""


_data = click.option("--data", type=FOLDER, required=True, help="The folder given to `cloister up`.")


@user.command()
@click.argument("email")
@_data
def add(email: str, data: Path) -> None:
    """Make the user EMAIL unless there, and print a fresh API token for them.

    The token is shown this once. It is all that the user needs to log in, together with the hub's address.
    """
    click.echo(accounts.add_user(Layout(data).hub_settings(), email))


@user.command()
@click.argument("email")
@_data
def revoke(email: str, data: Path) -> None:
    """End all API tokens of the user EMAIL."""
    count = accounts.revoke_user_tokens(Layout(data).hub_settings(), email)
    click.echo(f"{count} tokens of {email} have ended.", err=True)
