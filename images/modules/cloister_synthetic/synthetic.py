"""Synthetic data: a table like another, made with differential privacy, and a report on how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloister_tables.program import DATA, open_table, start, write_types
from cloister_util.error import SafeError
from cloister_util.schema import Column as Typed

from cloister_synthetic.original import is_empty, load
from cloister_synthetic.settings import Column, read_columns, read_epsilon

if TYPE_CHECKING:
    import polars as pl

REPORT = "report.json"


def run(config: dict[str, Any], inputs: Path, output: Path, scratch: Path) -> None:
    """Makes the table and its report.

    Raises:
        SafeError: what is wrong with the definition or the table.
    """
    epsilon = read_epsilon(config["epsilon"])
    table = open_table(inputs, config["table"])
    columns = read_columns(config["columns"], table.name, table.columns)
    write_types(output, [Typed(column.name, column.kind, column.nullable) for column in columns])
    if is_empty(table, scratch):
        from cloister_synthetic import report

        (output / DATA).write_bytes(b"")
        _write_report(report.of_empty(columns, epsilon), output)
        return
    learnt_ones = [column for column in columns if not column.masked]
    _make(load(table, learnt_ones, scratch), columns, learnt_ones, epsilon, bool(config["statistics"]), output)


def main() -> None:
    """Runs it in its container."""
    start(run)


def _make(
    rows: pl.DataFrame,
    columns: Sequence[Column],
    learnt_ones: Sequence[Column],
    epsilon: float,
    statistics: bool,
    output: Path,
) -> None:
    from opendp.mod import OpenDPException

    from cloister_synthetic import plot, quality, report, sample
    from cloister_synthetic.learn import learn

    try:
        learnt = learn(rows, learnt_ones, epsilon)
    except OpenDPException:
        raise SafeError(
            "OpenDP could not learn these columns with this epsilon. Learn fewer of them, or allow a larger epsilon."
        ) from None
    codes = sample.coded(learnt)
    _write_rows(sample.rows(learnt, codes, columns), output / DATA)
    told = None
    if codes is not None:
        cliques = quality.cliques(learnt, learnt_ones, all_pairs=statistics)
        made = quality.counts_of(codes, learnt, cliques)
        compared_with = "original" if statistics else "model"
        if statistics:
            reference = quality.counts_of(quality.encode(rows, learnt), learnt, cliques)
        else:
            reference = quality.counts_by_model(learnt, cliques)
        told = quality.compare(learnt, learnt_ones, made, reference, compared_with)
        found = [column for column in learnt_ones if (f"c{column.index}",) in made]
        plot.draw(learnt, found, made, reference, compared_with, output)
    content = report.of(learnt, columns, epsilon, told)
    if statistics:
        content["original"] = report.statistics(rows, learnt_ones)
    _write_report(content, output)


def _write_rows(parts: Iterable[pl.DataFrame], place: Path) -> None:
    with place.open("xb") as file:
        for part in parts:
            part.write_csv(file, include_header=False, line_terminator="\n", quote_style="necessary")


def _write_report(content: dict[str, Any], output: Path) -> None:
    (output / REPORT).write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
