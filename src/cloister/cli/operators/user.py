"""`cloister user` and `cloister worker-token`: accounts, on the store of a hub that may be running or not."""

from __future__ import annotations

import sys
from typing import Any

import click

from cloister.cli.operators.options import hub_of, on_hub
from cloister.errors import CloisterError
from cloister.hub import accounts

_MOST = 8192


@click.group()
def user() -> None:
    """Users, their API tokens and passwords. Works while Cloister runs, and while it doesn't."""


@user.command(short_help="Print a fresh API token for EMAIL, made a user if needed.")
@click.argument("email")
@click.option("--password", is_flag=True, help="Set a password instead; asked for as by `cloister user password`.")
@on_hub
def add(email: str, password: bool, **given: Any) -> None:
    """Print a fresh API token for the user EMAIL, who is made if needed.

    Hand it to them over a channel that you trust: whoever has it can log in as that user. It is shown this once; only
    a hash of it is kept. Earlier tokens of the user stay valid.
    """
    if password:
        accounts.set_password(hub_of(given), email, _password())
        click.echo(f"{email} can sign in with that password.", err=True)
    else:
        click.echo(accounts.add_user(hub_of(given), email))


@user.command(name="password", short_help="Set the password of EMAIL.")
@click.argument("email")
@on_hub
def set_password(email: str, **given: Any) -> None:
    """Set the password of the user EMAIL, who is made if needed. Their sessions in browsers end.

    It is asked for, and not shown; or is read from standard input, where that is no terminal. Never put it into a
    command. Better: `cloister user invite`, so that nobody but the user knows it.
    """
    accounts.set_password(hub_of(given), email, _password())
    click.echo(f"{email} can sign in with that password.", err=True)


@user.command(short_help="Print a link by which EMAIL sets a password.")
@click.argument("email")
@on_hub
def invite(email: str, **given: Any) -> None:
    """Print a link by which the user EMAIL, who is made if needed, sets a password and signs in.

    Hand it to them over a channel that you trust: whoever has it is that user. It works once, for three days (setting
    invitation_hours); another link replaces it. Also for who has forgotten their password.
    """
    settings = hub_of(given)
    click.echo(accounts.invite_user(settings, email))
    if settings.public_url is None:
        click.echo("Put the hub's address before it; the setting public_url in [hub] does so from then on.", err=True)


@user.command(short_help="Forget who EMAIL is at the provider.")
@click.argument("email")
@on_hub
def unlink(email: str, **given: Any) -> None:
    """Forget who the user EMAIL is at the provider of OpenID Connect, and end their sessions.

    Whoever signs in there with this email next is taken for them from then on. For providers that have given the same
    user another name.
    """
    accounts.unlink_user(hub_of(given), email)
    click.echo(f"{email} is who signs in at the provider with that email next.", err=True)


@user.command(short_help="End the API tokens and sessions of EMAIL.")
@click.argument("email")
@on_hub
def revoke(email: str, **given: Any) -> None:
    """End all API tokens of the user EMAIL, and their sessions in browsers.

    They can sign in again by a password or a provider, if they could before; `cloister user disable` keeps them out.
    Programs need another token: `cloister user add`. Rooms that they take part in stay.
    """
    count = accounts.revoke_user_tokens(hub_of(given), email)
    click.echo(f"{count} tokens of {email} have ended, and all sessions.", err=True)


@user.command(name="list", short_help="Show all users.")
@on_hub
def list_(**given: Any) -> None:
    """Show all users: how many tokens and bytes they have, and who is disabled or removed."""
    for entry in accounts.users(hub_of(given)):
        state = "removed" if entry.removed_at else "disabled" if entry.disabled_at else "active"
        click.echo(f"{entry.name}  {state}  {entry.tokens} tokens  {entry.stored_bytes} bytes")


@user.command(short_help="Let EMAIL do nothing until enabled again.")
@click.argument("email")
@on_hub
def disable(email: str, **given: Any) -> None:
    """Let the user EMAIL do nothing at the hub until they are enabled again; what they have open ends in seconds.

    All that they have stored stays, and so do their rooms and the datasets that they have attached.
    """
    accounts.disable_user(hub_of(given), email)
    click.echo(f"{email} is disabled.", err=True)


@user.command(short_help="Take back `disable`, or `remove` in time.")
@click.argument("email")
@on_hub
def enable(email: str, **given: Any) -> None:
    """Take back `disable`, or `remove` while what they had stored is still there.

    After `remove` they need a new token or password as well: `cloister user add`.
    """
    accounts.enable_user(hub_of(given), email)
    click.echo(f"{email} is enabled.", err=True)


@user.command(short_help="Disable EMAIL for good.")
@click.argument("email")
@on_hub
def remove(email: str, **given: Any) -> None:
    """Disable the user EMAIL for good, end tokens and password, and throw away what they have stored in 30 days.

    Computations on datasets that they had attached will fail then. Rooms that they have published stay.
    """
    accounts.remove_user(hub_of(given), email)
    click.echo(f"{email} is removed. Until their blobs go, `cloister user enable` brings them back.", err=True)


@click.group()
def worker_token() -> None:
    """The tokens that workers on other machines show to the hub. Works while Cloister runs, and while it doesn't."""


@worker_token.command(name="add", short_help="Print a fresh token for the worker NAME.")
@click.argument("name")
@on_hub
def add_worker(name: str, **given: Any) -> None:
    """Print a fresh token for the worker NAME, on the hub's machine.

    Take it to the worker's machine, into a file that only root can read, and name that file with --token-file. With the
    token alone nobody gets a task: that takes evidence which the enclave accepts. It is shown this once.
    """
    click.echo(accounts.add_worker(hub_of(given), name))


@worker_token.command(name="list", short_help="Show all workers.")
@on_hub
def list_workers(**given: Any) -> None:
    """Show all workers and how many tokens they have. Those that `cloister up` starts share the name `local`."""
    for entry in accounts.workers(hub_of(given)):
        click.echo(f"{entry.name}  {entry.tokens} tokens")


@worker_token.command(name="revoke", short_help="End all tokens of the worker NAME.")
@click.argument("name")
@on_hub
def revoke_worker(name: str, **given: Any) -> None:
    """End all tokens of the worker NAME: the hub turns it away from now on, and its task goes to another."""
    count = accounts.revoke_worker_tokens(hub_of(given), name)
    click.echo(f"{count} tokens of the worker {name} have ended.", err=True)


def _password() -> str:
    """
    Raises:
        CloisterError: there is none.
    """
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline(_MOST).rstrip("\r\n")
    if not password:
        raise CloisterError("There is no password. Type it, or send it as a line to standard input.")
    return str(password)
