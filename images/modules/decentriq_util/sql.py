"""Tables, by their documented names; see `cloister_util.tables`."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import pandas as pd
from cloister_util.tables import Place, read_table, read_tabular_data, write_tabular_data

__all__ = [
    "read_sql_data",
    "read_sql_data_from_dir",
    "read_tabular_data",
    "write_sql_data_to_dir",
    "write_tabular_data",
]

read_sql_data_from_dir = read_tabular_data


def read_sql_data(data: Place | IO[bytes], schema: Place | bytes) -> pd.DataFrame:
    """A table from its CSV (a path or an open file), and its `types` (a path or the content)."""
    return read_table(data, schema if isinstance(schema, bytes) else Path(schema).read_bytes())


def write_sql_data_to_dir(data: pd.DataFrame, path: Place = "/output") -> None:
    """Writes a frame as a table into a folder; see `cloister_util.write_tabular_data`."""
    write_tabular_data(data, path)
