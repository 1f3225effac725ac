"""`cloister data validate`: whether an attached table is as the room wants it, and what is wrong where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from cloister.cli import FAILED
from cloister.cli.shown import document, plain, size, table, tell
from cloister.cli.users import find
from cloister.cli.users.session import Session, as_user, json_option
from cloister.cli.users.waiting import timeout_option, wait

_SHOWN = 10
"""Errors that are shown one by one, of each column and of rows as a whole."""


@click.command(short_help="Check the table that is attached to NODE of ROOM.")
@click.argument("room")
@click.argument("node")
@timeout_option
@json_option
@as_user
def validate(session: Session, room: str, node: str, timeout: float | None, as_json: bool) -> None:
    """Check the table that is attached to NODE of ROOM, and show the report: how many rows are invalid, and the first
    errors of each column. Rows count from 1, blank lines not at all; values are not shown.

    \b
        cloister data validate "Salaries by team" salaries
        cloister data validate 3f2a9c10 salaries --json

    For data owners of the node. The check runs in the enclave's worker, where computations would run it as well; what
    was checked already is not checked again. --json prints the whole report, where rows and columns count from 0. The
    exit code is 3 where the table is invalid: no computation reads it then.
    """
    dcr = find.room(session.client, room)
    there = find.table_node(dcr, node)
    there.validation.run_computation()
    wait(dcr, there.validation, timeout, again=("data", "validate"))
    report = there.get_validation_report_as_dict()
    if as_json:
        document(report)
    else:
        tell("\n".join(lines(there.name, [column.name for column in there.columns], report["report"])))
    if report["report"].get("outcome") != "PASSED":
        raise click.exceptions.Exit(FAILED)


def lines(name: str, columns: Sequence[str], report: Mapping[str, Any]) -> Iterator[str]:
    """A report for a person to read."""
    rows, invalid = report["numRowsTotal"], report["numInvalidRowsTotal"]
    outcome = "valid" if report["outcome"] == "PASSED" else "INVALID: no computation reads it"
    yield f"{name} is {outcome}."
    yield f"  file   {plain(str(report['detectedFileType']))}, {size(report['originalFileSizeBytes'])}"
    yield f"  rows   {rows}, of which {invalid} {'is' if invalid == 1 else 'are'} invalid"
    if "dropInvalidRows" in report:
        yield f"         {report['dropInvalidRows']['numInvalidRowsDropped']} were left out"
    for code, count in sorted(report["numInvalidRowsByErrorCode"].items()):
        yield f"  {count} with {code}"
    places = [
        ("file", "the file", report["table"]),
        ("row", "rows as a whole", report["schema"]),
        ("row", "rows that have to be unique", report.get("uniqueness", {})),
        *(("row", f"column {columns[each['column']]}", each) for each in report["columns"]),
    ]
    for kind, where, errors in places:
        if errors.get("numErrorsTotal"):
            yield ""
            yield from _errors(kind, where, errors)


def _errors(kind: str, where: str, errors: Mapping[str, Any]) -> Iterator[str]:
    total, recorded = errors["numErrorsTotal"], errors["recordedErrors"]
    yield f"In {plain(where)}: {total} error{'' if total == 1 else 's'}"
    if kind == "file":
        for each in recorded[:_SHOWN]:
            yield f"  {each['code']}: {plain(each['message'])}"
        return
    found = [(str(each["location"]["row"] + 1), each["code"], each["message"]) for each in recorded[:_SHOWN]]
    yield table(("ROW", "ERROR", "WHAT"), found, indent="  ")
    if total > len(found):
        yield f"  and {total - len(found)} more; --json lists {len(recorded)} of them"
