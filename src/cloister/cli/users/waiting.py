"""Waiting for a run: what becomes of it, as it happens. Whoever stops waiting doesn't stop the run."""

from __future__ import annotations

import click

from cloister.cli.shown import plain, remark, words
from cloister.errors import TimedOut
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.nodes import ComputeNode
from cloister.sdk.progress import RunProgress

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait; the run goes on then.  [default: as long as it takes]",
)


def wait(
    dcr: AnalyticsDcr, node: ComputeNode, timeout: float | None, *, again: tuple[str, ...] = ("result", "get")
) -> None:
    """Waits for the run that the node's ``job_id`` names, and says on standard error what becomes of it.

    Args:
        again: the command that waits for it again.

    Raises:
        TimedOut, KeyboardInterrupt: it goes on, and it was said how to get at it.
        EnclaveError, BadRequestError: it has ended without a result.
    """
    names = {each.id: each.name for each in dcr.node_definitions}

    def told(progress: RunProgress) -> None:
        waiting = f": waits for {plain(progress.waiting_for)}" if progress.waiting_for else ""
        remark(f"  {plain(names.get(progress.node, progress.node))} {progress.status}{waiting}")

    try:
        node.wait_for_run(timeout, told)
    except (KeyboardInterrupt, TimedOut):
        remark(f"The run goes on. To wait for it again: {words('cloister', *again, dcr.id[:8], node.name)}")
        if again == ("result", "get"):
            remark(f"To end it:               {words('cloister', 'cancel', dcr.id[:8], node.name)}")
        raise
