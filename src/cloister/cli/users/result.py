"""`cloister result`: what computations have led to."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import click

from cloister.cli.shown import document, remark, size
from cloister.cli.users import find, jobs
from cloister.cli.users.destination import Destination
from cloister.cli.users.extract import check_target, extract
from cloister.cli.users.session import Session, as_user, json_option
from cloister.cli.users.waiting import timeout_option, wait
from cloister.cli.users.written import Counted, Seen
from cloister.errors import BadRequestError
from cloister.sdk.nodes import ComputeNode, TabularComputeNode


@dataclass(frozen=True)
class Wanted:
    """What a user wants of a result, and where."""

    file: Destination | None
    folder: Path | None
    receipt: Destination | None
    csv: bool = False
    """Whether the file is the table in the result, instead of the zip."""

    @classmethod
    def of(
        cls,
        node: ComputeNode,
        *,
        output: str | None,
        extract: Path | None,
        receipt: str | None,
        csv: bool,
        as_json: bool,
    ) -> Wanted:
        """Checked before anything is run for it.

        Raises:
            BadRequestError: something can't be written, or is no table.
        """
        if csv and not isinstance(node, TabularComputeNode):
            raise BadRequestError(f"The result of {node.name!r} is no table but a zip of files. Leave --csv out.")
        if csv and extract is not None:
            raise click.UsageError("--csv writes one file: leave --extract out.")
        if extract is not None:
            check_target(extract)
        name = f"{node.name}.csv" if csv else f"{node.name}.zip"
        if csv and output is None and not as_json:
            output = "-"
        return cls(
            file=None if extract is not None and output is None else Destination.of(output, name, as_json=as_json),
            folder=extract,
            receipt=None if receipt is None else Destination.of(receipt, f"{name}.receipt.json", as_json=as_json),
            csv=csv,
        )

    def fetch(self, node: ComputeNode, *, latest: bool = False) -> dict[str, Any]:
        """Fetches the result and puts it there; what was put where, as JSON values."""
        names: list[str] | None = None
        if self.csv:
            count = self._write_table(node, latest=latest)
        elif self.folder is not None:
            with tempfile.TemporaryFile(prefix="cloister-") as whole:
                count = node.write_results(whole, latest=latest)
                if self.file is not None:
                    with self.file.open() as into:
                        whole.seek(0)
                        into.writelines(iter(lambda: whole.read(1024 * 1024), b""))
                whole.seek(0)
                names = extract(whole, self.folder)
        else:
            assert self.file is not None
            with self.file.open() as into:
                count = node.write_results(into, latest=latest)
        if self.receipt is not None and node.receipt is not None:
            with self.receipt.open() as into:
                into.write(node.receipt)
        return {
            "bytes": count,
            "file": None if self.file is None else self.file.shown,
            "folder": None if self.folder is None else str(self.folder),
            "files": names,
            "receipt": None if self.receipt is None else self.receipt.shown,
        }

    def _write_table(self, node: ComputeNode, *, latest: bool) -> int:
        assert self.file is not None
        assert isinstance(node, TabularComputeNode)
        with self.file.open() as into:
            if self.file.path is None and sys.stdout.isatty():
                seen = Seen(into)
                node.write_table(cast(IO[bytes], seen), latest=latest)
                return seen.count
            counted = Counted(into)
            node.write_table(cast(IO[bytes], counted), latest=latest)
            return counted.count


def wanted_options(function: Callable[..., None]) -> Callable[..., None]:
    """Decorates a command that fetches a result: ``output``, ``extract``, ``receipt``, ``csv``."""
    for option in (
        click.option(
            "--csv",
            is_flag=True,
            help="Of a query or synthetic data: the table alone, as CSV with a header, to standard output without -o.",
        ),
        click.option("--receipt", help="Write the enclave's signed statement about the result (DSSE JSON) here."),
        click.option(
            "--extract", type=click.Path(path_type=Path), help="Unpack the result into this folder, new or empty."
        ),
        click.option("-o", "--output", help="A file or a folder; - is standard output.  [default: NODE.zip, here]"),
    ):
        function = option(function)
    return function


def report(said: dict[str, Any], *, as_json: bool) -> None:
    """Says what was put where."""
    if as_json:
        document(said)
    elif said["folder"] is not None:
        remark(f"{said['folder']}: {len(said['files'])} files.")
    else:
        remark(f"{said['file']}: {size(said['bytes'])}.")


@click.group()
def result() -> None:
    """What computations have led to.

    \b
        cloister result get "Salaries by team" by-team -o teams.zip
    """


@result.command(short_help="Fetch the result of NODE of ROOM.")
@click.argument("room")
@click.argument("node")
@wanted_options
@click.option("--job", help="Of this run, as `cloister run` has shown it.  [default: the last one from this machine]")
@timeout_option
@json_option
@as_user
def get(session: Session, room: str, node: str, job: str | None, timeout: float | None, **given: Any) -> None:
    """Fetch the result of the computation NODE: a zip of what its script has written.

    \b
        cloister result get "Salaries by team" by-team -o teams.zip
        cloister result get 3f2a9c10 by-team --extract teams --receipt teams.json
        cloister result get 3f2a9c10 mean-by-team --csv

    Waits for the run that was started last from this machine. Where none was, takes the result over the data that is
    attached now, whoever has run it. Nothing is written before the receipt was checked. Starts no run: see `cloister
    run`.
    """
    dcr = find.room(session.client, room)
    there = find.compute_node(dcr, node)
    wanted = Wanted.of(there, **given)
    job = job or jobs.recall(session, dcr.id, there.id)
    if job is not None:
        there.job_id = job
        wait(dcr, there, timeout)
    put = wanted.fetch(there, latest=job is None)
    report({"room": dcr.id, "node": there.id, "job": job, **put}, as_json=given["as_json"])
