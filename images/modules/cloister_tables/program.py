"""What the programs share: how they are started, and tables as they lie in folders.

A table is a folder with `dataset.csv` (no header line, UTF-8, RFC 4180, lines end with LF, NULL is an empty cell
without quotes) and `types` (see `cloister_util.schema`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister_util.error import SafeError
from cloister_util.schema import Column, read_schema, write_schema
from google.protobuf.message import DecodeError

DATA, TYPES = "dataset.csv", "types"
_MOST_TYPES_BYTES = 16 * 1024 * 1024

Run = Callable[[dict[str, Any], Path, Path, Path], None]
"""A program: its configuration, the folder of its inputs, the folder for its result, a folder of its own."""


def start(run: Run) -> None:
    """Runs a program in its container, with the `config.json` that lies beside the script that called it."""
    config = json.loads(Path(sys.argv[0]).with_name("config.json").read_text(encoding="utf-8"))
    run(config, Path("/input"), Path("/output"), Path("/scratch"))


@dataclass(frozen=True)
class Table:
    """A table among the inputs."""

    name: str
    """What the room calls it."""
    data: Path
    columns: tuple[Column, ...]
    """As `types` has them."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """A name for each column that no other has, also where upper and lower case are the same."""
        return distinct_names([column.name for column in self.columns])


def open_table(inputs: Path, name: str) -> Table:
    """The table that is mounted below that name. Its rows are not looked at.

    Raises:
        SafeError: there is none, and why.
    """
    folder = inputs / name
    if not folder.exists():
        raise SafeError(
            f"There is no data for '{name}', which this computation reads. Attach data to it, or run this computation "
            f"when there is."
        )
    if not folder.is_dir():
        raise SafeError(f"'{name}' is a file and not a table. Make it a table data node: then its columns are known.")
    data, types = folder / DATA, folder / TYPES
    if not (data.is_file() and types.is_file()):
        raise SafeError(
            f"'{name}' has no table in it ({DATA} and {TYPES}). A Python script makes one with "
            f'cloister_util.write_tabular_data(frame, "/output"); what an R script wrote, a Python script can read and '
            f"write so."
        )
    try:
        if types.stat().st_size > _MOST_TYPES_BYTES:
            raise ValueError("too large")
        columns = read_schema(types.read_bytes())
    except (DecodeError, ValueError, UnicodeDecodeError):
        raise SafeError(
            f"The file {TYPES} of '{name}' is damaged. Write it with cloister_util.write_tabular_data."
        ) from None
    if not columns:
        raise SafeError(f"The table '{name}' has no columns, so that nothing can be asked of it.")
    return Table(name, data, tuple(columns))


def write_types(output: Path, columns: Sequence[Column]) -> None:
    """Writes the `types` of a result. Its `dataset.csv` lies beside it."""
    with (output / TYPES).open("xb") as file:
        file.write(write_schema(columns))


def distinct_names(names: Sequence[str | None]) -> tuple[str, ...]:
    """Those names, of which no two are the same but for upper and lower case.

    A column without a name is called V1, V2, ... by its place. Of several columns with one name the later ones get
    `_1`, `_2`, ... behind it; names that were given are never taken by others.
    """
    given = {name.casefold() for name in names if name}
    taken: set[str] = set()
    found = []
    for index, name in enumerate(names):
        wanted = name or f"V{index + 1}"
        free, number = wanted, 0
        while free.casefold() in taken or ((number or not name) and free.casefold() in given):
            number += 1
            free = f"{wanted}_{number}"
        taken.add(free.casefold())
        found.append(free)
    return tuple(found)
