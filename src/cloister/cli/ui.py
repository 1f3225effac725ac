"""`cloister ui`: the web pages of this installation, on loopback, against any hub."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import click
import httpx
import uvicorn

from cloister.cli.own_pages import OwnPages
from cloister.cli.session import login, state
from cloister.cli.settings import PORT
from cloister.errors import CloisterError
from cloister.hub import bundle
from cloister.kept import kept
from cloister.listening import bind
from cloister.sdk import settings

_PORT = 8643
_WAIT_SECONDS = 30.0


@click.command(short_help="Open the web pages of this installation against any hub.")
@click.option("--hub", help="Where the hub is, e.g. https://hub.example.org.  [default: CLOISTER_URL, or the login's]")
@click.option("--port", type=PORT, default=_PORT, show_default=True, help="Port on this machine.")
@click.option("--digest", is_flag=True, help="Print the SHA-256 of the pages, and end.")
@click.option("--manifest", is_flag=True, help="Print the SHA-256 of each file of the pages, and end.")
@click.option(
    "--pages",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another folder of pages than the one that was installed along.",
)
def ui(hub: str | None, port: int, digest: bool, manifest: bool, pages: Path | None) -> None:
    """Open the web pages of this installation against any hub, without trusting that hub's own.

    A hub's pages come from the hub, which could change them. These come from this installation; compare --digest with
    what a release has published. They are served to this machine alone, at an address that lets only your browser in.

    \b
        cloister ui --hub https://hub.example.org

    Where this machine is logged in at that hub (`cloister login`), the pages are, too; else sign in by password there.
    Keep to one port: the browser keeps your device key for that address.
    """
    folder = pages or bundle.installed()
    if folder is None:
        raise CloisterError(
            "This installation has no web pages. Install a release's wheel, or build them in a checkout (ui/dist), or "
            "name a folder with --pages."
        )
    built = bundle.load(folder)
    if manifest:
        click.echo(built.manifest, nl=False)
    elif digest:
        click.echo(built.digest)
    else:
        _serve(built, hub, port)


def _serve(built: bundle.Bundle, hub: str | None, port: int) -> None:
    environ = {**os.environ, "CLOISTER_URL": hub} if hub else dict(os.environ)
    try:
        who = login(state(), environ)
        where, token = who.url, who.token
    except CloisterError as nobody:
        where, token = settings.hub_url(environ), None
        click.echo(f"You sign in on the pages. ({nobody})", err=True)
    with bind("127.0.0.1", port, "These pages") as bound:
        host = f"{_name(where)}.localhost:{bound.getsockname()[1]}"
        http = httpx.AsyncClient(
            timeout=httpx.Timeout(_WAIT_SECONDS, read=None, pool=None),
            limits=httpx.Limits(max_connections=None),
            headers={"User-Agent": "cloister-ui", "Accept-Encoding": "identity"},
        )
        pages = OwnPages(built, where, host, token=token, http=http)
        click.echo(pages.address)
        click.echo(
            f"Open that in your browser: the pages {built.digest[:16]}... for {where}. Ctrl-C ends them.", err=True
        )
        config = uvicorn.Config(
            pages,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        uvicorn.Server(config).run(sockets=[bound])


def _name(hub: str) -> str:
    """What browsers call these pages: the same each time, so that what they keep for it is found again; for each hub
    another; and known to nobody else."""
    folder = state().path
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = kept(folder / "ui-name", secrets.token_bytes(32))
    except OSError as error:
        raise CloisterError(f"{folder} can't be written ({error.strerror}). Name another by CLOISTER_HOME.") from None
    return hmac.digest(key, hub.encode(), hashlib.sha256).hex()[:32]
