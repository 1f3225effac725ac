"""Cloister's builder and nodes under the name that existing scripts import. See `cloister.analytics`."""

from cloister.analytics import (
    AnalyticsDcr,
    AnalyticsDcrBuilder,
    AnalyticsDcrDefinition,
    FileContent,
    NodeDefinition,
    PythonComputeNode,
    PythonComputeNodeDefinition,
    RawDataNode,
    RawDataNodeDefinition,
)

__all__ = [
    "AnalyticsDcr",
    "AnalyticsDcrBuilder",
    "AnalyticsDcrDefinition",
    "FileContent",
    "NodeDefinition",
    "PythonComputeNode",
    "PythonComputeNodeDefinition",
    "RawDataNode",
    "RawDataNodeDefinition",
]
