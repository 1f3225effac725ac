"""A statement as DuckDB's own parser reads it: exactly one query, of the tables that there are.

It is parsed and bound where there is no data: tables of the same names and types, but empty, in a database that can't
open files. So what is wrong with it can be told in full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from cloister_util.error import SafeError

from cloister_tables.program import Table

Node = dict[str, Any]

TYPES = {"INT64": "BIGINT", "STRING": "VARCHAR", "FLOAT64": "DOUBLE"}
"""Of columns, in DuckDB."""
LOCKED: Mapping[str, str] = {
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""What a database is told before it sees a query: no files, no extensions, no variables of this program, for good."""
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SOURCES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY"})
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"})
_LONGEST = 700
_EXPLAIN = "EXPLAIN "
_ANOTHER = "Write one SELECT (WITH may stand before it) and nothing else."


@dataclass(frozen=True)
class Statement:
    """A query that has been checked."""

    text: str
    query: Node
    """As DuckDB serialises it."""
    columns: tuple[str, ...]
    """What DuckDB calls the columns of its result."""
    unnamed: frozenset[int]
    """Those of them that the query gives no name."""
    uses: Mapping[str, int]
    """How often each table is named, by the name of its mount."""


def quoted(name: str) -> str:
    """A name as it stands in a statement."""
    return '"' + name.replace('"', '""') + '"'


def settled(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, str]) -> None:
    """Changes settings, the last of which may be that no setting can be changed any more."""
    for name, value in settings.items():
        done(connection, f"SET {name} = {value}")


def done(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Runs a statement to its end."""
    connection.execute(statement).fetchall()


def check(text: str, tables: Sequence[Table]) -> Statement:
    """Reads a statement.

    Raises:
        SafeError: it isn't one query, or something in it isn't there; in DuckDB's words, and where.
    """
    names = _names(tables)
    with duckdb.connect(":memory:") as connection:
        for table in tables:
            columns = zip(table.column_names, table.columns, strict=True)
            inner = ", ".join(f"{quoted(name)} {TYPES[column.kind]}" for name, column in columns)
            done(connection, f"CREATE TABLE {quoted(table.name)} ({inner})")
        settled(connection, {"errors_as_json": "true", "threads": "1", **LOCKED})
        skipped = 0
        try:
            query = _parsed(connection, text)
            uses = _walked(query, names)
            skipped = len(_EXPLAIN)
            done(connection, _EXPLAIN + text)  # binds it, and works out what is constant
            columns_found = tuple(connection.sql(text).columns)
            unnamed = _unnamed(connection, query, columns_found)
        except duckdb.Error as error:
            raise SafeError(f"The query can't be run: {_told(error, text, skipped)}") from None
        except RecursionError:
            raise SafeError("The query can't be run: it is nested too deeply.") from None
    return Statement(text, query, columns_found, unnamed, uses)


def serialized(connection: duckdb.DuckDBPyConnection, text: str) -> Node:
    """A statement as DuckDB's parser reads it."""
    rows = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()
    found: Node = json.loads(rows[0][0])
    return found


def deserialized(connection: duckdb.DuckDBPyConnection, document: Node) -> str:
    """The text of a serialised statement."""
    rows = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(document)]).fetchall()
    return str(rows[0][0])


def _names(tables: Sequence[Table]) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for table in tables:
        other = names.setdefault(table.name.casefold(), table.name)
        if other != table.name:
            raise SafeError(
                f"'{other}' and '{table.name}' are the same name to SQL, which doesn't tell upper from lower case. "
                f"Rename one of them."
            )
    return names


def _parsed(connection: duckdb.DuckDBPyConnection, text: str) -> Node:
    statements = connection.extract_statements(text)
    if not statements:
        raise SafeError(f"The query is empty. {_ANOTHER}")
    if len(statements) > 1:
        raise SafeError(f"There are {len(statements)} statements. {_ANOTHER}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = str(statements[0].type).rpartition(".")[2]
        raise SafeError(f"This is no query but a statement of the kind {kind}. {_ANOTHER}")
    found = serialized(connection, text)
    if found["error"]:
        raise SafeError(f"This kind of statement can't be used here. {_ANOTHER}")
    query: Node = found["statements"][0]["node"]
    return query


def _walked(query: Node, names: Mapping[str, str]) -> Mapping[str, int]:
    """Looks at all of a query.

    Raises:
        SafeError: it does more than to read tables that there are.
    """
    withs = {str(each["key"]).casefold() for node in nodes_of(query) for each in node.get("cte_map", {}).get("map", ())}
    uses: dict[str, int] = {}
    for node in nodes_of(query):
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in _QUERIES:
            raise SafeError(f"The query has a part of the kind {kind.removesuffix('_NODE')} in it. {_ANOTHER}")
        if "sample" in node and "class" not in node and kind not in _SOURCES | _QUERIES:
            raise SafeError(f"The query has a source of the kind {kind} in it. Tables can be read, nothing else.")
        if node.get("class") == "PARAMETER":
            raise SafeError("The query has a parameter ($1 or ?) in it, for which there is no value.")
        if kind == "TABLE_FUNCTION":
            called = str(node["function"].get("function_name", "")).lower()
            if called not in _TABLE_FUNCTIONS:
                raise SafeError(
                    f"The query reads from {called}(...). It can read the tables that it depends on: {_list(names)}."
                )
        if kind == "BASE_TABLE":
            named = str(node["table_name"]).casefold()
            if node.get("catalog_name") or node.get("schema_name"):
                raise SafeError(
                    f"'{node['table_name']}' stands with a schema. Tables are named without one: {_list(names)}."
                )
            if named in names:
                uses[names[named]] = uses.get(names[named], 0) + 1
            elif named not in withs:
                raise SafeError(
                    f"There is no table '{node['table_name']}'. The query can read what it depends on: {_list(names)}."
                )
    return uses


def nodes_of(node: object) -> Iterator[Node]:
    """All nodes of a serialised statement."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _list(names: Mapping[str, str]) -> str:
    return ", ".join(quoted(name) for name in names.values()) or "there is none"


def _unnamed(connection: duckdb.DuckDBPyConnection, query: Node, columns: Sequence[str]) -> frozenset[int]:
    """Columns that have no name but the expression itself: those which another name can be given without a change."""
    mark = "unnamed by the query"
    while any(mark in name for name in columns):
        mark += "!"
    marked: Node = json.loads(json.dumps(query))
    first = marked
    while first["type"] == "SET_OPERATION_NODE":
        first = first["children"][0]
    if first["type"] != "SELECT_NODE":
        return frozenset()
    for item in first["select_list"]:
        if not item.get("alias") and item["class"] not in ("COLUMN_REF", "STAR"):
            item["alias"] = mark
    try:
        document = {"error": False, "statements": [{"node": marked, "named_param_map": []}]}
        found = connection.sql(deserialized(connection, document)).columns
    except duckdb.Error:
        return frozenset()  # it orders by the name that DuckDB made up: then that is a name
    return frozenset(index for index, name in enumerate(found) if name == mark)


def _told(error: duckdb.Error, text: str, skipped: int) -> str:
    """What DuckDB says, and where in the statement, before which it had read so much."""
    raw = str(error)
    try:
        told = json.loads(raw[raw.index("{") :])
        message, place = str(told["exception_message"]), told.get("position")
    except (ValueError, KeyError):
        message, place = raw, None
    message = " ".join(message.split("\n\nLINE ")[0].split())
    if len(message) > _LONGEST:
        message = message[:_LONGEST] + " ..."
    return message.rstrip(".") + (f" ({where(text, int(place) - skipped)})." if place is not None else ".")


def where(text: str, place: int) -> str:
    """A place in a statement, in bytes from its beginning, for people."""
    before = text.encode()[:place].decode(errors="ignore")
    line = before.count("\n") + 1
    return f"line {line}, column {len(before) - (before.rfind(chr(10)) + 1) + 1}"
