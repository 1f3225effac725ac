"""Rows from what was learnt. Whatever happens here, nothing more of the table is told: it is not looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cloister_synthetic.learn import Learnt
from cloister_synthetic.masks import Masks
from cloister_synthetic.original import as_date, key
from cloister_synthetic.ranges import Bins
from cloister_synthetic.settings import Column

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_CHUNK = 100_000
"""Rows that are put into words at once."""


def coded(learnt: Learnt) -> pl.DataFrame | None:
    """Rows by the model: the numbers of ranges (as texts) and texts, by the keys of columns."""
    import numpy as np

    if learnt.table is None:
        return None
    # What draws from the model uses numpy's own state.
    np.random.seed(np.frombuffer(os.urandom(64), dtype=np.uint32))
    made: pl.DataFrame = learnt.table.synthesize(rows=max(1, learnt.rows), method="sample")
    return made.head(learnt.rows)


def rows(learnt: Learnt, codes: pl.DataFrame | None, columns: Sequence[Column]) -> Iterator[pl.DataFrame]:
    """The rows of the result, in parts.

    Args:
        codes: from `coded`.
        columns: all of the result, in their order.
    """
    import numpy as np
    import polars as pl

    random, masks = np.random.default_rng(), Masks()
    for start in range(0, learnt.rows, _CHUNK):
        count = min(_CHUNK, learnt.rows - start)
        part = None if codes is None else codes.slice(start, count)
        made = {str(place): _values(column, learnt, part, count, random, masks) for place, column in enumerate(columns)}
        yield pl.DataFrame(made)


def _values(
    column: Column, learnt: Learnt, part: pl.DataFrame | None, count: int, random: np.random.Generator, masks: Masks
) -> pl.Series:
    import polars as pl

    name = key(column)
    dtype = {"INT64": pl.Int64(), "FLOAT64": pl.Float64()}.get(column.kind, pl.String())
    learnable = not column.masked and (name in learnt.numbers or name in learnt.texts)
    if not learnable or part is None:
        if not column.masked and column.nullable:
            return pl.Series([None] * count, dtype=dtype)
        return _made_up(masks.maker(column), count, dtype)
    codes = part[name] if column.nullable else _filled(part[name], random)
    if codes.null_count() == count and not column.nullable:
        return _made_up(masks.maker(column), count, dtype)
    if name in learnt.texts:
        return codes
    missing = codes.is_null()
    indices = codes.fill_null("0").cast(pl.Int64).to_numpy()
    numbers = pl.Series(_drawn(learnt.numbers[name], indices, column.format != "FLOAT", random))
    values = pl.DataFrame({"values": numbers, "missing": missing}).select(
        pl.when(pl.col("missing")).then(None).otherwise(pl.col("values")).alias("values")
    )["values"]
    if column.format != "DATE_ISO8601":
        return values.cast(dtype)
    return pl.Series([None if day is None else as_date(day) for day in values], dtype=pl.String)


def _made_up(make: Callable[[], Any], count: int, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    return pl.Series([make() for _ in range(count)], dtype=dtype)


def _filled(codes: pl.Series, random: np.random.Generator) -> pl.Series:
    """Where a column may not be empty: others of its values, as often as they are there."""
    import polars as pl

    there = codes.drop_nulls()
    if there.is_empty() or len(there) == len(codes):
        return codes
    others = there.gather(random.integers(0, len(there), len(codes)))
    return pl.DataFrame({"codes": codes, "others": others}).select(pl.coalesce("codes", "others"))["codes"]


def _drawn(bins: Bins, indices: np.ndarray, whole: bool, random: np.random.Generator) -> np.ndarray:
    """A number from each of those bins: a cell of it as often as rows lie in it, evenly within that."""
    import numpy as np

    drawn = np.zeros(len(indices), dtype=np.int64 if whole else np.float64)
    for number in np.unique(indices):
        here = np.flatnonzero(indices == number)
        inside = bins.cells[number]
        weights = np.array([weight for _, _, weight in inside], dtype=np.float64)
        shares = weights / weights.sum() if weights.sum() > 0 else np.full(len(inside), 1 / len(inside))
        chosen = random.choice(len(inside), len(here), p=shares)
        for place, (lower, upper, _) in enumerate(inside):
            there = here[chosen == place]
            if whole:
                drawn[there] = random.integers(int(lower), max(int(upper) - 1, int(lower)), len(there), endpoint=True)
            else:
                drawn[there] = _between(random.random(len(there)), float(lower), float(upper))
    return drawn


def _between(shares: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Without overflow, where the two are as far apart as numbers get."""
    return lower * (1 - shares) + upper * shares
