"""Tables: validated as the worker validates them, next to polars, which only reads the same file."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import msgspec

from bench.report import Row, Table

MIB = 1024 * 1024
MODULES = Path(__file__).parents[1] / "images/modules"
_ROW_BYTES = 131
COLUMNS = (
    ("id", "INTEGER", "i"),
    ("visits", "INTEGER", "(i * 7919) % 1000003"),
    ("weight", "FLOAT", "round(random() * 1000, 4)"),
    ("score", "FLOAT", "random()"),
    ("name", "STRING", "'name ' || (i % 5000)"),
    ("ward", "STRING", "md5(i::VARCHAR)[:12]"),
    ("mail", "EMAIL", "'user' || i || '@example.com'"),
    ("born", "DATE_ISO8601", "(DATE '1950-01-01' + (i % 20000)::INTEGER)::VARCHAR"),
    ("city", "STRING", "'city \"' || (i % 100) || '\", x'"),
    ("insurance", "STRING", "'secret' || i"),
)
"""Name, format, and SQL that makes it; the last one is hashed."""
POLARS = "import polars, sys; polars.read_csv(sys.argv[1] + '/input/table', has_header=False)"
OURS = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(MODULES)!r})
from cloister_tables.table import run
place = Path(sys.argv[1])
run(json.loads(sys.argv[2]), place / "input", place / "output", place / "scratch")
"""
_PEAK = "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"


class _Ran(msgspec.Struct, frozen=True):
    seconds: float
    peak_bytes: int


def measure(place: Path, size: int, repetitions: int) -> Table:
    """A valid table of ``size`` MiB: 10 columns of numbers, texts, addresses and dates, one of them hashed."""
    (place / "input").mkdir(parents=True)
    _make(place / "input/table", size * MIB)
    config = {
        "table": "table",
        "columns": [
            {"name": name, "type": kind, "nullable": False, "hash": name == "insurance", "range": {}}
            for name, kind, _ in COLUMNS
        ],
        "unique": [],
        "drop_invalid_rows": False,
    }
    unique = {**config, "unique": [[0], [6]]}
    ran: dict[str, list[_Ran]] = {"polars.read_csv": [], "validation": [], "validation, two unique columns": []}
    for _ in range(repetitions):
        ran["polars.read_csv"].append(_run(place, POLARS))
        ran["validation"].append(_run(place, OURS, config))
        ran["validation, two unique columns"].append(_run(place, OURS, unique))
    first = statistics.median(each.seconds for each in ran["polars.read_csv"])
    rows = []
    for name, each in ran.items():
        seconds = tuple(one.seconds for one in each)
        median = statistics.median(seconds)
        rows.append(Row(name=name, value=median, unit="s", ratio=median / first, samples=seconds))
    rows += [
        Row(name=f"{name}: peak memory", value=max(one.peak_bytes for one in each) / MIB, unit="MiB")
        for name, each in ran.items()
    ]
    return Table(
        title=f"Validation of a table of {size} MiB and 10 columns",
        rows=tuple(rows),
        notes=("target: at most 4 x", "processes from start to end; validation writes the table as well"),
    )


def _make(path: Path, size: int) -> None:
    cells = ", ".join(sql for _, _, sql in COLUMNS)
    with duckdb.connect(config={"memory_limit": "2GiB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (SELECT {cells} FROM range({size // _ROW_BYTES}) rows(i)) TO '{path}' (FORMAT csv, HEADER false)"
        )


def _run(place: Path, script: str, config: dict[str, object] | None = None) -> _Ran:
    for folder in ("output", "scratch"):
        subprocess.run(["rm", "-rf", place / folder], check=True)
        (place / folder).mkdir()
    command = [sys.executable, "-c", script + _PEAK, str(place), json.dumps(config)]
    started = time.perf_counter()
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if config is not None and not (place / "output/dataset.csv").exists():
        raise RuntimeError("a valid table was found invalid")
    return _Ran(seconds, int(ran.stdout) * 1024)
