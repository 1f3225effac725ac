"""What a definition asks for, checked: nothing here looks at data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloister_tables.program import distinct_names
from cloister_util.error import SafeError
from cloister_util.schema import Column as Typed

MOST_EPSILON = 1_000.0
LEAST_EPSILON = 1e-4
"""Below it there is more noise than rows in any table that fits."""
MOST_LEARNT = 50
"""Columns that are learnt: time and memory grow with the pairs of them."""
KINDS = {"INTEGER": "INT64", "FLOAT": "FLOAT64"}
"""The types of numbers; all others are text."""
FORMATS = ("STRING", "INTEGER", "FLOAT", "EMAIL", "DATE_ISO8601", "PHONE_NUMBER_E164", "HASH_SHA256_HEX")
MASKS = (
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
)


@dataclass(frozen=True)
class Column:
    """One column of the result."""

    index: int
    """Of the column in the table that it is made from, from 0."""
    name: str
    format: str
    """One of `FORMATS`."""
    mask: str
    """One of `MASKS`: what its values are where they are not learnt."""
    masked: bool
    """Whether nothing of the original is looked at."""
    nullable: bool
    bounds: tuple[float, float] | None = None
    """Smallest and largest value, as the definition has them: public."""

    @property
    def kind(self) -> str:
        """How its values are stored, one of `cloister_util.schema.KINDS`."""
        return KINDS.get(self.format, "STRING")

    @property
    def ordered(self) -> bool:
        """Whether its values are learnt as ranges, not one by one."""
        return self.format in ("INTEGER", "FLOAT", "DATE_ISO8601")


def read_epsilon(value: object) -> float:
    """The privacy that a run may cost.

    Raises:
        SafeError: it isn't a usable number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SafeError("The epsilon must be a number. 1 is a usual choice; smaller is more private.")
    if not LEAST_EPSILON <= value <= MOST_EPSILON:
        raise SafeError(
            f"The epsilon must be from {LEAST_EPSILON:g} to {MOST_EPSILON:g}. 1 is a usual choice; smaller is more "
            f"private, and with less than {LEAST_EPSILON:g} nothing but noise would be left."
        )
    return float(value)


def read_columns(given: Sequence[Mapping[str, Any]], table: str, there: Sequence[Typed]) -> tuple[Column, ...]:
    """The columns of the result.

    Args:
        table: what the room calls the table.
        there: the columns that it has.

    Raises:
        SafeError: naming the column, and what is wrong with it.
    """
    if not given:
        raise SafeError("The synthetic data has no columns. List those of the table that it should have.")
    seen: set[int] = set()
    for each in given:
        index = each["index"]
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(there):
            raise SafeError(
                f"The synthetic data names the column {index!r} of '{table}', which has {len(there)}. Columns count "
                "from 0."
            )
        if index in seen:
            raise SafeError(f"The synthetic data names the column {index} of '{table}' twice. Leave one out.")
        seen.add(index)
    names = distinct_names([each.get("name") or there[each["index"]].name or f"V{each['index'] + 1}" for each in given])
    columns = []
    for each, name in zip(given, names, strict=True):
        if each["type"] not in FORMATS or each["mask_type"] not in MASKS:
            raise SafeError(f"The column '{name}' has a type or a mask that this version doesn't know.")
        columns.append(
            Column(
                index=each["index"],
                name=name,
                format=each["type"],
                mask=each["mask_type"],
                masked=bool(each["mask"]),
                nullable=bool(each["nullable"]),
                bounds=_bounds(each.get("range") or {}, name, whole=each["type"] == "INTEGER"),
            )
        )
    learnt = sum(not column.masked for column in columns)
    if learnt > MOST_LEARNT:
        raise SafeError(f"{learnt} columns are to be learnt; {MOST_LEARNT} are the most. Leave some out, or mask them.")
    return tuple(columns)


def _bounds(given: Mapping[str, float], name: str, *, whole: bool) -> tuple[float, float] | None:
    """Both ends, where the definition has both: one alone doesn't bound anything. Of whole numbers, those that a column
    may have; of others, the ends themselves, which nothing is lost by."""
    lower = [float(given[key]) for key in ("greater_than", "greater_than_equals") if key in given]
    upper = [float(given[key]) for key in ("less_than", "less_than_equals") if key in given]
    if not lower or not upper:
        return None
    found = (max(lower), min(upper))
    if whole and all(map(math.isfinite, found)):
        above, below = given.get("greater_than"), given.get("less_than")
        found = (
            max(math.ceil(found[0]), -math.inf if above is None else math.floor(above) + 1),
            min(math.floor(found[1]), math.inf if below is None else math.ceil(below) - 1),
        )
    if not all(map(math.isfinite, found)) or found[0] > found[1]:
        raise SafeError(f"The range of the column '{name}' is none. Give finite bounds, the smaller one first.")
    return found
