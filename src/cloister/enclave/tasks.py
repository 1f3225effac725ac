"""What a worker needs for a computation: where and with what it can be run, its inputs and their keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from cloister.enclave.offers import Demand
from cloister.enclave.room import Room
from cloister.enclave.workers import Attempt
from cloister.errors import Refused
from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Record
from cloister.protocol import Task, TaskInput
from cloister.rooms.definition import Definition, ImageReference
from cloister.rooms.nodes import ComputeNode, RawDataNode, RNode
from cloister.rooms.planning import Step, plan


class StoredDataset(Record, frozen=True, kw_only=True):
    """Secret ``dataset/<node>``: what it takes to read a data node's dataset."""

    manifest: Manifest
    key: bytes


class StoredResult(Record, frozen=True, kw_only=True):
    """Secret ``result/<run>``: what it takes to read a result, and its receipt."""

    manifest: Manifest
    key: bytes
    commitment: bytes
    receipt: bytes


def demanded(definition: Definition, node: ComputeNode) -> Demand:
    """What a computation needs of a worker.

    Raises:
        Refused: its image is unknown.
    """
    image = definition.image(node.image)
    if image is None:
        raise Refused("failed", f"The room lists no image {node.image!r}.")
    return Demand(image, frozenset(definition.workers), node.limits)


def inputs_of(room: Room, definition: Definition, step: Step) -> dict[str, TaskInput]:
    """Manifests and keys of the step's dependencies by node; absent optional ones are left out."""
    steps = {each.node.id: each for each in plan(definition, room.id, step.node.id, room.state.attached)}
    if steps[step.node.id].cache_key != step.cache_key:
        raise Refused("conflict", f"The data that {step.node.id!r} reads was changed meanwhile. Run it again.")
    inputs = {}
    for each in step.node.dependencies:
        node = definition.node(each)
        if node is None or (isinstance(node, RawDataNode) and each not in room.state.attached):
            continue
        stored: StoredDataset | StoredResult | None
        if isinstance(node, RawDataNode):
            stored = room.secret(f"dataset/{each}", StoredDataset)
        else:
            run = room.state.results.get(steps[each].cache_key)
            if run is None:
                raise Refused("conflict", f"The result of {node.name!r} was lost meanwhile. Run it again.")
            stored = room.secret(f"result/{run}", StoredResult)
        if stored is None:
            raise Refused("failed", f"The key of {node.name!r} is gone. Remove its data and attach it again.")
        kind: Literal["file", "zip"] = "file" if isinstance(node, RawDataNode) else "zip"
        inputs[each] = TaskInput(mount=node.name, kind=kind, manifest=stored.manifest, key=stored.key)
    return inputs


def make_task(
    room: str, node: ComputeNode, image: ImageReference, inputs: Iterable[TaskInput], attempt: Attempt
) -> Task:
    """All that a worker learns."""
    return Task(
        id=attempt.id,
        room=room,
        kind="r" if isinstance(node, RNode) else "python",
        name=node.name,
        script=node.script,
        files=node.files,
        inputs=tuple(inputs),
        image=image,
        limits=node.limits,
        logs_on_error=node.logs_on_error,
        logs_on_success=node.logs_on_success,
        result=attempt.result,
        result_key=attempt.result_key,
        report_key=attempt.report_key,
    )
