"""What testing a room has shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from cloister.errors import BadRequestError
from cloister.formats.encoding import Hex32, Record
from cloister.rooms.definition import Definition, ImageReference
from cloister.rooms.environments import Lock

Outcome = Literal["passed", "failed", "skipped"]


class NodeReport(Record, frozen=True, kw_only=True):
    """What became of one computation, or of the validation of one table."""

    node: str
    """Its id."""
    name: str
    kind: str
    """As definitions name it: ``python``, ``sql``, ``table_data``, ..."""
    outcome: Outcome
    seconds: float | UnsetType = UNSET
    """From when a worker took it up to its end; of what was not skipped."""
    error: str = ""
    """Of what has failed: where and why, with the console of what has one."""
    needs: str = ""
    """Of what was skipped: the name of what has failed, directly or by way of others."""
    console: str = ""
    """Of what has passed, where it has one."""
    files: tuple[str, ...] = ()
    """What its result holds, where that was fetched."""
    validation: dict[str, Any] | UnsetType = UNSET
    """Of a table: what was found, as ``get_validation_report_as_dict`` says it."""


class RoomReport(Record, frozen=True, kw_only=True):
    """What became of a whole room, tested with the data that its author gave. `str` of it is for people."""

    version: Literal[1] = 1
    title: str
    digest: Hex32
    """Of what was tested, as `AnalyticsDcrDefinition.digest` shows it."""
    images: tuple[ImageReference, ...]
    """That it was tested in."""
    locks: dict[str, Lock]
    """What the requirements of its environments were resolved to, by their ids."""
    nodes: tuple[NodeReport, ...]
    """Tables and computations, in the order of the definition."""
    empty: tuple[str, ...] = ()
    """Names of the data nodes that there was no test data for: they were empty."""

    @property
    def passed(self) -> bool:
        """Whether all of it has."""
        return all(node.outcome == "passed" for node in self.nodes)

    def node(self, name: str) -> NodeReport | None:
        """What became of the node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def check(self, digest: str, complete: Definition | None = None) -> None:
        """Checks that what is about to be published is what was tested, and has passed.

        Args:
            digest: of what is to be published.
            complete: the same with what the enclave and the hub add, where that is known.

        Raises:
            BadRequestError: it isn't.
        """
        if digest != self.digest:
            raise BadRequestError("The room was changed since it was tested. Test it again, then publish it.")
        if not self.passed:
            names = ", ".join(repr(node.name) for node in self.nodes if node.outcome == "failed")
            raise BadRequestError(f"The room has not passed its test: {names} failed. Mend that, and test it again.")
        for image in () if complete is None else complete.images:
            if image not in self.images:
                raise BadRequestError(
                    f"The workers offer another image {image.name!r} than the room was tested in. Test it again."
                )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counts = [(sum(node.outcome == kind for node in self.nodes), kind) for kind in ("passed", "failed", "skipped")]
        told = ", ".join(f"{count} {kind}" for count, kind in counts if count) or "nothing to run"
        yield f"Test of {self.title!r}: {told}."
        width = max((len(node.name) for node in self.nodes), default=0)
        for node in self.nodes:
            after = f"needs {node.needs}" if node.needs else ""
            if node.seconds is not UNSET:
                after = f"{node.seconds:.1f} s"
            yield f"  {node.outcome:<7}  {node.name:<{width}}  {after}".rstrip()
            if node.error:
                yield textwrap.indent(node.error.strip("\n"), " " * 11)
        if self.empty:
            yield f"No test data was given for {', '.join(self.empty)}: what reads that has found it empty."
            if not self.passed:
                yield "Scripts may fail on that. To test them with made-up data, give some."


def without_consoles(report: RoomReport) -> RoomReport:
    """The same, to be kept: what scripts have printed is not."""
    nodes = tuple(
        NodeReport(node=node.node, name=node.name, kind=node.kind, outcome=node.outcome, seconds=node.seconds)
        for node in report.nodes
    )
    return RoomReport(
        title=report.title,
        digest=report.digest,
        images=report.images,
        locks=report.locks,
        nodes=nodes,
        empty=report.empty,
    )
