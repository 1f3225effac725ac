"""A room's definition in the nested form that scripts written for the documented SDK look into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from cloister.rooms.definition import Definition, Participant
from cloister.rooms.nodes import (
    ComputeNode,
    DataNode,
    MatchNode,
    Node,
    PreviewNode,
    PythonEnvironmentNode,
    PythonNode,
    RawDataNode,
    RNode,
    SqliteNode,
    SqlNode,
    SyntheticNode,
    environment_of,
)

VERSION = "v1"
"""The one key of the outermost object."""


def high_level(definition: Definition) -> dict[str, Any]:
    """The definition as plain JSON values; a fresh copy each time."""
    names = {node.id: node.name for node in definition.nodes}
    configuration = {
        "title": definition.title,
        "description": definition.description,
        "participants": [
            {"user": entry.user, "permissions": permissions(entry, manager=entry.user == definition.owner)}
            for entry in definition.participants
        ],
        "nodes": [_node(node, names) for node in definition.nodes],
    }
    return {VERSION: {"interactive": {"initialConfiguration": configuration, "commits": []}}}


def permissions(participant: Participant, *, manager: bool) -> list[dict[str, Any]]:
    """A participant's roles."""
    return [
        *([{"manager": {}}] if manager else []),
        *({"dataOwner": {"nodeId": node}} for node in participant.data_owner_of),
        *({"analyst": {"nodeId": node}} for node in participant.analyst_of),
    ]


def _node(node: Node, names: Mapping[str, str]) -> dict[str, Any]:
    kind = _data(node) if isinstance(node, DataNode) else {"computation": {"kind": _computation(node, names)}}
    return {"id": node.id, "name": node.name, "kind": kind}


def _data(node: DataNode) -> dict[str, Any]:
    if isinstance(node, RawDataNode):
        return {"leaf": {"isRequired": node.required, "kind": {"raw": {}}}}
    columns = [
        {
            "name": column.name,
            "dataFormat": {"dataType": column.type, "isNullable": column.nullable},
            "hashWith": "SHA256_HEX" if column.hashed else None,
            "inRange": None if column.range is UNSET else msgspec.to_builtins(column.range),
        }
        for column in node.columns
    ]
    table = {
        "columns": columns,
        "dropInvalidRows": node.drop_invalid_rows,
        "uniqueColumnCombinations": [list(combination) for combination in node.unique],
    }
    return {"leaf": {"isRequired": node.required, "kind": {"table": table}}}


def _computation(node: ComputeNode, names: Mapping[str, str]) -> dict[str, Any]:
    match node:
        case PythonNode() | RNode():
            return {"scripting": _scripting(node)}
        case PythonEnvironmentNode():
            packages = [f"{package.name}=={package.version}" for package in node.lock]
            return {"pythonEnvironment": {"requirementsTxt": node.requirements, "packages": packages}}
        case SqlNode():
            least = None if node.minimum_rows is UNSET else {"minimumRowsCount": node.minimum_rows}
            return {"sql": {"statement": node.statement, "dependencies": _tables(node, names), "privacyFilter": least}}
        case SqliteNode():
            return {"sqlite": {"statement": node.statement, "dependencies": _tables(node, names), **_logs(node)}}
        case SyntheticNode():
            columns = [
                {
                    "index": column.index,
                    "name": None if column.name is UNSET else column.name,
                    "dataType": column.type,
                    "isNullable": column.nullable,
                    "maskType": column.mask_type,
                    "shouldMaskColumn": column.mask,
                }
                for column in node.columns
            ]
            synthetic = {
                "columns": columns,
                "dependency": node.dependency,
                "epsilon": node.epsilon,
                "outputOriginalDataStatistics": node.statistics,
            }
            return {"syntheticData": {**synthetic, **_logs(node)}}
        case MatchNode():
            config = {
                "query": json.loads(node.query),
                "round": node.round,
                "epsilon": node.epsilon,
                "sensitivity": node.sensitivity,
                "dependencyPaths": list(node.paths),
            }
            return {"match": {"config": config, "dependencies": list(node.dependencies), **_logs(node)}}
        case PreviewNode():
            return {"preview": {"dependency": node.dependency, "quotaBytes": node.quota_bytes}}


def _scripting(node: PythonNode | RNode) -> dict[str, Any]:
    is_r = isinstance(node, RNode)
    scripting = {
        "scriptingLanguage": "r" if is_r else "python",
        "mainScript": {"name": "script.R" if is_r else "script.py", "content": node.script},
        "additionalScripts": [{"name": file.name, "content": file.content} for file in node.files],
        "dependencies": list(node.dependencies),
        **_logs(node),
        "output": "/output",
    }
    if (environment := environment_of(node)) is not None:
        scripting["customEnvironment"] = environment
    return scripting


def _tables(node: SqlNode | SqliteNode, names: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"nodeId": each, "tableName": names[each]} for each in node.dependencies]


def _logs(node: PythonNode | RNode | SqliteNode | SyntheticNode | MatchNode) -> dict[str, bool]:
    return {"enableLogsOnError": node.logs_on_error, "enableLogsOnSuccess": node.logs_on_success}
