"""SQL: a room that answers queries, and the program that does, against DuckDB alone, on the same CSV."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import duckdb

from bench.report import Row, Table
from cloister import Key
from cloister.analytics import (
    AnalyticsDcr,
    AnalyticsDcrBuilder,
    Column,
    FormatType,
    SqlComputeNode,
    SqlComputeNodeDefinition,
    TableDataNode,
    TableDataNodeDefinition,
)
from tests.installation import Installation

MODULES = Path(__file__).parents[1] / "images/modules"
QUERIES = {
    "group by": "SELECT city, count(*) AS n, avg(amount) AS mean FROM sales GROUP BY city",
    "join": "SELECT region, sum(amount) AS total FROM sales JOIN customers ON customer = id GROUP BY region",
}
_COLUMNS = {
    "sales": {"customer": "BIGINT", "city": "VARCHAR", "amount": "DOUBLE"},
    "customers": {"id": "BIGINT", "region": "VARCHAR"},
}
_KINDS = {"BIGINT": "INT64", "VARCHAR": "STRING", "DOUBLE": "FLOAT64"}
_BARE = """
import duckdb, json, sys
tables, query, place = json.loads(sys.argv[1])
with duckdb.connect(":memory:") as connection:
    connection.execute("SET enable_progress_bar = false").fetchall()
    for name, (file, columns) in tables.items():
        listed = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_csv('{file}', columns = {{{listed}}}, header = false, "
            f"auto_detect = false)"
        ).fetchall()
    connection.execute(f"COPY ({query}) TO '{place}' (FORMAT csv, HEADER false)").fetchall()
"""
_PROGRAM = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cloister_tables.sql import run
run(json.loads(sys.argv[2]), *map(Path, sys.argv[3:]))
"""

Ask = Callable[[str, int | None], Path]
"""Runs a query, with `minimum_rows` or without; the file of its result."""


def make_tables(inputs: Path, rows: int) -> None:
    """Sales of so many rows, and a tenth as many customers, as they lie among a computation's inputs."""
    sys.path.insert(0, str(MODULES))
    from cloister_util.schema import Column, write_schema

    sales = f"(i * 7919) % {rows // 10}, 'city ' || (i * 31 % 1000), (i % 100000) / 100"
    queries = {
        "sales": f"SELECT {sales} FROM range({rows}) t(i)",
        "customers": f"SELECT i, 'region ' || (i % 50) FROM range({rows // 10}) t(i)",
    }
    with duckdb.connect(":memory:") as connection:
        for name, query in queries.items():
            folder = inputs / name
            folder.mkdir(parents=True)
            columns = [Column(column, _KINDS[kind], False) for column, kind in _COLUMNS[name].items()]
            (folder / "types").write_bytes(write_schema(columns))
            connection.execute(f"COPY ({query}) TO '{folder / 'dataset.csv'}' (FORMAT csv, HEADER false)").fetchall()


def measure(rows: int, repetitions: int) -> Table:
    """The program as a process of its own, against DuckDB as one."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-sql-") as made:
        place = Path(made)
        make_tables(place / "input", rows)
        return compare(f"SQL on {rows:,} rows, as processes", place, _program(place), repetitions)


def through_a_room(installation: Installation, rows: int, repetitions: int) -> tuple[Table, Table]:
    """From the client's question to the checked answer, against DuckDB alone; and what validating the tables takes."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-sql-") as made:
        place = Path(made)
        make_tables(place / "input", rows)
        room = _room(installation, repetitions)
        taken = []
        for name in _COLUMNS:
            table = room.get_node(name)
            assert isinstance(table, TableDataNode)
            table.upload_and_publish_dataset(place / "input" / name / "dataset.csv", Key(), name)
            started = time.perf_counter()
            if table.get_validation_report_as_dict()["report"]["outcome"] != "PASSED":
                raise RuntimeError("the table is not valid")
            seconds = time.perf_counter() - started
            taken.append(Row(name=f"{name}: validated, fetched", value=seconds, unit="s", samples=(seconds,)))
        asked: Counter[tuple[str, int | None]] = Counter()

        def ask(query: str, minimum: int | None) -> Path:
            node = room.get_node(_node(query, minimum, asked[query, minimum]))
            asked[query, minimum] += 1
            assert isinstance(node, SqlComputeNode)
            node.run_computation()
            with node.get_results_as_zip() as archive:
                return Path(archive.extract("dataset.csv", place))

        compared = compare(f"SQL on {rows:,} rows, through a room", place, ask, repetitions)
        return Table(title=f"Tables of {rows:,} and {rows // 10:,} rows in a room", rows=tuple(taken)), compared


def _node(query: str, minimum: int | None, number: int) -> str:
    return f"query {list(QUERIES.values()).index(query)} {minimum} {number}"


def _room(installation: Installation, repetitions: int) -> AnalyticsDcr:
    """One node for each time that a query is asked: nothing is answered from what was computed before."""
    email = "sql@bench.example"
    client = installation.client(email)
    builder = AnalyticsDcrBuilder(client=client).with_name("SQL").with_owner(email)
    kinds = {"BIGINT": FormatType.INTEGER, "VARCHAR": FormatType.STRING, "DOUBLE": FormatType.FLOAT}
    for name, columns in _COLUMNS.items():
        listed = [Column(kinds[kind], column, False) for column, kind in columns.items()]
        builder.add_node_definition(TableDataNodeDefinition(name, listed, True))
    queries = []
    for query in QUERIES.values():
        for minimum, times in ((None, repetitions), (10, repetitions + 1)):  # the last one, to look at the answer
            for number in range(times):
                queries.append(_node(query, minimum, number))
                read = [name for name in _COLUMNS if name in query]
                text = f"{query} -- {number}"
                builder.add_node_definition(SqlComputeNodeDefinition(queries[-1], text, read, minimum))
    builder.add_participant(email, data_owner_of=list(_COLUMNS), analyst_of=queries)
    return client.publish_analytics_dcr(builder.build())


def compare(title: str, place: Path, ask: Ask, repetitions: int) -> Table:
    """Whoever answers queries, against DuckDB alone: in turns, so that both meet the same machine.

    Args:
        place: where the tables are, below `input`.
    """
    tables = {name: (str(place / "input" / name / "dataset.csv"), columns) for name, columns in _COLUMNS.items()}
    found = []
    for name, query in QUERIES.items():
        runs: dict[str, Callable[[], object]] = {
            "DuckDB alone": partial(_bare, tables, query, place / "bare.csv"),
            "Cloister": partial(ask, query, None),
            "Cloister, minimum_rows": partial(ask, query, 10),
        }
        samples: dict[str, list[float]] = {who: [] for who in runs}
        for _ in range(repetitions):
            for who, run in runs.items():
                samples[who].append(_seconds(run))
        if _sorted(ask(query, 10)) != _sorted(place / "bare.csv"):
            raise RuntimeError(f"another answer than DuckDB's: {query}")
        base = statistics.median(samples["DuckDB alone"])
        for who, taken in samples.items():
            value = statistics.median(taken)
            found.append(Row(name=f"{name}: {who}", value=value, unit="s", ratio=value / base, samples=tuple(taken)))
    return Table(title=title, rows=tuple(found), notes=("of a CSV that is read anew each time",))


def _program(place: Path) -> Ask:
    numbers = iter(range(10_000))

    def ask(query: str, minimum: int | None) -> Path:
        output, scratch = (place / f"{each} {next(numbers)}" for each in ("output", "scratch"))
        for folder in (output, scratch):
            folder.mkdir()
        listed = [{"mount": name, "protected": True} for name in _COLUMNS]
        config = json.dumps({"statement": query, "tables": listed, "minimum_rows": minimum})
        folders = map(str, (place / "input", output, scratch))
        subprocess.run([sys.executable, "-c", _PROGRAM, str(MODULES), config, *folders], check=True)
        return output / "dataset.csv"

    return ask


def _bare(tables: object, query: str, place: Path) -> None:
    subprocess.run([sys.executable, "-c", _BARE, json.dumps([tables, query, str(place)])], check=True)


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _sorted(place: Path) -> Sequence[tuple[str, str]]:
    """Rows by their key; of floating point numbers, whose sum depends on their order, ten digits."""
    rows = (line.split(",") for line in place.read_text().splitlines())
    return sorted((row[0], f"{float(row[-1]):.10g}") for row in rows)
