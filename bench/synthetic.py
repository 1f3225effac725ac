"""Synthetic data: how long it takes, and how far it is from what it was made from."""

from __future__ import annotations

import io
import json
import random
import statistics
import time
import zipfile
from datetime import date, timedelta

from bench.report import Row, Table
from cloister.formats.table_schema import Column, write_schema
from cloister.rooms.limits import MIB, Limits
from cloister.worker.images.store import open_image
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox.container import Sandbox

_RUN = """
import json
from pathlib import Path
from cloister_synthetic.synthetic import run
run(json.loads(Path("/input/config").read_text()), Path("/input"), Path("/output"), Path("/scratch"))
"""
_COLUMNS = (
    ("region", "STRING"),
    ("smokes", "STRING"),
    ("ill", "STRING"),
    ("department", "STRING"),
    ("age", "INTEGER"),
    ("amount", "INTEGER"),
    ("temperature", "FLOAT"),
    ("born", "DATE_ISO8601"),
)
_KINDS = {"INTEGER": "INT64", "FLOAT": "FLOAT64"}
_LIMITS = Limits()


def measure(sandbox: Sandbox, rows: int, repetitions: int) -> Table:
    """A table of `rows` x 8 at epsilon 1, made so often; from the start of a container to the result being read."""
    inputs = {
        "config": json.dumps(_config()).encode(),
        "table/dataset.csv": _data(rows),
        "table/types": write_schema([Column(name, _KINDS.get(of, "STRING"), True) for name, of in _COLUMNS]),
    }
    seconds, single, pairs = [], [], []
    for _ in range(repetitions):
        started = time.perf_counter()
        quality = json.loads(_made(sandbox, inputs))["quality"]
        seconds.append(time.perf_counter() - started)
        single.append(quality["meanTotalVariation"])
        if quality["pairs"]:  # so few rows may not tell which columns have to do with each other
            pairs.append(quality["meanPairwiseTotalVariation"])
    return Table(
        title=f"Synthetic data of {rows} rows x {len(_COLUMNS)} columns at epsilon 1",
        rows=(
            Row(name="made, with its report", value=statistics.median(seconds), unit="s", samples=tuple(seconds)),
            _share("distance of marginals, mean", single),
            *([_share("distance of pairs, mean", pairs)] if pairs else []),
        ),
        notes=(
            "distances are total variations to the original, in ranges: 0 is the same, 100 % has nothing in common",
        ),
    )


def _share(name: str, samples: list[float]) -> Row:
    percent = tuple(100 * each for each in samples)
    return Row(name=name, value=statistics.median(percent), unit="%", samples=percent)


def _made(sandbox: Sandbox, inputs: dict[str, bytes]) -> bytes:
    """The report."""
    with open_image("synthetic") as image, sandbox.container(blueprint(PYTHON, image.root, _LIMITS, inputs)) as box:
        folder = box.input_folder(64 * MIB, 10)
        for name, content in inputs.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        run = run_script(PYTHON, box, ScriptTask(script=_RUN, limits=_LIMITS))
        if run.error is not None:
            raise RuntimeError(f"{run.error}\n{run.console}")
        with zipfile.ZipFile(io.BytesIO(b"".join(run.result()))) as result:
            return result.read("report.json")


def _config() -> dict[str, object]:
    columns = [
        {"index": index, "name": None, "type": of, "mask_type": "genericString", "mask": False, "nullable": True}
        for index, (_, of) in enumerate(_COLUMNS)
    ]
    return {"table": "table", "columns": columns, "epsilon": 1.0, "statistics": True}


def _data(rows: int) -> bytes:
    """Columns of different kinds, some of which have to do with each other."""
    drawn = random.Random(1)
    lines = []
    for _ in range(rows):
        age, smokes = drawn.randint(18, 90), drawn.random() < 0.3
        ill = drawn.random() < (0.5 if smokes else 0.1) + (0.2 if age > 60 else 0)
        cells = (
            drawn.choices(("north", "south", "east", "west"), (4, 3, 2, 1))[0],
            smokes,
            ill,
            f"d{drawn.randint(1, 12)}",
            age if drawn.random() < 0.95 else "",
            round(drawn.lognormvariate(8, 1)),
            f"{36 + 0.02 * age + drawn.gauss(0, 0.5):.2f}",
            (date(2024, 1, 1) - timedelta(days=365 * age + drawn.randint(0, 364))).isoformat(),
        )
        lines.append(",".join(map(str, cells)))
    return ("\n".join(lines) + "\n").encode()
