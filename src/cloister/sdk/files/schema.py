"""What `room.yaml` may say: the fields of each kind of node, and what they are where they are left out."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloister.formats.encoding import Hex32
from cloister.rooms.limits import Limits
from cloister.rooms.tables import Format, Mask, Range
from cloister.sdk.definitions import PYTHON_IMAGE, R_IMAGE, SYNTHETIC_IMAGE


class Written(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Part of the file. A name that nobody knows is an error."""


class RoomWritten(Written, kw_only=True):
    """The whole file."""

    version: Literal[1] = 1
    title: str
    description: str = ""
    owner: str | None = None
    """Without it, whoever publishes the room."""
    privacy_budget: float | None = None
    pinned_keys_only: bool = False
    participants: dict[str, object] = msgspec.field(default_factory=dict)
    """By email: `ParticipantWritten`, or nothing."""
    nodes: dict[str, object] = msgspec.field(default_factory=dict)
    """By name: one of `KINDS`."""


class ParticipantWritten(Written, kw_only=True):
    data_owner_of: tuple[str, ...] = ()
    analyst_of: tuple[str, ...] = ()
    keys: tuple[Hex32, ...] = ()


class NodeWritten(Written, kw_only=True):
    id: str | None = None
    """The name, where it is left out."""


class DataWritten(NodeWritten, kw_only=True):
    required: bool = True
    test: str | None = None
    """A file of test data. It is no part of the room."""


class RawDataWritten(DataWritten, kw_only=True):
    pass


class TableDataWritten(DataWritten, kw_only=True):
    columns: dict[str, object]
    """By name: a type with ``nullable`` and ``hashed`` behind it, or `ColumnWritten`."""
    drop_invalid_rows: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    """Names of columns."""
    image: str = PYTHON_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


class ColumnWritten(Written, kw_only=True):
    type: Format
    nullable: bool = False
    hashed: bool = False
    range: Range | tuple[float | None, float | None] | None = None


class ScriptWritten(NodeWritten, kw_only=True):
    script: str
    """A file."""
    files: dict[str, str] | tuple[str, ...] = ()
    """Files: by the names that the script finds them by, or those that have the same name here."""
    dependencies: tuple[str, ...] = ()
    logs_on_error: bool = False
    logs_on_success: bool = False
    limits: Limits = msgspec.field(default_factory=Limits)


class PythonWritten(ScriptWritten, kw_only=True):
    environment: str | None = None
    image: str = PYTHON_IMAGE


class RWritten(ScriptWritten, kw_only=True):
    image: str = R_IMAGE


class EnvironmentWritten(NodeWritten, kw_only=True):
    requirements: str
    """A file."""
    lock: str | None = None
    """A file: packages as JSON."""
    image: str = PYTHON_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


class SqlWritten(NodeWritten, kw_only=True):
    query: str
    """A file."""
    dependencies: tuple[str, ...] = ()
    minimum_rows: int | None = None
    image: str = PYTHON_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


class SqliteWritten(NodeWritten, kw_only=True):
    query: str
    """A file."""
    dependencies: tuple[str, ...] = ()
    logs_on_error: bool = False
    logs_on_success: bool = False
    image: str = PYTHON_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


class SyntheticWritten(NodeWritten, kw_only=True):
    columns: tuple[object, ...]
    """Names of columns of the table, or `SyntheticColumnWritten`."""
    dependency: str
    epsilon: float
    statistics: bool = False
    logs_on_error: bool = False
    logs_on_success: bool = False
    image: str = SYNTHETIC_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


class SyntheticColumnWritten(Written, kw_only=True):
    column: str | None = None
    """Its name in the table, where that is a table data node of the room."""
    index: int | None = None
    """Its place in the table, from 0, instead."""
    name: str | None = None
    type: Format | None = None
    """The table's own, where it is left out."""
    nullable: bool | None = None
    mask: Mask | Literal[False] = False
    """What its values are replaced with."""
    mask_type: Mask | None = None
    """What they would be replaced with."""


class MatchWritten(NodeWritten, kw_only=True):
    query: str
    """A file: JSON logic."""
    round: int
    epsilon: float
    sensitivity: float
    dependencies: tuple[str, str]
    paths: tuple[str, ...] | None = None
    """The tables below /input: those of the dependencies, where it is left out."""
    logs_on_error: bool = False
    logs_on_success: bool = False
    image: str = SYNTHETIC_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


class PreviewWritten(NodeWritten, kw_only=True):
    dependency: str
    quota_bytes: int = 0
    image: str = PYTHON_IMAGE
    limits: Limits = msgspec.field(default_factory=Limits)


KINDS: dict[str, type[NodeWritten]] = {
    "raw_data": RawDataWritten,
    "table_data": TableDataWritten,
    "python": PythonWritten,
    "r": RWritten,
    "python_environment": EnvironmentWritten,
    "sql": SqlWritten,
    "sqlite": SqliteWritten,
    "synthetic": SyntheticWritten,
    "match": MatchWritten,
    "preview": PreviewWritten,
}
"""By ``kind``, as definitions name them."""
