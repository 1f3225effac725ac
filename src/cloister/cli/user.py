"""`cloister user`: accounts, on the data folder of a hub that may be running or not."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.layout import Layout
from cloister.cli.options import FOLDER
from cloister.hub import accounts


@click.group()
def user() -> None:
    """Users and their API tokens. Works while Cloister runs, and while it doesn't."""


_data = click.option("--data", type=FOLDER, required=True, help="The folder given to `cloister up`.")


@user.command(short_help="Print a fresh API token for EMAIL, made a user if needed.")
@click.argument("email")
@_data
def add(email: str, data: Path) -> None:
    """Print a fresh API token for the user EMAIL, who is made if needed.

    Hand it to them over a channel that you trust: whoever has it can log in as that user. It is shown this once; only
    a hash of it is kept. Earlier tokens of the user stay valid.
    """
    click.echo(accounts.add_user(Layout(data).hub_settings(), email))


@user.command()
@click.argument("email")
@_data
def revoke(email: str, data: Path) -> None:
    """End all API tokens of the user EMAIL.

    They can't log in any more until `cloister user add` gives them another one. Rooms that they take part in stay.
    """
    count = accounts.revoke_user_tokens(Layout(data).hub_settings(), email)
    click.echo(f"{count} tokens of {email} have ended.", err=True)
