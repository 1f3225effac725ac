"""The report beside synthetic data: what was learnt, what that cost, how good it is. Without the owners' consent to
exact statistics nothing in it stems from the table but what was learnt privately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cloister_synthetic.account import DELTA
from cloister_synthetic.learn import MOST_ROWS, MOST_TEXTS, Learnt
from cloister_synthetic.original import as_date, key
from cloister_synthetic.settings import Column

if TYPE_CHECKING:
    import polars as pl

UNIT = "one row: what is learnt hardly depends on whether any one row is in the table"


def of_empty(columns: Sequence[Column], epsilon: float) -> dict[str, Any]:
    """Of a table without rows, of which nothing was learnt."""
    return {
        "version": 1,
        "rows": 0,
        "privacy": {"epsilon": epsilon, "epsilonSpent": 0.0, "deltaSpent": 0.0, "protects": UNIT},
        "columns": [_column(column, None) for column in columns],
        "quality": None,
        "notes": ["The table has no rows, and so neither has the synthetic data."],
    }


def of(learnt: Learnt, columns: Sequence[Column], epsilon: float, quality: dict[str, Any] | None) -> dict[str, Any]:
    """Of what was learnt."""
    spent, delta = learnt.granted
    notes = []
    if learnt.rows >= MOST_ROWS:
        notes.append(f"No more than {MOST_ROWS} rows are made.")
    return {
        "version": 1,
        "rows": learnt.rows,
        "privacy": {
            "epsilon": epsilon,
            "epsilonSpent": spent,
            "deltaSpent": delta,
            "protects": UNIT,
            "noise": "discrete Gaussian" if learnt.gaussian else "discrete Laplace",
            "shares": learnt.spent,
        },
        "algorithm": learnt.algorithm,
        "columns": [_column(column, learnt) for column in columns],
        "quality": quality,
        "notes": notes,
    }


def _column(column: Column, learnt: Learnt | None) -> dict[str, Any]:
    told: dict[str, Any] = {"name": column.name, "index": column.index, "type": column.format}
    name = key(column)
    if column.masked:
        return {**told, "made": "masked", "mask": column.mask}
    if learnt is None:
        return {**told, "made": "nothing"}
    if name in learnt.numbers:
        edges = learnt.numbers[name].edges
        source = "found with a part of epsilon" if column.bounds is None else "the definition"
        bounds: list[Any] = [edges[0], edges[-1]]
        if column.format == "DATE_ISO8601":
            bounds = [as_date(edge) for edge in bounds]
        return {**told, "made": "from ranges", "ranges": len(edges) - 1, "bounds": bounds, "boundsFrom": source}
    if name in learnt.texts:
        texts = len(learnt.texts[name])
        return {**told, "made": "from texts that many rows have", "texts": texts, "most": MOST_TEXTS, "delta": DELTA}
    instead = "empty cells" if column.nullable else f"the mask {column.mask}"
    why = "too few rows for this epsilon" if column.ordered else "no text that enough rows have for this epsilon"
    return {**told, "made": instead, "because": why}


def statistics(rows: pl.DataFrame, columns: Sequence[Column]) -> dict[str, Any]:
    """Exact ones of the original, for owners who agreed to them."""
    import polars as pl

    told: list[dict[str, Any]] = []
    for column in columns:
        values = rows[key(column)]
        each: dict[str, Any] = {"column": column.name, "missing": values.null_count(), "distinct": values.n_unique()}
        if column.ordered and column.format != "DATE_ISO8601":
            numbers = values.cast(pl.Float64)
            each |= {"mean": numbers.mean(), "standardDeviation": numbers.std()}
        told.append(each)
    return {"rows": rows.height, "columns": told}
