"""Helpers for scripts that run in a clean room: tables in and out, and errors that may be shown.

import cloister_util

patients = cloister_util.read_tabular_data("/input/patients")      # a table, or the result of a query
...
cloister_util.write_tabular_data(summary, "/output")               # so that others can read it the same way
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloister_util.error import SafeError, catch_safe_error

if TYPE_CHECKING:
    from cloister_util.tables import read_tabular_data, write_tabular_data

__all__ = ["SafeError", "catch_safe_error", "read_tabular_data", "write_tabular_data"]


def __getattr__(name: str) -> object:
    """Tables need pandas, which takes a while to import and is not in every image: only those who ask for them wait."""
    if name in ("read_tabular_data", "write_tabular_data"):
        from cloister_util import tables

        return getattr(tables, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
