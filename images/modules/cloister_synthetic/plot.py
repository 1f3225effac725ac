"""The marginals of synthetic data beside those that it is compared with, as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cloister_synthetic.learn import Learnt
from cloister_synthetic.original import as_date, key
from cloister_synthetic.quality import Counts
from cloister_synthetic.settings import Column

MOST_PLOTTED = 24
"""Columns: the first ones."""
MOST_BARS = 30
"""Texts of a column: those that are most frequent."""
_LABEL = 16


def draw(
    learnt: Learnt, columns: Sequence[Column], made: Counts, reference: Counts, compared_with: str, output: Path
) -> None:
    """Writes ``report.png`` and ``report.svg``.

    Args:
        columns: those that were learnt.
    """
    # Otherwise it looks for a folder of its own in a home that can't be written to.
    os.environ.setdefault("MPLCONFIGDIR", "/tmp/matplotlib")  # noqa: S108 - the container's own
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    shown = columns[:MOST_PLOTTED]
    wide = min(3, len(shown))
    high = -(-len(shown) // wide)
    figure = Figure(figsize=(5 * wide, 3 * high), layout="constrained")
    axes = figure.subplots(high, wide, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(shown):
            axis.set_visible(False)
            continue
        column = shown[place]
        clique = (key(column),)
        labels = _labels(learnt, column)
        theirs, ours = (each[clique] / max(each[clique].sum(), 1e-9) for each in (reference, made))
        order = list(range(len(labels)))
        if len(labels) > MOST_BARS:
            order = sorted(sorted(order, key=lambda index: -theirs[index])[:MOST_BARS])
        places = list(range(len(order)))
        axis.bar([x - 0.2 for x in places], [theirs[index] for index in order], 0.4, label=compared_with)
        axis.bar([x + 0.2 for x in places], [ours[index] for index in order], 0.4, label="synthetic")
        axis.set_xticks(places, [labels[index] for index in order], rotation=60, ha="right", fontsize=6)
        # Names and texts are no formulas.
        axis.set_title(column.name, fontsize=9, parse_math=False)
        for label in axis.get_xticklabels():
            label.set_parse_math(False)
        axis.tick_params(axis="y", labelsize=6)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(output / "report.png", dpi=100)
    figure.savefig(output / "report.svg", metadata={"Date": None})


def _labels(learnt: Learnt, column: Column) -> list[str]:
    """For each value of a column in the model, the missing one last."""
    name = key(column)
    if name in learnt.numbers:
        edges = learnt.numbers[name].edges[:-1]
        of_dates = column.format == "DATE_ISO8601"
        return [*(as_date(edge) if of_dates else f"{edge:.4g}" for edge in edges), "missing"]
    assert learnt.table is not None
    texts = ["missing or rare" if text is None else str(text) for text in learnt.table.keys[name].to_list()]
    return [text if len(text) <= _LABEL else text[: _LABEL - 1] + "…" for text in texts]
