"""`cloister room`: the rooms that one takes part in."""

from __future__ import annotations

import sys

import click
import msgspec

from cloister.cli.shown import document, moment, plain, remark, short, table, tell
from cloister.cli.users import find, room_files
from cloister.cli.users.overview import lines, overview
from cloister.cli.users.session import Session, as_user, json_option
from cloister.errors import CloisterError


@click.group()
def room() -> None:
    """The rooms that you take part in. ROOM is a room's title, its id, or the beginning of either.

    \b
        cloister room list
        cloister room show "Salaries by team"

    A room can lie in a folder, as room.yaml with its scripts beside it, and be published from there
    (docs/rooms-as-files.md); or a script publishes it (docs/tutorial.md).

    \b
        cloister room test FOLDER
        cloister room publish FOLDER
    """


@room.command(name="list", short_help="List your rooms.")
@click.option("--open", "only_open", is_flag=True, help="Leave out those that were stopped.")
@json_option
@as_user
def list_(session: Session, only_open: bool, as_json: bool) -> None:
    """List the rooms that invite you, the newest first.

    \b
        cloister room list --open
    """
    rooms = [
        {
            "id": each["id"],
            "title": each["title"],
            "owner": each["owner"]["email"],
            "stopped": each["isStopped"],
            "createdAt": each["createdAt"],
        }
        for each in session.client.get_data_room_descriptions(exclude_stopped_dcrs=only_open)
    ]
    if as_json:
        document({"rooms": rooms})
        return
    if not rooms:
        remark(f"No room invites {session.client.user_email}.")
        return
    rows = [
        (
            each["title"],
            short(each["id"]),
            each["owner"],
            "stopped" if each["stopped"] else "open",
            moment(each["createdAt"]),
        )
        for each in rooms
    ]
    tell(table(("TITLE", "ID", "OWNER", "STATE", "SINCE (UTC)"), rows))


@room.command(short_help="Show what is in ROOM, and what you can do there.")
@click.argument("room")
@click.option("--node", help="Show this node as it was published, with its script.")
@json_option
@as_user
def show(session: Session, room: str, node: str | None, as_json: bool) -> None:
    """Show what is in ROOM: nodes, who owns data and who gets results, which data is there, whose device keys are
    bound, and what you can do next. With --node, show one node whole: a script is all there is between your data and
    whoever runs it.

    \b
        cloister room show 3f2a9c10
        cloister room show 3f2a9c10 --node by-team
    """
    dcr = find.room(session.client, room)
    if node is not None:
        _show_node(find.node(dcr, node).definition.record, as_json=as_json)
        return
    shown = overview(dcr.definition, dcr.status(), session.client.user_email)
    if as_json:
        document(shown)
    else:
        tell("\n".join(lines(shown, session.client.device_key)))


@room.command(short_help="End ROOM for good.")
@click.argument("room")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@as_user
def stop(session: Session, room: str, yes: bool, as_json: bool) -> None:
    """End ROOM for good: nothing can be attached, run or fetched there any more. Only its owner may.

    \b
        cloister room stop "Salaries by team"

    All that the enclave has of its data and results is deleted. Its log can still be read.
    """
    dcr = find.room(session.client, room)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Stopping a room can't be undone. Say --yes if you mean it.")
        if not click.confirm(f"Stop {plain(dcr.name)} ({short(dcr.id)}) for good?", err=True):
            raise CloisterError("The room goes on.")
    dcr.stop()
    if as_json:
        document({"id": dcr.id, "stopped": True})
    else:
        remark(f"{plain(dcr.name)} is stopped.")


def _show_node(record: msgspec.Struct, *, as_json: bool) -> None:
    fields = msgspec.to_builtins(record)
    if as_json:
        document(fields)
        return
    for name, value in fields.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if "\n" in text:
            tell(f"{name}:")
            for line in plain(text, keep="\n\t").splitlines():
                tell(f"    {line}".rstrip())
        else:
            tell(f"{name}: {plain(text)}")


for _command in room_files.COMMANDS:
    room.add_command(_command)
