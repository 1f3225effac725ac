"""Ranges of numbers, how much noise there is, and definitions of synthetic data: what needs no OpenDP."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from typing import Any

import pytest
from cloister_synthetic import ranges
from cloister_synthetic.noise import Noise
from cloister_synthetic.settings import read_columns, read_epsilon
from cloister_util.error import SafeError
from cloister_util.schema import Column as Typed

DRAWN = random.Random(1)


def histogram(edges: list[ranges.Number], values: list[Any]) -> list[float]:
    counts = [0.0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return counts


def found(values: list[Any], whole: bool) -> ranges.Bins:
    """As a table with this column is looked at, without noise."""
    edges = ranges.powers(whole)
    first, last = ranges.occupied(histogram(edges, values), 100) or (0, 0)
    edges = ranges.cells(edges[first : last + 2], whole)
    return ranges.bins(edges, histogram(edges, values), 20)


@pytest.mark.parametrize("whole", [True, False])
def test_every_number_has_a_range(whole: bool) -> None:
    edges = ranges.powers(whole)
    assert edges == sorted(set(edges))
    assert (edges[0], edges[-1]) == ((-(2**63), 2**63 - 1) if whole else (-1.7e308, 1.7e308))


@pytest.mark.parametrize(
    ("values", "whole", "width"),
    [
        ([DRAWN.randint(18, 90) for _ in range(5000)], True, 12),
        ([DRAWN.randint(1_600_000_000, 1_700_000_000) for _ in range(5000)], True, 20_000_000),
        ([DRAWN.gauss(37, 1) for _ in range(5000)], False, 5),
        ([DRAWN.uniform(-1000, 1000) for _ in range(5000)], False, 600),
    ],
)
def test_bins_lie_where_the_numbers_are(values: list[Any], whole: bool, width: float) -> None:
    bins = found(values, whole)
    assert 5 <= len(bins) <= ranges.BINS + 1
    assert bins.edges[0] <= sorted(values)[50]
    assert bins.edges[-1] >= sorted(values)[-50]
    assert max(upper - lower for lower, upper in zip(bins.edges, bins.edges[1:], strict=False)) <= width
    inside = [value for value in values if bins.edges[0] <= value < bins.edges[-1]]
    assert all(bins.edges[bins.index(value)] <= value < bins.edges[bins.index(value) + 1] for value in inside)
    assert bins.index(-(10**30)) == 0
    assert bins.index(10**30) == len(bins) - 1


@pytest.mark.parametrize("value", [0, 1, -1, 7, 2**62, 2**63 - 1, -(2**63)])
def test_a_constant_has_a_bin(value: int) -> None:
    bins = found([value] * 500, True)
    lower, upper, _ = bins.cells[bins.index(value)][0]
    assert lower <= value <= upper


@pytest.mark.parametrize(("edges", "whole"), [([5, 6], True), ([5.0, 5.0], False), ([0.0, 0.0], False), ([0, 3], True)])
def test_narrow_bounds_have_cells(edges: list[ranges.Number], whole: bool) -> None:
    cells = ranges.cells(edges, whole)
    assert len(cells) >= 2
    assert cells == sorted(set(cells))


def test_histograms_of_noise_alone_have_bins() -> None:
    for seed in range(200):
        drawn = random.Random(seed)
        edges = ranges.cells([-8, 0, 8], True)
        counts = [drawn.gauss(0, 50) for _ in range(len(edges) - 1)]
        bins = ranges.bins(edges, counts, 150)
        assert list(bins.edges) == sorted(set(bins.edges))
        assert len(bins) >= 1


def test_nothing_is_occupied_where_there_is_only_noise() -> None:
    assert ranges.occupied([3, -8, 5], 10) is None


@pytest.mark.parametrize("gaussian", [True, False])
def test_noise_rarely_exceeds_what_is_said_of_it(gaussian: bool) -> None:
    noise, drawn = Noise(gaussian, 10.0), random.Random(1)

    def one() -> float:
        return drawn.gauss(0, 10) if gaussian else drawn.expovariate(0.1) - drawn.expovariate(0.1)

    limit = noise.beyond(100, 0.05)
    often = sum(max(one() for _ in range(100)) > limit for _ in range(500))
    assert often <= 60  # 25 are expected at most


def test_noise_has_the_size_of_its_cost() -> None:
    assert Noise.of(False, 0.5).scale == 2
    assert Noise.of(True, 0.5).scale == 1


THERE = [Typed("Age", "INT64", True), Typed(None, "STRING", True)]
AGE = {"index": 0, "name": None, "type": "INTEGER", "mask_type": "genericNumber", "mask": False, "nullable": True}


def test_columns_are_called_as_in_the_table_if_nothing_else_is_said() -> None:
    given = [AGE, AGE | {"index": 1, "type": "STRING", "mask": True}]
    assert [column.name for column in read_columns(given, "t", THERE)] == ["Age", "V2"]
    assert [column.name for column in read_columns([AGE | {"name": "years"}], "t", THERE)] == ["years"]


@pytest.mark.parametrize("index", [-1, 2, True, "0", 10**9])
def test_unknown_columns_are_refused(index: Any) -> None:
    with pytest.raises(SafeError, match="Columns count from 0"):
        read_columns([AGE | {"index": index}], "t", THERE)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "no columns"),
        ([AGE, AGE], "twice"),
        ([AGE | {"type": "BLOB"}], "doesn't know"),
        ([AGE | {"mask_type": "other"}], "doesn't know"),
        ([AGE | {"range": {"greater_than": 5, "less_than": 1}}], "is none"),
        ([AGE | {"range": {"greater_than": -math.inf, "less_than": 1}}], "is none"),
    ],
)
def test_definitions_that_mean_nothing_are_refused(given: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(SafeError, match=why):
        read_columns(given, "t", THERE)


def test_too_many_learnt_columns_are_refused() -> None:
    there = [Typed(f"c{index}", "INT64", True) for index in range(60)]
    with pytest.raises(SafeError, match="60 columns"):
        read_columns([AGE | {"index": index} for index in range(60)], "t", there)


def test_bounds_of_the_definition_count_where_there_are_both() -> None:
    def bounds(**given: float) -> tuple[float, float] | None:
        return read_columns([AGE | {"range": given}], "t", THERE)[0].bounds

    assert bounds(greater_than_equals=0, less_than=120) == (0, 119)
    assert bounds(greater_than_equals=0) is None
    assert bounds() is None


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, -math.inf, "1", None, True, 1e-9, 1e9])
def test_no_usable_epsilon_is_refused(epsilon: Any) -> None:
    with pytest.raises(SafeError, match="epsilon must be"):
        read_epsilon(epsilon)
