"""The kinds of nodes that a room is made of: data that comes in, and computations over it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from cloister.formats.encoding import Record, Size
from cloister.rooms.environments import Lock
from cloister.rooms.limits import Limits
from cloister.rooms.tables import Column, SyntheticColumn


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


class SqlNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="sql"):
    """A query over tables. Its result is a table."""

    id: str
    name: str
    statement: str
    """One SELECT; the tables are called as the dependencies."""
    dependencies: tuple[str, ...] = ()
    minimum_rows: int | UnsetType = UNSET
    """Of how many rows of protected data each group has to be made, to be shown."""
    image: str
    limits: Limits = msgspec.field(default_factory=Limits)


class SqliteNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="sqlite"):
    """A query in SQLite's dialect. Its result is a table."""

    id: str
    name: str
    statement: str
    dependencies: tuple[str, ...] = ()
    logs_on_error: bool = False
    logs_on_success: bool = False
    image: str
    limits: Limits = msgspec.field(default_factory=Limits)


class SyntheticNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="synthetic"):
    """A table like another, made with differential privacy. Its result is a table with a report on its quality."""

    id: str
    name: str
    columns: tuple[SyntheticColumn, ...]
    dependency: str
    """The table that it is made from."""
    epsilon: float
    """The privacy that a run costs."""
    statistics: bool = False
    """Whether the report compares it with the table itself, which is not private."""
    logs_on_error: bool = False
    logs_on_success: bool = False
    image: str
    limits: Limits = msgspec.field(default_factory=Limits)


class MatchNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="match"):
    """Finds the rows of two tables that belong together. Its result is noisy statistics; later computations find the
    matched rows themselves."""

    id: str
    name: str
    query: str
    """When two rows belong together: JSON logic, as JSON."""
    round: int
    """Statistics are rounded to multiples of it."""
    epsilon: float
    """The privacy that a run costs."""
    sensitivity: float
    """By how much one person's rows may change a statistic."""
    paths: tuple[str, ...]
    """The two tables, as places below /input."""
    dependencies: tuple[str, ...]
    logs_on_error: bool = False
    logs_on_success: bool = False
    image: str
    limits: Limits = msgspec.field(default_factory=Limits)


class PreviewNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="preview"):
    """What another node holds, for its analysts to look at; so many bytes each and no more."""

    id: str
    name: str
    dependency: str
    quota_bytes: Size
    """Of results that each analyst may fetch in all."""
    image: str
    limits: Limits = msgspec.field(default_factory=Limits)


class TableDataNode(Record, frozen=True, kw_only=True, tag_field="kind", tag="table_data"):
    """A place for one CSV file of a known shape. What is attached is validated before anything reads it: its result is
    a table with a report on that. Mounted as a folder of the node's name."""

    id: str
    name: str
    required: bool
    columns: tuple[Column, ...]
    drop_invalid_rows: bool = False
    """Whether rows that are invalid are left out, instead of making the whole table invalid."""
    unique: tuple[tuple[int, ...], ...] = ()
    """Combinations of columns, by index, no two rows may have the same values in."""
    image: str
    """Name of the definition's image that validates it."""
    limits: Limits = msgspec.field(default_factory=Limits)


DataNode = RawDataNode | TableDataNode
"""What data is attached to."""
ProgramNode = TableDataNode | SqlNode | SqliteNode | SyntheticNode | MatchNode | PreviewNode
"""What Cloister's own programs carry out; see `cloister.rooms.programs`."""
ComputeNode = (
    PythonNode | RNode | PythonEnvironmentNode | SqlNode | SqliteNode | SyntheticNode | MatchNode | PreviewNode
)
"""What has analysts."""
RunNode = ComputeNode | TableDataNode
"""What a worker carries out."""
Node = DataNode | ComputeNode


def mounted(node: Node) -> tuple[str, ...]:
    """Ids of the nodes whose content a run of ``node`` finds below /input: of a table, what was attached to itself."""
    match node:
        case ScriptNode() | SqlNode() | SqliteNode() | MatchNode():
            return node.dependencies
        case SyntheticNode() | PreviewNode():
            return (node.dependency,)
        case TableDataNode():
            return (node.id,)
        case _:
            return ()


def sources(node: Node) -> tuple[str, ...]:
    """Ids of the nodes that a run of ``node`` is made from: those that it reads, and its environment last."""
    environment = environment_of(node)
    read = mounted(node)
    return read if environment is None or environment in read else (*read, environment)


def dependencies(node: Node) -> tuple[str, ...]:
    """Ids of the other nodes that ``node`` needs: `sources`, but for a table's own data."""
    return () if isinstance(node, DataNode) else sources(node)


def environment_of(node: Node | ScriptNode) -> str | None:
    """Id of the node whose packages ``node`` brings along, if any."""
    return node.environment if isinstance(node, PythonNode) and node.environment is not UNSET else None


def epsilon_of(node: Node) -> float | UnsetType:
    """The privacy that a run of ``node`` costs, where it is accounted for."""
    return node.epsilon if isinstance(node, SyntheticNode | MatchNode) else UNSET


def shown(value: str) -> str:
    """A name from outside, fit for a message: control characters shown escaped, and not at any length."""
    return ascii(value if len(value) <= 64 else value[:64] + "...")
