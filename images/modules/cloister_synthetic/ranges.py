"""Ranges that numbers are counted in. Pure: what is counted, and with how much noise, is decided elsewhere.

Numbers are looked at twice. First it is counted, for each power of two, how many of them lie between that and the
next (`powers`): of whatever size they are, some hundred counters show where they lie. Then what is occupied is cut
into some `CELLS` cells of the same width (`cells`) and counted again. Neighbouring cells that hold few are put together
(`bins`), so that a model has some `BINS` values to learn, each of about as many rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Number = int | float
CELLS = 64
BINS = 20
_INT64 = 2**63
_LARGEST = 1.7e308
_EXPONENTS = (*range(-20, 65), 80, 128, 256, 512, 1023)


def powers(whole: bool) -> list[Number]:
    """The edges of the ranges for a column of which nothing is known.

    Args:
        whole: whether it holds whole numbers.
    """
    if whole:
        sizes: list[Number] = [2**exponent for exponent in range(63)]
        return [-_INT64, *(-size for size in reversed(sizes)), 0, *sizes, _INT64 - 1]
    sizes = [2.0**exponent for exponent in _EXPONENTS]
    return [-_LARGEST, *(-size for size in reversed(sizes)), 0.0, *sizes, _LARGEST]


def occupied(counts: Sequence[float], least: float) -> tuple[int, int] | None:
    """The first and the last range that more than `least` rows lie in; None where there is none."""
    found = [index for index, count in enumerate(counts) if count > least]
    return (found[0], found[-1]) if found else None


def cells(edges: Sequence[Number], whole: bool, most: int = CELLS) -> list[Number]:
    """Cuts each range between two of those edges into so many of the same width that there are about `most` in all.

    Returns:
        The edges of the cells, each larger than the one before. Of whole numbers the last one is beyond the largest.
    """
    parts = max(1, most // (len(edges) - 1))
    found: list[Number] = []
    for lower, upper in pairwise(edges):
        for part in range(parts):
            if whole:
                edge: Number = int(lower) + (int(upper) - int(lower)) * part // parts
            else:
                share = part / parts
                edge = lower * (1 - share) + upper * share
            if not found or edge > found[-1]:
                found.append(edge)
    last = edges[-1]
    if not found or last > found[-1]:
        found.append(last)
    if len(found) == 1:  # a single value
        found.append(found[0] + 1 if whole else found[0] + max(abs(found[0]), 1.0) * 1e-9)
    return found


@dataclass(frozen=True)
class Bins:
    """Ranges of numbers that a model learns as one value each, and how to get a number back."""

    edges: tuple[Number, ...]
    """Of the bins: one more than there are. Numbers below the first or beyond the last belong to the outermost."""
    cells: tuple[tuple[tuple[Number, Number, float], ...], ...]
    """For each bin its cells: lower end, upper end (not part of it), and how many rows are about in it."""

    def __len__(self) -> int:
        return len(self.cells)

    def index(self, value: Number) -> int:
        """The bin of a number."""
        return min(max(bisect_right(self.edges, value) - 1, 0), len(self) - 1)

    @property
    def middles(self) -> list[float]:
        """A number for each bin, to calculate with."""
        return [lower / 2 + upper / 2 for lower, upper in pairwise(self.edges)]


def bins(edges: Sequence[Number], counts: Sequence[float], least: float, most: int = BINS) -> Bins:
    """Puts cells together to about `most` bins that each hold about as many rows.

    Args:
        edges: of the cells.
        counts: how many rows are about in each; noise makes some negative.
        least: so many rows at each end may be ones beyond which there is nothing but noise: those cells are left out.
    """
    first, last = _inner(counts, least)
    kept = [max(0.0, counts[index]) for index in range(first, last + 1)]
    wanted = sum(kept) / most
    made: list[tuple[tuple[Number, Number, float], ...]] = []
    group: list[tuple[Number, Number, float]] = []
    held = 0.0
    for offset, count in enumerate(kept):
        index = first + offset
        # One that is large enough by itself stays by itself.
        if group and (held >= wanted or count >= wanted):
            made.append(tuple(group))
            group, held = [], 0.0
        group.append((edges[index], edges[index + 1], count))
        held += count
    made.append(tuple(group))
    return Bins((*(inside[0][0] for inside in made), made[-1][-1][1]), tuple(made))


def _inner(counts: Sequence[float], least: float) -> tuple[int, int]:
    """The cells that are left where at either end about `least` rows are given up; all, where nothing would be."""

    def end(order: Sequence[int]) -> int:
        held = 0.0
        for index in order:
            held += max(0.0, counts[index])
            if held > least:
                return index
        return order[0]

    order = range(len(counts))
    first, last = end(order), end(order[::-1])
    return (first, last) if first <= last else (0, len(counts) - 1)
