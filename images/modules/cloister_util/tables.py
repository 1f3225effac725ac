"""Tables as they lie in a folder: `dataset.csv` without a header line, and `types`, which names and types the columns.

INT64 columns are pandas' `Int64` (empty cells are missing), FLOAT64 `float64` (empty cells are NaN), STRING text (empty
cells are empty texts).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import pandas as pd

from cloister_util.schema import Column, read_schema, write_schema

DATA, TYPES = "dataset.csv", "types"
_DTYPES = {"INT64": "Int64", "STRING": "object", "FLOAT64": "float64"}

Place = str | os.PathLike[str]


def read_tabular_data(path: Place) -> pd.DataFrame:
    """The table in a folder, with its column names. A column without a name is called V1, V2, ... by its place.

    Raises:
        FileNotFoundError: there is no table in that folder.
    """
    folder = Path(path)
    return read_table(folder / DATA, (folder / TYPES).read_bytes())


def read_table(data: Place | IO[bytes], schema: bytes) -> pd.DataFrame:
    """A table from its CSV (a path or an open file) and the content of its `types`."""
    columns = read_schema(schema)
    empty = [name for name, column in enumerate(columns) if column.kind != "STRING"]
    try:
        frame = pd.read_csv(
            data,
            header=None,
            names=range(len(columns)),
            index_col=False,
            dtype={
                index: _DTYPES[column.kind] if column.kind != "STRING" else str for index, column in enumerate(columns)
            },
            keep_default_na=False,
            na_values={index: [""] for index in empty},
            skip_blank_lines=len(columns) > 1,  # of one column an empty line is an empty cell
            encoding="utf-8",
        )
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame({index: pd.Series(dtype=_DTYPES[column.kind]) for index, column in enumerate(columns)})
    frame.columns = [column.name or f"V{index + 1}" for index, column in enumerate(columns)]
    return frame


def write_tabular_data(df: pd.DataFrame, path: Place = "/output") -> None:
    """Writes a frame as a table into a folder, which is made where it is missing.

    Whole numbers and truth values become INT64, other numbers FLOAT64, all else STRING. The index is not written.

    Raises:
        FileExistsError: there is a table already; give each its own folder.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    columns = [Column(str(name), _kind(df.iloc[:, index]), True) for index, name in enumerate(df.columns)]
    columns = [column._replace(nullable=bool(df.iloc[:, index].isna().any())) for index, column in enumerate(columns)]
    # Exclusively: a second table in the same folder would silently replace the first.
    with (folder / TYPES).open("xb") as types:
        types.write(write_schema(columns))
    with (folder / DATA).open("x", encoding="utf-8", newline="") as file:
        _as_written(df).to_csv(file, index=False, header=False, lineterminator="\n")


def _kind(series: pd.Series) -> str:
    kind = series.dtype
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_integer_dtype(kind):
        return "INT64"
    return "FLOAT64" if pd.api.types.is_float_dtype(kind) else "STRING"


def _as_written(df: pd.DataFrame) -> pd.DataFrame:
    truths = [index for index in range(df.shape[1]) if pd.api.types.is_bool_dtype(df.dtypes.iloc[index])]
    if not truths:
        return df
    written = df.copy(deep=False)
    for index in truths:
        written.isetitem(index, df.iloc[:, index].astype("Int64"))
    return written
