"""What a worker needs for a computation: where and with what it can be run, its inputs and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from msgspec import UNSET

from cloister.enclave.offers import Demand
from cloister.enclave.orders import Attempt
from cloister.enclave.room import Room
from cloister.errors import LogTampered, Refused
from cloister.formats.dataset import Manifest
from cloister.formats.encoding import Record
from cloister.protocol import Task, TaskEnvironment, TaskInput
from cloister.rooms.definition import Definition
from cloister.rooms.limits import most
from cloister.rooms.nodes import (
    DataNode,
    MatchNode,
    ProgramNode,
    PythonEnvironmentNode,
    RawDataNode,
    RNode,
    RunNode,
    TableDataNode,
    TextFile,
    environment_of,
    mounted,
    sources,
)
from cloister.rooms.planning import Step, plan
from cloister.rooms.programs import CONFIG_NAME, program_of
from cloister.rooms.state import Run


class StoredDataset(Record, frozen=True, kw_only=True):
    """Secret ``dataset/<node>``: what it takes to read a data node's dataset."""

    manifest: Manifest
    key: bytes


class Withheld(Record, frozen=True, kw_only=True):
    """Secret ``withheld/<run>``: what it takes to read what a run has made for later computations alone."""

    manifest: Manifest
    key: bytes


class StoredResult(Record, frozen=True, kw_only=True):
    """Secret ``result/<run>``: what it takes to read a result, and its receipt."""

    manifest: Manifest
    key: bytes
    commitment: bytes
    receipt: bytes


S = TypeVar("S", StoredDataset, StoredResult, Withheld)


def dataset_of(room: Room, node: str) -> StoredDataset | None:
    """What it takes to read the dataset that is attached to a data node; None where its key is gone.

    Raises:
        LogTampered: the store has that of another one, as of before it was replaced.
    """
    return _as_logged(room.secret(f"dataset/{node}", StoredDataset), room.state.attached.get(node))


def result_of(room: Room, run: Run) -> StoredResult | None:
    """What it takes to read a run's result; as `dataset_of`."""
    return _as_logged(room.secret(f"result/{run.id}", StoredResult), run.manifest)


def withheld_of(room: Room, run: Run) -> Withheld | None:
    """What it takes to read what a run has made for later computations alone; as `dataset_of`."""
    return _as_logged(room.secret(f"withheld/{run.id}", Withheld), run.withheld)


def _as_logged(stored: S | None, digest: str | None) -> S | None:
    """A secret is sealed to its room and its name, and names are used again: which one it is, only the log says."""
    if stored is not None and stored.manifest.digest() != digest:
        raise LogTampered(
            "What the enclave has stored of this room was changed: a secret is not the one that its log tells of. Ask "
            "the operator to restore the store."
        )
    return stored


def demanded(definition: Definition, node: RunNode) -> Demand:
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
    """Manifests and keys of the step's dependencies by node; absent optional ones are left out.

    Raises:
        Refused: they aren't those that the step was planned with, or their keys are gone.
        LogTampered: as `dataset_of`.
    """
    steps = {each.node.id: each for each in plan(definition, room.id, step.node.id, room.state.attached)}
    if steps[step.node.id].cache_key != step.cache_key:
        raise Refused("conflict", f"The data that {step.node.id!r} reads was changed meanwhile. Run it again.")
    inputs = {}
    for each in sources(step.node):
        node = definition.node(each)
        if node is None or (isinstance(node, DataNode) and each not in room.state.attached):
            continue
        stored: StoredDataset | StoredResult | Withheld | None
        kind: Literal["file", "zip", "table"] = "file"
        if isinstance(node, RawDataNode) or each == step.node.id:
            stored = dataset_of(room, each)
        else:
            kind = "table" if isinstance(node, TableDataNode) else "zip"
            run = room.state.results.get(steps[each].cache_key)
            if run is None:
                raise Refused("conflict", f"The result of {node.name!r} was lost meanwhile. Run it again.")
            of = withheld_of if isinstance(node, MatchNode) else result_of
            stored = of(room, room.state.runs[run])
        if stored is None:
            raise Refused("failed", f"The key of {node.name!r} is gone. Remove its data and attach it again.")
        inputs[each] = TaskInput(mount=node.name, kind=kind, manifest=stored.manifest, key=stored.key)
    return inputs


def make_task(
    room: str, definition: Definition, node: RunNode, inputs: Mapping[str, TaskInput], attempt: Attempt
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
        "logs_on_error": getattr(node, "logs_on_error", False),
        "logs_on_success": getattr(node, "logs_on_success", False),
        "result": attempt.result,
        "result_key": attempt.result_key,
        "report_key": attempt.report_key,
    }
    if isinstance(node, PythonEnvironmentNode):
        packages = _packages(node)
        return Task(**common, kind="python_environment", script="", files=(), inputs=(), environment=packages)
    found = tuple(inputs[each] for each in mounted(node) if each in inputs)
    if isinstance(node, ProgramNode):
        program = program_of(definition, node)
        return Task(
            **common,
            kind="program",
            script=program.script,
            files=(TextFile(name=CONFIG_NAME, content=program.config_text),),
            inputs=found,
            withheld=attempt.withheld if isinstance(node, MatchNode) else UNSET,
        )
    environment = _environment(definition, node)
    return Task(
        **common,
        kind="r" if isinstance(node, RNode) else "python",
        script=node.script,
        files=node.files,
        inputs=found,
        environment=UNSET if environment is None else _packages(environment),
    )


def _environment(definition: Definition, node: RunNode) -> PythonEnvironmentNode | None:
    wanted = environment_of(node)
    found = None if wanted is None else definition.node(wanted)
    return found if isinstance(found, PythonEnvironmentNode) else None


def _packages(node: PythonEnvironmentNode) -> TaskEnvironment:
    return TaskEnvironment(requirements=node.requirements, lock=node.lock, limits=node.limits)
