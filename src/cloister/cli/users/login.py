"""`cloister login`, `logout` and `whoami`."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TextIO

import click

from cloister.cli.shown import document, plain, remark, tell
from cloister.cli.users.session import Session, as_user, forget, json_option, state, store
from cloister.errors import AuthorizationError, CloisterError
from cloister.formats.encoding import normal_email
from cloister.sdk import settings
from cloister.sdk.device import open_device_key
from cloister.wire.hub import Hub

_MAX_TOKEN = 4096


@click.command(short_help="Let this machine act for you.")
@click.argument("email")
@click.option("--url", help="Where the hub is, e.g. https://hub.example.org.  [default: CLOISTER_URL]")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A file with the API token; - is standard input.",
)
@json_option
def login(email: str, url: str | None, token_file: Path | None, as_json: bool) -> None:
    """Let this machine act for the user EMAIL: check an API token, and keep it.

    Whoever runs the hub hands out tokens (`cloister user add`). Without --token-file it is asked for, and not shown; or
    is read from standard input, where that is no terminal. Never put it into a command.

    \b
        cloister login --url https://hub.example.org alice@example.org

    It is kept in a file that only you can read, encrypted where CLOISTER_DEVICE_PASSPHRASE is set. Scripts can do
    without: they set CLOISTER_URL and CLOISTER_TOKEN.
    """
    folder, passphrase = state(), os.environ.get("CLOISTER_DEVICE_PASSPHRASE")
    where = settings.hub_url({"CLOISTER_URL": url} if url else os.environ)
    token = _token(token_file)
    with closing(Hub(where, token)) as hub:
        account = normal_email(hub.account())
    if account != normal_email(email):
        raise AuthorizationError(
            f"The token belongs to {plain(account)}, not to {plain(email)}. Nothing was kept: use that user's own one."
        )
    try:
        # Made now, so that a passphrase that doesn't fit is noticed here.
        open_device_key(folder, where, account, passphrase=passphrase)
        store(folder, where, account, token, passphrase)
    except OSError as error:
        raise CloisterError(
            f"{folder.path} can't be written ({error.strerror}). Make it writable, or name another by CLOISTER_HOME."
        ) from None
    if as_json:
        document({"email": account, "url": where, "protected": bool(passphrase)})
        return
    protected = ", under your passphrase" if passphrase else ""
    remark(f"Logged in at {where} as {plain(account)}. The token is kept in {folder.path}{protected}.")


@click.command(short_help="Forget the token on this machine.")
@json_option
def logout(as_json: bool) -> None:
    """Forget the API token on this machine.

    \b
        cloister logout

    The token stays valid elsewhere: where somebody else may have it, have it ended (`cloister user revoke`). This
    machine's device key stays too.
    """
    try:
        there = forget(state())
    except OSError as error:
        raise CloisterError(f"The token is still there: {error.filename}: {error.strerror}.") from None
    if as_json:
        document({"loggedOut": there})
    else:
        remark("Logged out." if there else "Nobody was logged in.")


@click.command(short_help="Show who you are to hub and rooms.")
@json_option
@as_user
def whoami(session: Session, as_json: bool) -> None:
    """Show who you are: account, hub, this machine's device key, and your vault.

    \b
        cloister whoami

    Others see the device key in rooms: tell it to them over a channel that you trust, so that they know it is yours.
    The vault's id is what CLOISTER_VAULT names on a new machine of yours.
    """
    who, client = session.login, session.client
    try:
        vault = client.vault_id
    except CloisterError as error:
        vault = None
        remark(f"Your vault can't be asked for: {error}")
    if as_json:
        document(
            {
                "email": client.user_email,
                "url": who.url,
                "deviceKey": client.device_key,
                "vault": vault,
                "token": "kept" if who.kept else "environment",
            }
        )
        return
    tell(f"account     {client.user_email}")
    tell(f"hub         {who.url}")
    tell(f"device key  {client.device_key}")
    tell(f"vault       {vault or 'unknown'}")
    tell(f"token       {'kept on this machine' if who.kept else 'from CLOISTER_TOKEN'}")


def _token(file: Path | None) -> str:
    """
    Raises:
        CloisterError: there is none.
    """
    if file is not None and str(file) != "-":
        try:
            with file.open(encoding="ascii") as stream:
                token = _first_line(stream)
        except (OSError, UnicodeDecodeError):
            raise CloisterError(f"{file} can't be read as an API token.") from None
    elif file is None and sys.stdin.isatty():
        token = click.prompt("API token", hide_input=True, err=True)
    else:
        token = _first_line(sys.stdin)
    if not token.strip():
        raise CloisterError("There is no API token. Type it, or name a file that holds it with --token-file.")
    return token.strip()


def _first_line(stream: TextIO) -> str:
    return stream.readline(_MAX_TOKEN)
