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
from cloister.rooms.nodes import (
    MatchNode,
    PreviewNode,
    ProgramNode,
    RawDataNode,
    SqliteNode,
    SqlNode,
    SyntheticNode,
    TableDataNode,
    dependencies,
)

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
                "range": {} if column.range is UNSET else msgspec.to_builtins(column.range),
            }
            for column in node.columns
        ],
        "unique": [list(combination) for combination in node.unique],
        "drop_invalid_rows": node.drop_invalid_rows,
    }


def _sql(definition: Definition, node: SqlNode) -> dict[str, Any]:
    least = None if node.minimum_rows is UNSET else node.minimum_rows
    return {
        "statement": node.statement,
        "tables": [
            {"mount": name, "protected": least is not None and not _is_released(definition, each, least)}
            for each, name in zip(node.dependencies, _names(definition, node.dependencies), strict=True)
        ],
        "minimum_rows": least,
    }


def _is_released(definition: Definition, node_id: str, least: int) -> bool:
    """Whether the rows of a node are nobody's: it was made without any data, or with differential privacy, or by a
    query that shows groups of as many rows alone. What a script has made of data still has people in its rows."""
    reached = [node_id]
    seen: set[str] = set()
    while reached:
        each = reached.pop()
        if each in seen:
            continue
        seen.add(each)
        node = definition.node(each)
        assert node is not None
        if isinstance(node, RawDataNode | TableDataNode):
            return False
        if isinstance(node, SyntheticNode) or (
            isinstance(node, SqlNode) and node.minimum_rows is not UNSET and node.minimum_rows >= least
        ):
            continue
        reached += dependencies(node)
    return True


def _synthetic(definition: Definition, node: SyntheticNode) -> dict[str, Any]:
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
