"""Groups of rows, of which only those are left that enough rows of every protected table have made."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cloister_tables.privacy import functions, nodes
from cloister_tables.privacy.expressions import LONGEST, Reader, expect_call, shown
from cloister_tables.privacy.functions import Kind
from cloister_tables.privacy.nodes import Node, Refused
from cloister_tables.privacy.relations import Names, Relation, Value

_NUMBERS = ("int", "float")


class Groups:
    """The grouped rows of one SELECT: what they are grouped by, and which aggregates are asked of them."""

    def __init__(self, relation: Relation, rows: Reader, names: Names, minimum: int) -> None:
        """
        Args:
            rows: reads expressions about single rows.
            minimum: how many rows of each protected table a group has to have.
        """
        self._relation, self._rows, self._names, self._minimum = relation, rows, names, minimum
        self._keys: dict[str, tuple[Node, Value]] = {}
        self._aggregates: dict[str, tuple[Node, Value]] = {}
        self._needed: dict[str, list[Node]] = {}
        self.needs_ids = False
        """Whether the rows of protected tables need ids."""

    def add_key(self, value: Value) -> None:
        """Groups by an expression, too."""
        node = value.node
        if node["class"] == "CONSTANT":
            # The bare number would mean the item of that number.
            types = {"int": "BIGINT", "text": "VARCHAR", "bool": "BOOLEAN"}
            node = nodes.cast(node, types.get(value.kind, "VARCHAR"))
        ours = Value(nodes.column(self._names.new("k")), value.kind, length=value.length)
        self._keys.setdefault(_text(value.node), (node, ours))

    def key(self, value: Value) -> Value | None:
        """What a row's expression is, of a group that is grouped by it."""
        found = self._keys.get(_text(value.node))
        return found[1] if found else None

    def known(self, node: Node) -> Value | None:
        """The same, of an expression as the query has it."""
        try:
            return self.key(self._rows.read(node))
        except Refused:
            return None

    def aggregate(self, node: Node) -> Value:
        """An aggregate over each group.

        Raises:
            Refused: it could show what is in a single row.
        """
        name = str(node["function_name"]).lower()
        expect_call(node, "filter", "distinct")
        given = [each["expression"] for each in node["arguments"]]
        if self._relation.rows:
            made, kind = self._over_protected(node, name, given)
        else:
            made, kind = self._over_safe(node, name, given)
        ours = Value(nodes.column(self._names.new("a")), kind, length=LONGEST if kind == "text" else 1)
        return self._aggregates.setdefault(_text(made), (made, ours))[1]

    def _over_safe(self, node: Node, name: str, given: Sequence[Node]) -> tuple[Node, Kind]:
        values = [self._rows.read(each) for each in given]
        where = self._rows.truth(node["filter"]) if node["filter"] is not None else None
        made = nodes.function(name, [each.node for each in values], distinct=bool(node["distinct"]), where=where)
        return made, _result(name, values)

    def _over_protected(self, node: Node, name: str, given: Sequence[Node]) -> tuple[Node, Kind]:
        if node["filter"] is not None:
            raise Refused(f"FILTER of {shown(name)} picks rows out of a protected table: use WHERE", node)
        if name not in functions.PROTECTED and name != "count_star":
            raise Refused(f"{shown(name)} shows values of single rows of a protected table", node)
        if node["distinct"] and (name != "count" or len(given) != 1):
            raise Refused("DISTINCT can be used on rows of protected tables in count(DISTINCT column) alone", node)
        if not node["distinct"] and self._relation.once.isdisjoint(self._relation.rows):
            # How often it shows them may be what the author of the query has put into another table.
            raise Refused(
                f"{shown(name)} would count rows of protected tables as often as the join shows them: use "
                f"count(DISTINCT column)",
                node,
            )
        if name == "count" and not node["distinct"] and all(_counts_all(each) for each in given):
            return nodes.function("count_star", []), "int"
        values = [self._raw(each, name) for each in given]
        made = nodes.function(name, [each.node for each in values], distinct=bool(node["distinct"]))
        if values:
            filled = [nodes.operator("OPERATOR_IS_NOT_NULL", each.node) for each in values]
            self._needed[_text(filled)] = filled
            if name != "count" and not {each.raw for each in values} <= self._relation.once:
                raise Refused(
                    f"{shown(name)} would count rows of a table as often as the join shows them: take a column of the "
                    f"table whose rows it shows once",
                    node,
                )
        return made, _result(name, values)

    def _raw(self, node: Node, name: str) -> Value:
        """A column of a protected table as it is, or as a number."""
        value = self._rows.read(node)
        inner = node
        while inner["class"] == "CAST" and self._rows.read(inner).kind in _NUMBERS:
            inner = inner["child"]
        raw = self._rows.read(inner).raw if inner["class"] == "COLUMN_REF" else None
        if raw is None:
            raise Refused(
                f"{shown(name)} over protected tables takes a column of one of them as it is: what is computed from "
                f"it, or comes from elsewhere, could single out a row",
                node,
            )
        return Value(value.node, value.kind, raw)

    def query(self, where: Node | None) -> Node:
        """The query for the groups: their keys, then their aggregates."""
        pairs = [*self._keys.values(), *self._aggregates.values()]
        items = [nodes.named(made, ours.node["column_names"][0]) for made, ours in pairs]
        if not items:
            items = [nodes.named(nodes.integer(1), self._names.new("a"))]
        groups = [made for made, _ in self._keys.values()]
        having = nodes.both(self._conditions()) if self._relation.rows else None
        if having is None and not groups and not self._aggregates:
            having = nodes.comparison(
                "COMPARE_GREATERTHANOREQUALTO", nodes.function("count_star", []), nodes.integer(0)
            )
        return nodes.select(items, self._relation.source, where=where, groups=groups, having=having)

    def _conditions(self) -> list[Node]:
        """What makes sure that a group is large enough: for all that is asked of it, rows in which it is there."""
        found = []
        for filled in self._needed.values() or [[]]:
            where = nodes.both(filled)
            for row in self._relation.rows:
                # Where a row is there once, its ids needn't be told apart. They are NULL where an outer join has none.
                once = row in self._relation.once
                self.needs_ids |= not once
                ids = nodes.function("count", [nodes.column(row)], distinct=not once, where=where)
                found.append(self._enough(ids))
        return found

    def _enough(self, count: Node) -> Node:
        return nodes.comparison("COMPARE_GREATERTHANOREQUALTO", count, nodes.integer(self._minimum))


def _counts_all(node: Node) -> bool:
    return bool(node["class"] == "CONSTANT" and node["literal"]["kind"] != "NULL_LITERAL")


def _result(name: str, values: Sequence[Value]) -> Kind:
    kind = functions.SAFE.get(name, "int")
    if kind is None:
        if len(values) != 1 or (name == "sum" and values[0].kind not in _NUMBERS):
            return "other"  # max(x, 2) is a list, and a sum of NULLs a number: what is compared with it may fail
        return values[0].kind
    # Of dates, for one, a mean is no number.
    return kind if kind != "float" or all(each.kind in _NUMBERS for each in values) else "other"


def _text(node: object) -> str:
    return json.dumps(nodes.without_places(node), sort_keys=True)
