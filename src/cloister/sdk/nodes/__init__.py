"""Nodes of a published room: where data is attached, and where results come from."""

from __future__ import annotations

from typing import Any

from cloister.rooms import nodes as records
from cloister.sdk.nodes.base import RoomContext
from cloister.sdk.nodes.compute import ComputeNode, ResultArchive, ZipComputeNode
from cloister.sdk.nodes.data import DataNode, RawDataNode, TableDataNode
from cloister.sdk.nodes.scripts import PythonComputeNode, PythonEnvironmentComputeNode, RComputeNode, ScriptComputeNode
from cloister.sdk.nodes.tables import (
    MatchingComputeNode,
    PreviewComputeNode,
    SqlComputeNode,
    SqliteComputeNode,
    SyntheticDataComputeNode,
    TabularComputeNode,
)

Node = DataNode | ComputeNode
_FACES: dict[type[records.Node], Any] = {
    records.RawDataNode: RawDataNode,
    records.TableDataNode: TableDataNode,
    records.PythonNode: PythonComputeNode,
    records.RNode: RComputeNode,
    records.PythonEnvironmentNode: PythonEnvironmentComputeNode,
    records.SqlNode: SqlComputeNode,
    records.SqliteNode: SqliteComputeNode,
    records.SyntheticNode: SyntheticDataComputeNode,
    records.MatchNode: MatchingComputeNode,
    records.PreviewNode: PreviewComputeNode,
}


def node_of(context: RoomContext, record: records.Node) -> Node:
    """The node to work with."""
    node: Node = _FACES[type(record)](context, record)
    return node


__all__ = [
    "ComputeNode",
    "DataNode",
    "MatchingComputeNode",
    "Node",
    "PreviewComputeNode",
    "PythonComputeNode",
    "PythonEnvironmentComputeNode",
    "RComputeNode",
    "RawDataNode",
    "ResultArchive",
    "RoomContext",
    "ScriptComputeNode",
    "SqlComputeNode",
    "SqliteComputeNode",
    "SyntheticDataComputeNode",
    "TableDataNode",
    "TabularComputeNode",
    "ZipComputeNode",
    "node_of",
]
