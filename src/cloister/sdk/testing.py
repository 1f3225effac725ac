"""Testing a room before it is published: as a room that nobody but its author is in.

It is a room like any other, in the same enclave, with the same workers, images and limits. It is stopped at the end.
The hub's directory doesn't know of it; only the author's own machine can enter it. So all consoles may be shown.
"""

from __future__ import annotations

import difflib
import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Literal

import msgspec

from cloister.errors import ApiError, BadRequestError, CloisterError, EnclaveError
from cloister.formats.dataset import Manifest
from cloister.protocol import AttachDataset, Done, PublishRoom, ReadStatus, RoomStatus, StopRoom
from cloister.rooms.configuration import Configuration
from cloister.rooms.definition import MAX_TITLE, Participant, read_definition
from cloister.rooms.nodes import DataNode, Node, RawDataNode, RunNode, TableDataNode, dependencies
from cloister.sdk.builder import AnalyticsDcrDefinition
from cloister.sdk.completion import Completion
from cloister.sdk.datasets import Datasets
from cloister.sdk.dcr import check_room
from cloister.sdk.key import Key
from cloister.sdk.link import RoomLink
from cloister.sdk.nodes import RoomContext, ZipComputeNode
from cloister.sdk.progress import RunProgress
from cloister.sdk.report import NodeReport, Outcome, RoomReport
from cloister.sdk.specifications import Accepted
from cloister.sdk.uploads import Data, Transfers

TestData = Data | str
"""Bytes, a path, or an open file."""
_PREFIX = "Test of "
_PARALLEL = 16
"""Computations that are waited for at once; how many are run at once, the enclave says."""
_FINDINGS = 10
"""Of a table that is not as it should be."""
_LOG, _VALIDATION = "container.log", "validation-report.json"


@dataclass(frozen=True)
class NodeProgress:
    """What becomes of one node while a room is tested."""

    node: str
    """Its name."""
    status: Literal["queued", "running"] | Outcome
    waiting_for: str = ""
    """What it waits for while it is queued, in words; empty where that is not known."""


Told = Callable[[NodeProgress], None]
"""Is called at every change, from one thread at a time."""


@dataclass(frozen=True)
class Testing:
    """What a user's client lends to its tests."""

    completion: Completion
    transfers: Transfers
    datasets: Datasets
    link: Callable[[str], RoomLink]
    author: str
    device: str
    """This machine's key (hex)."""

    def test(
        self,
        definition: AnalyticsDcrDefinition,
        only: Accepted | None,
        data: Mapping[str, TestData] | None,
        told: Told | None,
    ) -> RoomReport:
        """Runs everything, and leaves nothing behind. Arguments and errors as `Client.validate_dcr`."""
        given = test_data(definition.configuration, data or {})
        unresolved = [node.id for node in definition.unresolved]
        complete = self.completion.complete(_trial(definition, self.author, self.device), only)
        read_definition(complete.canonical(), room=complete.id())
        link = self.link(complete.id())
        check_room(complete, link, only)
        # Nothing of it shall outlive the test: neither keys for datasets in the vault, nor notes of uploads.
        transfers = replace(self.transfers, records=None)
        context = RoomContext(complete, link, transfers, self.datasets, lambda _room, _keys: None)
        run = _Run(context, told)
        try:
            link.ask(PublishRoom(definition=complete.canonical()), Done)
            for node in complete.nodes:
                if isinstance(node, DataNode):
                    run.attach(node, given.get(node.id, b""))
            found = run.all()
        finally:
            run.clean_up()
        return RoomReport(
            title=definition.name,
            digest=definition.digest,
            images=complete.images,
            locks={node.id: getattr(node, "lock", ()) for node in complete.nodes if node.id in unresolved},
            nodes=tuple(found[node.id] for node in complete.nodes if node.id in found),
            empty=tuple(node.name for node in complete.nodes if isinstance(node, DataNode) and node.id not in given),
        )


class _Run:
    """One test, from its published room on."""

    def __init__(self, context: RoomContext, told: Told | None) -> None:
        self._context = context
        self._told = told
        self._telling = threading.Lock()
        self._blobs: list[str] = []
        self._stopped = False

    def attach(self, node: DataNode, data: TestData) -> None:
        """Uploads test data with a key that is forgotten, and attaches it."""
        key, context = Key(), self._context
        source = Path(data) if isinstance(data, str) else data
        manifest: Manifest = context.transfers.upload(source, key, node.name)
        self._blobs.append(manifest.dataset)
        shown = context.link.ask(ReadStatus(), RoomStatus).trusted.keys.signing
        attach = AttachDataset(
            node=node.id,
            manifest=manifest,
            key=key.material,
            request=os.urandom(32).hex(),
            readers=(context.link.identity.device_key.hex(),),
        )
        context.link.ask(attach, Done, signing=shown)

    def all(self) -> dict[str, NodeReport]:
        """Runs everything, each after what it needs; what became of it, by ids."""
        by_id = {node.id: node for node in self._context.definition.nodes}
        order: TopologicalSorter[str] = TopologicalSorter({each: dependencies(node) for each, node in by_id.items()})
        order.prepare()
        found: dict[str, NodeReport] = {}
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="test") as pool:
            running: dict[Future[NodeReport], str] = {}
            try:
                while order.is_active():
                    for each in order.get_ready():
                        node = by_id[each]
                        if isinstance(node, RawDataNode):
                            order.done(each)
                        elif blocker := _blocker(node, found):
                            found[each] = _report(node, "skipped", needs=blocker)
                            self._tell(NodeProgress(node.name, "skipped"))
                            order.done(each)
                        else:
                            running[pool.submit(self._one, node)] = each
                    for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                        each = running.pop(future)
                        found[each] = future.result()
                        self._tell(NodeProgress(found[each].name, found[each].outcome))
                        order.done(each)
            except BaseException:
                # Those that wait are woken by that: otherwise leaving the block would wait for them.
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
                raise
        return found

    def clean_up(self) -> None:
        """Ends the room, with all that it has, and deletes what was uploaded."""
        if not self._stopped:
            self._stop()
        transfers = self._context.transfers
        for blob in self._blobs:
            try:
                transfers.patience.run(lambda blob=blob: transfers.hub.delete_blob(blob))  # type: ignore[misc]
            except ApiError as error:
                warnings.warn(f"Encrypted test data could not be deleted from the hub: {error}", stacklevel=4)

    def _stop(self) -> None:
        self._stopped = True
        try:
            self._context.link.ask(StopRoom(), Done)
        except CloisterError as error:
            room = self._context.link.room
            warnings.warn(f"The test could not be ended ({error}). End it: cloister room stop {room}", stacklevel=5)

    def _one(self, node: RunNode) -> NodeReport:
        """Runs a node whose dependencies have passed."""
        there = ZipComputeNode(self._context, node)
        began = time.monotonic()

        def progressed(progress: RunProgress) -> None:
            nonlocal began
            if progress.node == node.id and progress.status != "finished":
                if progress.status == "running":
                    began = time.monotonic()
                self._tell(NodeProgress(node.name, progress.status, progress.waiting_for))

        try:
            there.run_computation()
            there.wait_for_run(told=progressed)
            seconds = round(time.monotonic() - began, 3)
            # What was fetched of previews would count, and what queries have found says nothing about them.
            if isinstance(node, TableDataNode):
                return _validated(node, there, seconds)
            if not hasattr(node, "logs_on_success"):
                return _report(node, "passed", seconds=seconds)
            with there.get_results_as_zip() as archive:
                names = [each for each in archive.namelist() if not each.endswith("/")]
                console = archive.read(_LOG).decode(errors="replace") if _LOG in names else ""
            files = tuple(each for each in names if each != _LOG)
            return _report(node, "passed", seconds=seconds, console=console, files=files)
        except (EnclaveError, BadRequestError) as error:
            return _report(node, "failed", seconds=round(time.monotonic() - began, 3), error=str(error))

    def _tell(self, progress: NodeProgress) -> None:
        if self._told is not None:
            with self._telling:
                self._told(progress)


def test_data(configuration: Configuration, data: Mapping[str, TestData]) -> dict[str, TestData]:
    """Test data by the ids of data nodes.

    Args:
        data: by ids or names.

    Raises:
        BadRequestError: there is no such data node, or one is named twice.
    """
    nodes = [node for node in configuration.nodes if isinstance(node, DataNode)]
    known = {**{node.name: node.id for node in nodes}, **{node.id: node.id for node in nodes}}
    found: dict[str, TestData] = {}
    for name, source in data.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(sorted(known)) or 'none'}."
            raise BadRequestError(f"There is test data for {str(name)[:64]!a}, which is no data node.{hint}")
        if known[name] in found:
            raise BadRequestError(f"There is test data for {name!r} twice, by its name and by its id. Give it once.")
        found[known[name]] = source
    return found


def _trial(definition: AnalyticsDcrDefinition, author: str, device: str) -> AnalyticsDcrDefinition:
    """The room that is tested: the same computations, for its author alone, with all consoles shown."""
    written = definition.configuration
    participant = Participant(
        user=author,
        data_owner_of=tuple(node.id for node in written.nodes if isinstance(node, DataNode)),
        analyst_of=tuple(node.id for node in written.nodes if not isinstance(node, DataNode)),
        keys=(device,),
    )
    trial = msgspec.structs.replace(
        written,
        title=f"{_PREFIX}{written.title}"[:MAX_TITLE],
        owner=author,
        participants=(participant,),
        # Nobody comes in by the hub's word: test data may be somebody's after all.
        pins_required=True,
        nodes=tuple(_shown(node) for node in written.nodes),
    )
    return AnalyticsDcrDefinition.of(trial, enclave_specs=definition.enclave_specs)


def _shown(node: Node) -> Node:
    """The same with its console shown, if it has one."""
    if not hasattr(node, "logs_on_success"):
        return node
    return msgspec.structs.replace(node, logs_on_error=True, logs_on_success=True)


def _blocker(node: Node, found: Mapping[str, NodeReport]) -> str:
    """The name of what has failed and what ``node`` can't do without, if anything."""
    for each in dependencies(node):
        report = found.get(each)
        if report is not None and report.outcome != "passed":
            return report.needs or report.name
    return ""


def _validated(node: TableDataNode, there: ZipComputeNode, seconds: float) -> NodeReport:
    with there.get_results_as_zip() as archive:
        try:
            validation = dict(json.loads(archive.read(_VALIDATION)))
            passed = validation["report"]["outcome"] == "PASSED"
        except (KeyError, TypeError, ValueError):
            raise EnclaveError(f"The validation of {node.name!r} has no report. Tell the operator.") from None
    if passed:
        return _report(node, "passed", seconds=seconds, validation=validation)
    error = "\n".join([f"The data is not what the table {node.name!r} takes.", *_findings(validation["report"])])
    return _report(node, "failed", seconds=seconds, validation=validation, error=error)


def _findings(report: Mapping[str, Any]) -> Iterator[str]:
    """The first of what a validation has found; rows and columns count from 0, as in the report itself."""
    found = [
        each
        for part in (*(report.get(each) for each in ("table", "schema", "uniqueness")), *(report.get("columns") or ()))
        for each in (part or {}).get("recordedErrors") or ()
    ]
    for each in found[:_FINDINGS]:
        place = each.get("location") or {}
        where = ", ".join(f"{name} {place[name]}" for name in ("row", "column") if place.get(name) is not None)
        yield f"{each.get('code')}{f' ({where})' if where else ''}: {each.get('message')}"
    if len(found) > _FINDINGS:
        yield f"... and {len(found) - _FINDINGS} more: see the report."


def _report(node: RunNode | Node, outcome: Outcome, **more: object) -> NodeReport:
    kind = str(node.__struct_config__.tag)
    return NodeReport(node=node.id, name=node.name, kind=kind, outcome=outcome, **more)  # type: ignore[arg-type]
