"""Building clean rooms: the builder, the node definitions, and the nodes of published rooms."""

from cloister.rooms.limits import Limits
from cloister.sdk.builder import AnalyticsDcrBuilder, AnalyticsDcrDefinition
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.definitions import (
    FileContent,
    NodeDefinition,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNodeDefinition,
    RawDataNodeDefinition,
    RComputeNodeDefinition,
)
from cloister.sdk.nodes import PythonComputeNode, PythonEnvironmentComputeNode, RawDataNode, RComputeNode

__all__ = [
    "AnalyticsDcr",
    "AnalyticsDcrBuilder",
    "AnalyticsDcrDefinition",
    "FileContent",
    "Limits",
    "NodeDefinition",
    "PythonComputeNode",
    "PythonComputeNodeDefinition",
    "PythonEnvironmentComputeNode",
    "PythonEnvironmentComputeNodeDefinition",
    "RComputeNode",
    "RComputeNodeDefinition",
    "RawDataNode",
    "RawDataNodeDefinition",
]
