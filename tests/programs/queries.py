"""Queries as their tests run them: tables made of rows, a program, the rows of its result."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from cloister_util.error import SafeError
from cloister_util.schema import Column, read_schema, write_schema

Cell = None | int | float | str


@dataclass(frozen=True)
class Made:
    """A table that a test makes up."""

    columns: Mapping[str, str]
    """Kinds, by name."""
    rows: Sequence[Sequence[Cell]]

    def write(self, folder: Path) -> None:
        """As it lies among the inputs."""
        folder.mkdir(parents=True)
        columns = [Column(name, kind, nullable=True) for name, kind in self.columns.items()]
        (folder / "types").write_bytes(write_schema(columns))
        lines = [",".join(map(_written, row)) + "\n" for row in self.rows]
        (folder / "dataset.csv").write_text("".join(lines), encoding="utf-8")


@dataclass(frozen=True)
class Answer:
    """A result."""

    text: str
    columns: list[Column]

    @property
    def names(self) -> list[str | None]:
        """Of its columns."""
        return [each.name for each in self.columns]

    @property
    def kinds(self) -> list[str]:
        """Of its columns."""
        return [each.kind for each in self.columns]

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """Typed, as a reader of `types` would read them."""
        found = csv.reader(io.StringIO(self.text, newline=""), strict=True)
        kinds = [each.kind for each in self.columns]
        return [tuple(_read(cell, kind) for cell, kind in zip(row or [""], kinds, strict=True)) for row in found]


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    return '"' + cell.replace('"', '""') + '"' if isinstance(cell, str) else repr(cell)


def _read(cell: str, kind: str) -> Cell:
    if not cell:
        return None
    return cell if kind == "STRING" else int(cell) if kind == "INT64" else float(cell)


def ask(
    program: ModuleType,
    statement: str,
    tables: Mapping[str, Made],
    *,
    protected: Collection[str] = (),
    minimum: int | None = None,
    **more: object,
) -> Answer:
    """Runs a statement.

    Raises:
        SafeError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="cloister-sql-") as place:
        inputs, output, scratch = (Path(place) / name for name in ("input", "output", "scratch"))
        for folder in (inputs, output, scratch):
            folder.mkdir()
        for name, table in tables.items():
            table.write(inputs / name)
        listed = [{"mount": name, "protected": name in protected} for name in tables]
        program.run(
            {"statement": statement, "tables": listed, "minimum_rows": minimum, **more}, inputs, output, scratch
        )
        types = (output / "types").read_bytes()
        return Answer((output / "dataset.csv").read_bytes().decode(), read_schema(types))


def refusal(program: ModuleType, statement: str, tables: Mapping[str, Made], **more: object) -> str:
    """What is said where a statement is refused."""
    with pytest.raises(SafeError) as refused:
        ask(program, statement, tables, **more)  # type: ignore[arg-type]
    assert len(str(refused.value)) <= 1000
    return str(refused.value)
