"""Nodes as a script defines them, before the room is published: thin faces of the records that rooms are made of."""

from __future__ import annotations

from cloister.rooms import nodes as records
from cloister.sdk.definitions.base import PYTHON_IMAGE, R_IMAGE, SYNTHETIC_IMAGE, NodeDefinition
from cloister.sdk.definitions.data import (
    Column,
    FormatType,
    HashingAlgorithm,
    NumericRangeRule,
    PrimitiveType,
    RawDataNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.sdk.definitions.scripts import (
    FileContent,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNodeDefinition,
    RComputeNodeDefinition,
    ScriptNodeDefinition,
)
from cloister.sdk.definitions.synthetic import MaskType, SyntheticDataComputeNodeDefinition, SyntheticNodeColumn
from cloister.sdk.definitions.tables import (
    MatchingComputeNodeConfig,
    MatchingComputeNodeDefinition,
    PreviewComputeNodeDefinition,
    SqlComputeNodeDefinition,
    SqliteComputeNodeDefinition,
)

_FACES: dict[type[records.Node], type[NodeDefinition]] = {
    records.RawDataNode: RawDataNodeDefinition,
    records.TableDataNode: TableDataNodeDefinition,
    records.PythonNode: PythonComputeNodeDefinition,
    records.RNode: RComputeNodeDefinition,
    records.PythonEnvironmentNode: PythonEnvironmentComputeNodeDefinition,
    records.SqlNode: SqlComputeNodeDefinition,
    records.SqliteNode: SqliteComputeNodeDefinition,
    records.SyntheticNode: SyntheticDataComputeNodeDefinition,
    records.MatchNode: MatchingComputeNodeDefinition,
    records.PreviewNode: PreviewComputeNodeDefinition,
}


def definition_of(node: records.Node) -> NodeDefinition:
    """The face of a node of a published room."""
    return _FACES[type(node)].of(node)


__all__ = [
    "PYTHON_IMAGE",
    "R_IMAGE",
    "SYNTHETIC_IMAGE",
    "Column",
    "FileContent",
    "FormatType",
    "HashingAlgorithm",
    "MaskType",
    "MatchingComputeNodeConfig",
    "MatchingComputeNodeDefinition",
    "NodeDefinition",
    "NumericRangeRule",
    "PreviewComputeNodeDefinition",
    "PrimitiveType",
    "PythonComputeNodeDefinition",
    "PythonEnvironmentComputeNodeDefinition",
    "RComputeNodeDefinition",
    "RawDataNodeDefinition",
    "ScriptNodeDefinition",
    "SqlComputeNodeDefinition",
    "SqliteComputeNodeDefinition",
    "SyntheticDataComputeNodeDefinition",
    "SyntheticNodeColumn",
    "TableDataNodeDefinition",
    "definition_of",
]
