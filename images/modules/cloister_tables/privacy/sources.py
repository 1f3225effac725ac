"""FROM: tables of the room, queries in brackets, WITH queries, VALUES, joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloister_tables.privacy import functions, nodes
from cloister_tables.privacy.expressions import Reader, compare, one_of_two
from cloister_tables.privacy.nodes import Node, Refused, expect
from cloister_tables.privacy.relations import NOTHING, Field, Known, Names, Origin, Relation, Value, merged

_MOST_TABLES = 100
_MOST_ROWS = 1000
_JOINS = frozenset({"INNER", "LEFT", "RIGHT", "OUTER", "FULL"})


_JOIN_OF_COLUMNS = (
    "a join with a protected table compares columns of the room's tables as they are, of the same type, with = and "
    "AND alone: put other conditions into WHERE"
)


@dataclass(frozen=True)
class Query:
    """A query that was written anew."""

    node: Node
    fields: tuple[Field, ...]
    """Its columns, whose values are our names for them, as they are seen from outside."""
    rows: tuple[str, ...]
    once: frozenset[str]
    """See `Relation`."""


@dataclass(frozen=True)
class With:
    """A WITH query: read anew wherever it is named."""

    node: Node
    columns: tuple[str, ...]
    """Names that it gives its columns; those that follow keep theirs."""
    scope: Mapping[str, With]
    """WITH queries that it can name."""


Scope = Mapping[str, With]
Pair = tuple[Value, Value]
"""What a join compares: of the left side, and of the right."""
Select = Callable[[Node, Scope], Query]
Unique = Callable[[str, Sequence[str]], bool]
"""Whether no two rows of a table (by our name) have the same values in these of its columns."""


class Sources:
    """Reads FROM."""

    def __init__(self, tables: Mapping[str, Known], names: Names, select: Select, unique: Unique, *, ids: bool) -> None:
        """
        Args:
            tables: those of the room, by name.
            select: how a query in FROM is read.
            unique: tells which columns are keys.
            ids: whether the tables' rows have ids in the database.
        """
        self._tables = {name.casefold(): table for name, table in tables.items()}
        self._names, self._select, self._unique, self._ids = names, select, unique, ids
        self._used = 0

    def read(self, node: Node, scope: Scope) -> Relation:
        """What FROM gives.

        Raises:
            Refused: something in it isn't allowed.
        """
        match node["type"]:
            case "EMPTY":
                expect(node, "FROM", (), alias="", sample=None)
                return NOTHING
            case "BASE_TABLE":
                return self._table(node, scope)
            case "SUBQUERY":
                expect(node, "a query in FROM", ("alias", "subquery", "column_name_alias"), sample=None)
                expect(node["subquery"], "a query in FROM", ("node",), named_param_map=[])
                made = self._select(node["subquery"]["node"], scope)
                return self._of(made, node["alias"] or None, node["column_name_alias"])
            case "EXPRESSION_LIST":
                return self._values(node)
            case "JOIN":
                return self._join(node, scope)
            case "TABLE_FUNCTION":
                called = node["function"]["function_name"]
                raise Refused(f"{called}(...) can't stand in FROM together with minimum_rows: name a table", node)
        raise Refused(f"{node['type']} can't stand in FROM together with minimum_rows", node)

    def _table(self, node: Node, scope: Scope) -> Relation:
        what = f"the table '{node['table_name']}'"
        read = ("alias", "table_name", "column_name_alias")
        expect(node, what, read, schema_name="", catalog_name="", at_clause=None, sample=None)
        self._used += 1
        if self._used > _MOST_TABLES:
            raise Refused("the query is too large when all its WITH queries are put in their places", node)
        name = str(node["table_name"])
        alias = node["alias"] or name
        if (found := scope.get(name.casefold())) is not None:
            made = self._select(found.node, found.scope)
            made = replace(made, fields=_renamed(made.fields, found.columns))
            return self._of(made, alias, node["column_name_alias"])
        table = self._tables.get(name.casefold())
        if table is None:
            raise Refused(f"there is no table '{name}'", node)
        ref = self._names.new("r")
        rows = (ref,) if table.protected else ()
        items, fields = [], []
        for given, ours, kind in table.columns:
            new = self._names.new("c")
            items.append(nodes.named(nodes.column(ours), new))
            origin = Origin(ref, table.ours, ours)
            fields.append(Field(given, Value(nodes.column(new), kind, ref if rows else None, origin)))
        for row in rows:
            items.append(nodes.named(nodes.column("rowid") if self._ids else nodes.integer(0), row))
        query = nodes.select(items, nodes.base_table(table.ours))
        made = Query(query, tuple(fields), rows, frozenset({ref}))
        return self._of(made, alias, node["column_name_alias"])

    def _of(self, made: Query, alias: str | None, columns: Sequence[str]) -> Relation:
        source = nodes.derived(made.node, self._names.new("t"))
        return Relation.of(source, alias, _renamed(made.fields, columns), made.rows, made.once)

    def _values(self, node: Node) -> Relation:
        expect(node, "VALUES", ("alias", "values"), sample=None, expected_names=[], expected_types=[])
        reader = Reader(_no_names, None, None)
        rows = [[reader.read(each) for each in row] for row in node["values"]]
        if len(rows) > _MOST_ROWS:
            raise Refused(f"VALUES has more than {_MOST_ROWS} rows: attach them as a table", node)
        if not rows or any(len(row) != len(rows[0]) for row in rows):
            raise Refused("the rows of VALUES don't have the same number of columns", node)
        fields = []
        for index in range(len(rows[0])):
            kind = functions.unified([row[index].kind for row in rows])
            if kind == "other":
                raise Refused("a column of VALUES has values of several types: cast them to one", node)
            length = max(row[index].length for row in rows)
            fields.append(Field(f"col{index}", Value(nodes.column(self._names.new("c")), kind, length=length)))
        ours = [each.value.node["column_names"][0] for each in fields]
        singles = [
            nodes.select([nodes.named(each.node, name) for each, name in zip(row, ours, strict=True)], nodes.nothing())
            for row in rows
        ]
        made = singles[0] if len(singles) == 1 else nodes.set_operation("UNION", True, singles)
        source = nodes.derived(made, self._names.new("t"))
        return Relation.of(source, node["alias"] or None, fields, (), frozenset())

    def _join(self, node: Node, scope: Scope) -> Relation:
        expect(
            node,
            "a join",
            ("left", "right", "condition", "join_type", "ref_type", "using_columns", "is_implicit", "nearest_count"),
            alias="",
            sample=None,
            delim_flipped=False,
            duplicate_eliminated_columns=[],
            ranking_expression=None,
            nearest_order_type="ASCENDING",
            nearest_approx=False,
        )
        kind, how = node["join_type"], node["ref_type"]
        if kind not in _JOINS or how not in ("REGULAR", "CROSS", "NATURAL"):
            called = kind if kind not in _JOINS else how
            raise Refused(f"{called} joins can't be used together with minimum_rows", node)
        left, right = self.read(node["left"], scope), self.read(node["right"], scope)
        rows = (*left.rows, *right.rows)
        using = [str(each) for each in node["using_columns"]]
        if how == "NATURAL":
            there = {each.casefold() for each in right.bare_names()}
            using = [each for each in left.bare_names() if each.casefold() in there]
            if not using:
                raise Refused("a NATURAL JOIN needs columns of the same name on both sides", node)
        if using:
            return self._using(kind, left, right, using, node)
        beside = Relation(NOTHING.source, (*left.seen, *right.seen), rows)
        condition = None
        if rows:
            pairs = self._pairs(node["condition"], left, right, node)
            beside = replace(beside, once=self._once(left, right, pairs, node))
        if node["condition"] is not None:
            condition = Reader(_names_of(beside), None, None).truth(node["condition"])
        elif kind != "INNER":
            raise Refused("a join needs ON or USING", node)
        return replace(beside, source=nodes.join(kind, left.source, right.source, condition))

    def _pairs(self, condition: Node | None, left: Relation, right: Relation, node: Node) -> list[Pair]:
        """The columns that a join compares, where that is all that it does.

        Raises:
            Refused: it does more, or something else.
        """
        if condition is None:
            raise Refused(
                "every row of a protected table would be there many times: join it with ON one.column = other.column",
                node,
            )
        ands = condition["class"] == "CONJUNCTION" and condition["type"] == "CONJUNCTION_AND"
        found: list[Pair] = []
        for each in condition["children"] if ands else [condition]:
            if each["class"] != "COMPARISON" or each["type"] != "COMPARE_EQUAL":
                raise Refused(_JOIN_OF_COLUMNS, each)
            sides = []
            for one in (each["left"], each["right"]):
                if one["class"] != "COLUMN_REF":
                    raise Refused(_JOIN_OF_COLUMNS, each)
                sides.append([_found(relation, one) for relation in (left, right)])
            (one_left, one_right), (other_left, other_right) = sides
            if one_left and other_right and not one_right and not other_left:
                found.append((one_left, other_right))
            elif one_right and other_left and not one_left and not other_right:
                found.append((other_left, one_right))
            else:
                raise Refused(_JOIN_OF_COLUMNS, each)
        return found

    def _once(self, left: Relation, right: Relation, pairs: Sequence[Pair], node: Node) -> frozenset[str]:
        """Tables whose rows a join shows once at most.

        Raises:
            Refused: there is none, or it can't be told.
        """
        if any(one.origin is None or other.origin is None or one.kind != other.kind for one, other in pairs):
            raise Refused(_JOIN_OF_COLUMNS, node)
        if left.rows and right.rows and not all(_of_themselves(one, other) for one, other in pairs):
            raise Refused(
                "protected tables are joined on columns of their own, and one with itself on the same columns: "
                "otherwise the query chooses how many partners each row finds",
                node,
            )
        left_unique = self._is_key(left, [one.origin for one, _ in pairs if one.origin])
        right_unique = self._is_key(right, [other.origin for _, other in pairs if other.origin])
        once = (left.once if right_unique else frozenset()) | (right.once if left_unique else frozenset())
        if not once:
            raise Refused(
                "the join would show rows of both tables several times: what it compares has to be different in each "
                "row of one of them",
                node,
            )
        return once

    def _is_key(self, relation: Relation, origins: Sequence[Origin]) -> bool:
        by_ref: dict[str, list[Origin]] = {}
        for each in origins:
            by_ref.setdefault(each.ref, []).append(each)
        return any(
            ref in relation.once and self._unique(those[0].table, [each.column for each in those])
            for ref, those in by_ref.items()
        )

    def _using(self, kind: str, left: Relation, right: Relation, using: Sequence[str], node: Node) -> Relation:
        """A join on columns of the same name, of which there is one afterwards."""
        conditions, together, pairs = [], [], []
        for name in using:
            one, other = left.named(name), right.named(name)
            if one is None or other is None:
                raise Refused(f"USING needs a column '{name}' on both sides", node)
            conditions.append(compare("COMPARE_EQUAL", one.value, other.value).node)
            pairs.append((one.value, other.value))
            if kind == "RIGHT":
                value = other.value
            elif kind in ("FULL", "OUTER"):
                value = one_of_two(one.value, other.value)
            else:
                value = one.value
            together.append(merged(one.name or name, value))
        source = nodes.join(kind, left.source, right.source, nodes.both(conditions))
        seen = left.seen_with(together, using) + right.hide(using)
        rows = (*left.rows, *right.rows)
        return Relation(source, seen, rows, self._once(left, right, pairs, node) if rows else frozenset())


def _of_themselves(one: Value, other: Value) -> bool:
    """Whether two columns of protected tables are compared that the query can't have made to pair rows at will."""
    if one.raw is None or other.raw is None or one.origin is None or other.origin is None:
        return False
    return one.origin.table != other.origin.table or one.origin.column == other.origin.column


def _found(relation: Relation, node: Node) -> Value | None:
    return find(relation, node["column_names"], node)


def _renamed(fields: Sequence[Field], names: Sequence[str]) -> tuple[Field, ...]:
    if len(names) > len(fields):
        raise Refused("more names for columns than there are columns")
    return (*(Field(name, each.value) for name, each in zip(names, fields, strict=False)), *fields[len(names) :])


def _names_of(relation: Relation) -> Callable[[list[str], Node], Value]:
    return lambda path, node: look_up(relation, path, node)


def look_up(relation: Relation, path: Sequence[str], node: Node) -> Value:
    """What a name stands for.

    Raises:
        Refused: nothing, or several things.
    """
    found = find(relation, path, node)
    if found is None:
        raise Refused(
            f"there is no column '{'.'.join(path)}' here (columns of a query around this one can't be named together "
            f"with minimum_rows)",
            node,
        )
    return found


def find(relation: Relation, path: Sequence[str], node: Node) -> Value | None:
    """What a name stands for, if anything."""
    if len(path) > 2:
        raise Refused(f"write '{'.'.join(path[-2:])}' for '{'.'.join(path)}'", node)
    field = _field(relation, path)
    return field.value if field else None


def name_of(relation: Relation, path: Sequence[str]) -> str | None:
    """What the column itself is called."""
    field = _field(relation, path)
    return field.name if field else None


def _field(relation: Relation, path: Sequence[str]) -> Field | None:
    return relation.named(path[0]) if len(path) == 1 else relation.qualified(path[-2], path[-1])


def _no_names(path: list[str], node: Node) -> Value:
    raise Refused(f"'{'.'.join(path)}' can't stand in VALUES together with minimum_rows", node)
