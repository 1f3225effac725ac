"""What a worker needs for a computation: where and with what it can be run, its inputs and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import UNSET

from cloister.enclave.offers import Demand
from cloister.enclave.room import Room
from cloister.enclave.workers import Attempt
from cloister.errors import Refused
from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Record
from cloister.protocol import Task, TaskEnvironment, TaskInput
from cloister.rooms.definition import Definition
from cloister.rooms.limits import most
from cloister.rooms.nodes import (
    ComputeNode,
    PythonEnvironmentNode,
    RawDataNode,
    RNode,
    dependencies,
    environment_of,
)
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
    environment = _environment(definition, node)
    # Whoever runs a script may have to install what it brings along first.
    limits = node.limits if environment is None else most(node.limits, environment.limits)
    return Demand(image, frozenset(definition.workers), limits)


def inputs_of(room: Room, definition: Definition, step: Step) -> dict[str, TaskInput]:
    """Manifests and keys of the step's dependencies by node; absent optional ones are left out."""
    steps = {each.node.id: each for each in plan(definition, room.id, step.node.id, room.state.attached)}
    if steps[step.node.id].cache_key != step.cache_key:
        raise Refused("conflict", f"The data that {step.node.id!r} reads was changed meanwhile. Run it again.")
    inputs = {}
    for each in dependencies(step.node):
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
    room: str, definition: Definition, node: ComputeNode, inputs: Mapping[str, TaskInput], attempt: Attempt
) -> Task:
    """All that a worker learns.

    Args:
        inputs: by node; see `inputs_of`. What a computation needs and doesn't read is no part of the task.
    """
    common: dict[str, Any] = {
        "id": attempt.id,
        "room": room,
        "name": node.name,
        "image": demanded(definition, node).image,
        "limits": node.limits,
        "result": attempt.result,
        "result_key": attempt.result_key,
        "report_key": attempt.report_key,
    }
    if isinstance(node, PythonEnvironmentNode):
        nothing: dict[str, Any] = {
            "script": "",
            "files": (),
            "inputs": (),
            "logs_on_error": False,
            "logs_on_success": False,
        }
        return Task(**common, **nothing, kind="python_environment", environment=_packages(node))
    environment = _environment(definition, node)
    return Task(
        **common,
        kind="r" if isinstance(node, RNode) else "python",
        script=node.script,
        files=node.files,
        inputs=tuple(inputs[each] for each in node.dependencies if each in inputs),
        logs_on_error=node.logs_on_error,
        logs_on_success=node.logs_on_success,
        environment=UNSET if environment is None else _packages(environment),
    )


def _environment(definition: Definition, node: ComputeNode) -> PythonEnvironmentNode | None:
    wanted = environment_of(node)
    found = None if wanted is None else definition.node(wanted)
    return found if isinstance(found, PythonEnvironmentNode) else None


def _packages(node: PythonEnvironmentNode) -> TaskEnvironment:
    return TaskEnvironment(requirements=node.requirements, lock=node.lock, limits=node.limits)
