"""Tables, and the computations over them: every rule with its message, and what an author could try."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import canonical
from cloister.rooms.definition import Definition, check_definition, read_definition
from cloister.rooms.graph import MAX_DEPTH, MAX_STATEMENT
from cloister.rooms.nodes import Node, dependencies, mounted, sources
from cloister.rooms.tables import MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROWS, MAX_UNIQUE, Range
from tests.rooms.examples import python
from tests.rooms.kinds import (
    PEOPLE,
    TABLES,
    column,
    made,
    match,
    preview,
    sql,
    sqlite,
    synthetic,
    table,
    tables,
)


def refused(node: Node, message: str) -> None:
    with pytest.raises(DefinitionInvalid, match=message) as caught:
        check_definition(tables(node))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_a_room_with_all_kinds_is_read_back_under_its_own_digest() -> None:
    data = TABLES.canonical()
    assert read_definition(data, room=TABLES.id()) == TABLES
    check_definition(msgspec.structs.replace(TABLES, privacy_budget=2.5))


def nested(depth: int) -> str:
    return '{"!":' * depth + "[]" + "}" * depth


# --- tables ---


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([column("")], "empty name"),
        ([column(" \t")], "empty name"),
        ([column("a\nb")], "can't be seen"),
        ([column("a\u202eb")], "can't be seen"),
        ([column("a\x00")], "can't be seen"),
        ([column("x" * (MAX_COLUMN_NAME + 1))], "over 256 characters"),
        ([column("id"), column("value"), column("id")], "Two columns of the table 't' are called 'id'"),
        ([column("id"), column("ID")], "Two columns of the table 't' are called 'ID'"),
        ([column("straße"), column("STRASSE")], "Two columns"),
        ([column(str(index)) for index in range(MAX_COLUMNS + 1)], "1 to 2000 columns; it has 2001"),
        ([column("a", range=Range(less_than=1))], "'a' of 't' has a range, and isn't one of numbers"),
        ([column("a", type="DATE_ISO8601", range=Range())], "isn't one of numbers"),
        ([column("a", type="FLOAT", range=Range(less_than=math.nan))], "a bound that is no number"),
        ([column("a", type="FLOAT", range=Range(greater_than=-math.inf))], "a bound that is no number"),
        ([column("a", type="INTEGER", range=Range(greater_than=2, less_than=1))], "lets no number in"),
        ([column("a", type="FLOAT", range=Range(greater_than=1, less_than=1))], "lets no number in"),
        ([column("a", type="FLOAT", range=Range(greater_than=1, less_than_equals=1))], "lets no number in"),
        ([column("a", type="FLOAT", range=Range(greater_than_equals=1, less_than=1))], "lets no number in"),
        (
            [column("a", type="FLOAT", range=Range(greater_than=3, greater_than_equals=1, less_than=2))],
            "lets no number in",
        ),
    ],
)
def test_columns(columns: list[Any], message: str) -> None:
    refused(table("t", *columns), message)


def test_a_table_has_columns() -> None:
    refused(msgspec.structs.replace(table("t"), columns=()), "1 to 2000 columns; it has 0")


@pytest.mark.parametrize(
    "bounds",
    [
        Range(),
        Range(greater_than_equals=1, less_than_equals=1),
        Range(greater_than=-0.5, less_than=0.5),
        Range(less_than_equals=2.0**60),
        Range(greater_than=1e-300),
        Range(greater_than=-1e300, less_than=1e300),
    ],
)
def test_ranges_that_some_number_keeps(bounds: Range) -> None:
    definition = tables(table("t", column("a", type="FLOAT", range=bounds)))
    assert read_definition(definition.canonical()) == definition


@pytest.mark.parametrize(
    ("unique", "message"),
    [
        (((),), "is empty, or names a column twice"),
        (((0, 0),), "is empty, or names a column twice"),
        (((0,), (2,)), "names a column that isn't there"),
        (((-1,),), "names a column that isn't there"),
        (((2**53 - 1,),), "names a column that isn't there"),
        (((0,),) * (MAX_UNIQUE + 1), "65 unique combinations; 64 are the most"),
    ],
)
def test_unique_combinations(unique: Any, message: str) -> None:
    refused(table("t", unique=unique), message)


def change(node: str, **fields: Any) -> bytes:
    """The room with fields of one node changed, as anybody could write it."""
    value = json.loads(TABLES.canonical())
    next(each for each in value["nodes"] if each["id"] == node).update(fields)
    return canonical(value)


@pytest.mark.parametrize(
    ("node", "fields", "message"),
    [
        ("people", {"columns": [{"name": "a", "type": "MONEY", "nullable": True, "hashed": False}]}, "enum value"),
        ("people", {"columns": [{"name": "a", "type": "STRING", "nullable": 1, "hashed": False}]}, "Expected `bool`"),
        ("people", {"columns": [{"name": "a", "type": "STRING", "nullable": True}]}, "canonical"),
        ("people", {"columns": [{"name": 1, "type": "STRING", "nullable": True, "hashed": False}]}, "Expected `str`"),
        ("people", {"unique": [[0.5]]}, "Expected `int`"),
        ("people", {"unique": [0]}, "Expected `array`"),
        ("people", {"rows": 5}, "unknown field"),
        ("people", {"required": None}, "Expected `bool`"),
        ("counts", {"minimum_rows": 2.5}, "Expected `int`"),
        ("counts", {"minimum_rows": True}, "Expected `int`"),
        ("counts", {"minimum_rows": None}, "Expected `int`"),
        ("counts", {"logs_on_error": True}, "unknown field"),
        ("fake", {"epsilon": "1"}, "Expected `float`"),
        ("fake", {"epsilon": None}, "Expected `float`"),
        ("fake", {"dependency": ["people"]}, "Expected `str`"),
        ("fake", {"columns": [{"index": -1}]}, "Expected `int` >= 0"),
        ("pairs", {"round": 1.5}, "Expected `int`"),
        ("pairs", {"query": {"==": [1, 1]}}, "Expected `str`"),
        ("look", {"quota_bytes": -1}, "Expected `int` >= 0"),
        ("look", {"quota_bytes": 1.5}, "Expected `int`"),
    ],
)
def test_what_has_another_type_is_not_read(node: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionInvalid, match=message):
        read_definition(change(node, **fields))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"epsilon":1,', b'"epsilon":1e999,'),
        (b'"epsilon":1,', b'"epsilon":NaN,'),
        (b'"epsilon":1,', b'"epsilon":1.0,'),
        (b'"epsilon":1,', b'"epsilon":' + b"9" * 5000 + b","),
        (b'"quota_bytes":100', b'"quota_bytes":9007199254740993'),
        (b'"minimum_rows":5', b'"minimum_rows":' + b"9" * 5000),
        (b'"minimum_rows":5', b'"minimum_rows":18446744073709551616'),
        (b'"unique":[[0]', b'"unique":[[9007199254740993]'),
        (b'"greater_than":0.5', b'"greater_than":1e999'),
    ],
)
def test_numbers_that_nothing_holds(before: bytes, after: bytes) -> None:
    data = TABLES.canonical()
    assert before in data
    with pytest.raises(DefinitionInvalid):
        read_definition(data.replace(before, after, 1))


# --- queries ---


@pytest.mark.parametrize("make", [sql, sqlite])
def test_queries(make: Any) -> None:
    refused(make("q", statement=""), "The query of 'q' is empty")
    refused(make("q", statement=" \n"), "The query of 'q' is empty")
    refused(make("q", statement="x" * (MAX_STATEMENT + 1)), "over 262144 characters")
    refused(make("q", "nowhere"), "depends on 'nowhere', which is not in the room")
    refused(make("q", "people", "people"), "lists a dependency twice")
    refused(make("q", "q"), "'q' depends on itself")


@pytest.mark.parametrize("rows", [0, -1, MAX_ROWS + 1])
def test_minimum_rows(rows: int) -> None:
    refused(sql("q", "people", minimum_rows=rows), "minimum of rows of 'q' must be 1 to 2147483648")


def test_what_is_no_table_can_not_be_read_as_one() -> None:
    """A raw file has no columns that anybody has agreed to. What a script makes may be a table."""
    for node in (sql("q", "notes"), sqlite("q", "notes"), synthetic("q", "notes"), match("q", "people", "notes")):
        refused(node, "'q' can't read 'notes': that isn't a table. Make it a table data node")
    check_definition(tables(python("script"), sql("q", "script"), synthetic("s", "script"), preview("p", "notes")))


def test_tables_whose_names_differ_in_case_alone() -> None:
    for make in (sql, sqlite):
        refused_pair = (table("People"), make("q", "people", "People"))
        with pytest.raises(DefinitionInvalid, match="'q' differ in upper and lower case alone"):
            check_definition(tables(*refused_pair))
    with pytest.raises(DefinitionInvalid, match="'q' differ in upper and lower case alone"):
        check_definition(tables(table("PEOPLE"), match("q", "people", "PEOPLE")))
    # Scripts find them as folders.
    check_definition(tables(table("People"), python("q", "people", "People")))


def test_cycles_by_way_of_all_kinds() -> None:
    ring = (
        sql("r1", "r5", minimum_rows=3),
        synthetic("r2", "r1"),
        match("r3", "r2", "people"),
        preview("r4", "r3"),
        sqlite("r5", "r4"),
    )
    with pytest.raises(DefinitionInvalid, match="depends on itself, directly or by way of others"):
        check_definition(tables(*ring))


def test_an_image_that_the_room_does_not_list() -> None:
    for node in (table("x", image="r"), sql("x", image="r"), preview("x", "people", image="r")):
        refused(node, "'x' runs in an image that the room doesn't list")


def test_limits_of_tables_are_checked_too() -> None:
    limits = msgspec.structs.replace(PEOPLE.limits, memory_bytes=0)
    refused(table("x", limits=limits), "A limit of 'x' is zero or less")


# --- privacy ---

EPSILONS = [0, -0.0, -1, math.nan, math.inf, -math.inf, 1001, 1e300, 5e-324, 1e-7]


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_epsilons_that_are_none(epsilon: float) -> None:
    refused(synthetic("x", "people", epsilon=epsilon), "epsilon of 'x' must be a number above 0: 1e-06 at least")
    refused(match("x", "people", "sales", epsilon=epsilon), "epsilon of 'x' must be a number above 0")
    with pytest.raises(DefinitionInvalid, match="room's privacy budget must be a number above 0"):
        check_definition(tables(privacy_budget=epsilon))


def test_what_the_budget_never_allows_is_not_published() -> None:
    with pytest.raises(DefinitionInvalid, match=r"'fake' costs epsilon 1, and the room's privacy budget is 0\.9"):
        check_definition(tables(privacy_budget=0.9))
    check_definition(tables(privacy_budget=1))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([made(0), made(0)], "names a column of its table twice"),
        ([made(3)], "names the column 3 of a table that has 3: columns count from 0"),
        ([made(0, name="")], "empty name"),
        ([made(0, name="a\nb")], "can't be seen"),
        ([made(0, name="x" * (MAX_COLUMN_NAME + 1))], "over 256 characters"),
        ([made(0, name="a"), made(1, name="A")], "Two columns of the synthetic data 'x' are called 'A'"),
    ],
)
def test_columns_of_synthetic_data(columns: list[Any], message: str) -> None:
    refused(synthetic("x", "people", *columns), message)


def test_synthetic_data_has_columns() -> None:
    refused(msgspec.structs.replace(synthetic("x", "people"), columns=()), "'x' must have 1 to 2000 columns")
    # How many columns a query has is found out when it is run.
    check_definition(tables(synthetic("x", "counts", made(1999))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": ""}, "not JSON logic"),
        ({"query": "{}"}, "not JSON logic"),
        ({"query": "[]"}, "not JSON logic"),
        ({"query": "1"}, "not JSON logic"),
        ({"query": '"=="'}, "not JSON logic"),
        ({"query": "null"}, "not JSON logic"),
        ({"query": "{'==': 1}"}, "not JSON logic"),
        ({"query": '{"==": [NaN, 1]}'}, "not JSON logic"),
        ({"query": '{"==": [-Infinity, 1]}'}, "not JSON logic"),
        ({"query": '{"==": [' + "9" * 5000 + "]}"}, "not JSON logic"),
        ({"query": nested(MAX_DEPTH)}, "not nested more than 64 deep"),
        ({"query": nested(100_000)}, "at most 262144 characters"),
        ({"query": "[" * 100_000 + "]" * 100_000}, "not JSON logic"),
        ({"query": '["' + "x" * MAX_STATEMENT + '"]'}, "at most 262144 characters"),
        ({"round": 0}, "rounding of 'x' must be 1 to 10\\^9"),
        ({"round": -1}, "rounding"),
        ({"round": 10**9 + 1}, "rounding"),
        ({"sensitivity": 0}, "sensitivity above 0"),
        ({"sensitivity": -1}, "sensitivity"),
        ({"sensitivity": math.nan}, "sensitivity"),
        ({"sensitivity": math.inf}, "sensitivity"),
        ({"dependencies": ("people",)}, "needs two dependencies"),
        ({"dependencies": ("people", "people")}, "lists a dependency twice"),
        ({"dependencies": ("people", "sales", "counts")}, "needs two dependencies"),
        ({"paths": ()}, "must name its two dependencies"),
        ({"paths": ("people", "people")}, "must name its two dependencies"),
        ({"paths": ("people", "counts")}, "must name its two dependencies"),
        ({"paths": ("people", "sales", "sales")}, "must name its two dependencies"),
        ({"paths": ("people/types", "sales")}, "must name its two dependencies"),
        ({"paths": ("people/../sales/dataset.csv", "sales")}, "must name its two dependencies"),
        ({"paths": ("/people", "sales")}, "must name its two dependencies"),
        ({"paths": ("/input//input/people", "sales")}, "must name its two dependencies"),
        ({"paths": ("people/", "sales")}, "must name its two dependencies"),
        ({"paths": ("people/dataset.csv/dataset.csv", "sales")}, "must name its two dependencies"),
        ({"paths": ("/etc/passwd", "sales")}, "must name its two dependencies"),
    ],
)
def test_matches(changes: dict[str, Any], message: str) -> None:
    refused(msgspec.structs.replace(match("x", "people", "sales"), **changes), message)


@pytest.mark.parametrize(
    "paths",
    [
        ("people", "sales"),
        ("sales", "people"),
        ("people/dataset.csv", "/input/sales/dataset.csv"),
        ("/input/people", "/input/sales"),
    ],
)
def test_ways_to_name_the_tables_of_a_match(paths: tuple[str, ...]) -> None:
    check_definition(tables(match("x", "people", "sales", paths=paths)))
    check_definition(tables(match("x", "people", "sales", query=nested(MAX_DEPTH - 1))))


def test_roles() -> None:
    """Tables have data owners, what is computed has analysts; never the other way round."""

    def with_role(**role: Any) -> Definition:
        more = msgspec.structs.replace(TABLES.participants[0], user="new@example.org", **role)
        return tables(participants=(*TABLES.participants, more))

    check_definition(with_role(data_owner_of=("people",), analyst_of=("look", "pairs")))
    with pytest.raises(DefinitionInvalid, match="can't be analyst of 'people': it is a data node"):
        check_definition(with_role(analyst_of=("people",)))
    for node in ("counts", "light", "fake", "pairs", "look"):
        with pytest.raises(DefinitionInvalid, match="it is a computation"):
            check_definition(with_role(data_owner_of=(node,)))


def test_what_a_node_reads() -> None:
    read = {node.id: (mounted(node), sources(node), dependencies(node)) for node in TABLES.nodes}
    assert read["people"] == (("people",), ("people",), ())
    assert read["notes"] == ((), (), ())
    assert read["joined"] == (("people", "sales"),) * 3
    assert read["fake"] == read["light"] == (("people",),) * 3
    assert read["look"] == (("counts",),) * 3
    assert read["pairs"] == (("people", "sales"),) * 3
