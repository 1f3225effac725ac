"""Validation as its tests call it: the program on files, and an oracle in plain Python that it has to agree with."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cloister_tables.table import run
from cloister_util.schema import Column as Typed
from cloister_util.schema import read_schema


def column(
    format_type: str = "STRING", *, nullable: bool = False, hashed: bool = False, **bounds: float
) -> dict[str, Any]:
    """A column as it stands in the configuration; all have the same name."""
    return {"name": "c", "type": format_type, "nullable": nullable, "hash": hashed, "range": bounds}


@dataclass(frozen=True)
class Validated:
    """What the program left."""

    report: dict[str, Any]
    data: bytes | None
    types: list[Typed] | None

    @property
    def passed(self) -> bool:
        assert (self.report["outcome"] == "PASSED") == (self.data is not None) == (self.types is not None)
        return self.data is not None

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the validated table."""
        assert self.data is not None
        return list(csv.reader(io.StringIO(self.data.decode(), newline=""), strict=True))

    def errors(self) -> list[tuple[str, int, int]]:
        """All that are recorded: code, row, column."""
        lists = [*self.report["columns"], self.report["schema"], self.report.get("uniqueness", {"recordedErrors": []})]
        return sorted(
            (error["code"], error["location"]["row"], error["location"]["column"])
            for each in lists
            for error in each["recordedErrors"]
        )

    @property
    def file_error(self) -> str:
        """The code of what is wrong with the file as a whole."""
        assert not self.passed
        (error,) = self.report["table"]["recordedErrors"]
        assert self.report["table"]["numErrorsTotal"] == 1
        return str(error["code"])


def validate(
    content: bytes,
    columns: Sequence[dict[str, Any]],
    *,
    unique: Sequence[Sequence[int]] = (),
    drop: bool = False,
) -> Validated:
    """Runs the program in folders of its own."""
    with tempfile.TemporaryDirectory() as place:
        inputs, output, scratch = (Path(place, name) for name in ("input", "output", "scratch"))
        for folder in (inputs, output, scratch):
            folder.mkdir()
        (inputs / "patients").write_bytes(content)
        config = {"table": "patients", "columns": columns, "unique": unique, "drop_invalid_rows": drop}
        run(json.loads(json.dumps(config)), inputs, output, scratch)
        return read_output(output)


def read_output(output: Path) -> Validated:
    """What the program left in its output."""
    report = json.loads((output / "validation-report.json").read_text())
    assert report["version"] == "v0"
    data, types = output / "dataset.csv", output / "types"
    assert {path.name for path in output.iterdir()} <= {"validation-report.json", "dataset.csv", "types"}
    return Validated(
        report["report"],
        data.read_bytes() if data.exists() else None,
        read_schema(types.read_bytes()) if types.exists() else None,
    )


# ---- the oracle -------------------------------------------------------------------------------------------------


def _integer(text: str) -> str | None:
    if re.fullmatch(r"[+-]?[0-9]+", text) is None or not -(2**63) <= int(text) < 2**63:
        return None
    return str(int(text))


def _float(text: str) -> str | None:
    if re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text) is None:
        return None
    return repr(float(text) + 0.0) if math.isfinite(float(text)) else None


def _email(text: str) -> str | None:
    label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    pattern = rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{label}(\.{label})+"
    return text.lower() if len(text) <= 254 and re.fullmatch(pattern, text) else None


def _date(text: str) -> str | None:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _phone(text: str) -> str | None:
    return "+" + text.lstrip("+") if re.fullmatch(r"\+?[1-9][0-9]{1,14}", text) else None


def _hash(text: str) -> str | None:
    return text.lower() if re.fullmatch(r"[0-9a-fA-F]{64}", text) else None


READERS: dict[str, Callable[[str], str | None]] = {
    "STRING": lambda text: text,
    "INTEGER": _integer,
    "FLOAT": _float,
    "EMAIL": _email,
    "DATE_ISO8601": _date,
    "PHONE_NUMBER_E164": _phone,
    "HASH_SHA256_HEX": _hash,
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "greater_than": lambda value, bound: value > bound,
    "greater_than_equals": lambda value, bound: value >= bound,
    "less_than": lambda value, bound: value < bound,
    "less_than_equals": lambda value, bound: value <= bound,
}


@dataclass(frozen=True)
class Expected:
    """What the oracle says."""

    errors: list[tuple[str, int, int]]
    rows: list[list[str]] | None
    """Those of the validated table; None where it fails."""
    invalid: int
    total: int


def expect(
    records: Sequence[Sequence[str]], columns: Sequence[dict[str, Any]], unique: Sequence[Sequence[int]], drop: bool
) -> Expected:
    """Cell by cell, with no regard to speed or to how much is recorded."""
    errors: list[tuple[str, int, int]] = []
    valid: dict[int, list[str]] = {}
    for row, record in enumerate(records):
        if len(record) < len(columns):
            errors.append(("NOT_ENOUGH_COLUMNS_PROVIDED", row, len(columns) - 1))
        elif len(record) > len(columns):
            errors.append(("TOO_MANY_COLUMNS_PROVIDED", row, len(columns)))
        else:
            found = [_cell(text, each) for text, each in zip(record, columns, strict=True)]
            wrong = [(code, row, index) for index, (code, _) in enumerate(found) if code]
            errors += wrong
            if not wrong:
                valid[row] = [value for _, value in found]
    duplicates = set()
    for combination in unique:
        seen: set[tuple[str, ...]] = set()
        for row, values in valid.items():
            key = tuple(values[index] for index in combination)
            if key in seen:
                errors.append(("DUPLICATE_VALUES", row, combination[0]))
                duplicates.add(row)
            seen.add(key)
    invalid = len(records) - len(valid) + len(duplicates)
    rows = [values for row, values in valid.items() if row not in duplicates] if drop or not invalid else None
    return Expected(sorted(errors), rows, invalid, len(records))


def _cell(text: str, each: dict[str, Any]) -> tuple[str | None, str]:
    if not text or (each["type"] == "FLOAT" and text.lower() == "nan"):
        return None if each["nullable"] else "EMPTY_CELL", ""
    value = READERS[each["type"]](text)
    if value is None:
        return f"INVALID_{each['type']}_FORMAT", ""
    number = {"INTEGER": int, "FLOAT": float}.get(each["type"])
    if number and not all(_COMPARISONS[name](number(value), bound) for name, bound in each["range"].items()):
        return "INVALID_NUMERIC_RANGE", ""
    return None, hashlib.sha256(value.encode()).hexdigest() if each["hash"] else value
