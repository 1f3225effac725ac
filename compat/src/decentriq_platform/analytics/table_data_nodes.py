"""Where scripts find what hashes columns and bounds their numbers."""

from cloister.analytics import (
    Column,
    FormatType,
    HashingAlgorithm,
    NumericRangeRule,
    PrimitiveType,
    TableDataNode,
    TableDataNodeDefinition,
)

__all__ = [
    "Column",
    "FormatType",
    "HashingAlgorithm",
    "NumericRangeRule",
    "PrimitiveType",
    "TableDataNode",
    "TableDataNodeDefinition",
]
