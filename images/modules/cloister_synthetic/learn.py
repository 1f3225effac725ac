"""What is learnt of a table, and which part of epsilon goes where.

| for what | share of epsilon |
| --- | --- |
| finding values: the range of each column of numbers or dates, the texts of others | `FINDING`, in equal parts |
| the model: each column by itself (40 %), which pairs to look at, and these pairs | all that is left |

A range takes two looks, with half of the column's part each; where the definition has bounds, one with all of it. Where
nothing has to be found, or nothing is learnt at all, everything goes to the model, or to the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloister_synthetic import ranges
from cloister_synthetic.account import Account
from cloister_synthetic.original import key
from cloister_synthetic.ranges import Bins
from cloister_synthetic.settings import Column

if TYPE_CHECKING:
    import polars as pl
    from opendp.extras.mbi import ContingencyTable

FINDING = 0.3
MOST_TEXTS = 100
"""Texts of a column that are learnt: those that most rows have. Time and memory grow with the square."""
MOST_ROWS = 5_000_000
"""Rows that are made: they lie in memory."""
_CHANCE = 0.05
"""With which anywhere in a histogram mere noise may look like rows."""
_CHANCE_ELSEWHERE = 0.001
"""The same where a range is looked for among all numbers there are: mere noise would make nearly all of it empty."""


@dataclass(frozen=True)
class Learnt:
    """What is known of a table: all of it may be told."""

    rows: int
    """About how many there are, and so many are made."""
    numbers: dict[str, Bins]
    """By the keys of columns of numbers and dates."""
    texts: dict[str, list[str]]
    """By the keys of columns of texts."""
    table: ContingencyTable | None
    """How they go together; None where nothing is learnt."""
    granted: tuple[float, float]
    """The epsilon and delta that all of it costs at most."""
    gaussian: bool
    algorithm: str | None
    spent: dict[str, float] = field(default_factory=dict)
    """Shares of epsilon by what they went to."""


def learn(rows: pl.DataFrame, columns: Sequence[Column], epsilon: float) -> Learnt:
    """Learns those columns for at most that epsilon.

    Args:
        rows: as `original.load` gives them.
    """
    texts = [column for column in columns if not column.ordered]
    account = Account(rows, epsilon, finds_texts=bool(texts))
    found_numbers: dict[str, Bins] = {}
    found_texts: dict[str, list[str]] = {}
    spent: dict[str, float] = {}
    share = FINDING / len(columns) if columns else 0.0
    for column in columns:
        name = key(column)
        spent[f"finding the values of '{column.name}'"] = share
        if column.ordered:
            bins = _range(account, column, share)
            if bins is not None:
                found_numbers[name] = bins
        else:
            counts = account.texts(name, share, len(texts))
            most = sorted(counts, key=lambda text: (-counts[text], text))[:MOST_TEXTS]
            if most:
                found_texts[name] = sorted(most)
    left = 1 - sum(spent.values())
    found = len(found_numbers) + len(found_texts)
    if not found:
        spent["the number of rows"] = left
        return Learnt(_bounded(account.rows()), {}, {}, None, account.granted, account.gaussian, None, spent)
    spent["the model, which also has the number of rows"] = left
    table = account.model(found_numbers, found_texts)
    algorithm = "MST" if found > 1 else "Fixed"
    total = _bounded(float(table.model.total))
    return Learnt(total, found_numbers, found_texts, table, account.granted, account.gaussian, algorithm, spent)


def _bounded(rows: float) -> int:
    return min(max(0, round(rows)), MOST_ROWS)


def _range(account: Account, column: Column, share: float) -> Bins | None:
    """Ranges for the numbers of a column; None where there are too few rows to find any."""
    name, whole = key(column), column.format != "FLOAT"
    if column.bounds is None:
        share /= 2
        edges = ranges.powers(whole)
        counts = account.histogram(name, edges, share)
        least = account.noise(share).beyond(len(counts), _CHANCE_ELSEWHERE)
        found = ranges.occupied(counts, least)
        if found is None:
            return None
        edges = edges[found[0] : found[1] + 2]
    else:
        lower, upper = column.bounds
        edges = [int(lower), int(upper) + 1] if whole else [lower, upper]
    edges = ranges.cells(edges, whole)
    counts = account.histogram(name, edges, share)
    return ranges.bins(edges, counts, account.noise(share).beyond(len(counts), _CHANCE))
