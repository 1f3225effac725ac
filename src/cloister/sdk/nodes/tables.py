"""Computations over tables of a published room: queries, synthetic data, matches and previews."""

from __future__ import annotations

from typing import IO

from cloister.errors import EnclaveError
from cloister.rooms import nodes as records
from cloister.sdk.nodes.compute import ZipComputeNode
from cloister.sdk.tabular import NotATable, table_text, write_table


class TabularComputeNode(ZipComputeNode):
    """A computation whose result is a table."""

    def get_results_as_string(self, interval: float = 5, timeout: float | None = None) -> str:
        """The table as CSV, with a line of its columns' names before it; V1, V2, ... for those without a name.

        Args:
            interval, timeout: as `get_results_as_bytes`.

        Raises:
            As `get_results_as_bytes`.
        """
        with self.get_results_as_zip(interval, timeout) as archive:
            try:
                return table_text(archive)
            except NotATable:
                raise self._no_table() from None

    def write_table(self, into: IO[bytes], timeout: float | None = None, *, latest: bool = False) -> None:
        """Like `get_results_as_string`, into an open file, however large: memory use is bounded.

        Args:
            latest: as `write_results`.
        """
        with self._archive(timeout, latest=latest) as archive:
            try:
                write_table(archive, into)
            except NotATable:
                raise self._no_table() from None

    def run_computation_and_get_results_as_string(self, interval: float = 5, timeout: float | None = None) -> str:
        """`run_computation`, then `get_results_as_string`."""
        self.run_computation()
        return self.get_results_as_string(interval, timeout)

    def _no_table(self) -> EnclaveError:
        return EnclaveError(f"The result of {self.name!r} is not a table. Tell the operator.")


class SqlComputeNode(TabularComputeNode):
    """A query in DuckDB's dialect."""

    _record: records.SqlNode

    @property
    def statement(self) -> str:
        """The query."""
        return self._record.statement


class SqliteComputeNode(TabularComputeNode):
    """A query in SQLite's dialect."""

    _record: records.SqliteNode

    @property
    def query(self) -> str:
        """The query."""
        return self._record.statement


class SyntheticDataComputeNode(TabularComputeNode):
    """A table like another, made with differential privacy; beside it a report on its quality."""

    _record: records.SyntheticNode

    @property
    def epsilon(self) -> float:
        """The privacy that a run costs."""
        return self._record.epsilon


class MatchingComputeNode(ZipComputeNode):
    """A match of two tables. Its result is statistics with noise on them."""


class PreviewComputeNode(ZipComputeNode):
    """A look at what another node holds. Fetching it takes from your quota; what you have had before is free."""

    _record: records.PreviewNode

    @property
    def quota_bytes(self) -> int:
        """How many bytes of results each analyst may fetch in all."""
        return self._record.quota_bytes
