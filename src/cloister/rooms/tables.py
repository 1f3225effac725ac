"""What the columns of tables hold, and what may be asked of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import Record

Format = Literal["STRING", "INTEGER", "FLOAT", "EMAIL", "DATE_ISO8601", "PHONE_NUMBER_E164", "HASH_SHA256_HEX"]
"""What a cell has to look like. ``HASH_SHA256_HEX``: 64 lower-case hexadecimal digits."""
NUMBERS: tuple[Format, ...] = ("INTEGER", "FLOAT")
Mask = Literal[
    "genericString",
    "genericNumber",
    "name",
    "address",
    "postcode",
    "phoneNumber",
    "socialSecurityNumber",
    "email",
    "date",
    "timestamp",
    "iban",
]
"""What a masked column's values are replaced with."""
MAX_COLUMNS = 2_000
MAX_UNIQUE = 64
"""Combinations of columns that have to be unique."""
MAX_COLUMN_NAME = 256
MAX_ROWS = 2**31
"""That the groups of a query can be asked to have."""
MIN_EPSILON = 1e-6
"""Below that nothing but noise comes out."""
MAX_EPSILON = 1_000.0
"""Beyond that nothing is kept private, whatever the number says."""
_NO_NAME = (
    f"an empty name, or one with over {MAX_COLUMN_NAME} characters, or with some that can't be seen. Give it another."
)
_Index = Annotated[int, msgspec.Meta(ge=0, le=MAX_COLUMNS)]


class Range(Record, frozen=True, kw_only=True):
    """Bounds that each number of a column keeps."""

    greater_than: float | UnsetType = UNSET
    greater_than_equals: float | UnsetType = UNSET
    less_than: float | UnsetType = UNSET
    less_than_equals: float | UnsetType = UNSET


class Column(Record, frozen=True, kw_only=True):
    """One column of a table data node."""

    name: str
    type: Format
    nullable: bool
    """Whether its cells may be empty."""
    hashed: bool = False
    """Whether the enclave replaces its values by their SHA-256 before anything else sees them."""
    range: Range | UnsetType = UNSET


class SyntheticColumn(Record, frozen=True, kw_only=True):
    """One column that synthetic data is made for."""

    index: _Index
    """Of the column in the table that it is made from, from 0."""
    name: str | UnsetType = UNSET
    """What it is called in the result; without it, as in the table."""
    type: Format
    mask_type: Mask
    """What its values are replaced with, where ``mask`` says so."""
    mask: bool
    nullable: bool = True


def check_columns(node: str, columns: Sequence[Column], unique: Sequence[Sequence[int]]) -> None:
    """Checks the columns of the table data node with that id.

    Raises:
        DefinitionInvalid: naming the column and what is wrong with it.
    """
    if not 1 <= len(columns) <= MAX_COLUMNS:
        raise DefinitionInvalid(f"The table {node!r} must have 1 to {MAX_COLUMNS} columns; it has {len(columns)}.")
    seen: set[str] = set()
    for column in columns:
        if not _is_name(column.name):
            raise DefinitionInvalid(f"A column of the table {node!r} has {_NO_NAME}")
        # Queries don't tell upper from lower case.
        if column.name.casefold() in seen:
            raise DefinitionInvalid(f"Two columns of the table {node!r} are called {column.name[:64]!a}.")
        seen.add(column.name.casefold())
        if column.range is not UNSET:
            _check_range(node, column, column.range)
    if len(unique) > MAX_UNIQUE:
        raise DefinitionInvalid(f"The table {node!r} has {len(unique)} unique combinations; {MAX_UNIQUE} are the most.")
    for combination in unique:
        if not combination or len(set(combination)) != len(combination):
            raise DefinitionInvalid(f"A unique combination of the table {node!r} is empty, or names a column twice.")
        if not all(0 <= index < len(columns) for index in combination):
            raise DefinitionInvalid(
                f"A unique combination of the table {node!r} names a column that isn't there: columns count from 0."
            )


def _is_name(name: str) -> bool:
    return bool(name.strip()) and len(name) <= MAX_COLUMN_NAME and name.isprintable()


def _check_range(node: str, column: Column, bounds: Range) -> None:
    if column.type not in NUMBERS:
        raise DefinitionInvalid(f"The column {column.name[:64]!a} of {node!r} has a range, and isn't one of numbers.")
    given = [each for each in (getattr(bounds, name) for name in bounds.__struct_fields__) if each is not UNSET]
    if not all(math.isfinite(each) for each in given):
        raise DefinitionInvalid(
            f"The range of the column {column.name[:64]!a} of {node!r} has a bound that is no number."
        )
    lower = [each for each in (bounds.greater_than, bounds.greater_than_equals) if each is not UNSET]
    upper = [each for each in (bounds.less_than, bounds.less_than_equals) if each is not UNSET]
    if not lower or not upper:
        return
    least, most = max(lower), min(upper)
    if least > most or (least == most and (bounds.greater_than == least or bounds.less_than == most)):
        raise DefinitionInvalid(f"The range of the column {column.name[:64]!a} of {node!r} lets no number in.")


def check_synthetic(node: str, columns: Sequence[SyntheticColumn], width: int | None) -> None:
    """Checks the columns that the synthetic data node with that id makes.

    Args:
        width: how many columns its table has, where the definition says so.

    Raises:
        DefinitionInvalid: naming the column and what is wrong with it.
    """
    if not 1 <= len(columns) <= MAX_COLUMNS:
        raise DefinitionInvalid(f"The synthetic data {node!r} must have 1 to {MAX_COLUMNS} columns.")
    if len({column.index for column in columns}) != len(columns):
        raise DefinitionInvalid(f"The synthetic data {node!r} names a column of its table twice.")
    seen: set[str] = set()
    for column in columns:
        if width is not None and column.index >= width:
            raise DefinitionInvalid(
                f"The synthetic data {node!r} names the column {column.index} of a table that has {width}: columns "
                "count from 0."
            )
        if column.name is UNSET:
            continue
        if not _is_name(column.name):
            raise DefinitionInvalid(f"A column of the synthetic data {node!r} has {_NO_NAME}")
        if column.name.casefold() in seen:
            raise DefinitionInvalid(f"Two columns of the synthetic data {node!r} are called {column.name[:64]!a}.")
        seen.add(column.name.casefold())


def check_epsilon(what: str, epsilon: float) -> None:
    """Raises:
    DefinitionInvalid: that is no loss of privacy that can be accounted for.
    """
    if not MIN_EPSILON <= epsilon <= MAX_EPSILON:  # not a number isn't either
        raise DefinitionInvalid(
            f"{what} must be a number above 0: {MIN_EPSILON:g} at least and {MAX_EPSILON:g} at most; 1 is a usual "
            "choice."
        )


def check_rows(node: str, rows: int) -> None:
    """Raises:
    DefinitionInvalid: groups can't have so few rows.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise DefinitionInvalid(f"The minimum of rows of {node!r} must be 1 to {MAX_ROWS}.")
