"""SQLite: the same tables, the same result folders, reading and nothing else."""

from __future__ import annotations

import pytest
from cloister_tables import sqlite

from tests.programs.queries import Made, ask, refusal

TABLES = {
    "people": Made(
        {"id": "INT64", "name": "STRING", "height": "FLOAT64"},
        [(1, "Ada", 1.5), (2, 'Bo, "B"\nC', None), (3, "", 2.0), (None, None, float("nan"))],
    ),
    "Wards - 2 b": Made({"ward": "STRING", "person": "INT64"}, [("x", 1), ("y", 2)]),
}


def test_types_names_and_empty_cells_go_through() -> None:
    answer = ask(sqlite, "SELECT * FROM people", TABLES)
    assert answer.text == '1,Ada,1.5\n2,"Bo, ""B""\nC",\n3,"",2.0\n,,\n'
    assert (answer.names, answer.kinds) == (["id", "name", "height"], ["INT64", "STRING", "FLOAT64"])


def test_tables_have_the_names_of_their_nodes() -> None:
    query = 'SELECT ward, count(*) AS n FROM "Wards - 2 b" JOIN people ON person = id GROUP BY ward ORDER BY ward;'
    assert ask(sqlite, query, TABLES).text == "x,1\ny,1\n"


@pytest.mark.parametrize(
    ("expression", "kind", "cells"),
    [
        ("id", "INT64", ["1", "2", "3", ""]),
        ("id + 0.5", "FLOAT64", ["1.5", "2.5", "3.5", ""]),
        ("CASE id WHEN 1 THEN 1 WHEN 2 THEN 2.5 END", "FLOAT64", ["1", "2.5", "", ""]),
        ("CASE id WHEN 1 THEN 1 WHEN 2 THEN 'b' END", "STRING", ["1", "b", "", ""]),
        ("x'00ff'", "STRING", ["00ff"] * 4),
        ("NULL", "STRING", [""] * 4),
        ("CAST(x'41ff' AS TEXT)", "STRING", ["A\ufffd"] * 4),
        ("9223372036854775807 + 1", "FLOAT64", ["9.223372036854776e+18"] * 4),
    ],
)
def test_types_are_those_of_the_values(expression: str, kind: str, cells: list[str]) -> None:
    answer = ask(sqlite, f"SELECT {expression} AS it, 0 FROM people", TABLES)
    assert answer.kinds[0] == kind
    assert [line.removesuffix(",0") for line in answer.text.splitlines()] == cells


def test_without_rows_types_are_those_of_the_tables() -> None:
    answer = ask(sqlite, "SELECT id, height AS h, name || 'x' FROM people WHERE 0", TABLES)
    assert (answer.text, answer.kinds) == ("", ["INT64", "FLOAT64", "STRING"])


def test_names_are_told_apart() -> None:
    assert ask(sqlite, "SELECT a.id, b.id FROM people a, people b", TABLES).names == ["id", "id_1"]


def test_queries_that_make_their_own_rows() -> None:
    query = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 30000) SELECT n FROM c"
    assert ask(sqlite, query, TABLES).rows[-1] == (30_000,)


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH '/tmp/x' AS y",
        "INSERT INTO people VALUES (1, 'x', 2)",
        "UPDATE people SET id = 1 RETURNING id",
        "DELETE FROM people",
        "PRAGMA table_info(people)",
        "SELECT * FROM pragma_table_info('people')",
        "SELECT * FROM sqlite_master",
        "SELECT load_extension('x')",
        "CREATE TABLE x(a)",
        "CREATE TEMP TABLE x AS SELECT 1",
        "BEGIN",
    ],
)
def test_reading_the_tables_is_all_that_is_allowed(statement: str) -> None:
    assert "does more than to read" in refusal(sqlite, statement, TABLES)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("", "returns no rows"),
        ("SELEC", 'near "SELEC": syntax error'),
        ("SELECT nobody FROM people", "no such column: nobody"),
        ("SELECT * FROM elsewhere", "no such table: elsewhere"),
        ("SELECT ?", "can't be run"),
        ("SELECT readfile('/etc/passwd')", "no such function"),
        ("VACUUM INTO '/tmp/x'", "can't be run"),
    ],
)
def test_what_is_no_query_is_refused(statement: str, said: str) -> None:
    assert said in refusal(sqlite, statement, TABLES)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT sum(id + 9223372036854775800) FROM people", "too large"),
        ("SELECT json_extract(name, '$') FROM people", "failed on the data"),
        ("SELECT abs(-9223372036854775807 - id) FROM people", "too large"),
    ],
)
def test_failures_on_data_say_their_kind_and_nothing_of_the_data(statement: str, said: str) -> None:
    told = refusal(sqlite, statement, TABLES)
    assert said in told
    assert "Ada" not in told


def test_a_name_that_sqlite_keeps_to_itself() -> None:
    assert "Rename it" in refusal(sqlite, "SELECT 1", {"sqlite_x": TABLES["people"]})
