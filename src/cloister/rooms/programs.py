"""Computations that Cloister's own programs carry out: which program, and what it is told.

They run where scripts run, in the same containers, from modules of the image; see `images/modules`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from cloister.rooms.definition import Definition
from cloister.rooms.graph import topological_order
from cloister.rooms.nodes import (
    DataNode,
    MatchNode,
    PreviewNode,
    ProgramNode,
    SqliteNode,
    SqlNode,
    SyntheticNode,
    TableDataNode,
    dependencies,
)
from cloister.rooms.tables import Column

CONFIG_NAME = "config.json"
"""Beside the program: what it is told."""


_DRIVER = """\
import sys

# Nothing among the inputs, which other computations have made, may pass for a module.
sys.path[:] = [each for each in sys.path if each and not each.startswith("/input") and each != "/code"]

from {module} import main

main()
"""


class Program(msgspec.Struct, frozen=True):
    """One of Cloister's own programs, and what it is told."""

    module: str
    config: dict[str, Any]

    @property
    def script(self) -> str:
        """What starts it, as a script of the image."""
        return _DRIVER.format(module=self.module)

    @property
    def config_text(self) -> str:
        """The content of its configuration file."""
        return json.dumps(self.config)


def program_of(definition: Definition, node: ProgramNode) -> Program:
    """What carries out that node of a room."""
    match node:
        case TableDataNode():
            return Program("cloister_tables.table", _table(node))
        case SqlNode():
            return Program("cloister_tables.sql", _sql(definition, node))
        case SqliteNode():
            tables = [{"mount": name} for name in _names(definition, node.dependencies)]
            return Program("cloister_tables.sqlite", {"statement": node.statement, "tables": tables})
        case SyntheticNode():
            return Program("cloister_synthetic.synthetic", _synthetic(definition, node))
        case MatchNode():
            return Program("cloister_synthetic.match", _match(definition, node))
        case PreviewNode():
            return Program("cloister_tables.preview", {"dependency": _names(definition, [node.dependency])[0]})


def _table(node: TableDataNode) -> dict[str, Any]:
    return {
        "table": node.name,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "hash": column.hashed,
                "range": _range(column),
            }
            for column in node.columns
        ],
        "unique": [list(combination) for combination in node.unique],
        "drop_invalid_rows": node.drop_invalid_rows,
        "memory_bytes": node.limits.memory_bytes,
    }


def _range(column: Column) -> dict[str, float]:
    bounds: dict[str, float] = {} if column.range is UNSET else msgspec.to_builtins(column.range)
    return bounds


def _sql(definition: Definition, node: SqlNode) -> dict[str, Any]:
    least = None if node.minimum_rows is UNSET else node.minimum_rows
    protected: frozenset[str] = frozenset() if least is None else _protected(definition, node.dependencies, least)
    return {
        "statement": node.statement,
        "tables": [
            {"mount": name, "protected": each in protected}
            for each, name in zip(node.dependencies, _names(definition, node.dependencies), strict=True)
        ],
        "minimum_rows": least,
        "memory_bytes": node.limits.memory_bytes,
    }


def _protected(definition: Definition, ids: Sequence[str], least: int) -> frozenset[str]:
    """Those of the nodes, and of what they depend on, whose rows are somebody's. A node's rows are nobody's where it
    was made without any data, or with differential privacy, or by a query that shows groups of as many rows alone.
    What a script has made of data still has people in its rows, and so have the rows of a match."""
    by_id = {node.id: node for node in definition.nodes}
    found: set[str] = set()
    for each in topological_order(by_id, ids):
        node = by_id[each]
        if isinstance(node, DataNode):
            found.add(each)
        elif isinstance(node, SyntheticNode) or (
            isinstance(node, SqlNode) and node.minimum_rows is not UNSET and node.minimum_rows >= least
        ):
            continue
        elif not found.isdisjoint(dependencies(node)):
            found.add(each)
    return frozenset(found)


def _synthetic(definition: Definition, node: SyntheticNode) -> dict[str, Any]:
    table = definition.node(node.dependency)
    return {
        "table": _names(definition, [node.dependency])[0],
        "columns": [
            {
                "index": column.index,
                "name": None if column.name is UNSET else column.name,
                "type": column.type,
                "mask_type": column.mask_type,
                "mask": column.mask,
                "nullable": column.nullable,
                # Of a table data node they are public: they stand in the definition.
                "range": _range(table.columns[column.index]) if isinstance(table, TableDataNode) else {},
            }
            for column in node.columns
        ],
        "epsilon": node.epsilon,
        "statistics": node.statistics,
    }


def _match(definition: Definition, node: MatchNode) -> dict[str, Any]:
    return {
        "query": json.loads(node.query),
        "round": node.round,
        "epsilon": node.epsilon,
        "sensitivity": node.sensitivity,
        "paths": [path.removeprefix("/input/") for path in node.paths],
        "tables": _names(definition, node.dependencies),
    }


def _names(definition: Definition, ids: Sequence[str]) -> list[str]:
    """What they are mounted as."""
    by_id = {node.id: node.name for node in definition.nodes}
    return [by_id[each] for each in ids]
