"""Data nodes as they are defined, and the columns of tables."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Any

import msgspec
from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.rooms import tables
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import RawDataNode, TableDataNode
from cloister.sdk.definitions.base import PYTHON_IMAGE, NodeDefinition, RunDefinition, checked


class FormatType(StrEnum):
    """What the cells of a column have to look like."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    FLOAT = "FLOAT"
    EMAIL = "EMAIL"
    DATE_ISO8601 = "DATE_ISO8601"
    PHONE_NUMBER_E164 = "PHONE_NUMBER_E164"
    HASH_SHA256_HEX = "HASH_SHA256_HEX"


class PrimitiveType(StrEnum):
    """What the values of a column are to a query."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"


class HashingAlgorithm(StrEnum):
    """How the values of a column are hashed."""

    SHA256_HEX = "SHA256_HEX"


class NumericRangeRule:
    """Bounds that the numbers of a column keep; any of them may be left out."""

    def __init__(
        self,
        greater_than: float | None = None,
        greater_than_equals: float | None = None,
        less_than: float | None = None,
        less_than_equals: float | None = None,
    ) -> None:
        self.greater_than = greater_than
        self.greater_than_equals = greater_than_equals
        self.less_than = less_than
        self.less_than_equals = less_than_equals

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumericRangeRule) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"NumericRangeRule({given})"


def format_of(kind: FormatType | PrimitiveType | str, what: str) -> tables.Format:
    """The format that a column is declared to have.

    Raises:
        DefinitionInvalid: there is no such format.
    """
    name = (kind.value if isinstance(kind, Enum) else str(kind)).upper()
    try:
        kind_of: tables.Format = msgspec.convert(name, tables.Format)
    except msgspec.ValidationError:
        known = ", ".join(each.value for each in FormatType)
        raise DefinitionInvalid(f"{what} has the type {name[:64]!a}, which isn't one of {known}.") from None
    return kind_of


class Column:
    """One column of a table data node."""

    def __init__(
        self,
        format_type: FormatType | str,
        name: str,
        is_nullable: bool,
        hash_with: HashingAlgorithm | str | None = None,
        in_range: NumericRangeRule | Sequence[float | None] | None = None,
    ) -> None:
        """
        Args:
            format_type: what its cells have to look like.
            is_nullable: whether they may be empty.
            hash_with: replaces its values by their SHA-256 before any computation sees them.
            in_range: bounds of its numbers: a `NumericRangeRule`, or the smallest and the largest that it may have.

        Raises:
            DefinitionInvalid: there is no such format or way to hash, or that is no range.
        """
        self._record = tables.Column(
            name=name,
            type=format_of(format_type, f"The column {name!r}"),
            nullable=is_nullable,
            hashed=_is_hashed(hash_with, name),
            range=UNSET if in_range is None else _range(in_range, name),
        )

    @classmethod
    def of(cls, record: tables.Column) -> Column:
        """The face of a column of a published room."""
        bounds = None if record.range is UNSET else NumericRangeRule(**msgspec.to_builtins(record.range))
        hashed = HashingAlgorithm.SHA256_HEX if record.hashed else None
        return cls(FormatType(record.type), record.name, record.nullable, hashed, bounds)

    @property
    def record(self) -> tables.Column:
        """As the room's definition holds it."""
        return self._record

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def format_type(self) -> FormatType:
        """What its cells have to look like."""
        return FormatType(self._record.type)

    @property
    def primitive_type(self) -> PrimitiveType:
        """What its values are to a query."""
        kinds = {"INTEGER": PrimitiveType.INTEGER, "FLOAT": PrimitiveType.FLOAT}
        return PrimitiveType.STRING if self._record.hashed else kinds.get(self._record.type, PrimitiveType.STRING)

    @property
    def is_nullable(self) -> bool:
        """Whether its cells may be empty."""
        return self._record.nullable

    @property
    def hash_with(self) -> HashingAlgorithm | None:
        """How its values are hashed, if they are."""
        return HashingAlgorithm.SHA256_HEX if self._record.hashed else None

    @property
    def in_range(self) -> NumericRangeRule | None:
        """Bounds of its numbers, if any."""
        return None if self._record.range is UNSET else NumericRangeRule(**msgspec.to_builtins(self._record.range))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and self._record == other._record

    def __hash__(self) -> int:
        return hash(self._record)

    def __repr__(self) -> str:
        return f"Column({self.format_type}, {self.name!r}, is_nullable={self.is_nullable})"


class RawDataNodeDefinition(NodeDefinition):
    """A place for one file of any content, mounted at ``/input/<name>``."""

    _record: RawDataNode

    def __init__(self, name: str, is_required: bool, id: str | None = None) -> None:  # noqa: A002 - documented name
        """
        Args:
            is_required: whether computations that depend on it wait for its data.
            id: the name, unless given.
        """
        self._record = checked(RawDataNode(id=name if id is None else id, name=name, required=is_required))

    @property
    def record(self) -> RawDataNode:
        return self._record

    @property
    def is_required(self) -> bool:
        """Whether computations that depend on it wait for its data."""
        return self._record.required


class TableDataNodeDefinition(RunDefinition):
    """A place for one CSV file of a known shape, without a header line. Computations find it validated, as the folder
    ``/input/<name>`` with ``dataset.csv``, ``types`` and ``validation-report.json``."""

    _record: TableDataNode

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        is_required: bool,
        id: str | None = None,  # noqa: A002 - documented name
        drop_invalid_rows: bool = False,
        unique_column_combinations: Sequence[Sequence[int]] | None = (),
        *,
        image: str = PYTHON_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            columns: in the order of the file.
            is_required: whether computations that depend on it wait for its data.
            id: the name, unless given.
            drop_invalid_rows: whether rows that are invalid are left out, instead of making the whole table invalid.
            unique_column_combinations: columns, by index from 0, no two rows may have the same values in; all of the
                combinations are checked.
            image: the image that validates it.
            limits: what validating it may use.

        Raises:
            DefinitionInvalid: the columns are not `Column`.
        """
        if not all(isinstance(column, Column) for column in columns):
            raise DefinitionInvalid(f"The columns of the table {name!r} must be a list of Column.")
        self._record = checked(
            TableDataNode(
                id=name if id is None else id,
                name=name,
                required=is_required,
                columns=tuple(column.record for column in columns),
                drop_invalid_rows=drop_invalid_rows,
                unique=tuple(
                    tuple(_index(each, name) for each in combination)
                    for combination in unique_column_combinations or ()
                ),
                image=image,
                limits=limits or Limits(),
            )
        )

    @property
    def record(self) -> TableDataNode:
        return self._record

    @property
    def is_required(self) -> bool:
        """Whether computations that depend on it wait for its data."""
        return self._record.required

    @property
    def columns(self) -> list[Column]:
        """In the order of the file."""
        return [Column.of(column) for column in self._record.columns]

    @property
    def drop_invalid_rows(self) -> bool:
        """Whether rows that are invalid are left out."""
        return self._record.drop_invalid_rows

    @property
    def unique_column_combinations(self) -> list[list[int]]:
        """Columns, by index, no two rows may have the same values in."""
        return [list(combination) for combination in self._record.unique]


def _is_hashed(algorithm: HashingAlgorithm | str | None, column: str) -> bool:
    if algorithm is None:
        return False
    name = algorithm.value if isinstance(algorithm, Enum) else str(algorithm)
    if name != HashingAlgorithm.SHA256_HEX.value:
        raise DefinitionInvalid(f"The column {column!r} can be hashed with {HashingAlgorithm.SHA256_HEX} alone.")
    return True


def _range(given: NumericRangeRule | Sequence[float | None], column: str) -> tables.Range:
    if isinstance(given, NumericRangeRule):
        bounds: dict[str, Any] = vars(given)
    elif isinstance(given, Sequence) and len(given) == 2:
        bounds = {"greater_than_equals": given[0], "less_than_equals": given[1]}
    else:
        raise DefinitionInvalid(f"The range of the column {column!r} must be a NumericRangeRule, or a pair of numbers.")
    try:
        return msgspec.convert({name: bound for name, bound in bounds.items() if bound is not None}, tables.Range)
    except msgspec.ValidationError:
        raise DefinitionInvalid(f"The range of the column {column!r} has a bound that is no number.") from None


def _index(given: object, table: str) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise DefinitionInvalid(f"The unique combinations of the table {table!r} must be lists of indices of columns.")
    return given
