"""JSON logic over two tables, as SQL: when do two rows belong together?

Known are `and`, `or`, `!`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` (a list of values, or a text in a text), `var`, and
beyond JSON logic `lower` and `trim`, of texts. Anything else is refused. A `var` is "<table>.<column>": the table by
its name or by its place (0 or 1), the column by its name or by its place from 0. Where one of the two is NULL, no
comparison holds. Numbers are compared with numbers, texts with texts.

The SQL is made of our own words alone: tables are l and r, columns c0, c1, ..., values are parameters.

An `or` at the top has as many alternatives, each a join by itself; two rows that several of them match are one match.
Each alternative has to have an `==` between a column of one table and a column of the other, so that its rows are found
by hashing: anything else would compare every row of one table with every row of the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cloister_tables.program import Table
from cloister_util.error import SafeError

Kind = Literal["number", "text", "truth"]
MOST_DEPTH = 32
MOST_PARTS = 1000
"""Operations and values in a query."""
MOST_ALTERNATIVES = 32
_SIDES = "lr"
_COMPARED = {"==": "=", "===": "=", "!=": "<>", "!==": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True)
class Condition:
    """One alternative."""

    sql: str
    values: tuple[str | int | float, ...]
    """The parameters, in their order."""


@dataclass(frozen=True)
class _Part:
    sql: str
    kind: Kind
    sides: frozenset[str]
    """The tables that it reads."""
    values: tuple[str | int | float, ...] = ()


def translate(query: Any, tables: Sequence[Table]) -> list[Condition]:
    """The alternatives of a query.

    Args:
        tables: the two, of which the query's numbers are 0 and 1.

    Raises:
        SafeError: what is wrong with it.
    """
    if isinstance(query, list) and len(query) == 1:  # as the documented type of the query has it
        query = query[0]
    alternatives = [query]
    if isinstance(query, Mapping) and set(query) == {"or"}:
        alternatives = _arguments(query["or"])
    if not 1 <= len(alternatives) <= MOST_ALTERNATIVES:
        raise SafeError(f"The query has no alternatives, or more than {MOST_ALTERNATIVES}: split it.")
    translator = _Translator(tables)
    return [translator.condition(each) for each in alternatives]


class _Translator:
    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables
        self._parts = 0

    def condition(self, query: Any) -> Condition:
        """One alternative."""
        conjuncts = [self._truth(each, 0) for each in _conjuncts(query)]
        if not any(_joins(each, part) for each, part in zip(_conjuncts(query), conjuncts, strict=True)):
            raise SafeError(
                "Each alternative of the query needs a '==' between a column of one table and a column of the other, "
                "which holds together with everything else in it."
            )
        return Condition(
            " AND ".join(f"({part.sql})" for part in conjuncts),
            tuple(value for part in conjuncts for value in part.values),
        )

    def _truth(self, query: Any, depth: int) -> _Part:
        part = self._part(query, depth)
        if part.kind != "truth":
            raise SafeError("The query has a value where a condition should be. Compare it with something.")
        return part

    def _part(self, query: Any, depth: int) -> _Part:
        self._parts += 1
        if depth > MOST_DEPTH or self._parts > MOST_PARTS:
            raise SafeError("The query is nested too deeply, or too long. Write it in a simpler way.")
        if not isinstance(query, Mapping):
            return _literal(query)
        if len(query) != 1:
            raise SafeError("Each operation of the query must be an object with one key, such as {'==': [..., ...]}.")
        [(operation, given)] = query.items()
        if operation == "var":
            return self._column(given)
        arguments = _arguments(given)
        if operation in ("and", "or"):
            return self._several(operation.upper(), arguments, depth)
        if operation == "!":
            _count(operation, arguments, 1)
            inner = self._truth(arguments[0], depth + 1)
            return _Part(f"NOT ({inner.sql})", "truth", inner.sides, inner.values)
        if operation in _COMPARED:
            return self._compared(operation, arguments, depth)
        if operation == "in":
            return self._contained(arguments, depth)
        if operation in ("lower", "trim"):
            _count(operation, arguments, 1)
            inner = self._part(arguments[0], depth + 1)
            if inner.kind != "text":
                raise SafeError(f"'{operation}' is for texts alone.")
            return _Part(f"{operation}({inner.sql})", "text", inner.sides, inner.values)
        raise SafeError(
            f"The query has the operation {_shown(operation)}, which isn't known. Known are and, or, !, ==, !=, <, <=, "
            ">, >=, in, var, lower and trim."
        )

    def _several(self, word: str, arguments: Sequence[Any], depth: int) -> _Part:
        if not arguments:
            raise SafeError(f"'{word.lower()}' needs conditions.")
        parts = [self._truth(each, depth + 1) for each in arguments]
        return _joined(f" {word} ", parts)

    def _compared(self, operation: str, arguments: Sequence[Any], depth: int) -> _Part:
        _count(operation, arguments, 2)
        one, other = (self._part(each, depth + 1) for each in arguments)
        if one.kind != other.kind or one.kind == "truth":
            raise SafeError(
                f"'{operation}' compares a {one.kind} with a {other.kind}. Compare numbers with numbers and texts with "
                "texts: give the columns that are to match the same type."
            )
        return _joined(f" {_COMPARED[operation]} ", [one, other])

    def _contained(self, arguments: Sequence[Any], depth: int) -> _Part:
        _count("in", arguments, 2)
        one = self._part(arguments[0], depth + 1)
        if not isinstance(arguments[1], list):
            other = self._part(arguments[1], depth + 1)
            if one.kind != "text" or other.kind != "text":
                raise SafeError("'in' looks for a text in a text, or for a value in a list of values.")
            return _Part(
                f"contains({other.sql}, {one.sql})", "truth", one.sides | other.sides, other.values + one.values
            )
        members = [self._part(each, depth + 1) for each in arguments[1]]
        if not members or any(each.kind != one.kind or each.sides for each in members) or one.kind == "truth":
            raise SafeError("'in' needs a list of values of the same kind: all numbers, or all texts.")
        listed = _joined(", ", members)
        return _Part(f"({one.sql}) IN ({listed.sql})", "truth", one.sides, one.values + listed.values)

    def _column(self, given: Any) -> _Part:
        if isinstance(given, list) and len(given) == 1:
            given = given[0]
        if not isinstance(given, str):
            raise SafeError("A 'var' of the query must be a text such as 'table.column'.")
        table, _, column = given.partition(".")
        side = next((place for place, each in enumerate(self._tables) if each.name == table), None)
        if side is None and table in ("0", "1"):
            side = int(table)
        if side is None:
            names = " and ".join(f"'{each.name}'" for each in self._tables)
            raise SafeError(f"The query names the table {_shown(table)}; there are {names}. Write '<table>.<column>'.")
        names_there = self._tables[side].column_names
        place = next((place for place, name in enumerate(names_there) if name == column), None)
        if place is None and column.isascii() and column.isdecimal() and int(column) < len(names_there):
            place = int(column)
        if place is None:
            raise SafeError(
                f"The query names the column {_shown(column)} of '{self._tables[side].name}', which has none of that "
                "name."
            )
        kind: Kind = "text" if self._tables[side].columns[place].kind == "STRING" else "number"
        return _Part(f"{_SIDES[side]}.c{place}", kind, frozenset(_SIDES[side]))


def _literal(value: Any) -> _Part:
    if isinstance(value, str):
        return _Part("CAST(? AS VARCHAR)", "text", frozenset(), (value,))
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return _Part("CAST(? AS BIGINT)", "number", frozenset(), (value,))
    if isinstance(value, float) and math.isfinite(value):
        return _Part("CAST(? AS DOUBLE)", "number", frozenset(), (value,))
    raise SafeError("The query has a value that is neither a text nor a number.")


def _joined(word: str, parts: Sequence[_Part]) -> _Part:
    sql = word.join(f"({part.sql})" for part in parts)
    sides = frozenset().union(*(part.sides for part in parts))
    return _Part(sql, "truth", sides, tuple(value for part in parts for value in part.values))


def _conjuncts(query: Any) -> list[Any]:
    """What has to hold all together."""
    found, waiting = [], [query]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, Mapping) and set(each) == {"and"} and isinstance(each["and"], list) and each["and"]:
            waiting[:0] = each["and"]
        else:
            found.append(each)
        if len(found) + len(waiting) > MOST_PARTS:
            raise SafeError("The query is too long. Write it in a simpler way.")
    return found


def _joins(query: Any, part: _Part) -> bool:
    """Whether it is an equation that hashing can find rows by: each side of it reads one table, and not the same."""
    if not isinstance(query, Mapping) or not set(query) <= {"==", "==="}:
        return False
    return part.sides == frozenset(_SIDES)


def _arguments(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list) else [given]


def _count(operation: str, arguments: Sequence[Any], wanted: int) -> None:
    if len(arguments) != wanted:
        raise SafeError(f"'{operation}' of the query has {len(arguments)} arguments; it needs {wanted}.")


def _shown(text: Any) -> str:
    return ascii(str(text)[:64])
