"""Matching: JSON logic over two tables, and what is counted. The noise is tested where OpenDP is."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
from cloister_synthetic import jsonlogic, match
from cloister_tables.program import open_table
from cloister_util.error import SafeError
from cloister_util.schema import Column, read_schema, write_schema

PEOPLE = [("id", "INT64"), ("email", "STRING"), ("age", "INT64")]
ORDERS = [("Email", "STRING"), ("total", "FLOAT64"), ("note", "STRING")]
CONFIG: dict[str, Any] = {
    "query": {"==": [{"var": "people.email"}, {"var": "orders.Email"}]},
    "round": 1,
    "epsilon": 1.0,
    "sensitivity": 1.0,
    "paths": ["people/dataset.csv", "orders/dataset.csv"],
    "tables": ["people", "orders"],
}


def put(inputs: Path, name: str, columns: list[tuple[str, str]], text: str) -> None:
    folder = inputs / name
    folder.mkdir(parents=True)
    (folder / "dataset.csv").write_text(text)
    (folder / "types").write_bytes(write_schema([Column(title, kind, True) for title, kind in columns]))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    place = tmp_path / "input"
    put(place, "people", PEOPLE, '1,ann@example.org,30\n2,bob@example.org,41\n3,,50\n4,"",51\n5,Eve@example.org,\n')
    put(
        place,
        "orders",
        ORDERS,
        'ann@example.org,1.5,"a ""b"", c"\nann@example.org,41,\n,2,x\neve@example.org,,y\n"",30,z\n',
    )
    return place


def matched(inputs: Path, query: Any, tmp_path: Path) -> tuple[list[list[str]], match.Statistics]:
    """The matched rows, sorted, and the exact statistics."""
    tables = [open_table(inputs, name) for name in ("people", "orders")]
    place, scratch = tmp_path / "withheld", tmp_path / "scratch"
    place.mkdir()
    scratch.mkdir()
    exact = match.match(tables, jsonlogic.translate(query, tables), place, scratch)
    with (place / "dataset.csv").open(newline="") as file:
        return sorted(csv.reader(file)), exact


def var(path: str) -> dict[str, str]:
    return {"var": path}


EMAILS = {"==": [var("people.email"), var("orders.Email")]}


def test_rows_match_where_the_condition_holds_and_null_never_does(inputs: Path, tmp_path: Path) -> None:
    rows, exact = matched(inputs, EMAILS, tmp_path)
    assert rows == [
        ["1", "ann@example.org", "30", "ann@example.org", "1.5", 'a "b", c'],
        ["1", "ann@example.org", "30", "ann@example.org", "41.0", ""],
        ["4", "", "51", "", "30.0", "z"],  # empty texts are texts; NULL (row 3) is nothing
    ]
    assert exact == {
        ("rows", "people"): 5,
        ("rows", "orders"): 5,
        ("matched pairs", None): 3,
        ("matched rows", "people"): 2,
        ("matched rows", "orders"): 3,
    }


def test_matched_rows_have_all_columns_with_names_that_differ(inputs: Path, tmp_path: Path) -> None:
    matched(inputs, EMAILS, tmp_path)
    columns = read_schema((tmp_path / "withheld/types").read_bytes())
    assert [column.name for column in columns] == ["id", "people_email", "age", "orders_Email", "total", "note"]
    assert [column.kind for column in columns] == ["INT64", "STRING", "INT64", "STRING", "FLOAT64", "STRING"]


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ([EMAILS], 3),  # as the documented type has it
        ({"==": [{"var": ["people.1"]}, var("1.0")]}, 3),  # by place
        ({"==": [{"lower": [var("people.email")]}, {"lower": var("orders.Email")}]}, 4),
        ({"==": [{"trim": {"lower": var("people.email")}}, var("orders.Email")]}, 4),
        ({"and": [EMAILS, {"<": [var("orders.total"), 40]}]}, 2),
        ({"and": [EMAILS, {"!": {"<": [var("orders.total"), 40]}}]}, 1),
        ({"and": [EMAILS, {"in": [var("people.id"), [1, 7]]}]}, 2),
        ({"and": [EMAILS, {"in": ["ann", var("people.email")]}]}, 2),
        ({"and": [EMAILS, {"!=": [var("people.email"), "ann@example.org"]}]}, 1),
        ({"and": [EMAILS, {"or": [{">=": [var("people.age"), 51]}, {"==": [var("orders.total"), 1.5]}]}]}, 2),
        ({"or": [EMAILS, {"==": [var("people.age"), var("orders.total")]}]}, 5),  # 41 and 30 by age
        ({"or": [EMAILS, {"and": [EMAILS, {">": [var("people.id"), 0]}]}]}, 3),  # twice found is one match
        ({"and": [EMAILS, {"==": [var("people.email"), "'; DROP TABLE l; --"]}]}, 0),
    ],
)
def test_conditions(inputs: Path, tmp_path: Path, query: Any, pairs: int) -> None:
    rows, exact = matched(inputs, query, tmp_path)
    assert (len(rows), exact["matched pairs", None]) == (pairs, pairs)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({}, "one key"),
        (None, "neither a text nor a number"),
        ("people.email", "a value where a condition"),
        ({"==": [var("people.email")]}, "needs 2"),
        ({"==": [var("people.email"), var("people.email")]}, "Each alternative"),
        ({"<": [var("people.id"), var("orders.total")]}, "Each alternative"),
        ({"!": EMAILS}, "Each alternative"),
        ({"or": [EMAILS, {"==": [var("people.id"), 1]}]}, "Each alternative"),
        ({"and": [EMAILS, {"merge": [1, 2]}]}, "isn't known"),
        ({"and": [EMAILS, {"in": [var("people.id"), ["1"]]}]}, "same kind"),
        ({"and": [EMAILS, {"in": [var("people.id"), []]}]}, "same kind"),
        ({"and": [EMAILS, {"in": [var("people.id"), [var("orders.total")]]}]}, "same kind"),
        ({"==": [var("people.id"), var("orders.Email")]}, "compares a number with a text"),
        ({"==": [{"lower": var("people.id")}, var("orders.Email")]}, "texts alone"),
        ({"==": [var("people.email"), var("nobody.Email")]}, "names the table 'nobody'"),
        ({"==": [var("people.email"), var("orders.9")]}, "names the column '9'"),
        ({"==": [var("people.email"), {"var": {"x": 1}}]}, "must be a text"),
        ({"and": [EMAILS, {"==": [var("orders.total"), math.nan]}]}, "neither a text nor a number"),
        ({"and": [EMAILS, {"==": [var("people.id"), 2**63]}]}, "neither a text nor a number"),
        ({"and": [EMAILS, {"==": [var("people.id"), True]}]}, "neither a text nor a number"),
        ({"and": []}, "needs conditions"),
        ({"or": []}, "no alternatives"),
        ({"and": [EMAILS] * 2000}, "too long"),
    ],
)
def test_what_is_not_known_is_refused(inputs: Path, query: Any, why: str) -> None:
    tables = [open_table(inputs, name) for name in ("people", "orders")]
    with pytest.raises(SafeError, match=why):
        jsonlogic.translate(query, tables)


def test_deep_queries_are_refused(inputs: Path) -> None:
    query: Any = EMAILS
    for _ in range(500):
        query = {"!": query}
    tables = [open_table(inputs, name) for name in ("people", "orders")]
    with pytest.raises(SafeError, match="too deeply"):
        jsonlogic.translate({"and": [EMAILS, query]}, tables)


def test_names_of_columns_are_no_sql(tmp_path: Path) -> None:
    inputs, name = tmp_path / "input", 'a"; DROP TABLE l; --'
    put(inputs, "people", [(name, "STRING")], "x\n")
    put(inputs, "orders", [("b.c", "STRING")], "x\n")
    rows, _ = matched(inputs, {"==": [var(f"people.{name}"), var("orders.b.c")]}, tmp_path)
    assert rows == [["x", "x"]]


def test_tables_without_rows_match_nothing(tmp_path: Path) -> None:
    inputs = tmp_path / "input"
    put(inputs, "people", PEOPLE, "")
    put(inputs, "orders", ORDERS, "")
    rows, exact = matched(inputs, EMAILS, tmp_path)
    assert rows == []
    assert set(exact.values()) == {0}


def test_a_hundred_thousand_rows_with_alternatives_match_by_hashing(tmp_path: Path) -> None:
    inputs, count = tmp_path / "input", 100_000
    put(inputs, "people", PEOPLE, "".join(f"{n},e{n},{n + count}\n" for n in range(count)))
    put(inputs, "orders", ORDERS, "".join(f"e{n},{n + count},x\n" for n in range(count)))
    query = {"or": [EMAILS, {"==": [var("people.age"), var("orders.total")]}]}
    _, exact = matched(inputs, query, tmp_path)  # each with each would be 10**10 comparisons
    assert exact["matched pairs", None] == count


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": -1}, "epsilon"),
        ({"epsilon": math.nan}, "epsilon"),
        ({"epsilon": math.inf}, "epsilon"),
        ({"sensitivity": 0}, "sensitivity"),
        ({"sensitivity": math.inf}, "sensitivity"),
        ({"round": 0}, "rounding"),
        ({"round": 1.5}, "whole number"),
        ({"tables": ["people"]}, "two tables"),
        ({"tables": ["people", "people"]}, "two tables"),
        ({"tables": ["people", "absent"], "paths": []}, "no data for 'absent'"),
    ],
)
def test_bad_definitions_are_refused(inputs: Path, tmp_path: Path, change: dict[str, Any], why: str) -> None:
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(SafeError, match=why):
        match.run(CONFIG | change, inputs, output, tmp_path)
    assert list(output.iterdir()) == []


def test_a_damaged_table_is_an_error_without_its_content(tmp_path: Path) -> None:
    inputs = tmp_path / "input"
    put(inputs, "people", PEOPLE, "1,secret\n")
    put(inputs, "orders", ORDERS, "x,1,y\n")
    with pytest.raises(SafeError, match="a line that doesn't fit") as raised:
        matched(inputs, EMAILS, tmp_path)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("count", "step", "wanted"), [(-7, 1, 0), (-7, 5, 0), (12, 5, 10), (13, 5, 15), (4, 10, 0), (5, 10, 10), (7, 1, 7)]
)
def test_statistics_are_rounded_and_never_below_zero(count: int, step: int, wanted: int) -> None:
    assert match.rounded(count, step) == wanted
