"""SELECT: rows that are shown, handed on, or grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from cloister_tables.privacy import functions, nodes
from cloister_tables.privacy.expressions import LONGEST, Reader
from cloister_tables.privacy.functions import Kind
from cloister_tables.privacy.groups import Groups
from cloister_tables.privacy.nodes import Node, Refused, expect
from cloister_tables.privacy.relations import Field, Known, Names, Relation, Value
from cloister_tables.privacy.sources import Query, Scope, Sources, Unique, With, find, look_up, name_of

_SET_OPERATIONS = ("UNION", "EXCEPT", "INTERSECT")


class _Item(NamedTuple):
    name: str | None
    """What the column is called; None where it has no name."""
    node: Node | None
    """What stands in the SELECT list; None where a star stands for the column."""
    field: Field | None = None
    """The column that a star stands for."""


class Selects:
    """Reads queries."""

    def __init__(self, tables: Mapping[str, Known], minimum: int, unique: Unique, *, ids: bool) -> None:
        self._names = Names()
        self._sources = Sources(tables, self._names, self.read, unique, ids=ids)
        self._minimum = minimum
        self.needs_ids = False
        """Whether the rows of protected tables need ids."""

    def read(self, node: Node, scope: Scope) -> Query:
        """A query, with the WITH queries that it can name.

        Raises:
            Refused: something in it isn't allowed.
        """
        match node["type"]:
            case "SELECT_NODE":
                return _Select(self, node, self._with(node, scope)).read()
            case "SET_OPERATION_NODE":
                return self._set_operation(node, self._with(node, scope))
            case "RECURSIVE_CTE_NODE":
                raise Refused("WITH RECURSIVE can't be used together with minimum_rows", node)
        raise Refused(f"{node['type']} can't be used together with minimum_rows", node)

    def _with(self, node: Node, scope: Scope) -> Scope:
        inner = dict(scope)
        expect(node["cte_map"], "WITH", ("map",))
        for each in node["cte_map"]["map"]:
            expect(each, "WITH", ("key", "value"))
            value = each["value"]
            expect(value, "WITH", ("aliases", "query_node", "materialized"), key_targets=[], payload_aggregates=[])
            made = With(value["query_node"], tuple(map(str, value["aliases"])), dict(inner))
            self.read(made.node, made.scope)  # also where nobody names it
            inner[str(each["key"]).casefold()] = made
        return inner

    def _set_operation(self, node: Node, scope: Scope) -> Query:
        read = ("modifiers", "cte_map", "setop_type", "setop_all", "children")
        expect(node, "UNION", read, left=None, right=None)
        kind = node["setop_type"]
        if kind not in _SET_OPERATIONS:
            raise Refused(f"{kind} can't be used together with minimum_rows", node)
        children = [self.read(each, scope) for each in node["children"]]
        if any(each.rows for each in children):
            raise Refused(f"{kind} of rows of protected tables can't be used: group them first", node)
        if len({len(each.fields) for each in children}) != 1:
            raise Refused(f"the queries of {kind} don't have the same number of columns", node)
        fields = []
        for each in zip(*(child.fields for child in children), strict=True):
            of = functions.unified([field.value.kind for field in each])
            length = max(field.value.length for field in each)
            fields.append(Field(each[0].name, Value(each[0].value.node, of, length=length)))
        made = nodes.set_operation(kind, bool(node["setop_all"]), [each.node for each in children])
        relation = Relation.of(nodes.derived(made, self._names.new("t")), None, fields, (), frozenset())
        items = [_Item(each.name, None, each) for each in fields]
        return _Select(self, node, scope).shown(relation, items)


class _Select:
    """One SELECT."""

    def __init__(self, within: Selects, node: Node, scope: Scope) -> None:
        self._all, self._node, self._scope = within, node, scope
        self._names = within._names
        self._aliases: dict[str, Value] = {}
        self._values: list[Node] = []

    def read(self) -> Query:
        """What it becomes."""
        node = self._node
        expect(
            node,
            "SELECT",
            ("modifiers", "cte_map", "select_list", "from_table", "where_clause", "group_expressions", "group_sets",
             "aggregate_handling", "having"),
            sample=None,
            qualify=None,
        )  # fmt: skip
        if node["aggregate_handling"] not in ("STANDARD_HANDLING", "FORCE_AGGREGATES"):
            raise Refused(f"{node['aggregate_handling']} can't be used together with minimum_rows", node)
        relation = self._all._sources.read(node["from_table"], self._scope)
        items = [item for each in node["select_list"] for item in _items(each, relation)]
        rows = self._reader(relation)
        where = rows.truth(node["where_clause"]) if node["where_clause"] is not None else None
        # What WHERE asks of other queries stands beside the tables.
        relation = self._with_values(relation)
        if self._grouped(items):
            return self._of_groups(relation, items, where)
        if relation.rows:
            return self._handed_on(relation, items, where)
        return self.shown(relation, items, where)

    def _grouped(self, items: Sequence[_Item]) -> bool:
        node = self._node
        if node["group_sets"] or node["group_expressions"] or node["aggregate_handling"] == "FORCE_AGGREGATES":
            return True
        orders = [each for each in node["modifiers"] if each["type"] == "ORDER_MODIFIER"]
        return node["having"] is not None or any(map(_aggregates, [*(item.node for item in items), orders]))

    def _handed_on(self, relation: Relation, items: Sequence[_Item], where: Node | None) -> Query:
        """Rows of protected tables, for the query around this one."""
        for each in self._node["modifiers"]:
            called = {"ORDER_MODIFIER": "ORDER BY", "DISTINCT_MODIFIER": "DISTINCT"}.get(each["type"], "LIMIT")
            raise Refused(f"{called} can't be used on rows of protected tables: group them first (GROUP BY)")
        fields, made = self._columns(items, self._reader(relation))
        relation = self._with_values(relation)
        made += [nodes.named(nodes.column(row), row) for row in relation.rows]
        query = nodes.select(made, relation.source, where=where)
        return Query(query, fields, relation.rows, relation.once)

    def _of_groups(self, relation: Relation, items: Sequence[_Item], where: Node | None) -> Query:
        """Groups of rows, each of enough rows of every protected table in them."""
        rows = Reader(lambda path, node: self._named(relation, path, node), None, None)
        groups = Groups(relation, rows, self._names, self._all._minimum)
        for each in self._keys(items):
            if each.node is None:
                assert each.field is not None
                groups.add_key(each.field.value)
            else:
                groups.add_key(self._key(relation, each.node, items))
        reader = Reader(lambda path, node: self._of_group(relation, path, node), groups.aggregate, self, groups.known)
        fields, made = self._columns(items, reader, groups)
        having = reader.truth(self._node["having"]) if self._node["having"] is not None else None
        modifiers = self._modifiers(fields, reader)
        grouped = groups.query(where)
        self._all.needs_ids |= groups.needs_ids
        outer = self._with_values(Relation(nodes.derived(grouped, self._names.new("t")), ()))
        return Query(nodes.select(made, outer.source, where=having, modifiers=modifiers), fields, (), frozenset())

    def shown(self, relation: Relation, items: Sequence[_Item], where: Node | None = None) -> Query:
        """Rows that may be seen."""
        reader = self._reader(relation)
        fields, made = self._columns(items, reader)
        modifiers = self._modifiers(fields, reader)
        relation = self._with_values(relation)
        query = nodes.select(made, relation.source, where=where, modifiers=modifiers)
        return Query(query, fields, (), relation.once)

    def _reader(self, relation: Relation) -> Reader:
        return Reader(lambda path, node: self._named(relation, path, node), None, self)

    def _named(self, relation: Relation, path: list[str], node: Node) -> Value:
        """A column, or else what has been given that name before in the same list."""
        found = find(relation, path, node)
        if found is None and len(path) == 1:
            found = self._aliases.get(path[0].casefold())
        return found or look_up(relation, path, node)

    def _of_group(self, relation: Relation, path: list[str], node: Node) -> Value:
        if len(path) == 1 and (found := self._aliases.get(path[0].casefold())) is not None:
            return found
        look_up(relation, path, node)
        raise Refused(f"'{'.'.join(path)}' is neither in GROUP BY nor in an aggregate", node)

    def _keys(self, items: Sequence[_Item]) -> list[_Item]:
        node = self._node
        if node["aggregate_handling"] == "FORCE_AGGREGATES":
            return [item for item in items if not _aggregates(item.node)]
        sets = node["group_sets"]
        if len(sets) > 1 or any(set(each) != set(range(len(node["group_expressions"]))) for each in sets):
            raise Refused(
                "ROLLUP, CUBE and GROUPING SETS can't be used together with minimum_rows: a total beside its parts "
                "gives away what was left out of them",
                node,
            )
        return [_Item(None, each) for each in node["group_expressions"]]

    def _key(self, relation: Relation, node: Node, items: Sequence[_Item]) -> Value:
        """What rows are grouped by: the number of an item, the name of one, or an expression."""
        if node["class"] == "CONSTANT" and node["literal"]["kind"] == "INTEGER":
            place = int(node["literal"]["text"])
            if not 0 < place <= len(items):
                raise Refused(f"GROUP BY {place}: there is no such item", node)
            item = items[place - 1]
            if item.field is not None:
                return item.field.value
            assert item.node is not None
            node = item.node
        elif node["class"] == "COLUMN_REF" and find(relation, node["column_names"], node) is None:
            named = [
                item.node for item in items if item.node and _alias(item.node) == node["column_names"][-1].casefold()
            ]
            if len(node["column_names"]) == 1 and named:
                node = named[0]
        if _aggregates(node):
            raise Refused("rows can't be grouped by an aggregate", node)
        return Reader(lambda path, each: look_up(relation, path, each), None, None).read(node)

    def _columns(
        self, items: Sequence[_Item], reader: Reader, groups: Groups | None = None
    ) -> tuple[tuple[Field, ...], list[Node]]:
        fields, made = [], []
        for item in items:
            if item.field is not None:
                value = item.field.value if groups is None else groups.key(item.field.value)
                if value is None:
                    raise Refused(f"'{item.field.name}' is neither in GROUP BY nor in an aggregate", self._node)
            else:
                assert item.node is not None
                value = reader.read(item.node)
                if alias := _alias(item.node):
                    self._aliases.setdefault(alias, value)
            ours = self._names.new("c")
            made.append(nodes.named(value.node, ours))
            fields.append(Field(item.name, replace(value, node=nodes.column(ours))))
        return tuple(fields), made

    def _modifiers(self, fields: Sequence[Field], reader: Reader) -> list[Node]:
        found: list[Node] = []
        orders: list[tuple[str, str, Node]] = []
        for each in self._node["modifiers"]:
            match each["type"]:
                case "ORDER_MODIFIER":
                    expect(each, "ORDER BY", ("orders",))
                    orders += [order for one in each["orders"] for order in self._orders(one, fields, reader)]
                case "LIMIT_MODIFIER":
                    expect(each, "LIMIT", ("limit", "offset"), limit_type="ROW_COUNT")
                    found.append(nodes.limit(_whole(each["limit"]), _whole(each["offset"])))
                case "DISTINCT_MODIFIER":
                    expect(each, "DISTINCT", (), distinct_on_targets=[])
                    found.append(nodes.distinct())
                case other:
                    raise Refused(f"{other} can't be used together with minimum_rows", self._node)
        # Always in an order of their own: that in which groups are found tells of the rows that they are made from.
        orders += [("ORDER_DEFAULT", "ORDER_DEFAULT", each.value.node) for each in fields]
        place = next((at for at, each in enumerate(found) if each["type"] == "LIMIT_MODIFIER"), len(found))
        return [*found[:place], nodes.order(orders), *found[place:]]

    def _orders(self, order: Node, fields: Sequence[Field], reader: Reader) -> list[tuple[str, str, Node]]:
        expect(order, "ORDER BY", ("null_order", "expression"))
        node = order["expression"]
        way = (order["type"], order["null_order"])
        columns = [each.value.node for each in fields]
        if node["class"] == "STAR":
            neutral: Node = {"relation_name": "", "exclude_list": [], "replace_list": [], "expr": None}
            expect(node, "ORDER BY", ("alias", "columns"), **neutral, qualified_exclude_list=[], rename_list=[])
            return [(*way, each) for each in columns]
        if node["class"] == "CONSTANT":
            place = int(node["literal"]["text"]) if node["literal"]["kind"] == "INTEGER" else 0
            if not 0 < place <= len(columns):
                raise Refused("ORDER BY a constant: write the number of an item, or its name", node)
            return [(*way, columns[place - 1])]
        if node["class"] == "COLUMN_REF" and len(node["column_names"]) == 1:
            name = node["column_names"][0].casefold()
            for field, item in zip(fields, columns, strict=True):
                if field.name is not None and field.name.casefold() == name:
                    return [(*way, item)]
        return [(*way, reader.read(node).node)]

    def value(self, node: Node) -> Value:
        """A query of one value. It stands beside the tables as a row of its own: an expression with a query in it can't
        be tried."""
        made, kind = self.column(node)
        ours = self._names.new("v")
        row = nodes.select([nodes.named(nodes.subquery("SCALAR", made), ours)], nodes.nothing())
        self._values.append(nodes.derived(row, self._names.new("t")))
        return Value(nodes.column(ours), kind, length=LONGEST)

    def column(self, node: Node) -> tuple[Node, Kind]:
        """A query of one column."""
        made = self._all.read(node, self._scope)
        if made.rows:
            raise Refused("a query in an expression shows rows of protected tables as they are: group them", node)
        if len(made.fields) != 1:
            raise Refused("a query in an expression has to have one column", node)
        return made.node, made.fields[0].value.kind

    def _with_values(self, relation: Relation) -> Relation:
        """With the values of queries that were read in the meantime."""
        source = relation.source
        for each in self._values:
            source = each if source["type"] == "EMPTY" else nodes.join("INNER", source, each, None)
        self._values = []
        return replace(relation, source=source)


def _items(node: Node, relation: Relation) -> list[_Item]:
    if node["class"] != "STAR":
        name = _alias(node, exact=True)
        if name is None and node["class"] == "COLUMN_REF":
            # As the table has it, not as the query happens to write it.
            name = name_of(relation, node["column_names"]) or node["column_names"][-1]
        return [_Item(name, node)]
    read = ("alias", "relation_name", "exclude_list")
    neutral: Node = {
        "replace_list": [],
        "expr": None,
        "columns": False,
        "qualified_exclude_list": [],
        "rename_list": [],
    }
    expect(node, "*", read, **neutral)
    left_out = {str(each).casefold() for each in node["exclude_list"]}
    fields = relation.all(node["relation_name"])
    return [_Item(each.name, None, each) for each in fields if (each.name or "").casefold() not in left_out]


def _alias(node: Node, *, exact: bool = False) -> str | None:
    alias = str(node.get("alias") or "") or None
    return alias if exact or alias is None else alias.casefold()


def _aggregates(node: object) -> bool:
    """Whether there is an aggregate in it."""
    if isinstance(node, dict):
        if node.get("class") == "SUBQUERY":
            return _aggregates(node.get("child"))
        if node.get("class") == "FUNCTION":
            name = str(node["function_name"]).lower()
            if name == "count_star" or name in functions.SAFE:
                return True
        return any(map(_aggregates, node.values()))
    return isinstance(node, list) and any(map(_aggregates, node))


def _whole(node: Node | None) -> Node | None:
    if node is None:
        return None
    if node["class"] != "CONSTANT" or node["literal"]["kind"] != "INTEGER":
        raise Refused("LIMIT and OFFSET have to be whole numbers", node)
    return nodes.integer(int(node["literal"]["text"]))
