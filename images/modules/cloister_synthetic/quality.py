"""How good synthetic data is: distances of marginals and correlations, next to the model or to the original."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cloister_synthetic.account import binned
from cloister_synthetic.learn import Learnt
from cloister_synthetic.original import key
from cloister_synthetic.settings import Column

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST_PAIRED = 16
"""Columns that are compared in pairs: the first ones."""
Counts = Mapping[tuple[str, ...], "np.ndarray"]


def counts_of(rows: pl.DataFrame, learnt: Learnt, cliques: Sequence[tuple[str, ...]]) -> Counts:
    """How often each combination of values is in those rows.

    Args:
        rows: coded, as `sample.coded` makes them.
        cliques: one or two columns each, by their keys.
    """
    import numpy as np
    import polars as pl

    assert learnt.table is not None
    codes, sizes = {}, {}
    for name in {name for clique in cliques for name in clique}:
        values = learnt.table.keys[name]
        sizes[name] = len(values)
        places = {value: place for place, value in enumerate(values.to_list())}
        indices = rows[name].replace_strict(places, default=places[None], return_dtype=pl.Int64)
        codes[name] = indices.to_numpy()
    found = {}
    for clique in cliques:
        shape = tuple(sizes[name] for name in clique)
        flat = np.ravel_multi_index(tuple(codes[name] for name in clique), shape)
        found[clique] = np.bincount(flat, minlength=math.prod(shape)).reshape(shape).astype(float)
    return found


def counts_by_model(learnt: Learnt, cliques: Sequence[tuple[str, ...]]) -> Counts:
    """About how often by the model, which is private already."""
    import numpy as np

    assert learnt.table is not None
    return {clique: np.asarray(learnt.table.project(clique), dtype=float) for clique in cliques}


def encode(rows: pl.DataFrame, learnt: Learnt) -> pl.DataFrame:
    """The original's rows in the terms of the model: for owners who agreed to exact statistics alone."""
    return rows.select(*learnt.numbers, *learnt.texts).with_columns(
        binned(name, bins.edges) for name, bins in learnt.numbers.items()
    )


def cliques(learnt: Learnt, columns: Sequence[Column], all_pairs: bool) -> list[tuple[str, ...]]:
    """What is compared: each learnt column, and pairs of columns.

    Args:
        all_pairs: of the first columns; else those that were measured: others take the model a second each.
    """
    names = [key(column) for column in columns if _is_learnt(column, learnt)]
    pairs = list(itertools.combinations(names[:MOST_PAIRED], 2))
    if not all_pairs:
        assert learnt.table is not None
        pairs = [pair for pair in pairs if _is_measured(learnt, pair)]
    return [*((name,) for name in names), *pairs]


def _is_measured(learnt: Learnt, pair: tuple[str, ...]) -> bool:
    assert learnt.table is not None
    return any(set(pair) <= set(clique) for clique in learnt.table.marginals.cliques())


def compare(
    learnt: Learnt, columns: Sequence[Column], made: Counts, reference: Counts, compared_with: str
) -> dict[str, Any]:
    """The part of the report."""
    names = {key(column): column.name for column in columns}
    single: list[dict[str, Any]] = [
        {"column": names[clique[0]], "totalVariation": distance(made[clique], reference[clique])}
        for clique in made
        if len(clique) == 1
    ]
    pairs = []
    for clique in made:
        if len(clique) == 2:
            pair: dict[str, Any] = {
                "columns": [names[name] for name in clique],
                "totalVariation": distance(made[clique], reference[clique]),
                "association": _both(association, made[clique], reference[clique]),
            }
            if all(name in learnt.numbers for name in clique):
                middles = [learnt.numbers[name].middles for name in clique]

                def of(table: np.ndarray, middles: Sequence[Sequence[float]] = middles) -> float | None:
                    return correlation(table[:-1, :-1], *middles)

                pair["correlation"] = _both(of, made[clique], reference[clique])
            pairs.append(pair)
    return {
        "comparedWith": compared_with,
        "columns": single,
        "meanTotalVariation": _mean([each["totalVariation"] for each in single]),
        "pairs": pairs,
        "meanPairwiseTotalVariation": _mean([each["totalVariation"] for each in pairs]),
    }


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Half the sum of differences of shares: 0 for the same distribution, 1 for ones that have nothing in common."""
    return float(abs(_shares(one) - _shares(other)).sum() / 2)


def association(table: np.ndarray) -> float | None:
    """Cramer's V: 0 where two columns have nothing to do with each other, 1 where one tells the other."""
    shares = _shares(table)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    rows, columns, shares = rows[rows > 0], columns[columns > 0], shares[rows > 0][:, columns > 0]
    smaller = min(len(rows), len(columns)) - 1
    if smaller < 1:
        return None
    expected = rows[:, None] * columns[None, :]
    return float(min(1.0, math.sqrt(((shares - expected) ** 2 / expected).sum() / smaller)))


def correlation(table: np.ndarray, rows: Sequence[float], columns: Sequence[float]) -> float | None:
    """Pearson's, of numbers that are known by their bins alone; None where one of them doesn't vary."""
    import numpy as np

    shares = _shares(table)
    # To the same size first: squares of huge numbers would overflow.
    x, y = (np.asarray(each) / (max(map(abs, each)) or 1.0) for each in (rows, columns))
    x, y = x - shares.sum(axis=1) @ x, y - shares.sum(axis=0) @ y
    spread = math.sqrt(float(shares.sum(axis=1) @ x**2) * float(shares.sum(axis=0) @ y**2))
    return float(x @ shares @ y / spread) if spread > 1e-12 else None


def _shares(table: np.ndarray) -> np.ndarray:
    positive = table.clip(min=0)
    total = positive.sum()
    shares: np.ndarray = positive / total if total > 0 else positive
    return shares


def _both(of: Callable[[np.ndarray], float | None], made: np.ndarray, reference: np.ndarray) -> dict[str, float | None]:
    return {"synthetic": of(made), "reference": of(reference)}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _is_learnt(column: Column, learnt: Learnt) -> bool:
    name = key(column)
    return not column.masked and (name in learnt.numbers or name in learnt.texts)
