"""Which computations a request needs, in which order, and which of them are already answered."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cloister.errors import Refused
from cloister.formats.encoding import canonical, pack, sha256
from cloister.formats.receipt import Input
from cloister.rooms.definition import Definition
from cloister.rooms.graph import topological_order
from cloister.rooms.nodes import (
    DataNode,
    MatchNode,
    Node,
    PythonEnvironmentNode,
    RawDataNode,
    RunNode,
    ScriptNode,
    SqliteNode,
    SqlNode,
    SyntheticNode,
    TableDataNode,
    dependencies,
    sources,
)

_SMALL = 8 * 1024
"""Characters of scripts and files in a node whose digest is remembered."""


@dataclass(frozen=True)
class Step:
    """One computation of a plan, or the validation of a table."""

    node: RunNode
    cache_key: str
    """Digest of (room, node definition, input digests or absent, image measurement)."""


def derived(definition: Definition, data_node: str) -> frozenset[str]:
    """Ids of the nodes whose runs read a data node's dataset, directly or by way of others: computations, and a table
    itself, which is validated."""
    by_id = _by_id(definition)
    found = {data_node}
    for node_id in topological_order(by_id, list(by_id)):
        if not found.isdisjoint(dependencies(by_id[node_id])):
            found.add(node_id)
    return frozenset(found if isinstance(by_id.get(data_node), TableDataNode) else found - {data_node})


def leaves(definition: Definition, node_id: str, attached: Mapping[str, str]) -> tuple[Input, ...]:
    """The data nodes that a run reads, directly or by way of others, and what is attached there."""
    by_id = _by_id(definition)
    data = (each for each in topological_order(by_id, [node_id]) if isinstance(by_id[each], DataNode))
    return tuple(Input(node=each, manifest=attached.get(each)) for each in data)


def plan(definition: Definition, room: str, target: str, attached: Mapping[str, str]) -> list[Step]:
    """What has to be run for ``target``, itself last, each after what it depends on: computations, and the validation
    of tables that have data.

    Args:
        attached: data node id to the manifest digest of its dataset.

    Raises:
        Refused: ``bad_request``, naming every required data node that has no data.
    """
    by_id = _by_id(definition)
    order = topological_order(by_id, [target])
    missing = [
        node.name
        for node in map(by_id.__getitem__, order)
        if isinstance(node, DataNode) and (node.required or node.id == target) and node.id not in attached
    ]
    if missing:
        names = ", ".join(repr(name) for name in missing)
        raise Refused(
            "bad_request",
            f"The computation {target!r} needs data that is not there yet: attach a dataset to {names} first.",
        )
    digests: dict[str, bytes] = {}
    steps: list[Step] = []
    for node_id in order:
        node = by_id[node_id]
        if isinstance(node, DataNode):
            digests[node_id] = bytes.fromhex(attached[node_id]) if node_id in attached else b""
            if isinstance(node, RawDataNode) or node_id not in attached:
                continue
        key = _cache_key(definition, room, node, digests)
        digests[node_id] = key
        steps.append(Step(node, key.hex()))
    return steps


def unanswered(steps: Sequence[Step], results: Container[str]) -> list[Step]:
    """Those of a plan's steps that have to be run for the last of them, in their order.

    What another step needs, whose own result is there, isn't: to run it again could cost privacy for nothing.

    Args:
        results: cache keys of results that can be used.
    """
    needed = {steps[-1].node.id}
    found = []
    for step in reversed(steps):
        if step.node.id in needed and step.cache_key not in results:
            found.append(step)
            needed.update(dependencies(step.node))
    return found[::-1]


def run_id(job: str, node: str) -> str:
    """The id of the run of ``node`` that a request with the id ``job`` starts (hex)."""
    return sha256(pack("cloister/run/v1", bytes.fromhex(job), node.encode())).hex()


def node_digest(node: Node) -> bytes:
    """SHA-256 of a node's canonical definition."""
    # Each step of a chain is planned anew as it begins: of small nodes, which can be many, the digest is remembered.
    return _small_digest(node) if _text_size(node) <= _SMALL else sha256(canonical(node))


@lru_cache(maxsize=4096)
def _small_digest(node: Node) -> bytes:
    return sha256(canonical(node))


def _text_size(node: Node) -> int:
    match node:
        case ScriptNode():
            return len(node.script) + sum(len(file.content) for file in node.files)
        case PythonEnvironmentNode():
            return len(node.requirements) + 100 * sum(len(package.sha256) for package in node.lock)
        case SqlNode() | SqliteNode():
            return len(node.statement)
        case MatchNode():
            return len(node.query)
        case TableDataNode():
            return 100 * len(node.columns) + sum(8 * len(combination) for combination in node.unique)
        case SyntheticNode():
            return 100 * len(node.columns)
        case _:
            return 0


def _cache_key(definition: Definition, room: str, node: RunNode, digests: Mapping[str, bytes]) -> bytes:
    image = definition.image(node.image)
    measurement = bytes.fromhex(image.measurement) if image else b""
    inputs = [field for each in sources(node) for field in (each.encode(), digests[each])]
    return sha256(pack("cloister/cache-key/v1", bytes.fromhex(room), node_digest(node), measurement, *inputs))


def _by_id(definition: Definition) -> dict[str, Node]:
    return {node.id: node for node in definition.nodes}
