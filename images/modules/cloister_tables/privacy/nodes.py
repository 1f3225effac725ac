"""Nodes of a statement as DuckDB serialises them to JSON: making them, and seeing that one says no more than we read.

Everything that is handed to the database is made here, from names that we chose: nothing is passed through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Node = dict[str, Any]


class Refused(Exception):
    """What the filter can't show to be safe, or doesn't understand. Its text is for the author of the query."""

    def __init__(self, reason: str, node: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        place = (node or {}).get("query_location")
        self.place = place if isinstance(place, int) and place < 2**62 else None
        """Where in the statement, in bytes from its beginning."""


_PLACES = frozenset({"query_location", "query_location_length"})


def expect(node: Mapping[str, Any], what: str, read: Iterable[str], **neutral: Any) -> None:
    """Makes sure that nothing of a node is overlooked: each field is one that the caller reads, or says nothing.

    Args:
        what: what to call the node where it says more.
        read: the fields that the caller reads.
        neutral: the fields that it doesn't, with the value that says nothing.
    """
    known = {*read, "type", "class", *_PLACES}
    for field, value in node.items():
        if field not in known and (field not in neutral or value != neutral[field]):
            if field == "qualified_name":  # the same as other fields, which are read
                continue
            raise Refused(f"{what} with '{field}' can't be used here", node)


def column(name: str) -> Node:
    """A reference to a column by our own name for it, which no other has."""
    return {**_expression("COLUMN_REF", "COLUMN_REF"), "column_names": [name]}


def literal(kind: str, text: str) -> Node:
    """A constant."""
    return {**_expression("CONSTANT", "VALUE_CONSTANT"), "literal": {"kind": kind, "text": text}}


def integer(value: int) -> Node:
    """A whole number."""
    return literal("INTEGER", str(value))


def function(name: str, arguments: Sequence[Node], *, distinct: bool = False, where: Node | None = None) -> Node:
    """A call of a function or an aggregate."""
    return {
        **_expression("FUNCTION", "FUNCTION"),
        "function_name": name,
        "schema": "",
        "filter": where,
        "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
        "distinct": distinct,
        "is_operator": not name[0].isalpha(),
        "export_state": False,
        "catalog": "",
        "arguments": [{"name": "", "expression": each} for each in arguments],
        "qualified_name": {"path": [name]},
    }


def operator(name: str, *children: Node) -> Node:
    """NOT, IS NULL, IN, COALESCE, TRY."""
    return {**_expression("OPERATOR", name), "children": list(children)}


def attempt(node: Node) -> Node:
    """NULL where it fails: an error would tell what a row holds."""
    return operator("OPERATOR_TRY", node)


def comparison(name: str, left: Node, right: Node) -> Node:
    """One of the comparisons of two values."""
    return {**_expression("COMPARISON", name), "left": left, "right": right}


def between(value: Node, lower: Node, upper: Node) -> Node:
    """BETWEEN."""
    return {**_expression("BETWEEN", "COMPARE_BETWEEN"), "input": value, "lower": lower, "upper": upper}


def conjunction(name: str, children: Sequence[Node]) -> Node:
    """AND, OR."""
    return {**_expression("CONJUNCTION", name), "children": list(children)}


def both(nodes: Sequence[Node]) -> Node | None:
    """All of these conditions."""
    if len(nodes) < 2:
        return nodes[0] if nodes else None
    return conjunction("CONJUNCTION_AND", nodes)


def cast(node: Node, name: str, parameters: Sequence[Node] = ()) -> Node:
    """A cast that gives NULL where the value doesn't fit."""
    kind = {
        **_expression("TYPE", "TYPE"),
        "catalog": "",
        "schema": "",
        "type_name": name,
        "children": list(parameters),
        "qualified_name": {"path": [name]},
    }
    return {**_expression("CAST", "OPERATOR_CAST"), "child": node, "try_cast": True, "type_expr": kind}


def case(checks: Sequence[tuple[Node, Node]], otherwise: Node) -> Node:
    """CASE WHEN ... THEN ... ELSE ... END."""
    pairs = [{"when_expr": when, "then_expr": then} for when, then in checks]
    return {**_expression("CASE", "CASE_EXPR"), "case_checks": pairs, "else_expr": otherwise}


def subquery(kind: str, query: Node, child: Node | None = None) -> Node:
    """The one value of a query (SCALAR), or whether a value is among its rows (ANY)."""
    return {
        **_expression("SUBQUERY", "SUBQUERY"),
        "subquery_type": kind,
        "subquery": _statement(query),
        "child": child,
        "comparison_type": "INVALID" if child is None else "COMPARE_EQUAL",
    }


def named(node: Node, name: str) -> Node:
    """An item of a SELECT list under that name."""
    return {**node, "alias": name}


def base_table(name: str) -> Node:
    """A table of the database, by our own name for it."""
    return {
        **_source("BASE_TABLE"),
        "schema_name": "",
        "table_name": name,
        "column_name_alias": [],
        "catalog_name": "",
        "at_clause": None,
        "qualified_name": {"path": [name]},
    }


def derived(query: Node, name: str, columns: Sequence[str] = ()) -> Node:
    """A query in FROM."""
    return {**_source("SUBQUERY", name), "subquery": _statement(query), "column_name_alias": list(columns)}


def nothing() -> Node:
    """No FROM."""
    return _source("EMPTY")


def join(kind: str, left: Node, right: Node, condition: Node | None) -> Node:
    """A join on a condition, or of each with each."""
    return {
        **_source("JOIN"),
        "left": left,
        "right": right,
        "condition": condition,
        "join_type": kind,
        "ref_type": "CROSS" if condition is None else "REGULAR",
        "using_columns": [],
        "delim_flipped": False,
        "duplicate_eliminated_columns": [],
        "is_implicit": False,
        "ranking_expression": None,
        "nearest_count": 1,
        "nearest_order_type": "ASCENDING",
        "nearest_approx": False,
    }


def select(
    items: Sequence[Node],
    source: Node,
    *,
    where: Node | None = None,
    groups: Sequence[Node] = (),
    having: Node | None = None,
    modifiers: Sequence[Node] = (),
) -> Node:
    """A SELECT."""
    return {
        "type": "SELECT_NODE",
        "modifiers": list(modifiers),
        "cte_map": {"map": []},
        "select_list": list(items),
        "from_table": source,
        "where_clause": where,
        "group_expressions": list(groups),
        "group_sets": [list(range(len(groups)))] if groups else [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": having,
        "sample": None,
        "qualify": None,
    }


def set_operation(kind: str, every: bool, children: Sequence[Node]) -> Node:
    """UNION, EXCEPT, INTERSECT."""
    return {
        "type": "SET_OPERATION_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "setop_type": kind,
        "left": None,
        "right": None,
        "setop_all": every,
        "children": list(children),
    }


def order(expressions: Sequence[tuple[str, str, Node]]) -> Node:
    """ORDER BY: for each its direction, where NULL goes, and what."""
    orders = [{"type": way, "null_order": nulls, "expression": each} for way, nulls, each in expressions]
    return {"type": "ORDER_MODIFIER", "orders": orders}


def limit(most: Node | None, offset: Node | None) -> Node:
    """LIMIT and OFFSET."""
    return {"type": "LIMIT_MODIFIER", "limit": most, "offset": offset, "limit_type": "ROW_COUNT"}


def distinct() -> Node:
    """DISTINCT."""
    return {"type": "DISTINCT_MODIFIER", "distinct_on_targets": []}


def document(query: Node) -> Node:
    """What `json_deserialize_sql` takes."""
    return {"error": False, "statements": [_statement(query)]}


def without_places(node: Any) -> Any:
    """The same without where in the text it stood: to compare what is meant."""
    if isinstance(node, dict):
        return {key: without_places(value) for key, value in node.items() if key not in _PLACES}
    return [without_places(each) for each in node] if isinstance(node, list) else node


def _statement(query: Node) -> Node:
    return {"node": query, "named_param_map": []}


def _expression(group: str, kind: str) -> Node:
    return {"class": group, "type": kind, "alias": ""}


def _source(kind: str, alias: str = "") -> Node:
    return {"type": kind, "alias": alias, "sample": None}
