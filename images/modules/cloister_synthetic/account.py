"""Everything that is learnt of a table goes through an `Account`: OpenDP answers, and adds up what that costs.

One compositor of OpenDP's holds the rows and the allowance. What it is asked says how large a part of that it may
spend; asked for more than is left, it refuses. So what a run costs never depends on arithmetic of ours.

The allowance is (epsilon, 0), with Laplace noise, where nothing has to be found that only the data knows of. It is
(epsilon, `DELTA`), with Gaussian noise, where there are texts: which ones there are is itself private. A text is told
when so many rows have it that, with whatever noise, one person's row would tell a text of its own with a chance of less
than delta. Gaussian noise has thin tails, so that this takes less than half as many rows as with Laplace noise.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cloister_synthetic.noise import Noise
from cloister_synthetic.ranges import Bins, Number

if TYPE_CHECKING:
    import polars as pl
    from opendp.extras.mbi import Algorithm, ContingencyTable

DELTA = 1e-9
"""The chance with which the promise may fail: far below one in the number of rows of any table that fits."""
_ALL_BUT_ROUNDING = 1 - 1e-9
"""What is left, when everything is spent: OpenDP adds up with rounding to the safe side."""
_ONEWAY = 0.4
"""Of what the model may spend, for each column by itself; the rest is for pairs of columns."""


class Account:
    """A table of which only so much may be learnt.

    Args:
        rows: what is learnt: whole numbers, numbers without NaN, texts.
        epsilon: what that may cost.
        finds_texts: whether `texts` will be asked for.
    """

    def __init__(self, rows: pl.DataFrame, epsilon: float, finds_texts: bool) -> None:
        import opendp.prelude as dp

        dp.enable_features("contrib")
        self.epsilon = epsilon
        self.delta = DELTA if finds_texts else 0.0
        self.gaussian = finds_texts
        loss: float | tuple[float, float]
        if self.gaussian:
            # Half of delta is for telling texts, half for what Gaussian noise costs in these terms.
            self._all = _rho(epsilon, DELTA / 2)
            measure, loss = dp.approximate(dp.zero_concentrated_divergence()), (self._all, DELTA / 2)
        else:
            self._all = epsilon
            measure, loss = dp.max_divergence(), epsilon
        self._context = dp.Context.compositor(
            data=rows.lazy(), privacy_unit=dp.unit_of(contributions=1), privacy_loss=(measure, loss)
        )

    @property
    def granted(self) -> tuple[float, float]:
        """The most that everything asked of this account costs, epsilon and delta, as OpenDP reckons."""
        import opendp.prelude as dp

        accountant = self._context.accountant
        if not self.gaussian:
            return accountant.map(self._context.d_in), 0.0
        as_approximate = dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(accountant), DELTA)
        epsilon, delta = as_approximate.map(self._context.d_in)
        return epsilon, delta

    def noise(self, share: float) -> Noise:
        """That on each count that is answered for such a share of all."""
        return Noise.of(self.gaussian, self._all * share)

    def histogram(self, column: str, edges: Sequence[Number], share: float) -> list[int]:
        """About how many rows lie between each two of those edges; those beyond them count with the outermost."""
        import opendp.prelude as dp
        import polars as pl

        labels = [str(index) for index in range(len(edges) - 1)]
        keys = pl.LazyFrame([pl.Series(column, labels, dtype=pl.String)])
        counted = self._plan().with_columns(binned(column, edges)).group_by(column).agg(dp.len(signed=True))
        # One row adds to one count, so that a count may cost all of the share.
        found = self._counts(keys.join(counted, on=[column], how="left", nulls_equal=True), self.noise(share).scale)
        counts = dict(found.iter_rows())
        return [counts[label] for label in labels]

    def texts(self, column: str, share: float, of: int) -> dict[str, int]:
        """Texts of a column that many rows have, with about how many.

        Args:
            of: how many columns are asked for their texts: delta is for all of them.
        """
        import opendp.prelude as dp

        plan = self._plan().group_by(column).agg(dp.len(signed=True))
        scale, most = self.noise(share).scale, DELTA / 2 / of * _ALL_BUT_ROUNDING

        def tells(threshold: int) -> bool:
            return bool(self._measurement(plan, scale, threshold).map(self._context.d_in)[1] < most)

        threshold = dp.binary_search(tells, T=int)
        return {text: count for text, count in self._counts(plan, scale, threshold).iter_rows() if text is not None}

    def rows(self) -> int:
        """About how many there are, for all that is left; negative by mere noise."""
        import opendp.prelude as dp

        return int(self._context.query(**self._left()).select(dp.len(signed=True)).release().collect().item())

    def model(self, numbers: Mapping[str, Bins], texts: Mapping[str, Sequence[str]]) -> ContingencyTable:
        """How the columns go together, for all that is left.

        Args:
            numbers: columns of numbers, which are learnt as these bins.
            texts: columns of texts, with those that are told; all others are one, and NULL too.
        """
        import jax

        # The tables of the model are small, and each shape is compiled for itself: that takes longer than all the rest.
        jax.config.update("jax_disable_most_optimizations", True)
        names = [*numbers, *texts]
        left = self._left()
        query = self._context.query(**left).select(*names)
        query = query.with_columns(binned(name, numbers[name].edges) for name in numbers) if numbers else query
        keys = {name: [str(index) for index in range(len(bins))] for name, bins in numbers.items()}
        algorithm = _algorithm(names, left["rho" if self.gaussian else "epsilon"], self.gaussian)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return query.contingency_table(keys={**keys, **texts}, algorithm=algorithm).release()

    def _plan(self) -> pl.LazyFrame:
        """A query of all rows, to be continued."""
        from opendp.domains import _lazyframe_from_domain

        plan: pl.LazyFrame = _lazyframe_from_domain(self._context.accountant.input_domain)
        return plan

    def _measurement(self, plan: pl.LazyFrame, scale: float, threshold: int | None = None) -> Any:
        import opendp.prelude as dp

        accountant = self._context.accountant
        return dp.m.make_private_lazyframe(
            *accountant.input_space, accountant.output_measure, plan, global_scale=scale, threshold=threshold
        )

    def _counts(self, plan: pl.LazyFrame, scale: float, threshold: int | None = None) -> pl.DataFrame:
        """The answer to a query, which is refused where it costs more than is left.

        OpenDP would find the scale for a cost by itself; that takes seconds for what can be calculated.
        """
        found: pl.DataFrame = self._context(self._measurement(plan, scale, threshold)).collect()
        return found

    def _left(self) -> dict[str, float]:
        left = self._context.remaining_privacy_loss()
        if self.gaussian:
            return {"rho": left[0] * _ALL_BUT_ROUNDING, "delta": 0.0}
        return {"epsilon": left * _ALL_BUT_ROUNDING}


def binned(column: str, edges: Sequence[Number]) -> pl.Expr:
    """The number of the range that a value lies in, as text; NULL stays NULL."""
    import polars as pl

    inner = [float(edge) for edge in edges[1:-1]] or [sys.float_info.max]
    labels = [str(index) for index in range(len(inner) + 1)]
    return pl.col(column).cut(inner, labels=labels, left_closed=True).cast(pl.String).alias(column)


def _rho(epsilon: float, delta: float) -> float:
    """The loss in zero-concentrated terms that is at most (epsilon, delta), as OpenDP reckons."""
    import opendp.prelude as dp

    space = dp.atom_domain(T="i64"), dp.absolute_distance(T="f64")

    def approximate(scale: float) -> Any:
        return dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale)), delta)

    scale = dp.binary_search_param(approximate, d_in=1.0, d_out=(epsilon, delta), T=float)
    return float(dp.m.make_gaussian(*space, scale).map(1.0))


def _algorithm(names: Sequence[str], loss: float, gaussian: bool) -> Algorithm:
    """How pairs of columns are chosen and measured.

    Not AIM: it takes two and a half times as long for pairs that are a tenth closer, and OpenDP 0.16's fails where a
    rounding error is left of its allowance.
    """
    import opendp.prelude as dp

    if len(names) == 1:
        return dp.mbi.Fixed(queries=[dp.mbi.Count((names[0],))])
    # MST of OpenDP 0.16 gives each of its choices a share of what it has for choosing, rounded; for some sums the
    # shares together are a rounding error above the whole, and then it refuses in the middle of its work. So what it
    # has for choosing is made such that they fit. The tests try many sums.
    measure = dp.zero_concentrated_divergence() if gaussian else dp.max_divergence()
    space = dp.atom_domain(T="i64"), dp.absolute_distance(T="i64")
    choices = len(names) - 1
    for attempt in range(1500):
        split = 0.9 - attempt * 3e-4
        pairs = _before(_before(loss - loss * _ONEWAY))
        choosing = _before(_before(pairs - pairs * split))
        shares = [_before(choosing / choices)] * choices
        if dp.c.make_adaptive_composition(*space, measure, d_in=1, d_mids=shares).map(1) <= choosing:
            return dp.mbi.MST(oneway_split=_ONEWAY, measure_split=split)
    raise ArithmeticError("No part for choosing fits.")


def _before(value: float) -> float:
    """The next smaller number."""
    return math.nextafter(value, -math.inf)
