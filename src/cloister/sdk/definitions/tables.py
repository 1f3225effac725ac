"""Computations over tables as they are defined: queries, matches and previews."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import MatchNode, PreviewNode, SqliteNode, SqlNode
from cloister.sdk.definitions.base import (
    OUTPUT,
    PYTHON_IMAGE,
    SYNTHETIC_IMAGE,
    LoggedDefinition,
    RunDefinition,
    check_output,
    checked,
    ids_of,
    text_of,
)


class SqlComputeNodeDefinition(RunDefinition):
    """A query over tables, in DuckDB's dialect. Its result is a table."""

    _record: SqlNode

    def __init__(
        self,
        name: str,
        query: str | bytes,
        dependencies: Sequence[str] | None = None,
        minimum_rows_count: int | None = None,
        id: str | None = None,  # noqa: A002 - documented name
        *,
        image: str = PYTHON_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            query: one SELECT. The tables are called as its dependencies; names with spaces are quoted.
            dependencies: ids of table data nodes, and of computations whose result is a table.
            minimum_rows_count: shows groups alone that are made from at least so many rows of each table with people's
                data. Queries that can't be shown to keep that are refused when they run, and when they are tested.

        Raises:
            DefinitionInvalid: the query is not UTF-8, or the dependencies aren't a list.
        """
        self._record = checked(
            SqlNode(
                id=name if id is None else id,
                name=name,
                statement=text_of(query, f"The query of {name!r}"),
                dependencies=ids_of(dependencies, name),
                minimum_rows=UNSET if minimum_rows_count is None else minimum_rows_count,
                image=image,
                limits=limits or Limits(),
            )
        )

    @property
    def record(self) -> SqlNode:
        return self._record

    @property
    def statement(self) -> str:
        """The query."""
        return self._record.statement

    @property
    def query(self) -> str:
        """The query."""
        return self._record.statement

    @property
    def dependencies(self) -> list[str]:
        """Ids of the tables that it reads."""
        return list(self._record.dependencies)

    @property
    def minimum_rows_count(self) -> int | None:
        """Of how many rows of people's data each group has to be made."""
        return None if self._record.minimum_rows is UNSET else self._record.minimum_rows


class SqliteComputeNodeDefinition(LoggedDefinition):
    """A query over tables, in SQLite's dialect. Its result is a table."""

    _record: SqliteNode

    def __init__(
        self,
        name: str,
        query: str | bytes,
        dependencies: Sequence[str] | None = None,
        enable_logs_on_error: bool = False,
        enable_logs_on_success: bool = False,
        id: str | None = None,  # noqa: A002 - documented name
        *,
        image: str = PYTHON_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """As `SqlComputeNodeDefinition`, but for the dialect, and without a filter.

        Raises:
            DefinitionInvalid: the query is not UTF-8, or the dependencies aren't a list.
        """
        self._record = checked(
            SqliteNode(
                id=name if id is None else id,
                name=name,
                statement=text_of(query, f"The query of {name!r}"),
                dependencies=ids_of(dependencies, name),
                logs_on_error=enable_logs_on_error,
                logs_on_success=enable_logs_on_success,
                image=image,
                limits=limits or Limits(),
            )
        )

    @property
    def record(self) -> SqliteNode:
        return self._record

    @property
    def query(self) -> str:
        """The query."""
        return self._record.statement

    @property
    def dependencies(self) -> list[str]:
        """Ids of the tables that it reads."""
        return list(self._record.dependencies)


class MatchingComputeNodeConfig:
    """When rows of two tables belong together, and how much noise statistics about that have."""

    def __init__(
        self,
        query: dict[str, Any] | Sequence[Any] | str,
        round: int,  # noqa: A002 - documented name
        epsilon: float,
        sensitivity: float,
        dependency_paths: Sequence[str],
    ) -> None:
        """
        Args:
            query: JSON logic over both tables, as JSON or as what that stands for.
            round: statistics are rounded to multiples of it.
            epsilon: the privacy that a run costs.
            sensitivity: by how much one person's rows may change a statistic.
            dependency_paths: the two tables below /input, as ``<name>/dataset.csv``.
        """
        self.query = query
        self.round = round
        self.epsilon = epsilon
        self.sensitivity = sensitivity
        self.dependency_paths = list(dependency_paths)

    @property
    def query_text(self) -> str:
        """The query as JSON.

        Raises:
            DefinitionInvalid: it can't be written so.
        """
        try:
            return self.query if isinstance(self.query, str) else json.dumps(self.query, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise DefinitionInvalid(
                "The query of a match must be JSON logic: dicts, lists, texts and numbers."
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MatchingComputeNodeConfig) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"MatchingComputeNodeConfig(query={self.query!r}, epsilon={self.epsilon!r})"


class MatchingComputeNodeDefinition(LoggedDefinition):
    """Matches the rows of two tables. Its analysts get statistics with noise on them, later computations the matched
    rows."""

    _record: MatchNode

    def __init__(
        self,
        name: str,
        config: MatchingComputeNodeConfig,
        dependencies: Sequence[str],
        enable_logs_on_error: bool = False,
        enable_logs_on_success: bool = False,
        output: str = OUTPUT,
        id: str | None = None,  # noqa: A002 - documented name
        *,
        image: str = SYNTHETIC_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            dependencies: ids of the two tables.
            output: always ``/output``.

        Raises:
            DefinitionInvalid: the configuration or the output is something else.
        """
        if not isinstance(config, MatchingComputeNodeConfig):
            raise DefinitionInvalid(f"The configuration of {name!r} must be a MatchingComputeNodeConfig.")
        check_output(output, name)
        self._record = checked(
            MatchNode(
                id=name if id is None else id,
                name=name,
                query=config.query_text,
                round=config.round,
                epsilon=config.epsilon,
                sensitivity=config.sensitivity,
                paths=tuple(config.dependency_paths),
                dependencies=ids_of(dependencies, name),
                logs_on_error=enable_logs_on_error,
                logs_on_success=enable_logs_on_success,
                image=image,
                limits=limits or Limits(),
            )
        )

    @property
    def record(self) -> MatchNode:
        return self._record

    @property
    def config(self) -> MatchingComputeNodeConfig:
        """When rows belong together, and how much noise there is."""
        record = self._record
        query = json.loads(record.query)
        return MatchingComputeNodeConfig(query, record.round, record.epsilon, record.sensitivity, record.paths)

    @property
    def dependencies(self) -> list[str]:
        """Ids of the two tables."""
        return list(self._record.dependencies)


class PreviewComputeNodeDefinition(RunDefinition):
    """A look at what another node holds, for so many bytes of results per analyst and no more."""

    _record: PreviewNode

    def __init__(
        self,
        name: str,
        dependency: str,
        quota_bytes: int | None = 0,
        id: str | None = None,  # noqa: A002 - documented name
        *,
        image: str = PYTHON_IMAGE,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            dependency: id of the node that it shows.
            quota_bytes: how many bytes of results each analyst may fetch in all; none without it. A result that they
                have had before can be fetched again.
        """
        self._record = checked(
            PreviewNode(
                id=name if id is None else id,
                name=name,
                dependency=dependency,
                quota_bytes=quota_bytes or 0,
                image=image,
                limits=limits or Limits(),
            )
        )

    @property
    def record(self) -> PreviewNode:
        return self._record

    @property
    def dependency(self) -> str:
        """Id of the node that it shows."""
        return self._record.dependency

    @property
    def quota_bytes(self) -> int:
        """How many bytes of results each analyst may fetch in all."""
        return self._record.quota_bytes
