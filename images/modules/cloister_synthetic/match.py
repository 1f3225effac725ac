"""Matching: which rows of two tables belong together. The analyst gets statistics with noise on them, later
computations the matched rows themselves, which lie apart in `.withheld`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cloister_tables.program import DATA, Table, distinct_names, open_table, start, write_types
from cloister_util.error import SafeError
from cloister_util.schema import Column

from cloister_synthetic.jsonlogic import Condition, translate
from cloister_synthetic.settings import read_epsilon
from cloister_synthetic.tables import database, reading

WITHHELD = ".withheld"
REPORT = "statistics.json"
STATISTICS = 5
"""How many there are: each gets an equal part of epsilon."""
_MOST = 10**9
_WRITING = "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR ''"


def run(config: dict[str, Any], inputs: Path, output: Path, scratch: Path) -> None:
    """Matches the tables.

    Raises:
        SafeError: what is wrong with the definition or the tables.
    """
    epsilon = read_epsilon(config["epsilon"])
    step, sensitivity = _positive(config["round"], "rounding"), _positive(config["sensitivity"], "sensitivity")
    if step != int(step):
        raise SafeError("The rounding must be a whole number: statistics are rounded to multiples of it.")
    tables = [open_table(inputs, name) for name in _in_order(config)]
    conditions = translate(config["query"], tables)
    withheld = output / WITHHELD
    withheld.mkdir()
    exact = match(tables, conditions, withheld, scratch)
    scale = sensitivity * STATISTICS / epsilon
    told = [(name, table, rounded(count, int(step))) for (name, table), count in noisy(exact, scale).items()]
    _write(told, output, {"epsilon": epsilon, "sensitivity": sensitivity, "noiseScale": scale, "round": int(step)})


def main() -> None:
    """Runs it in its container."""
    start(run)


Statistics = Mapping[tuple[str, str | None], int]
"""By what they count and the table that they count it of, if not of both."""


def match(tables: Sequence[Table], conditions: Sequence[Condition], place: Path, scratch: Path) -> Statistics:
    """Writes the matched rows as a table into ``place``.

    Returns:
        Exact statistics, which nobody may see.
    """
    with database(scratch) as connection:
        for side, table in zip("lr", tables, strict=True):
            connection.execute(
                f"CREATE TABLE {side} AS SELECT *, row_number() OVER () AS n FROM {reading(table)}",  # noqa: S608
                [str(table.data)],
            )
        # Each alternative is a join by itself, so that all of them are found by hashing; UNION makes pairs that
        # several of them find one.
        alternatives = " UNION ".join(
            f"SELECT l.n AS ln, r.n AS rn FROM l JOIN r ON {condition.sql}"  # noqa: S608
            for condition in conditions
        )
        values = [value for condition in conditions for value in condition.values]
        connection.execute(f"CREATE TABLE pairs AS SELECT DISTINCT ln, rn FROM ({alternatives})", values)  # noqa: S608
        columns = [
            *(f"l.c{index}" for index in range(len(tables[0].columns))),
            *(f"r.c{index}" for index in range(len(tables[1].columns))),
        ]
        target = str(place / DATA).replace("'", "''")
        connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM pairs JOIN l ON l.n = ln JOIN r ON r.n = rn) "  # noqa: S608
            f"TO '{target}' ({_WRITING})"
        )
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM l), (SELECT count(*) FROM r), "
            "count(*), count(DISTINCT ln), count(DISTINCT rn) FROM pairs"
        ).fetchone()
    assert counts is not None
    write_types(place, _columns(tables))
    left, right = (table.name for table in tables)
    names = [("rows", left), ("rows", right), ("matched pairs", None), ("matched rows", left), ("matched rows", right)]
    return dict(zip(names, counts, strict=True))


def noisy(exact: Statistics, scale: float) -> dict[tuple[str, str | None], int]:
    """The same with two-sided geometric noise (OpenDP's) of that scale."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    noise: Callable[[int], int] = dp.m.make_geometric(
        dp.atom_domain(T="i64"), dp.absolute_distance(T="i64"), scale=scale
    )
    return {name: noise(count) for name, count in exact.items()}


def rounded(count: int, step: int) -> int:
    """To the nearest multiple, and not below zero: what comes after the noise costs nothing."""
    return max(0, (count + step // 2) // step * step)


def _columns(tables: Sequence[Table]) -> list[Column]:
    """Of the matched rows: a name that both tables have gets the table's before it."""
    names = [[name.casefold() for name in table.column_names] for table in tables]
    both = set(names[0]) & set(names[1])
    wanted = [
        f"{table.name}_{name}" if name.casefold() in both else name for table in tables for name in table.column_names
    ]
    typed = [column for table in tables for column in table.columns]
    return [column._replace(name=name) for column, name in zip(typed, distinct_names(wanted), strict=True)]


def _write(told: Sequence[tuple[str, str | None, int]], output: Path, privacy: Mapping[str, float]) -> None:
    import csv

    content = {
        "version": 1,
        "privacy": {**privacy, "statistics": STATISTICS, "noise": "two-sided geometric"},
        "statistics": [{"statistic": name, "table": table, "value": value} for name, table, value in told],
    }
    (output / REPORT).write_text(json.dumps(content, indent=1), encoding="utf-8")
    with (output / DATA).open("x", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows((name, table, value) for name, table, value in told)
    write_types(
        output, [Column("statistic", "STRING", False), Column("table", "STRING", True), Column("value", "INT64", False)]
    )


def _in_order(config: Mapping[str, Any]) -> list[str]:
    """The two tables, in the order of the paths that the definition gives."""
    names = list(config["tables"])
    if len(names) != 2 or names[0] == names[1]:
        raise SafeError("A match needs two tables.")
    listed = [path.partition("/")[0] for path in config.get("paths", ())]
    return listed if sorted(listed) == sorted(names) else names


def _positive(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SafeError(f"The {what} of a match must be a number.")
    if not 0 < value <= _MOST:
        raise SafeError(f"The {what} of a match must be above 0, and {_MOST} at most.")
    return float(value)
