"""`cloister keys`: the keys that the hub signs identities with, on the store of a hub that may be running."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from cloister.cli.operators.options import hub_of, on_hub
from cloister.hub.database import open_database
from cloister.hub.signing import SigningKey, State, open_signing_keys


@click.group()
def keys() -> None:
    """The keys that the hub signs identities with. Works while Cloister runs, which needs no restart."""


@keys.command(name="list", short_help="Show all keys and what each is for.")
@on_hub
def list_(**given: Any) -> None:
    """Show all keys: which signs now, which will next, which are left for older rooms."""
    settings = hub_of(given)
    with open_database(settings) as database:
        _show(open_signing_keys(settings, database).all())


@keys.command(short_help="Let the next key sign.")
@on_hub
def rotate(**given: Any) -> None:
    """Let the next key sign, and publish another as the next one.

    Nobody needs to do anything: rooms have pinned the next key already, and older ones are served by the newest key
    that they have pinned. The key before is kept for them.
    """
    settings = hub_of(given)
    with open_database(settings) as database:
        signing = open_signing_keys(settings, database)
        signing.rotate(datetime.now(UTC))
        _show(signing.all())


@keys.command(short_help="Delete the private half of KEY for good.")
@click.argument("key")
@on_hub
def destroy(key: str, **given: Any) -> None:
    """Delete the private half of KEY for good, because somebody else may have it, or because no room needs it.

    Devices that rooms know already go on. Rooms that have pinned a later key too take new devices by that one; others
    take none any more, and have to be published anew for that. Whoever has a copy of KEY can still bind devices in
    rooms that have pinned it, in plain sight: stop those that matter.
    """
    settings = hub_of(given)
    with open_database(settings) as database:
        _show(open_signing_keys(settings, database).destroy(key, datetime.now(UTC)))


def _show(all_keys: Iterable[SigningKey]) -> None:
    for each in all_keys:
        history = [f"published {each.published_at:%Y-%m-%d %H:%M}"]
        if each.signing_since is not None:
            history.append(f"signs since {each.signing_since:%Y-%m-%d %H:%M}")
        if each.state is State.DESTROYED and each.destroyed_at is not None:
            history.append(f"destroyed {each.destroyed_at:%Y-%m-%d %H:%M}")
        click.echo(f"{each.kid}  {each.state:9}  {', '.join(history)}")
