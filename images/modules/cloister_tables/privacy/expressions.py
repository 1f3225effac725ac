"""Expressions: each kind of node that is allowed, read and written anew.

No row may make the whole query fail, or an error would tell what it holds: whatever can fail is tried, and gives NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloister_tables.privacy import functions, nodes
from cloister_tables.privacy.functions import Kind
from cloister_tables.privacy.nodes import Node, Refused, expect
from cloister_tables.privacy.relations import Value

LONGEST = 1000
"""How many times as long as its longest part a text may become."""
_MOST_INT64 = 2**63

_COMPARISONS = frozenset({
    "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM",
})  # fmt: skip
_CALLED = {
    "WINDOW": "window functions (OVER)",
    "LAMBDA": "lambda functions",
    "PARAMETER": "parameters",
    "STAR": "stars and COLUMNS(...) inside of expressions",
    "POSITIONAL_REFERENCE": "columns by their number",
    "DEFAULT": "DEFAULT",
    "COLLATE": "COLLATE",
}


class Queries(Protocol):
    """Queries that stand in expressions."""

    def value(self, node: Node) -> Value:
        """The one value of a query."""

    def column(self, node: Node) -> tuple[Node, Kind]:
        """A query of one column, for IN."""


@dataclass(frozen=True)
class Reader:
    """Reads expressions where names, aggregates and sub-queries mean what they do at one place of a query."""

    name: Callable[[list[str], Node], Value]
    """What a name stands for."""
    aggregate: Callable[[Node], Value] | None
    """What an aggregate stands for; None where there can be none."""
    queries: Queries | None
    """What queries that stand in an expression stand for; None where there can be none."""
    known: Callable[[Node], Value | None] = lambda _: None
    """What stands for a node as a whole: an expression that rows are grouped by."""

    def read(self, node: Node) -> Value:
        """One expression.

        Raises:
            Refused: it isn't allowed here.
        """
        if (found := self.known(node)) is not None:
            return found
        match node["class"]:
            case "COLUMN_REF":
                expect(node, "a column", ("alias", "column_names"))
                return self.name(node["column_names"], node)
            case "CONSTANT":
                return _constant(node)
            case "COMPARISON":
                return self._comparison(node)
            case "BETWEEN":
                expect(node, "BETWEEN", ("alias", "input", "lower", "upper"))
                three = [self.read(node[each]) for each in ("input", "lower", "upper")]
                made = nodes.between(*(each.node for each in three))
                return _tried_unless(_comparable(three), made, "bool")
            case "CONJUNCTION":
                expect(node, "AND", ("alias", "children"))
                children = [self.truth(each) for each in node["children"]]
                return Value(nodes.conjunction(_one_of(node, "CONJUNCTION_AND", "CONJUNCTION_OR"), children), "bool")
            case "OPERATOR":
                return self._operator(node)
            case "CASE":
                return self._case(node)
            case "CAST":
                return self.cast(node)
            case "FUNCTION":
                return self._function(node)
            case "SUBQUERY":
                return self._subquery(node)
        raise Refused(f"{_CALLED.get(node['class'], node['class'])} can't be used together with minimum_rows", node)

    def truth(self, node: Node) -> Node:
        """A condition."""
        value = self.read(node)
        return value.node if value.kind in ("bool", "null") else nodes.cast(value.node, "BOOLEAN")

    def _comparison(self, node: Node) -> Value:
        expect(node, "a comparison", ("alias", "left", "right"))
        return compare(_one_of(node, *_COMPARISONS), self.read(node["left"]), self.read(node["right"]))

    def _operator(self, node: Node) -> Value:
        expect(node, "an operator", ("alias", "children"))
        kind = node["type"]
        if kind == "OPERATOR_NOT":
            return Value(nodes.operator(kind, *(self.truth(each) for each in node["children"])), "bool")
        values = [self.read(each) for each in node["children"]]
        made = [each.node for each in values]
        match kind:
            case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL":
                return Value(nodes.operator(kind, *made), "bool")
            case "COMPARE_IN" | "COMPARE_NOT_IN":
                return _tried_unless(_comparable(values), nodes.operator(kind, *made), "bool")
            case "OPERATOR_COALESCE":
                return _one(values, nodes.operator(kind, *made))
            case "OPERATOR_TRY":
                return values[0]  # what can fail is tried already
        raise Refused(f"the operator {kind} can't be used together with minimum_rows", node)

    def _case(self, node: Node) -> Value:
        expect(node, "CASE", ("alias", "case_checks", "else_expr"))
        for each in node["case_checks"]:
            expect(each, "CASE", ("when_expr", "then_expr"))
        whens = [self.truth(each["when_expr"]) for each in node["case_checks"]]
        thens = [self.read(each["then_expr"]) for each in node["case_checks"]]
        otherwise = self.read(node["else_expr"])
        pairs = list(zip(whens, [each.node for each in thens], strict=True))
        return _one([*thens, otherwise], nodes.case(pairs, otherwise.node))

    def cast(self, node: Node) -> Value:
        """A cast, which gives NULL where it would fail."""
        expect(node, "a cast", ("alias", "child", "try_cast", "type_expr"))
        of = node["type_expr"]
        expect(of, "a type", ("type_name", "children", "alias"), catalog="", schema="")
        name = str(of["type_name"]).upper()
        if name not in functions.CASTS:
            raise Refused(f"values can't be cast to {name} together with minimum_rows", node)
        if of["children"] and name not in ("DECIMAL", "NUMERIC"):
            raise Refused(f"{name} takes no parameters together with minimum_rows", node)
        parameters = [_whole_number(each) for each in of["children"]]
        value = self.read(node["child"])
        return Value(nodes.cast(value.node, name, parameters), functions.CASTS[name], length=value.length)

    def _function(self, node: Node) -> Value:
        name = str(node["function_name"]).lower()
        if name == "count_star" or name in functions.SAFE:
            if self.aggregate is None:
                raise Refused(f"the aggregate {shown(name)} can't stand here", node)
            return self.aggregate(node)
        expect_call(node)
        if name == "if":
            return self._if(node)
        if name not in functions.RESULTS:
            raise Refused(f"the function {shown(name)} can't be used together with minimum_rows", node)
        given = [each["expression"] for each in node["arguments"]]
        constants = [index for index in functions.CONSTANT_ARGUMENTS.get(name, ()) if index < len(given)]
        for index in constants:
            if given[index]["class"] != "CONSTANT":
                raise Refused(f"argument {index + 1} of {shown(name)} has to be a constant", node)
        if why := functions.objection(name, [str(given[index]["literal"]["text"]) for index in constants]):
            raise Refused(why, node)
        values = [self.read(each) for each in given]
        made = nodes.function(name, [each.node for each in values])
        kinds = [each.kind for each in values]
        if name in functions.OF_DATES and not {"date", "timestamp", "null"}.issuperset(kinds):
            raise Refused(f"{shown(name)} takes a date: cast what is in it to DATE", node)
        if functions.can_fail(name, kinds):
            made = nodes.attempt(made)
        return Value(made, functions.RESULTS[name](kinds), length=_length(name, values, given, node))

    def _if(self, node: Node) -> Value:
        """`if(condition, this, that)` is CASE."""
        given = [each["expression"] for each in node["arguments"]]
        if len(given) != 3:
            raise Refused("if(...) takes a condition and two values", node)
        checked, then, otherwise = self.truth(given[0]), self.read(given[1]), self.read(given[2])
        return _one([then, otherwise], nodes.case([(checked, then.node)], otherwise.node))

    def _subquery(self, node: Node) -> Value:
        expect(node, "a sub-query", ("alias", "subquery_type", "subquery", "child", "comparison_type"))
        expect(node["subquery"], "a sub-query", ("node",), named_param_map=[])
        if self.queries is None:
            raise Refused("sub-queries can't stand here together with minimum_rows: put them into FROM or WHERE", node)
        kind = node["subquery_type"]
        if kind == "SCALAR":
            return self.queries.value(node["subquery"]["node"])
        if kind == "ANY" and node["comparison_type"] == "COMPARE_EQUAL":
            value = self.read(node["child"])
            made, of = self.queries.column(node["subquery"]["node"])
            if not functions.comparable([value.kind, of]):
                raise Refused("IN compares values of two types: cast them to the same one", node)
            return Value(nodes.subquery("ANY", made, value.node), "bool")
        raise Refused(
            "of sub-queries in expressions, single values and IN can be used together with minimum_rows", node
        )


def compare(name: str, left: Value, right: Value) -> Value:
    """A comparison of two values."""
    return _tried_unless(_comparable([left, right]), nodes.comparison(name, left.node, right.node), "bool")


def one_of_two(left: Value, right: Value) -> Value:
    """The left value, or the right one where that is NULL."""
    return _one([left, right], nodes.operator("OPERATOR_COALESCE", left.node, right.node))


def expect_call(node: Node, *read: str) -> None:
    """Makes sure that a call of a function has arguments and nothing else, but for what the caller reads."""
    expect(
        node,
        f"{shown(node['function_name'])}",
        ("alias", "function_name", "arguments", "is_operator", *read),
        schema="",
        catalog="",
        filter=None,
        order_bys={"type": "ORDER_MODIFIER", "orders": []},
        distinct=False,
        export_state=False,
    )
    for each in node["arguments"]:
        expect(each, "an argument", ("expression",), name="")


def shown(name: str) -> str:
    """A function's name in a message."""
    if name == "count_star":
        return "count(*)"
    return f"{name}(...)" if name[:1].isalpha() else f"'{name}'"


def _constant(node: Node) -> Value:
    expect(node, "a constant", ("alias", "literal"))
    literal = node["literal"]
    expect(literal, "a constant", ("kind", "text"))
    kind, text = literal["kind"], literal["text"]
    match kind:
        case "INTEGER":
            if abs(int(text)) < _MOST_INT64:
                return Value(nodes.literal(kind, text), "int")
            return Value(nodes.cast(nodes.literal("STRING", text), "DOUBLE"), "float")
        case "NUMERIC":
            # As floating point: between decimals of several widths there are casts that could fail.
            return Value(nodes.cast(nodes.literal("STRING", text), "DOUBLE"), "float")
        case "STRING":
            return Value(nodes.literal(kind, text), "text", length=1 + len(text) // 100)
        case "BOOLEAN":
            return Value(nodes.literal(kind, text), "bool")
        case "NULL_LITERAL":
            return Value(nodes.literal(kind, text), "null")
    raise Refused(f"constants of the kind {kind} can't be used together with minimum_rows", node)


def _whole_number(node: Node) -> Node:
    value = _constant(node) if node["class"] == "CONSTANT" else None
    if value is None or value.kind != "int":
        raise Refused("the parameters of a type have to be whole numbers", node)
    return value.node


def _comparable(values: list[Value]) -> bool:
    return functions.comparable([each.kind for each in values])


def _tried_unless(certain: bool, node: Node, kind: Kind) -> Value:
    return Value(node if certain else nodes.attempt(node), kind)


def _one(values: list[Value], node: Node) -> Value:
    """An expression whose value is one of these."""
    kind = functions.unified([each.kind for each in values])
    return Value(nodes.attempt(node) if kind == "other" else node, kind, length=max(each.length for each in values))


def _length(name: str, values: list[Value], given: list[Node], node: Node) -> int:
    longest = max((each.length for each in values), default=1)
    if functions.long(name):
        longest = sum(each.length for each in values)
    if name == "replace" and len(given) == 3:
        longest *= max(1, len(given[2].get("literal", {}).get("text", "")))
    if longest > LONGEST:
        raise Refused("the query makes texts too long", node)
    return longest


def _one_of(node: Node, *types: str) -> str:
    if node["type"] not in types:
        raise Refused(f"{node['type']} can't be used together with minimum_rows", node)
    return str(node["type"])
