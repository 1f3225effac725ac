"""`validation-report.json`: what is wrong with a table and where, for its owner.

Places are told, values never: whoever may read the report may not be who may read the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

RECORDED: Final = 500
"""So many errors of a kind are listed, of each column; all are counted."""
RECORDED_OF_ALL_COLUMNS: Final = 50_000
"""Tables of very many columns have fewer of each listed, so that the report stays readable."""
RECORDED_DUPLICATES: Final = 10
"""So many rows are listed that repeat one and the same row."""

MESSAGES: Final = {
    "INVALID_INTEGER_FORMAT": "This is not a whole number of 64 bits: digits, with a sign at most, and no spaces.",
    "INVALID_FLOAT_FORMAT": "This is not a finite number, as 12, -0.5 or 1e3, without spaces.",
    "INVALID_EMAIL_FORMAT": "This is not an e-mail address.",
    "INVALID_DATE_ISO8601_FORMAT": "This is not a date of the form YYYY-MM-DD.",
    "INVALID_PHONE_NUMBER_E164_FORMAT": "This is not a phone number of the form +41791234567.",
    "INVALID_HASH_SHA256_HEX_FORMAT": "This is not a SHA-256 as 64 hexadecimal digits.",
    "INVALID_NUMERIC_RANGE": "This number is not in the column's range.",
    "EMPTY_CELL": "This cell is empty, which the column doesn't allow.",
    "NOT_ENOUGH_COLUMNS_PROVIDED": "This row has fewer cells than the table has columns.",
    "TOO_MANY_COLUMNS_PROVIDED": "This row has more cells than the table has columns.",
}


@dataclass(frozen=True)
class Place:
    """Where something is wrong; both from 0. Blank lines are no rows."""

    row: int
    column: int


@dataclass(frozen=True)
class Error:
    """One thing that is wrong."""

    code: str
    message: str
    place: Place | None = None
    """None where it is about the whole file."""


@dataclass
class Errors:
    """Things of one kind of place that are wrong."""

    recorded: list[Error] = field(default_factory=list)
    total: int = 0
    """Also those that are not recorded."""

    def add(self, code: str, rows: Sequence[int], column: int, total: int) -> None:
        """So many errors of one kind in one column, of which these rows are to be listed."""
        self.recorded += [Error(code, MESSAGES[code], Place(row, column)) for row in rows]
        self.total += total

    def content(self) -> dict[str, Any]:
        """As it stands in the report, row by row."""
        ordered = sorted(self.recorded, key=lambda error: -1 if error.place is None else error.place.row)
        return {"recordedErrors": [_content(error) for error in ordered], "numErrorsTotal": self.total}


@dataclass
class Findings:
    """All that was found."""

    columns: list[Errors]
    """Wrong cells, by column."""
    schema: Errors = field(default_factory=Errors)
    """Rows with too few or too many cells."""
    table: Errors = field(default_factory=Errors)
    """What makes the file as a whole unusable."""
    uniqueness: Errors = field(default_factory=Errors)
    rows: int = 0
    invalid_rows: int = 0
    invalid_rows_by_code: dict[str, int] = field(default_factory=dict)


def content(
    findings: Findings, *, passed: bool, unique: bool, drops: bool, file_type: str, file_bytes: int
) -> dict[str, Any]:
    """The report.

    ``unique``: whether the table has a uniqueness; ``drops``: whether invalid rows are left out. ``file_type``,
    ``file_bytes``: of the file as it was attached.
    """
    report: dict[str, Any] = {
        "columns": [{"column": index, **errors.content()} for index, errors in enumerate(findings.columns)],
        "schema": findings.schema.content(),
        "table": findings.table.content(),
        "outcome": "PASSED" if passed else "FAILED",
        "numInvalidRowsTotal": findings.invalid_rows,
        "numInvalidRowsByErrorCode": findings.invalid_rows_by_code,
        "numRowsTotal": findings.rows,
        "originalFileSizeBytes": file_bytes,
        "detectedFileType": file_type,
    }
    if unique:
        report["uniqueness"] = findings.uniqueness.content()
    if drops:
        report["dropInvalidRows"] = {"numInvalidRowsDropped": findings.invalid_rows if passed else 0}
    return {"version": "v0", "report": report}


def _content(error: Error) -> dict[str, Any]:
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.place is not None:
        told["location"] = {"row": error.place.row, "column": error.place.column}
    return told
