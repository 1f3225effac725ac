"""`cloister room test`, `publish`, `diff` and `export`: rooms as files."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import UNSET

from cloister.cli import FAILED
from cloister.cli.shown import document, plain, remark, short, tell, words
from cloister.cli.users import find, tested
from cloister.cli.users.destination import Destination
from cloister.cli.users.session import Session, as_user, json_option, session, trust_option
from cloister.errors import BadRequestError, CloisterError
from cloister.rooms.configuration import Configuration, configuration_of, read_configuration, write_configuration
from cloister.sdk.builder import AnalyticsDcrDefinition
from cloister.sdk.files import changes, read_folder, readable, write_folder
from cloister.sdk.report import RoomReport
from cloister.sdk.testing import NodeProgress, TestData, test_data

DIFFERENT = 1
"""Exit code, as of `diff`."""
_ANYBODY = "whoever@publishes-it.invalid"
"""The owner of a folder that names none, where nobody has to be logged in."""
_folder = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.command(short_help="Run all of the room in FOLDER, before it is published.")
@_folder
@click.option("--data", multiple=True, metavar="NODE=FILE", help="Test data for a data node. May be given repeatedly.")
@click.option("--console", is_flag=True, help="Show also what scripts that have passed have printed.")
@json_option
@as_user
def test(session: Session, folder: Path, data: tuple[str, ...], console: bool, as_json: bool) -> None:
    """Run all of the room that FOLDER holds, in the very same containers, before it is published.

    \b
        cloister room test examples/two-hospitals
        cloister room test . --data patients=made-up.csv

    The test is a room that only you are in, so every console can be shown. It runs on the test data that room.yaml
    names, and on empty files where it names none; never name anybody's real data. Nothing is left of it.

    `cloister room publish` publishes what has passed. The exit code is 3 where something has not.
    """
    found = read_folder(folder, lambda: session.client.user_email)
    given: dict[str, TestData] = dict(found.test_data)
    given.update(test_data(found.definition.configuration, _pairs(data)))
    report = session.client.validate_dcr(found.definition, given, told=None if as_json else _told)
    tested.remember(session, folder, report=report)
    if as_json:
        document({**msgspec.to_builtins(report), "passed": report.passed})
    else:
        tell(plain(str(report), keep="\n\t"))
        _show_consoles(report if console else None)
        if report.passed:
            remark(f"Publish it: {words('cloister', 'room', 'publish', str(folder))}")
    if not report.passed:
        sys.exit(FAILED)


@click.command(short_help="Publish the room in FOLDER, once it was tested.")
@_folder
@click.option("--untested", is_flag=True, help="Publish it as it is, whether it works or not.")
@json_option
@as_user
def publish(session: Session, folder: Path, untested: bool, as_json: bool) -> None:
    """Publish the room that FOLDER holds, and print its id. Nothing in it can be changed afterwards.

    \b
        cloister room test two-hospitals
        cloister room publish two-hospitals

    What was not tested from this machine, has not passed, or was changed since, isn't published; nor is what would run
    in other images than it was tested in. Its environments get the very packages that were tested.
    """
    found = read_folder(folder, lambda: session.client.user_email)
    report: RoomReport | None = None
    if not untested:
        kept = tested.recall(session, folder)
        if kept.report is UNSET:
            raise BadRequestError(
                f"The room in {folder} was not tested. Test it: {words('cloister', 'room', 'test', str(folder))}. Or "
                "publish it as it is, with --untested."
            )
        report = kept.report
    dcr = session.client.publish_analytics_dcr(found.definition, tested=report)
    tested.remember(session, folder, room=dcr.id)
    if as_json:
        document({"id": dcr.id, "title": dcr.name, "digest": found.definition.digest})
    else:
        remark(f"Published: {plain(dcr.name)}. See it: {words('cloister', 'room', 'show', short(dcr.id))}")
        tell(dcr.id)


@click.command(short_help="Show how the room in FOLDER differs from another.")
@_folder
@click.argument("other", required=False)
@trust_option
@json_option
def diff(folder: Path, other: str | None, trust_software: bool, as_json: bool) -> None:
    """Show how the room in FOLDER differs from OTHER: a published room, an exported JSON file, or another folder.
    Without OTHER, from the room that was published last from this folder.

    \b
        cloister room diff two-hospitals
        cloister room diff two-hospitals "Length of stay"
        cloister room diff two-hospitals exported.json

    The exit code is 1 where they differ. Packages that were looked up when a room was published are no difference.
    """
    with _Sources(trust_software) as sources:
        before = sources.published(folder) if other is None else sources.any(other, lambda: _ANYBODY)
        after = sources.folder(folder, lambda: _ANYBODY)
        # A folder that doesn't say who publishes it is no different for that.
        if after.owner == _ANYBODY:
            after = sources.folder(folder, lambda: before.owner)
        elif before.owner == _ANYBODY and other is not None:
            before = sources.any(other, lambda: after.owner)
    found = changes(before, after)
    if as_json:
        document({"same": not found, "changes": msgspec.to_builtins(found)})
    else:
        for line in readable(found):
            tell(plain(line, keep="\t"))
        if not found:
            remark("They are the same.")
    if found:
        sys.exit(DIFFERENT)


@click.command(short_help="Write ROOM, or the room in FOLDER, to files.")
@click.argument("source", metavar="ROOM|FOLDER")
@click.option(
    "--to", type=click.Path(path_type=Path), help="Write room.yaml and scripts into this folder, new or empty."
)
@click.option("--json", "json_file", metavar="FILE", help="Write the configuration as JSON; - is standard output.")
@trust_option
def export(source: str, to: Path | None, json_file: str | None, trust_software: bool) -> None:
    """Write a room to files: a published one, the one in a folder, or one that was exported as JSON. Without --to and
    --json, prints its configuration as JSON.

    \b
        cloister room export "Length of stay" --to length-of-stay
        cloister room export two-hospitals --json two-hospitals.json

    All that its author has written is there, and nothing else: no data, no results, no log. What is written can be
    changed, tested and published as a room of its own.
    """
    if to is not None and json_file is not None:
        raise click.UsageError("Say --to or --json, not both.")
    with _Sources(trust_software) as sources:
        configuration = sources.any(source)
        if to is not None:
            files = write_folder(configuration, to)
            remark(f"{to}: {len(files)} files.")
            return
        with Destination.of(json_file or "-", "room.json").open() as into:
            into.write(write_configuration(configuration).encode())


class _Sources:
    """Where rooms come from. Nobody has to be logged in for files that say who the owner is."""

    def __init__(self, trust_software: bool) -> None:
        self._stack = ExitStack()
        self._session = functools.cache(
            lambda: self._stack.enter_context(session(trust_software=trust_software)),
        )

    def __enter__(self) -> _Sources:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._stack.close()
        if isinstance(error, OSError) and not isinstance(error, CloisterError | BrokenPipeError):
            raise CloisterError(f"{error.filename or 'A file'}: {error.strerror or error}.") from None

    def folder(self, folder: Path, owner: Callable[[], str] | None = None) -> Configuration:
        """The room in a folder. ``owner``: as `read_folder`; without it, who is logged in."""
        return read_folder(folder, owner or (lambda: self._session().client.user_email)).definition.configuration

    def published(self, folder: Path) -> Configuration:
        """The room that was published last from a folder."""
        kept = tested.recall(self._session(), folder)
        if kept.room is UNSET:
            raise BadRequestError(f"No room was published from {folder} on this machine. Name the one to compare with.")
        return self._room(kept.room)

    def any(self, source: str, owner: Callable[[], str] | None = None) -> Configuration:
        """A folder, a file, or a published room. ``owner``: as `folder`."""
        path = Path(source)
        if path.is_dir():
            return self.folder(path, owner)
        if path.is_file():
            return AnalyticsDcrDefinition.of(read_configuration(path.read_bytes())).configuration
        return self._room(source)

    def _room(self, wanted: str) -> Configuration:
        return configuration_of(find.room(self._session().client, wanted).definition)


def _pairs(data: tuple[str, ...]) -> dict[str, TestData]:
    found: dict[str, TestData] = {}
    for each in data:
        node, equals, file = each.partition("=")
        if not equals or not Path(file).is_file():
            raise click.UsageError(f"--data takes NODE=FILE, and {each!r} names no file.")
        found[node] = Path(file)
    return found


def _told(progress: NodeProgress) -> None:
    waiting = f": waits for {plain(progress.waiting_for)}" if progress.waiting_for else ""
    remark(f"  {plain(progress.node)} {progress.status}{waiting}")


def _show_consoles(report: RoomReport | None) -> None:
    for node in report.nodes if report is not None else ():
        if node.console:
            tell(f"\n{plain(node.name)} has printed:")
            for line in plain(node.console, keep="\n\t").splitlines():
                tell(f"    {line}".rstrip())


COMMANDS: tuple[click.Command, ...] = (test, publish, diff, export)
"""Of `cloister room`."""
