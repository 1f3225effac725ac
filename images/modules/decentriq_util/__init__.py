"""`cloister_util` under the names that scripts written for Decentriq's containers import."""

from decentriq_util import error, sql
from decentriq_util.sql import read_tabular_data, write_tabular_data

__all__ = ["error", "read_tabular_data", "sql", "write_tabular_data"]
