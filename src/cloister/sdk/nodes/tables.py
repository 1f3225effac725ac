"""Computations over tables of a published room: queries, synthetic data, matches and previews."""

from __future__ import annotations

import csv
import io
import zipfile

from google.protobuf.message import DecodeError

from cloister.errors import EnclaveError
from cloister.formats.table_schema import read_schema
from cloister.rooms import nodes as records
from cloister.sdk.nodes.compute import ZipComputeNode

_DATA, _TYPES = "dataset.csv", "types"


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
                data, types = archive.read(_DATA).decode(), archive.read(_TYPES)
                names = [column.name or f"V{place}" for place, column in enumerate(read_schema(types), 1)]
            except (KeyError, zipfile.BadZipFile, DecodeError, ValueError):
                raise EnclaveError(f"The result of {self.name!r} is not a table. Tell the operator.") from None
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(names)
        return (header.getvalue() + data).strip()

    def run_computation_and_get_results_as_string(self, interval: float = 5, timeout: float | None = None) -> str:
        """`run_computation`, then `get_results_as_string`."""
        self.run_computation()
        return self.get_results_as_string(interval, timeout)


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
