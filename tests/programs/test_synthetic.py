"""Synthetic data and the noise of matches, where OpenDP is: in real containers of the image `synthetic`."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cloister_util.schema import Column, read_schema, write_schema

from cloister.rooms.limits import MIB, Limits
from cloister.worker.images import store as images
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from tests.containers import Machine, Ran

pytestmark = pytest.mark.slow
LIMITS = Limits(memory_bytes=3072 * MIB, wall_seconds=280, scratch_bytes=512 * MIB, cpus=2)
KINDS = {"INTEGER": "INT64", "FLOAT": "FLOAT64"}
RUN = """
import json
from pathlib import Path
from cloister_synthetic.synthetic import run
run(json.loads(Path("/input/config").read_text()), Path("/input"), Path("/output"), Path("/scratch"))
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """The real image. Nothing is skipped where it is missing."""
    with images.open_image("synthetic") as image, Sandbox(probe.detect(image.root)) as sandbox:
        yield Machine(sandbox, image.root)


def configured(columns: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
    """A definition for a table with these columns (name, type). One called 'masked' is."""
    return {
        "table": "table",
        "columns": [
            {
                "index": index,
                "name": None,
                "type": of,
                "mask_type": "name",
                "mask": name == "masked",
                "nullable": True,
            }
            for index, (name, of) in enumerate(columns)
        ],
        "epsilon": 1.0,
        "statistics": False,
        **options,
    }


def files(columns: list[tuple[str, str]], rows: list[list[Any]], config: dict[str, Any]) -> dict[str, bytes]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    types = write_schema([Column(name, KINDS.get(of, "STRING"), True) for name, of in columns])
    return {
        "table/dataset.csv": text.getvalue().encode(),
        "table/types": types,
        "config": json.dumps(config).encode(),
    }


def made(ran: Ran) -> tuple[list[list[str]], dict[str, Any]]:
    """The rows and the report."""
    assert ran.error is None, f"{ran.error}\n{ran.log}"
    rows = list(csv.reader(io.StringIO(ran.files["dataset.csv"].decode(), newline="")))
    return rows, json.loads(ran.files["report.json"])


COLUMNS = [
    ("ward", "STRING"),
    ("smokes", "STRING"),
    ("ill", "STRING"),
    ("age", "INTEGER"),
    ("seen", "DATE_ISO8601"),
    ("masked", "STRING"),
]


def patients(count: int) -> list[list[Any]]:
    drawn = random.Random(1)
    rows = []
    for number in range(count):
        smokes = drawn.random() < 0.3
        rows.append(
            [
                drawn.choice("NNS"),
                smokes,
                drawn.random() < (0.8 if smokes else 0.1),
                drawn.randint(18, 90) if number % 10 else "",
                f"20{drawn.randint(10, 24)}-0{drawn.randint(1, 9)}-{drawn.randint(10, 28)}",
                f"CANARY{number}",
            ]
        )
    rows[0][0] = "CANARYWARD"  # one person alone has it
    return rows


def test_a_table_like_another(machine: Machine) -> None:
    config = configured(COLUMNS, epsilon=4.0)
    ran = machine.run(RUN, inputs=files(COLUMNS, patients(4000), config), limits=LIMITS)
    rows, report = made(ran)
    assert_like_patients(ran, rows, report)
    # Numbers and dates are where they were, but for a chance of one in a thousand each (`learn._CHANCE_ELSEWHERE`).
    ages = [int(row[3]) for row in rows if row[3]]
    assert sum(17 <= age <= 95 for age in ages) > 0.9 * len(ages)
    assert sum("2009" < row[4] < "2025" for row in rows) > 0.8 * len(rows)


def assert_like_patients(ran: Ran, rows: list[list[str]], report: dict[str, Any]) -> None:
    """What is so of every table that is made from `patients(4000)` with an epsilon of 4."""
    assert [(c.name, c.kind) for c in read_schema(ran.files["types"])] == [
        (name, KINDS.get(of, "STRING")) for name, of in COLUMNS
    ]
    assert set(ran.files) == {"dataset.csv", "types", "report.json", "report.png", "report.svg"}
    assert ran.files["report.png"].startswith(b"\x89PNG")
    assert b"<svg" in ran.files["report.svg"]
    # What one person alone has is nowhere, and nothing of a masked column.
    assert not [name for name, content in ran.files.items() if b"CANARY" in content]
    assert all(row[5] for row in rows)
    # About as many rows; what goes together stays together; some numbers are missing.
    assert report["rows"] == len(rows)
    assert abs(len(rows) - 4000) < 400
    ill = {smokes: [row[2] for row in rows if row[1] == smokes].count("True") for smokes in ("True", "False")}
    total = Counter(row[1] for row in rows)
    assert ill["True"] / total["True"] > 0.6 > 0.3 > ill["False"] / total["False"]
    assert 0.03 < sum(not row[3] for row in rows) / len(rows) < 0.2
    # It cost what was allowed.
    privacy = report["privacy"]
    assert 0.999 * 4.0 < privacy["epsilonSpent"] <= 4.0
    assert 0 < privacy["deltaSpent"] <= 1e-9
    assert sum(privacy["shares"].values()) == pytest.approx(1)
    # Nothing exact is told: what it is compared with is what was learnt.
    assert report["quality"]["comparedWith"] == "model"
    assert "original" not in report
    # The number of rows is noisy; by chance it is the true one.
    assert "4000" not in {str(value) for name, value in report.items() if name != "rows"}
    assert report["quality"]["meanTotalVariation"] < 0.1


def test_exact_statistics_where_the_owners_agreed(machine: Machine) -> None:
    columns = COLUMNS[1:3]
    given = [row[1:3] for row in patients(1000)]
    ran = machine.run(RUN, inputs=files(columns, given, configured(columns, statistics=True)), limits=LIMITS)
    _, report = made(ran)
    assert report["original"]["rows"] == 1000
    assert [each["distinct"] for each in report["original"]["columns"]] == [2, 2]
    quality = report["quality"]
    assert quality["comparedWith"] == "original"
    assert quality["meanTotalVariation"] < 0.2
    ill = [row for row in given if row[0]]
    assert 0.7 < sum(row[1] for row in ill) / len(ill) < 0.9
    (pair,) = quality["pairs"]
    assert pair["columns"] == ["smokes", "ill"]
    assert 0.6 < pair["association"]["reference"] < 0.8
    assert pair["association"]["synthetic"] > 0.4


EDGES = """
import json, math
from pathlib import Path
from cloister_synthetic.synthetic import run
from cloister_util import SafeError
from cloister_util.schema import Column, write_schema

def column(index, of, **more):
    return {"index": index, "name": None, "type": of, "mask_type": "name", "mask": False, "nullable": True} | more

KINDS = {"INTEGER": "INT64", "FLOAT": "FLOAT64"}
said = {}

def tried(name, of, lines, epsilon=1.0, nullable=True, mask=False):
    place = Path("/scratch") / name
    inputs, output, scratch = (place / each for each in ("table", "output", "scratch"))
    for each in (inputs, output, scratch):
        each.mkdir(parents=True)
    (inputs / "dataset.csv").write_text("".join(f"{line}\\n" for line in lines))
    (inputs / "types").write_bytes(write_schema([Column("c", KINDS.get(of, "STRING"), True)]))
    config = {"table": "table", "columns": [column(0, of, nullable=nullable, mask=mask)], "epsilon": epsilon,
              "statistics": False}
    try:
        run(config, place, output, scratch)
    except SafeError as error:
        said[name] = str(error)
        return
    report = json.loads((output / "report.json").read_text())
    lines = (output / "dataset.csv").read_text().splitlines()
    said[name] = [report["rows"], report["columns"][0]["made"], lines[:2000], (output / "types").stat().st_size > 0]

tried("empty", "INTEGER", [])
tried("one row", "STRING", ["secret"])
tried("required", "STRING", ["secret"] * 3, nullable=False)
tried("one number", "INTEGER", [77777])
tried("constant", "INTEGER", [7] * 3000)
tried("all null", "FLOAT", ["", *[""] * 999])
tried("huge", "FLOAT", [1e308, -1e308] * 1000)
tried("large", "INTEGER", [-(2**63), 2**63 - 1] * 1000)
tried("infinite", "FLOAT", ["inf", "nan"] * 1000)
tried("thousands", "STRING", [f"secret{n}" for n in range(1000)])
tried("masked", "STRING", ["secret"] * 500, mask=True)
tried("no numbers", "INTEGER", ["secret"] * 500)
tried("dates", "DATE_ISO8601", ["0001-01-01", "9999-12-31", "2020-02-30"] * 500)
tried("tiny", "INTEGER", [5] * 1000, epsilon=1e-4)
tried("lavish", "INTEGER", [5] * 1000, epsilon=1000)
for bad in (0, -1, math.nan, math.inf):
    tried(f"epsilon {bad}", "INTEGER", [1], epsilon=bad)
print(json.dumps(said))
"""


def test_tables_at_the_edge_of_sense(machine: Machine) -> None:
    ran = machine.run(EDGES, limits=LIMITS)
    assert ran.error is None, f"{ran.error}\n{ran.log}"
    # OpenDP has advice on large epsilons before it.
    said: dict[str, Any] = json.loads(ran.log.splitlines()[-1])
    assert said.pop("empty") == [0, "nothing", [], True]
    for name in ("epsilon 0", "epsilon -1", "epsilon nan", "epsilon inf"):
        assert "epsilon must be" in said.pop(name)
    assert "secret" not in json.dumps(said)
    assert "77777" not in said["one number"][2]
    assert all(len(each) == 4 and each[3] for each in said.values()), said
    assert said["constant"][1] == "from ranges"
    assert sum(line in ("", "7") for line in said["constant"][2]) >= 0.9 * len(said["constant"][2])
    assert (said["all null"][1], set(said["all null"][2])) == ("empty cells", {""})
    assert said["thousands"][1] == "empty cells"
    assert said["required"][1] == "the mask name"
    assert all(-(2**63) <= int(line) < 2**63 for line in said["large"][2] if line)
    assert all(math.isfinite(float(line)) for line in said["huge"][2] if line)
    assert {len(line) for line in said["dates"][2]} <= {0, 10}
    assert 300 < said["masked"][0] < 700
    assert 990 <= said["lavish"][0] <= 1010


NOISE = """
import json, math
import opendp.prelude as dp, polars as pl
from opendp.mod import OpenDPException
from cloister_synthetic import match
from cloister_synthetic.account import Account

edges = list(range(1501))
rows = pl.DataFrame({"c0": pl.Series([0] * 1000, dtype=pl.Int64), "c1": ["rare"] * 5 + ["often"] * 995})
said = {"granted": [], "noise": [], "refused": 0}
for texts in (False, True):
    account = Account(rows, 1.0, finds_texts=texts)
    counts = account.histogram("c0", edges, 0.5)
    said["noise"].append([account.noise(0.5).deviation, counts])
    if texts:
        said["texts"] = account.texts("c1", 0.25, 1)
    if not texts:
        said["rows"] = account.rows()
    try:
        account.histogram("c0", edges, 0.6 if texts else 1e-6)
    except OpenDPException:
        said["refused"] += 1
    for epsilon in (0.01, 0.3, 1.0, 2.5, 20.0):
        said["granted"].append([epsilon, *Account(rows, epsilon, finds_texts=texts).granted])
exact = {("rows", str(n)): 100 for n in range(3000)}
said["match"] = list(match.noisy(exact, 5.0).values())
print(json.dumps(said))
"""


def deviation(values: list[int]) -> float:
    """Around zero."""
    return float((sum(value**2 for value in values) / len(values)) ** 0.5)


def test_noise_is_there_of_the_right_size_and_cost(machine: Machine) -> None:
    said: dict[str, Any] = machine.run(NOISE, limits=LIMITS).json()
    for wanted, counts in said["noise"]:
        # The first count is of all 1000 rows. Of the others the deviation's own deviation is 3 % at most: 20 % off is
        # nearly seven of them.
        assert abs(counts[0] - 1000) < 20 * wanted
        assert deviation(counts[1:]) == pytest.approx(wanted, rel=0.2)
    assert set(said["texts"]) == {"often"}
    # Two-sided geometric noise of scale 5: e^(1/5) / (e^(1/5) - 1)^2 * 2 is its variance, nearly 2 * 5^2.
    noise = [value - 100 for value in said["match"]]
    assert deviation(noise) == pytest.approx(7.06, rel=0.15)
    assert abs(sum(noise) / len(noise)) < 1
    assert min(noise) < 0 < max(noise)
    # More than is left is refused, and all together costs what was allowed and not more.
    assert said["refused"] == 2
    assert abs(said["rows"] - 1000) < 1000
    for epsilon, spent, delta in said["granted"]:
        assert 0.999 * epsilon < spent <= epsilon
        assert delta <= 1e-9


SPLITS = """
import json, math, random
import opendp.prelude as dp
from cloister_synthetic.account import _algorithm
dp.enable_features("contrib")
drawn = random.Random(1)
before = lambda value: math.nextafter(value, -math.inf)
tried = 0
for _ in range(60):
    loss, columns, gaussian = drawn.uniform(1e-4, 2), drawn.randint(2, 50), drawn.random() < 0.5
    algorithm = _algorithm([f"c{n}" for n in range(columns)], loss, gaussian)
    # What `MST` itself does with it: see opendp/extras/mbi/_table and _mst.
    pairs = before(before(loss - loss * algorithm.oneway_split))
    choosing = before(before(pairs - pairs * algorithm.measure_split))
    measure = dp.zero_concentrated_divergence() if gaussian else dp.max_divergence()
    space = dp.atom_domain(T="i64"), dp.absolute_distance(T="i64")
    shares = [before(choosing / (columns - 1))] * (columns - 1)
    tried += dp.c.make_adaptive_composition(*space, measure, d_in=1, d_mids=shares).map(1) <= choosing
print(json.dumps(tried))
"""


def test_choosing_pairs_never_overdraws(machine: Machine) -> None:
    assert machine.run(SPLITS, limits=LIMITS).json() == 60


MATCH = """
import json
from pathlib import Path
from cloister_synthetic.match import run
from cloister_util.schema import Column, write_schema
for name in ("left", "right"):
    folder = Path("/scratch/input") / name
    folder.mkdir(parents=True)
    (folder / "dataset.csv").write_text("".join(f"{n}\\n" for n in range(500)))
    (folder / "types").write_bytes(write_schema([Column("id", "INT64", False)]))
config = {"query": {"==": [{"var": "left.id"}, {"var": "right.id"}]}, "round": 10, "epsilon": 50.0, "sensitivity": 1,
          "paths": ["left/dataset.csv", "right/dataset.csv"], "tables": ["left", "right"]}
run(config, Path("/scratch/input"), Path("/output"), Path("/scratch"))
print((Path("/output/.withheld/dataset.csv")).read_text().count("\\n"))
"""


def test_a_match_tells_noisy_rounded_statistics(machine: Machine) -> None:
    ran = machine.run(MATCH, limits=LIMITS)
    assert ran.json() == 500
    told = json.loads(ran.files["statistics.json"])
    # Noise of scale 0.1 stays below 5 but with a chance of e^-50.
    assert [each["value"] for each in told["statistics"]] == [500] * 5
    assert told["privacy"]["noiseScale"] == pytest.approx(5 / 50)
    assert ran.files["dataset.csv"].decode().splitlines()[0] == "rows,left,500"
    assert [column.kind for column in read_schema(ran.files["types"])] == ["STRING", "STRING", "INT64"]
