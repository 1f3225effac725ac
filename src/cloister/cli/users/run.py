"""`cloister run` and `cloister cancel`."""

from __future__ import annotations

from typing import Any

import click

from cloister.cli.shown import document, remark, tell, words
from cloister.cli.users import find, jobs
from cloister.cli.users.result import Wanted, report, wanted_options
from cloister.cli.users.session import Session, as_user, json_option
from cloister.cli.users.waiting import timeout_option, wait
from cloister.errors import BadRequestError


@click.command(short_help="Run NODE of ROOM, and fetch its result.")
@click.argument("room")
@click.argument("node")
@click.option("--wait/--no-wait", "waits", default=True, show_default=True, help="Wait for the end, and fetch.")
@wanted_options
@timeout_option
@json_option
@as_user
def run(session: Session, room: str, node: str, waits: bool, timeout: float | None, **given: Any) -> None:
    """Run the computation NODE of ROOM, with all that it needs, and fetch its result: a zip of what it has written.

    \b
        cloister run "Salaries by team" by-team -o teams.zip
        cloister run 3f2a9c10 mean-by-team --csv
        cloister run 3f2a9c10 by-team --no-wait

    What has been computed over the same data already is not computed again. With --no-wait, prints the run's id and
    ends: `cloister result get` waits for it. So it does after Ctrl-C, which doesn't end the run; `cloister cancel`
    does. The exit code is 3 where the computation failed.
    """
    if not waits and (given["csv"] or any(given[name] is not None for name in ("output", "extract", "receipt"))):
        raise click.UsageError("--no-wait fetches nothing: leave it out, or use `cloister result get` later.")
    dcr = find.room(session.client, room)
    there = find.compute_node(dcr, node)
    wanted = Wanted.of(there, **given) if waits else None
    there.run_computation()
    job = str(there.job_id)
    jobs.remember(session, dcr.id, there.id, job)
    if wanted is not None:
        wait(dcr, there, timeout)
        put = wanted.fetch(there)
        report({"room": dcr.id, "node": there.id, "job": job, **put}, as_json=given["as_json"])
    elif given["as_json"]:
        document({"room": dcr.id, "node": there.id, "job": job})
    else:
        remark(f"Started. Its result: {words('cloister', 'result', 'get', dcr.id[:8], there.name)}")
        tell(job)


@click.command(short_help="End the run of NODE of ROOM that you have started.")
@click.argument("room")
@click.argument("node")
@click.option("--job", help="This run, as `cloister run` has shown it.  [default: the last one from this machine]")
@json_option
@as_user
def cancel(session: Session, room: str, node: str, job: str | None, as_json: bool) -> None:
    """End the run that you have started, at once. What others wait for too goes on for them.

    \b
        cloister cancel "Salaries by team" by-team

    No error where it has ended already: its result can be fetched then.
    """
    dcr = find.room(session.client, room)
    there = find.compute_node(dcr, node)
    job = job or jobs.recall(session, dcr.id, there.id)
    if job is None:
        raise BadRequestError(f"No run of {there.name!r} was started from this machine. Name one with --job.")
    there.job_id = job
    there.cancel_computation()
    if as_json:
        document({"room": dcr.id, "node": there.id, "job": job})
    else:
        remark("It is ended, if it had not ended already.")
