"""`cloister data`: a user's datasets, and where they are attached."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cloister.cli.setting import FILE
from cloister.cli.shown import document, moment, plain, remark, short, size, table, tell, words
from cloister.cli.users import find
from cloister.cli.users.destination import Destination
from cloister.cli.users.overview import readers
from cloister.cli.users.session import Session, as_user, json_option, session, trust_option
from cloister.cli.users.validate import validate
from cloister.errors import ApiError, AuthorizationError, BadRequestError, CloisterError, IdentityRejected
from cloister.protocol import RoomStatus
from cloister.sdk.bound_keys import as_text, bound_keys
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.headers import is_header, without_header
from cloister.sdk.nodes import DataNode, TableDataNode
from cloister.sdk.progress import reporter

_CHUNK = 1024 * 1024


@click.group()
def data() -> None:
    """Your datasets. DATASET is a dataset's hash, its name, or the beginning of either.

    \b
        cloister data put salaries.csv
        cloister data attach "Salaries by team" salaries salaries.csv

    They are encrypted on this machine. The hub keeps the ciphertext; your vault in the enclave has names and keys.
    """


@data.command(short_help="Encrypt and upload FILE.")
@click.argument("file", type=FILE)
@click.option("--name", help="What to call it.  [default: the file's name]")
@click.option("--description", default="", help="A note for yourself.")
@click.option("--header", is_flag=True, help="FILE is CSV whose first line names the columns: leave that line out.")
@json_option
@as_user
def put(session: Session, file: Path, name: str | None, description: str, header: bool, as_json: bool) -> None:
    """Encrypt FILE with a key of its own, upload it, and print its hash.

    \b
        cloister data put salaries.csv --description "as of May"

    Your vault has the key before the first byte is sent. Whatever ends an upload, do the same again: only what is
    missing is sent, for seven days. With --header, all of it is sent again.
    """
    digest = _upload(session.client, file, name, description, has_header=header)
    if as_json:
        document(_document(_described(session.client, digest)))
    else:
        tell(digest)


@data.command(name="list", short_help="List your datasets.")
@json_option
@as_user
def list_(session: Session, as_json: bool) -> None:
    """List your datasets, the newest first.

    \b
        cloister data list
    """
    found = session.client.get_available_datasets()
    if as_json:
        document({"datasets": [_document(each) for each in found]})
    elif not found:
        remark("You have no datasets. `cloister data put FILE` uploads one.")
    else:
        rows = [
            (each["name"], short(each["id"]), size(each["size"]), moment(each["createdAt"]), each["description"])
            for each in found
        ]
        tell(table(("NAME", "HASH", "SIZE", "SINCE (UTC)", "DESCRIPTION"), rows))


@data.command(short_help="Download and decrypt DATASET.")
@click.argument("dataset")
@click.option("-o", "--output", help="A file or a folder; - is standard output.  [default: the dataset's name, here]")
@json_option
@as_user
def get(session: Session, dataset: str, output: str | None, as_json: bool) -> None:
    """Download a dataset of yours, and decrypt it with the key that your vault keeps.

    \b
        cloister data get salaries.csv -o copy.csv
    """
    found = find.dataset(session.client, dataset)
    target = Destination.of(output, Path(found["name"]).name or found["id"], as_json=as_json)
    key = session.client.get_dataset_key(found["id"])
    with (
        session.client.download_dataset(found["id"], key) as source,
        target.open() as into,
        reporter(os.environ, None).transfer("download", plain(found["name"]), found["size"]) as told,
    ):
        while chunk := source.read(_CHUNK):
            into.write(chunk)
            told(len(chunk))
    if as_json:
        document({**_document(found), "file": target.shown})
    else:
        remark(f"{target.shown}: {size(found['size'])}.")


@data.command(short_help="Attach DATASET, or FILE, to NODE of ROOM.")
@click.argument("room")
@click.argument("node")
@click.argument("dataset", metavar="DATASET|FILE")
@click.option(
    "--header/--no-header",
    "header",
    default=None,
    help="Whether the first line of FILE names the columns of a table. It is compared with them then, and left out.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@trust_option
@json_option
def attach(
    room: str, node: str, dataset: str, header: bool | None, yes: bool, trust_software: bool, as_json: bool
) -> None:
    """Attach a dataset to the data node NODE of ROOM; a file is uploaded first, as `cloister data put` does.

    \b
        cloister data attach "Salaries by team" salaries ./salaries.csv
        cloister data attach "Salaries by team" salaries ./salaries.csv --header

    Shows which computations read it, who gets their results, and the device keys that speak for the participants; on a
    terminal it asks then. Look at the scripts before: cloister room show ROOM --node COMPUTATION
    """
    shown: dict[str, list[str]] = {}
    with session(trust_software=trust_software, check_keys=lambda _, keys: _same(shown, keys)) as opened:
        client = opened.client
        dcr = find.room(client, room)
        there = find.data_node(dcr, node)
        file = _file(client, dataset)
        found = None if file is not None else find.dataset(client, dataset)
        columns = _columns(there, file, header)
        status = dcr.status()
        _check_place(dcr, there.id, status, client.user_email)
        keys = bound_keys(status.keys)
        shown.update({email: keys.get(email, []) for email in dcr.participants()})
        _show(dcr, there.id, keys, file.name if file is not None else str(found and found["name"]))
        if not yes and sys.stdin.isatty() and not click.confirm("Attach it?", err=True):
            raise CloisterError("Nothing was attached, and nothing uploaded.")
        digest = (
            _upload(client, file, None, "", has_header=columns is not None, columns=columns)
            if file is not None
            else str(found and found["id"])
        )
        there.publish_dataset(digest, client.get_dataset_key(digest))
        if as_json:
            document({"room": dcr.id, "node": there.id, "dataset": digest})
        else:
            away = words("cloister", "data", "detach", dcr.id[:8], there.name)
            remark(f"Attached {short(digest)} to {there.name}. To take it away: {away}")
            if isinstance(there, TableDataNode):
                check = words("cloister", "data", "validate", dcr.id[:8], there.name)
                remark(f"Whether it is as the room wants it: {check}")
            tell(digest)


data.add_command(validate)


@data.command(short_help="Take the data of NODE of ROOM away.")
@click.argument("room")
@click.argument("node")
@json_option
@as_user
def detach(session: Session, room: str, node: str, as_json: bool) -> None:
    """Take the data of NODE away from ROOM, with every result that was derived from it. The dataset stays yours.

    \b
        cloister data detach "Salaries by team" salaries

    What others have downloaded by then stays with them.
    """
    dcr = find.room(session.client, room)
    there = find.data_node(dcr, node)
    there.remove_published_dataset()
    if as_json:
        document({"room": dcr.id, "node": there.id, "dataset": None})
    else:
        remark(f"{there.name} has no data any more.")


@data.command(short_help="Delete DATASET.")
@click.argument("dataset")
@click.option("--force", is_flag=True, help="Even while it is attached: computations that read it will fail then.")
@json_option
@as_user
def rm(session: Session, dataset: str, force: bool, as_json: bool) -> None:
    """Delete a dataset of yours: ciphertext, key, and that there was one. Not while a room has it, unless --force.

    \b
        cloister data rm salaries.csv
    """
    found = find.dataset(session.client, dataset)
    session.client.delete_dataset(found["id"], force=force)
    if as_json:
        document({"deleted": found["id"]})
    else:
        remark(f"{plain(found['name'])} ({short(found['id'])}) is deleted.")


def _upload(
    client: Client,
    file: Path,
    name: str | None,
    description: str,
    *,
    has_header: bool = False,
    columns: Sequence[str] | None = None,
) -> str:
    try:
        return client.upload_file(file, name, description=description, has_header=has_header, columns=columns)
    except BadRequestError:
        raise
    except (KeyboardInterrupt, ApiError):
        if not has_header:
            remark("What has arrived is kept for some days: do the same again, and only the rest is sent.")
        raise


def _columns(node: DataNode, file: Path | None, header: bool | None) -> list[str] | None:
    """The names that a header has to have, which is left out; None where there is none to leave out.

    Raises:
        BadRequestError: there can't be one, or it has to be said whether there is; or it is another one.
    """
    if header and (file is None or not isinstance(node, TableDataNode)):
        raise BadRequestError("--header is for a FILE that goes to a table: others are attached as they are.")
    if file is None or header is False or not isinstance(node, TableDataNode):
        return None
    names = [column.name for column in node.columns]
    if header:
        # Before anything is asked or sent.
        with without_header(file, names, what=node.name):
            return names
    if is_header(file, names):
        raise BadRequestError(
            f"{plain(file.name)} begins with the names of the columns of {node.name}. Say --header to leave that line "
            "out, or --no-header where it is data."
        )
    return None


def _file(client: Client, wanted: str) -> Path | None:
    """The file that is meant, or None where it is a dataset.

    Raises:
        BadRequestError: it may be either.
    """
    path = Path(wanted)
    if find.is_digest(wanted) or not path.is_file():
        return None
    if os.sep not in wanted and any(each["name"] == wanted for each in client.get_available_datasets()):
        raise BadRequestError(
            f"There is a dataset {plain(wanted)!r}, and a file. Write ./{plain(wanted)} for the file, which is then "
            "uploaded, or the dataset's hash: `cloister data list` shows it."
        )
    return path


def _check_place(dcr: AnalyticsDcr, node: str, status: RoomStatus, me: str) -> None:
    """What the enclave would say as well, but only after all of the data was uploaded.

    Raises:
        AuthorizationError: the user is not data owner of the node.
        BadRequestError: it has data already, or the room was stopped.
    """
    owners = [entry.user for entry in dcr.definition.participants if node in entry.data_owner_of]
    if me not in owners:
        raise AuthorizationError(f"You may not attach data to {node!r}: that is for {', '.join(owners) or 'nobody'}.")
    if status.stopped:
        raise BadRequestError(f"The room {plain(dcr.name)!r} was stopped: nothing can be attached any more.")
    if any(each.node == node for each in status.attached):
        raise BadRequestError(
            f"{node!r} has data already. Take that away first: cloister data detach {dcr.id[:8]} {node!r}"
        )


def _show(dcr: AnalyticsDcr, node: str, keys: dict[str, list[str]], name: str) -> None:
    remark(f"{plain(name)} is about to go to {node} of {plain(dcr.name)} ({short(dcr.id)}).")
    for each in readers(dcr.definition, node):
        remark(f"  {each['name']} reads it, for {', '.join(each['analysts']) or 'other computations alone'}")
    remark(as_text(dcr.definition, keys))


def _same(shown: dict[str, list[str]], keys: dict[str, list[str]]) -> None:
    """
    Raises:
        IdentityRejected: other keys than those that were shown would see the data.
    """
    if any(set(keys[email]) - set(shown.get(email, ())) for email in keys):
        raise IdentityRejected(
            "Another device key was bound in the room just now. Nothing was attached. Do the same again, and look at "
            "the keys."
        )


def _described(client: Client, digest: str) -> dict[str, Any]:
    found = client.get_dataset(digest)
    assert found is not None
    return found


def _document(dataset: dict[str, Any]) -> dict[str, Any]:
    return {
        "hash": dataset["id"],
        "name": dataset["name"],
        "description": dataset["description"],
        "size": dataset["size"],
        "createdAt": dataset["createdAt"],
    }
