"""A room with every kind of node over tables, for the tests of rooms, and how to make such nodes.

people (table, required) ─┬─> counts (SQL, 5 rows at least) ──> look (preview)
sales (table, optional) ──┼─> joined (SQL, 5 rows at least)
                          ├─> listed (SQL), light (SQLite)
                          ├─> fake (synthetic data) ──> of fake (SQL, 5 rows at least)
                          └─> pairs (match) ──> of pairs (Python)
"""

from __future__ import annotations

from typing import Any

from cloister.rooms.definition import Definition, Participant
from cloister.rooms.nodes import (
    MatchNode,
    PreviewNode,
    RawDataNode,
    SqliteNode,
    SqlNode,
    SyntheticNode,
    TableDataNode,
)
from cloister.rooms.tables import Column, Range, SyntheticColumn
from tests.rooms.examples import ANALYST, HOSPITAL, LAB, OWNER, python, room


def column(name: str, **changes: Any) -> Column:
    """A column of text."""
    fields: dict[str, Any] = {"type": "STRING", "nullable": True, **changes}
    return Column(name=name, **fields)


def table(node: str, *columns: Column, **changes: Any) -> TableDataNode:
    """A table of two columns, if none are given."""
    fields: dict[str, Any] = {"name": node, "required": True, "image": "python", **changes}
    return TableDataNode(id=node, columns=columns or (column("id"), column("value")), **fields)


def sql(node: str, *dependencies: str, **changes: Any) -> SqlNode:
    """A query."""
    fields: dict[str, Any] = {"name": node, "statement": "SELECT 1", "image": "python", **changes}
    return SqlNode(id=node, dependencies=dependencies, **fields)


def sqlite(node: str, *dependencies: str, **changes: Any) -> SqliteNode:
    """A query in SQLite's dialect."""
    fields: dict[str, Any] = {"name": node, "statement": "SELECT 1", "image": "python", **changes}
    return SqliteNode(id=node, dependencies=dependencies, **fields)


def made(index: int, **changes: Any) -> SyntheticColumn:
    """A column of synthetic data."""
    fields: dict[str, Any] = {"type": "STRING", "mask_type": "genericString", "mask": False, **changes}
    return SyntheticColumn(index=index, **fields)


def synthetic(node: str, dependency: str, *columns: SyntheticColumn, **changes: Any) -> SyntheticNode:
    """Synthetic data of two columns, if none are given."""
    fields: dict[str, Any] = {"name": node, "epsilon": 1.0, "image": "python", **changes}
    return SyntheticNode(id=node, dependency=dependency, columns=columns or (made(0), made(1)), **fields)


def match(node: str, one: str, other: str, **changes: Any) -> MatchNode:
    """A match of two tables by their first columns."""
    fields: dict[str, Any] = {
        "name": node,
        "query": '{"==":[{"var":"a"},{"var":"b"}]}',
        "round": 10,
        "epsilon": 0.5,
        "sensitivity": 1.0,
        "paths": (f"{one}/dataset.csv", f"{other}/dataset.csv"),
        "image": "python",
        **changes,
    }
    return MatchNode(id=node, dependencies=(one, other), **fields)


def preview(node: str, dependency: str, **changes: Any) -> PreviewNode:
    """A preview of 100 bytes."""
    fields: dict[str, Any] = {"name": node, "quota_bytes": 100, "image": "python", **changes}
    return PreviewNode(id=node, dependency=dependency, **fields)


PEOPLE = table(
    "people",
    column("id", type="INTEGER", nullable=False, range=Range(greater_than_equals=1, less_than=10**6)),
    column("email", type="EMAIL", hashed=True),
    column("weight", type="FLOAT", range=Range(greater_than=0.5)),
    unique=((0,), (0, 1)),
    drop_invalid_rows=True,
)
NODES = (
    PEOPLE,
    table("sales", required=False),
    RawDataNode(id="notes", name="notes", required=False),
    sql("counts", "people", minimum_rows=5),
    sql("joined", "people", "sales", minimum_rows=5),
    sql("listed", "people"),
    sqlite("light", "people"),
    synthetic("fake", "people"),
    sql("of fake", "fake", minimum_rows=5),
    match("pairs", "people", "sales"),
    python("of pairs", "pairs"),
    preview("look", "counts"),
)
DATA = ("people", "sales", "notes")
TABLES: Definition = room(
    nodes=NODES,
    participants=(
        Participant(user=OWNER),
        Participant(user=HOSPITAL, data_owner_of=("people", "notes")),
        Participant(user=LAB, data_owner_of=("sales",)),
        Participant(user=ANALYST, analyst_of=tuple(node.id for node in NODES if node.id not in DATA)),
    ),
)


def tables(*more: Any, **changes: Any) -> Definition:
    """`TABLES` with further nodes, or some fields changed; not checked."""
    return room(**{"nodes": (*NODES, *more), "participants": TABLES.participants, **changes})
