"""The kinds of nodes that a room is made of: data that comes in, and computations over it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import Record
from cloister.rooms.environments import Lock, check_lock
from cloister.rooms.limits import MIB, Limits

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_ -]{0,126}[A-Za-z0-9])?\Z")
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_. -]{0,126}[A-Za-z0-9])?\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,126}\Z")
MAX_DEPENDENCIES = 10_000
"""Of all computations together: what planning a room costs is the enclave's time, and all rooms share it."""
MAX_LOG_BYTES = 4 * MIB
"""Of the console's text that is kept: it must fit into one message, where each byte may become three."""
CODE_FOLDER = "code"
"""The folder below /input where additional files lie; no dependency may be called that beside them."""


class RawDataNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="raw_data"):
    """A place for one file of any content. Mounted as the file ``/input/<name>``."""

    id: str
    name: str
    required: bool


class TextFile(Record, frozen=True, kw_only=True):
    """A static text that a computation finds at ``/input/code/<name>``; the name may have folders."""

    name: str
    content: str


class ScriptNode(Record, frozen=True, kw_only=True):
    """A script, in whatever language. Its result is a zip of what it wrote to ``/output``."""

    id: str
    name: str
    script: str
    files: tuple[TextFile, ...] = ()
    dependencies: tuple[str, ...] = ()
    """Ids of nodes; each is mounted at ``/input/<its name>``."""
    logs_on_error: bool = False
    """Whether the analyst sees the console of a failed run. The script decides what it says there."""
    logs_on_success: bool = False
    """Whether the zip holds the console as ``container.log``."""
    image: str
    """Name of one of the definition's images."""
    limits: Limits = msgspec.field(default_factory=Limits)


class PythonNode(ScriptNode, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """A Python script."""

    environment: str | UnsetType = UNSET
    """Id of the node whose packages it finds, before those of the image. It isn't mounted."""


class RNode(ScriptNode, frozen=True, kw_only=True, tag_field="kind", tag="r"):
    """An R script."""


class PythonEnvironmentNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="python_environment"):
    """Python packages for scripts. Its result is a zip with a report of what was installed."""

    id: str
    name: str
    requirements: str
    """As its author wrote them: what was meant. What is installed, the lock says."""
    lock: Lock
    """What they were resolved to for the image, before the room was published."""
    image: str
    """Name of one of the definition's images: that of the scripts it is for."""
    limits: Limits = msgspec.field(default_factory=Limits)
    """What installing may use; the output is the installed packages."""


ComputeNode = PythonNode | RNode | PythonEnvironmentNode
Node = RawDataNode | ComputeNode


def dependencies(node: Node) -> tuple[str, ...]:
    """Ids of the nodes that ``node`` needs: those that it reads, and its environment last."""
    mounted = node.dependencies if isinstance(node, ScriptNode) else ()
    environment = environment_of(node)
    return mounted if environment is None or environment in mounted else (*mounted, environment)


def environment_of(node: Node | ScriptNode) -> str | None:
    """Id of the node whose packages ``node`` brings along, if any."""
    return node.environment if isinstance(node, PythonNode) and node.environment is not UNSET else None


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
        if isinstance(node, ScriptNode):
            _check_script(node, [by_id[dependency].name for dependency in node.dependencies])
            _check_environment(node, by_id)
        elif isinstance(node, PythonEnvironmentNode):
            try:
                check_lock(node.requirements, node.lock)
            except DefinitionInvalid as error:
                raise DefinitionInvalid(f"The environment {node.id!r} can't be used. {error}") from None
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
    _check_limits(node.id, node.limits)


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


def shown(value: str) -> str:
    """A name from outside, fit for a message: control characters shown escaped, and not at any length."""
    return ascii(value if len(value) <= 64 else value[:64] + "...")
