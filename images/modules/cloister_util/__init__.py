"""Helpers for scripts that run in a clean room: tables in and out, and errors that may be shown.

import cloister_util

patients = cloister_util.read_tabular_data("/input/patients")      # a table, or the result of a query
...
cloister_util.write_tabular_data(summary, "/output")               # so that others can read it the same way
"""

from cloister_util.error import SafeError, catch_safe_error
from cloister_util.tables import read_tabular_data, write_tabular_data

__all__ = ["SafeError", "catch_safe_error", "read_tabular_data", "write_tabular_data"]
