"""The benchmark still runs, and says what it must. Its numbers are for `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.report import Report, Row, Table, compared, percentile
from tests.documents import ROOT


@pytest.mark.slow
def test_it_runs_and_writes_what_it_prints(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "--smoke", "--results", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (written,) = tmp_path.glob("*.json")
    report = msgspec.json.decode(written.read_bytes(), type=Report)
    assert [len(table.rows) >= 2 for table in report.tables] == [True] * 27
    for table in report.tables:
        assert table.text() in ran.stdout
        assert all(row.value > 0 for row in table.rows)
    assert report.machine.cores > 0
    assert report.machine.runtime


def test_ratios_are_those_of_medians() -> None:
    rows = compared([("one", [0.1, 0.3, 0.2]), ("other", [0.1])])
    assert [(row.name, round(row.value), row.ratio) for row in rows] == [("one", 200, 1.0), ("other", 100, 0.5)]
    assert rows[0].samples == (100.0, 300.0, 200.0)


def test_percentiles() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([5.0], 0.99) == 5.0


def test_tables_for_people() -> None:
    rows = (Row(name="a", value=1.0, unit="ms", ratio=1.0), Row(name="longer", value=12.34, unit="ms"))
    text = Table(title="T", rows=rows, notes=("n",)).text()
    assert text == "T\n  a            1.0 ms      1.00 x\n  longer      12.3 ms\n  (n)"
