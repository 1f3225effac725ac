"""SQL without a filter: what can be asked, what comes out, what is refused, and what failures tell."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from cloister_tables import sql
from cloister_util.error import SafeError

from tests.programs.queries import Made, ask, refusal

PEOPLE = Made(
    {"id": "INT64", "name": "STRING", "height": "FLOAT64"},
    [(1, "Ada", 1.5), (2, 'Bo, "B"\nC', None), (3, "", 2.0), (None, None, float("nan"))],
)
TABLES = {"people": PEOPLE, "Wards - 2 b": Made({"ward": "STRING", "person": "INT64"}, [("x", 1), ("y", 2)])}


def test_types_names_and_empty_cells_go_through() -> None:
    answer = ask(sql, "SELECT * FROM people", TABLES)
    assert answer.text == '1,Ada,1.5\n2,"Bo, ""B""\nC",\n3,"",2.0\n,,\n'
    assert answer.names == ["id", "name", "height"]
    assert answer.kinds == ["INT64", "STRING", "FLOAT64"]


def test_names_of_nodes_are_names_of_tables() -> None:
    query = 'SELECT ward FROM "WARDS - 2 b" w JOIN People ON id = person ORDER BY ward'
    assert ask(sql, query, TABLES).text == "x\ny\n"


@pytest.mark.parametrize(
    ("expression", "kind", "cell"),
    [
        ("true", "INT64", "1"),
        ("3::TINYINT", "INT64", "3"),
        ("sum(id)", "INT64", "6"),
        ("18446744073709551::UBIGINT", "INT64", "18446744073709551"),
        ("1.5::DECIMAL(4, 2)", "FLOAT64", "1.5"),
        ("0.1::FLOAT", "FLOAT64", "0.10000000149011612"),
        ("'nan'::DOUBLE", "FLOAT64", ""),
        ("'-inf'::DOUBLE", "FLOAT64", "-inf"),
        ("DATE '2020-02-29'", "STRING", "2020-02-29"),
        ("TIMESTAMP '2020-02-29 01:02:03'", "STRING", "2020-02-29 01:02:03"),
        ("[1, NULL]", "STRING", '"[1,null]"'),
        ("{'a': 1, 'b': [true]}", "STRING", '"{""a"":1,""b"":[true]}"'),
        ("MAP {'k': 1}", "STRING", '"{""k"":1}"'),
        ("NULL", "STRING", ""),
        ("''", "STRING", '""'),
        ("'\\xAA'::BLOB", "STRING", "\\xAA"),
        ("INTERVAL 3 DAY", "STRING", "3 days"),
    ],
)
def test_every_type_has_its_place(expression: str, kind: str, cell: str) -> None:
    answer = ask(sql, f"SELECT {expression} AS it, count(*) FROM people", TABLES)
    assert (answer.kinds[0], answer.text) == (kind, f"{cell},4\n")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT count(*), id + 1, id, id AS x FROM people GROUP BY id", [None, None, "id", "x"]),
        ("SELECT *, 1 FROM people", ["id", "name", "height", None]),
        ("SELECT a.id, b.id, b.ID FROM people a, people b", ["id", "id_1", "id_2"]),
        ("SELECT count(*) UNION ALL SELECT 2 AS two", [None]),
        ("WITH w AS (SELECT 1 AS a) FROM w", ["a"]),
        ("SELECT 1, 2 AS V1", [None, "V1"]),
    ],
)
def test_columns_have_the_names_that_the_query_gives_them(query: str, names: list[str | None]) -> None:
    assert ask(sql, query, TABLES).names == names


def test_a_table_that_is_named_twice_is_read_once_and_joined_with_itself() -> None:
    query = "SELECT a.id, b.id FROM people a JOIN people b ON a.id < b.id ORDER BY ALL"
    assert ask(sql, query, TABLES).text == "1,2\n1,3\n2,3\n"


def test_order_is_kept() -> None:
    table = {"t": Made({"x": "INT64"}, [(value * 7919 % 50_000,) for value in range(50_000)])}
    assert [row[0] for row in ask(sql, "SELECT x FROM t ORDER BY x DESC", table).rows] == [*range(49_999, -1, -1)]
    assert ask(sql, "SELECT x FROM t", table).rows == table["t"].rows


def test_results_without_rows_have_their_columns() -> None:
    answer = ask(sql, "SELECT id, name AS n FROM people WHERE false", TABLES)
    assert (answer.text, answer.names, answer.kinds) == ("", ["id", "n"], ["INT64", "STRING"])


def test_an_empty_cell_of_a_column_without_null_is_an_empty_text(tmp_path: Path) -> None:
    for name in ("input", "output", "scratch"):
        (tmp_path / name).mkdir()
    Made({"a": "STRING"}, []).write(tmp_path / "input/t")
    (tmp_path / "input/t/types").write_bytes(b"\x09\x0a\x07\x0a\x01a\x12\x02\x08\x01")
    (tmp_path / "input/t/dataset.csv").write_text("x\n\n")
    config = {"statement": "SELECT a IS NULL FROM t", "tables": [{"mount": "t"}], "minimum_rows": None}
    sql.run(config, tmp_path / "input", tmp_path / "output", tmp_path / "scratch")
    assert (tmp_path / "output/dataset.csv").read_text() == "0\n0\n"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("", "empty"),
        ("-- nothing", "empty"),
        ("SELECT 1; SELECT 2", "There are 2 statements"),
        ("SELECT 1; DROP TABLE people", "There are 2 statements"),
        ("COPY people TO 'x'", "kind COPY"),
        ("CREATE TABLE x AS SELECT 1", "kind CREATE"),
        ("ATTACH 'x' AS y", "kind ATTACH"),
        ("SET threads = 1", "kind SET"),
        ("PRAGMA database_list", "PRAGMA"),
        ("INSTALL httpfs", "kind LOAD"),
        ("LOAD httpfs", "kind LOAD"),
        ("INSERT INTO people VALUES (1, 'x', 2)", "kind INSERT"),
        ("WITH gone AS (DELETE FROM people RETURNING *) SELECT * FROM gone", "DELETE"),
        ("EXPLAIN SELECT 1", "kind EXPLAIN"),
        ("DESCRIBE people", "SHOW_REF"),
        ("SHOW TABLES", "SHOW_REF"),
        ("PIVOT people ON name USING count(*)", "This is no query"),
        ("SELECT $1", "parameter"),
        ("SELECT ?", "parameter"),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv(...)"),
        ("SELECT * FROM read_text('/etc/passwd')", "read_text(...)"),
        ("SELECT * FROM glob('/*')", "glob(...)"),
        ("SELECT * FROM sniff_csv('/etc/passwd')", "sniff_csv(...)"),
        ("SELECT * FROM query('SELECT 1')", "query(...)"),
        ("SELECT * FROM query_table('people')", "query_table(...)"),
        ("SELECT * FROM duckdb_settings()", "duckdb_settings(...)"),
        ("SELECT * FROM json_execute_serialized_sql('{}')", "json_execute_serialized_sql(...)"),
        ("SELECT * FROM '/etc/passwd'", "There is no table '/etc/passwd'"),
        ("SELECT * FROM tables", "There is no table 'tables'"),
        ("SELECT * FROM information_schema.tables", "with a schema"),
        ("SELECT * FROM people WHERE id IN (SELECT x FROM read_blob('/etc/passwd'))", "read_blob(...)"),
        ("SELEC 1", 'syntax error at or near "SELEC" (line 1, column 1)'),
        ("SELECT 1 /* open", "unterminated /* comment"),
        ("SELECT 1) TO '/output/x' (FORMAT csv", "syntax error"),
        ("SELECT 'é',\n  nothing\nFROM people", '"nothing" not found in FROM clause! Candidate'),
        ("SELECT getenv('HOME')", "getenv does not exist"),
        ("SELECT id || FROM people", "syntax error"),
    ],
)
def test_anything_but_one_query_of_these_tables_is_refused(statement: str, said: str) -> None:
    assert said in refusal(sql, statement, TABLES)


def test_places_are_told_by_line_and_column() -> None:
    assert refusal(sql, "SELECT 'é',\n  nothing\nFROM people", TABLES).endswith("(line 2, column 3).")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT CAST(name AS INTEGER) FROM people", "could not be converted"),
        ("SELECT id + 9223372036854775807 FROM people", "too large or too small"),
        ("SELECT id // (id - 1) FROM people", "divided by zero"),
        ("SELECT (SELECT id FROM people) FROM people", "several rows"),
        ("SELECT error(name) FROM people", "A function was given"),
        ("SELECT sum(id * 9000000000000000000::HUGEINT) FROM people", "too large or too small"),
    ],
)
def test_failures_on_data_say_their_kind_and_nothing_of_the_data(statement: str, said: str) -> None:
    told = refusal(sql, statement, TABLES)
    assert said in told
    assert "Ada" not in told
    assert "922" not in told


@pytest.mark.parametrize("line", ["1\n", "1,2,3,4\n", "x,y,1.5\n", '1,"open,2\n', "1,a\0b\xff,2\n"])
def test_a_damaged_table_is_named_as_such_and_not_quoted(tmp_path: Path, line: str) -> None:
    for name in ("input", "output", "scratch"):
        (tmp_path / name).mkdir()
    PEOPLE.write(tmp_path / "input/people")
    with (tmp_path / "input/people/dataset.csv").open("ab") as file:
        file.write(line.encode("latin-1"))
    config = {"statement": "SELECT * FROM people", "tables": [{"mount": "people"}], "minimum_rows": None}
    with pytest.raises(SafeError) as failed:
        sql.run(config, tmp_path / "input", tmp_path / "output", tmp_path / "scratch")
    assert "line that doesn't fit" in str(failed.value)
    assert "open" not in str(failed.value)


def test_inputs_that_are_no_tables_are_named(tmp_path: Path) -> None:
    for name in ("input", "output", "scratch", "input/model"):
        (tmp_path / name).mkdir()
    (tmp_path / "input/model/weights.bin").write_bytes(b"x")
    (tmp_path / "input/raw").write_bytes(b"x")
    for mount, said in {
        "absent": "no data for 'absent'",
        "model": "write_tabular_data",
        "raw": "'raw' is a file",
    }.items():
        config = {"statement": "SELECT 1", "tables": [{"mount": mount}], "minimum_rows": None}
        with pytest.raises(SafeError) as failed:
            sql.run(config, tmp_path / "input", tmp_path / "output", tmp_path / "scratch")
        assert said in str(failed.value)


def test_names_that_differ_in_case_alone_are_refused() -> None:
    assert "Rename one of them" in refusal(sql, "SELECT 1", {"people": PEOPLE, "People": PEOPLE})


def test_columns_of_the_same_name_get_numbers() -> None:
    table = {"t": Made({"a": "INT64", "A": "INT64", "a_1": "INT64"}, [(1, 2, 3)])}
    assert ask(sql, "SELECT a_1, a_2, a FROM t", table).rows == [(3, 2, 1)]


def test_little_memory_spills_to_scratch_or_says_so() -> None:
    table = {"t": Made({"x": "INT64"}, [(value,) for value in range(200_000)])}
    query = (
        "SELECT count(*) FROM (SELECT DISTINCT md5(a.x::VARCHAR) || md5(b.x::VARCHAR) FROM t a, (FROM t LIMIT 40) b)"
    )
    assert "more memory" in refusal(sql, query, table, memory_bytes=1) or "more room" in refusal(
        sql, query, table, memory_bytes=1
    )


def test_infinities_come_and_go() -> None:
    table = {"t": Made({"x": "FLOAT64"}, [(math.inf,), (1.0,)])}
    assert ask(sql, "SELECT max(x) FROM t", table).rows == [(math.inf,)]
