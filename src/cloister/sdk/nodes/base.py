"""What all nodes of a published room have in common."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.rooms import nodes as records
from cloister.rooms.definition import Definition
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.datasets import Datasets
from cloister.sdk.definitions import NodeDefinition, definition_of
from cloister.sdk.link import RoomLink
from cloister.sdk.uploads import Transfers


@dataclass(frozen=True)
class RoomContext:
    """What the nodes of one room share."""

    definition: Definition
    link: RoomLink
    transfers: Transfers
    datasets: Datasets
    key_check: KeyCheck | None = None


class BaseNode:
    """What data nodes and computations of a published room have in common."""

    def __init__(self, context: RoomContext, record: records.Node) -> None:
        self._context = context
        self._record = record

    @property
    def id(self) -> str:
        """By which dependencies and roles refer to it."""
        return self._record.id

    @property
    def name(self) -> str:
        """By which people and mount paths refer to it."""
        return self._record.name

    @property
    def definition(self) -> NodeDefinition:
        """As it was published."""
        return definition_of(self._record)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, id={self.id!r})"
