"""Validation of a table: from the file as it was attached to `dataset.csv`, `types` and `validation-report.json`.

Nearly all tables are valid: that is tried first, in one go. Where it isn't so, everything that is wrong is looked for.
Memory stays the same whatever the size of the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cloister_tables.program import DATA, start, write_types
from cloister_tables.validation.checks import AT_ONCE, Checks, Unreadable, database, file_rows, record_rows
from cloister_tables.validation.files import FileUnusable, Text, file_type, read_file
from cloister_tables.validation.layout import Layout, read_layout
from cloister_tables.validation.records import write_records
from cloister_tables.validation.report import Error, Errors, Findings, content

REPORT = "validation-report.json"


def run(config: dict[str, Any], inputs: Path, output: Path, scratch: Path) -> None:
    """Validates a table. Where that fails, the report is all that it writes.

    Raises:
        SafeError: there is too little memory or room.
    """
    layout = read_layout(config)
    raw = inputs / config["table"]
    kind = file_type(raw)
    try:
        text = read_file(raw, kind, scratch)
        findings = _validate(layout, text, output / DATA, scratch, config.get("memory_bytes"))
        passed = layout.drop_invalid_rows or not findings.invalid_rows
    except FileUnusable as error:
        findings = Findings([Errors() for _ in layout.columns])
        findings.table = Errors([Error(error.code, str(error))], 1)
        passed = False
    if passed:
        write_types(output, [column.typed for column in layout.columns])
    report = content(
        findings,
        passed=passed,
        unique=bool(layout.unique),
        drops=layout.drop_invalid_rows,
        file_type=kind,
        file_bytes=raw.stat().st_size,
    )
    (output / REPORT).write_text(json.dumps(report), encoding="utf-8")


def main() -> None:
    """Runs it in its container."""
    start(run)


def _validate(layout: Layout, text: Text, target: Path, scratch: Path, allowed: int | None) -> Findings:
    """Writes the table, unless it has invalid rows that are not to be dropped.

    Raises:
        FileUnusable: its rows can't be told apart.
    """
    columns = len(layout.columns)
    with database(scratch, columns, allowed) as connection:
        if text.simple:
            checks = Checks(connection, layout, file_rows(text.path, columns))
            try:
                # One query over very many columns takes longer to plan than several.
                if columns <= 4 * AT_ONCE:
                    return Findings([Errors() for _ in layout.columns], rows=checks.write_if_valid(target))
            except Unreadable:
                target.unlink(missing_ok=True)
            try:
                return _write_what_is_valid(checks, target)
            except Unreadable:
                pass
        records = scratch / "records.csv"
        write_records(text.path, columns, records)
        return _write_what_is_valid(Checks(connection, layout, record_rows(records, columns)), target)


def _write_what_is_valid(checks: Checks, target: Path) -> Findings:
    findings = checks.find()
    if checks.layout.drop_invalid_rows or not findings.invalid_rows:
        written = checks.write_valid(target)
        if written != findings.rows - findings.invalid_rows:
            raise RuntimeError("another number of rows was written than was found valid")
    return findings
