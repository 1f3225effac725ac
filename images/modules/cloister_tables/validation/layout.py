"""What a table has to look like, as its data node says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from cloister_util.schema import Column as Typed

BOUNDS: Final = {"greater_than": ">", "greater_than_equals": ">=", "less_than": "<", "less_than_equals": "<="}
NUMBERS: Final = {"INTEGER": "INT64", "FLOAT": "FLOAT64"}
FORMATS: Final = (*NUMBERS, "STRING", "EMAIL", "DATE_ISO8601", "PHONE_NUMBER_E164", "HASH_SHA256_HEX")


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    format: str
    """One of `FORMATS`."""
    nullable: bool
    hashed: bool
    """Whether its values are replaced by their SHA-256."""
    bounds: tuple[tuple[str, int | float], ...]
    """Comparisons with numbers that each number in it passes; finite."""

    @property
    def typed(self) -> Typed:
        """As it stands in `types`."""
        kind = "STRING" if self.hashed else NUMBERS.get(self.format, "STRING")
        return Typed(self.name, kind, self.nullable)


@dataclass(frozen=True)
class Layout:
    """A whole table."""

    columns: tuple[Column, ...]
    unique: tuple[tuple[int, ...], ...]
    """Combinations of columns, by index, that no two rows have the same values in."""
    drop_invalid_rows: bool


def read_layout(config: dict[str, Any]) -> Layout:
    """The layout in a configuration.

    Raises:
        KeyError, TypeError, ValueError: it is none; rooms with such a node are not published.
    """
    columns = tuple(_column(**each) for each in config["columns"])
    unique = tuple(tuple(combination) for combination in config["unique"])
    if not columns or not all(unique) or not {i for each in unique for i in each} <= set(range(len(columns))):
        raise ValueError("a table without columns, or a uniqueness of columns that there aren't")
    return Layout(columns, unique, config["drop_invalid_rows"])


def _column(name: str, type: str, nullable: bool, hash: bool, range: dict[str, Any] | None = None) -> Column:  # noqa: A002
    bounds = tuple((BOUNDS[key], value) for key, value in (range or {}).items())
    if type not in FORMATS or (bounds and type not in NUMBERS):
        raise ValueError("an unknown format, or a range of what isn't a number")
    if not all(isinstance(value, int | float) and math.isfinite(value) for _, value in bounds):
        raise ValueError("a bound that is no number")
    return Column(name, type, nullable, hash, bounds)
