"""What all definitions of nodes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self, TypeVar

import msgspec

from cloister.errors import DefinitionInvalid
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import Node

PYTHON_IMAGE = "python"
"""The image that Python computations, queries and validations run in, unless they name another."""
R_IMAGE = "r"
"""The same of R computations."""
SYNTHETIC_IMAGE = "synthetic"
"""The same of what takes differential privacy: synthetic data and matches."""
OUTPUT = "/output"
"""Where computations write, and nowhere else."""
R = TypeVar("R", bound=Node)


class NodeDefinition(ABC):
    """What a room's node is to be: a face of the record that a room's definition holds. Two that say the same are
    equal."""

    _record: Any

    @classmethod
    def of(cls, record: Node) -> Self:
        """The face of a node of a published room; its record is of the kind that ``cls`` is the face of."""
        face = cls.__new__(cls)
        face._record = record
        return face

    @property
    @abstractmethod
    def record(self) -> Node:
        """The node as the room's definition holds it."""

    @property
    def id(self) -> str:
        """By which dependencies and roles refer to it."""
        return self.record.id

    @property
    def name(self) -> str:
        """By which people and mount paths refer to it."""
        return self.record.name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NodeDefinition):
            return NotImplemented
        return self.record == other.record

    def __hash__(self) -> int:
        return hash(self.record)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, id={self.id!r})"


class RunDefinition(NodeDefinition):
    """What a worker carries out."""

    @property
    def image(self) -> str:
        """The image that it runs in, by name; which one that is exactly, the published room says."""
        image: str = self._record.image
        return image

    @property
    def limits(self) -> Limits:
        """What a run may use."""
        limits: Limits = self._record.limits
        return limits


class LoggedDefinition(RunDefinition):
    """What has a console that can be shown."""

    @property
    def enable_logs_on_error(self) -> bool:
        """Whether the analyst sees the console of a failed run."""
        return bool(self._record.logs_on_error)

    @property
    def enable_logs_on_success(self) -> bool:
        """Whether the result holds the console as ``container.log``."""
        return bool(self._record.logs_on_success)


def checked(record: R) -> R:
    """A record whose fields are what they are declared to be: what a script gives may be anything.

    Raises:
        DefinitionInvalid: naming the field that isn't.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(record), type(record))
    except (msgspec.ValidationError, TypeError, OverflowError) as error:
        raise DefinitionInvalid(f"The node {record.name!r} can't be made of that: {error}.") from None


def check_output(output: str, name: str) -> None:
    """Raises:
    DefinitionInvalid: the computation is to write somewhere else.
    """
    if output.rstrip("/") != OUTPUT:
        raise DefinitionInvalid(f"The computation {name!r} must write to {OUTPUT}: leave 'output' out.")


def text_of(content: str | bytes, what: str) -> str:
    """A text that may come as bytes.

    Raises:
        DefinitionInvalid: it is not UTF-8.
    """
    if isinstance(content, str):
        return content
    try:
        return bytes(content).decode()
    except UnicodeDecodeError as error:
        raise DefinitionInvalid(
            f"{what} is not text in UTF-8 (byte {error.start} can't be read). Save it as UTF-8 and try again."
        ) from None


def ids_of(dependencies: Sequence[str] | None, name: str) -> tuple[str, ...]:
    """The ids of a computation's dependencies.

    Raises:
        DefinitionInvalid: it is one text and no list.
    """
    if isinstance(dependencies, str):
        raise DefinitionInvalid(f"The dependencies of {name!r} must be a list of ids: write [{dependencies!r}].")
    return tuple(dependencies or ())
