"""What holds of a room's nodes together: names, references, and that computations can be ordered."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.rooms.environments import check_lock
from cloister.rooms.limits import MIB, Limits
from cloister.rooms.nodes import (
    MatchNode,
    Node,
    PreviewNode,
    PythonEnvironmentNode,
    RawDataNode,
    RunNode,
    ScriptNode,
    SqliteNode,
    SqlNode,
    SyntheticNode,
    TableDataNode,
    dependencies,
    environment_of,
    mounted,
    shown,
)
from cloister.rooms.tables import check_columns, check_epsilon, check_rows, check_synthetic

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_ -]{0,126}[A-Za-z0-9])?\Z")
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_. -]{0,126}[A-Za-z0-9])?\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,126}\Z")
MAX_DEPENDENCIES = 10_000
"""Of all computations together: what planning a room costs is the enclave's time, and all rooms share it."""
MAX_LOG_BYTES = 4 * MIB
"""Of the console's text that is kept: it must fit into one message, where each byte may become three."""
CODE_FOLDER = "code"
"""The folder below /input where additional files lie; no dependency may be called that beside them."""
MAX_STATEMENT = 256 * 1024
"""Characters of a query."""
MAX_DEPTH = 64
"""To which the query of a match is nested: whoever reads it goes down by as many calls."""


def check_nodes(nodes: Sequence[Node]) -> None:
    """Checks names, references and that computations can be ordered.

    Raises:
        DefinitionInvalid: naming the node and what is wrong with it.
    """
    by_id: dict[str, Node] = {}
    names: set[str] = set()
    for node in nodes:
        if not _NAME.match(node.name):
            raise DefinitionInvalid(
                f"The name {shown(node.name)} is not allowed: a node's name starts with an ASCII letter, ends with a "
                "letter or digit, and has letters, digits, '_', '-' and spaces between (128 characters at most)."
            )
        if not _ID.match(node.id):
            raise DefinitionInvalid(
                f"The id {shown(node.id)} is not allowed: use letters, digits, '_', '-', '.' and spaces."
            )
        if node.id in by_id:
            raise DefinitionInvalid(f"Two nodes have the id {node.id!r}. Give each its own.")
        if node.name in names:
            raise DefinitionInvalid(f"Two nodes are called {node.name!r}. Give each its own name.")
        by_id[node.id] = node
        names.add(node.name)
    edges = sum(len(dependencies(node)) for node in nodes)
    if edges > MAX_DEPENDENCIES:
        raise DefinitionInvalid(f"The computations list {edges} dependencies; {MAX_DEPENDENCIES} are the most.")
    for node in nodes:
        _check_references(node, by_id)
        if not isinstance(node, RawDataNode):
            _check_kind(node, by_id)
            _check_limits(node.id, node.limits)
    topological_order(by_id, list(by_id))


def topological_order(by_id: dict[str, Node], targets: Sequence[str]) -> list[str]:
    """``targets`` and all they depend on, each after what it depends on. Iterative: depth is the author's choice.

    Raises:
        DefinitionInvalid: there is a cycle; the message names a node on it.
    """
    order: list[str] = []
    done: set[str] = set()
    on_path: set[str] = set()
    stack: list[tuple[str, bool]] = [(target, False) for target in reversed(targets)]
    while stack:
        node, returning = stack.pop()
        if returning:
            on_path.discard(node)
            done.add(node)
            order.append(node)
            continue
        if node in done:
            continue
        if node in on_path:
            raise DefinitionInvalid(f"The node {node!r} depends on itself, directly or by way of others.")
        on_path.add(node)
        stack.append((node, True))
        for dependency in reversed(dependencies(by_id[node])):
            if dependency in on_path:
                raise DefinitionInvalid(f"The node {dependency!r} depends on itself, directly or by way of others.")
            if dependency not in done:
                stack.append((dependency, False))
    return order


def _check_kind(node: RunNode, by_id: dict[str, Node]) -> None:
    match node:
        case ScriptNode():
            _check_script(node, [by_id[dependency].name for dependency in node.dependencies])
            _check_environment(node, by_id)
        case PythonEnvironmentNode():
            try:
                check_lock(node.requirements, node.lock)
            except DefinitionInvalid as error:
                raise DefinitionInvalid(f"The environment {node.id!r} can't be used. {error}") from None
        case TableDataNode():
            check_columns(node.id, node.columns, node.unique)
        case SqlNode() | SqliteNode():
            if not node.statement.strip() or len(node.statement) > MAX_STATEMENT:
                raise DefinitionInvalid(f"The query of {node.id!r} is empty, or has over {MAX_STATEMENT} characters.")
            if isinstance(node, SqlNode) and node.minimum_rows is not UNSET:
                check_rows(node.id, node.minimum_rows)
        case SyntheticNode():
            table = by_id[node.dependency]
            check_synthetic(node.id, node.columns, len(table.columns) if isinstance(table, TableDataNode) else None)
            check_epsilon(f"The epsilon of {node.id!r}", node.epsilon)
        case MatchNode():
            _check_match(node, by_id)
        case PreviewNode():
            pass
    if isinstance(node, SqlNode | SqliteNode | SyntheticNode | MatchNode):
        _check_tables(node, by_id)


def _check_tables(node: SqlNode | SqliteNode | SyntheticNode | MatchNode, by_id: dict[str, Node]) -> None:
    """Queries know tables by their names, and don't tell upper from lower case."""
    names = [by_id[each].name for each in mounted(node)]
    if len({name.casefold() for name in names}) != len(names):
        raise DefinitionInvalid(f"Two dependencies of the query {node.id!r} differ in upper and lower case alone.")
    for each in mounted(node):
        if isinstance(by_id[each], RawDataNode | PythonEnvironmentNode):
            raise DefinitionInvalid(
                f"The computation {node.id!r} can't read {each!r}: that isn't a table. Make it a table data node."
            )


def _check_match(node: MatchNode, by_id: dict[str, Node]) -> None:
    check_epsilon(f"The epsilon of {node.id!r}", node.epsilon)
    if not _is_query(node.query):
        raise DefinitionInvalid(
            f"The query of the match {node.id!r} is not JSON logic: JSON of at most {MAX_STATEMENT} characters, an "
            f"object or a list, not empty and not nested more than {MAX_DEPTH} deep."
        )
    if not 1 <= node.round <= 10**9 or not 0 < node.sensitivity <= 10**9:
        raise DefinitionInvalid(
            f"The rounding of {node.id!r} must be 1 to 10^9, and its sensitivity above 0 and 10^9 at most."
        )
    if len(node.dependencies) != 2:
        raise DefinitionInvalid(f"The match {node.id!r} needs two dependencies: the tables that it matches.")
    names = [by_id[each].name for each in node.dependencies]
    tables = [path.removeprefix("/input/").removesuffix("/dataset.csv") for path in node.paths]
    if sorted(tables) != sorted(names):
        raise DefinitionInvalid(
            f"The paths of the match {node.id!r} must name its two dependencies, each as '<name>/dataset.csv'."
        )


def _is_query(text: str) -> bool:
    if len(text) > MAX_STATEMENT:
        return False
    try:
        # JSON has no NaN and no infinity, which the library would let pass.
        query = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    level = [query]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return isinstance(query, dict | list) and bool(query) and not level


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _check_references(node: Node, by_id: dict[str, Node]) -> None:
    wanted = dependencies(node)
    for dependency in wanted:
        if dependency not in by_id:
            raise DefinitionInvalid(f"The node {node.id!r} depends on {shown(dependency)}, which is not in the room.")
    if len(set(wanted)) != len(wanted):
        raise DefinitionInvalid(f"The node {node.id!r} lists a dependency twice.")


def _check_environment(node: ScriptNode, by_id: dict[str, Node]) -> None:
    if (wanted := environment_of(node)) is None:
        return
    environment = by_id[wanted]
    if not isinstance(environment, PythonEnvironmentNode):
        raise DefinitionInvalid(f"The environment of {node.id!r} is {wanted!r}, which is no environment.")
    if environment.image != node.image:
        raise DefinitionInvalid(
            f"The environment {wanted!r} is made for the image {shown(environment.image)}, and {node.id!r} runs in "
            f"{shown(node.image)}. Give both the same image."
        )


def _check_script(node: ScriptNode, mounted: Sequence[str]) -> None:
    if not node.script.strip():
        raise DefinitionInvalid(f"The script of {node.id!r} is empty.")
    if node.files and CODE_FOLDER in mounted:
        raise DefinitionInvalid(
            f"The node {node.id!r} has additional files, which are mounted at /input/{CODE_FOLDER}: "
            f"it can't depend on a node called {CODE_FOLDER!r}. Rename that node."
        )
    paths: set[str] = set()
    folders: set[str] = set()
    for file in node.files:
        segments = file.name.split("/")
        if len(segments) > 16 or not all(_SEGMENT.match(segment) for segment in segments):
            raise DefinitionInvalid(
                f"The additional file {shown(file.name)} of {node.id!r} has a name that isn't allowed."
            )
        if file.name in paths:
            raise DefinitionInvalid(f"The additional file {shown(file.name)} of {node.id!r} is there twice.")
        paths.add(file.name)
        folders.update("/".join(segments[:depth]) for depth in range(1, len(segments)))
    if clash := paths & folders:
        raise DefinitionInvalid(f"{shown(min(clash))} of {node.id!r} is an additional file and a folder of others.")


def _check_limits(node: str, limits: Limits) -> None:
    if min(limits.memory_bytes, limits.pids, limits.wall_seconds, limits.output_files) < 1:
        raise DefinitionInvalid(f"A limit of {node!r} is zero or less. Leave it out to get the default.")
    if not 0.01 <= limits.cpus <= 1024:
        raise DefinitionInvalid(f"The processor cores of {node!r} must be between 0.01 and 1024.")
    if min(limits.output_bytes, limits.scratch_bytes, limits.log_bytes) < 0:
        raise DefinitionInvalid(f"A limit of {node!r} is less than zero. Leave it out to get the default.")
    if limits.log_bytes > MAX_LOG_BYTES:
        raise DefinitionInvalid(
            f"The log of {node!r} may have {MAX_LOG_BYTES // MIB} MiB at most. Write more than that to /output."
        )
