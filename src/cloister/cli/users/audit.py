"""`cloister audit`: what has happened in a room."""

from __future__ import annotations

import click

from cloister.cli.shown import document, moment, table, tell
from cloister.cli.users import find
from cloister.cli.users.session import Session, as_user, json_option


@click.command(short_help="Show all that has happened in ROOM.")
@click.argument("room")
@json_option
@as_user
def audit(session: Session, room: str, as_json: bool) -> None:
    """Show all that has happened in ROOM: who did what, and when (by the clock of the enclave's host).

    \b
        cloister audit "Salaries by team"
        cloister audit 3f2a9c10 --json

    The log is shown only if it is the one that the enclave has signed, and goes on from all that this machine has seen
    of it. Reading it is an event too. With --json, all fields of the events as they were signed.
    """
    dcr = find.room(session.client, room)
    if as_json:
        document({"room": dcr.id, "events": dcr.audit_events()})
        return
    fields = (line.split(",") for line in dcr.retrieve_audit_log().splitlines())
    tell(
        table(
            ("TIME (UTC)", "WHO", "WHAT", "ID"),
            ((moment(int(at)), who, what, what_id) for at, who, what, _, what_id in fields),
        )
    )
