"""`cloister ui`: the web pages of this installation, on loopback, against any hub."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import os
import secrets
from pathlib import Path

import click
import httpx
import uvicorn

from cloister.cli.setting import PORT
from cloister.cli.ui.loopback import listen
from cloister.cli.ui.own_pages import OwnPages
from cloister.cli.users.session import login, state, token_hub
from cloister.errors import CloisterError
from cloister.hub import bundle
from cloister.kept import kept
from cloister.sdk import settings
from cloister.wire.hub import is_loopback

_PORT = 8643
_WAIT_SECONDS = 30.0
_TRIES = 20
"""For a port that is free for browsers' both addresses of this machine."""


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
    what a release has published. They are served to this machine alone, at an address that lets one browser in, once;
    then the next is printed.

    \b
        cloister ui --hub https://hub.example.org

    Where this machine is logged in at that hub (`cloister login`), the pages are, too; else sign in by password there.
    Keep to one port: the browser keeps your device key for that address. Close its tabs before you end this:
    the browser takes whoever has the port then, another user of this machine say, for this program.
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
    environ = _environment(hub)
    try:
        who = login(state(), environ)
        where, token = who.url, who.token
    except CloisterError as nobody:
        where, token = settings.hub_url(environ), None
        click.echo(f"You sign in on the pages. ({nobody})", err=True)
    with contextlib.ExitStack() as held:
        sockets = listen([port] if port else itertools.repeat(0, _TRIES), "These pages")
        for each in sockets:
            held.enter_context(each)

        def renewed() -> None:
            # Whoever has read all they want may have closed it.
            with contextlib.suppress(OSError):
                click.echo(pages.address)
                click.echo("A browser was let in. That is the address for another one.", err=True)

        host = f"{_name(where)}.localhost:{sockets[0].getsockname()[1]}"
        pages = OwnPages(built, where, host, token=token, http=_client(where), renewed=renewed)
        click.echo(pages.address)
        click.echo(
            f"Open that in your browser, once: the pages {built.digest[:16]}... for {where}. Ctrl-C ends them.",
            err=True,
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
        uvicorn.Server(config).run(sockets=sockets)


def _environment(hub: str | None) -> dict[str, str]:
    """The environment, with the hub that was asked for. A token in it is for one hub, and goes to no other."""
    environ = dict(os.environ)
    if not hub:
        return environ
    asked = settings.hub_url({"CLOISTER_URL": hub})
    if environ.get("CLOISTER_TOKEN", "").strip() and token_hub(state(), environ) not in (None, asked):
        del environ["CLOISTER_TOKEN"]
        click.echo(f"CLOISTER_TOKEN is for another hub, and isn't sent to {asked}.", err=True)
    return environ | {"CLOISTER_URL": asked}


def _client(hub: str) -> httpx.AsyncClient:
    host = httpx.URL(hub).host
    return httpx.AsyncClient(
        timeout=httpx.Timeout(_WAIT_SECONDS, read=None, pool=None),
        limits=httpx.Limits(max_connections=None),
        headers={"User-Agent": "cloister-ui", "Accept-Encoding": "identity"},
        # A proxy has no business between this machine and itself.
        mounts={f"all://{f'[{host}]' if ':' in host else host}": None} if is_loopback(host) else None,
    )


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
