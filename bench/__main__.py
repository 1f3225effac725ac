"""`python -m bench`: measures everything, prints tables, writes JSON."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import bulk, images, logs, one_script, pages, sql, synthetic, validation, whole
from bench.report import Report, Table, machine, now
from cloister.worker.images.store import open_image
from cloister.worker.linux import enter_private_mounts
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.probe import detect
from cloister.worker.sandbox.runtime import Runtime
from tests.installation import Installation

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Sizes:
    """How often each thing is measured."""

    scripts: int = 20
    images: tuple[str, ...] = tuple(work.image for work in images.WORKS)
    starts: int = 7
    round_trips: int = 100
    clients: int = 8
    computations_each: int = 25
    many: int = 100
    few: int = 10
    files: tuple[int, ...] = (256, 1024)
    """MiB."""
    logs: tuple[int, ...] = (100, 10_000, 100_000, 1_000_000)
    """Events."""
    rooms: tuple[int, ...] = (100, 1000)
    synthetic_rows: int = 10_000
    synthetics: int = 3
    table: int = 1024
    """MiB."""
    rows: int = 10_000_000
    queries: int = 3
    loads: int = 5
    uploaded: int = 1024
    """MiB."""
    nodes: int = 100
    events: int = 10_000


SMOKE = Sizes(
    scripts=1,
    images=("python", "r"),
    starts=1,
    round_trips=2,
    clients=2,
    computations_each=1,
    many=2,
    few=1,
    files=(1, 9),
    logs=(10, 1100),
    rooms=(1, 2),
    table=1,
    synthetic_rows=400,  # with half of them, nothing may be found in them, and then there is nothing to compare
    synthetics=1,
    rows=20_000,
    queries=1,
    loads=1,
    uploaded=1,
    nodes=3,
    events=20,
)
"""Only to see that it still works: the numbers mean nothing."""


def measure(sizes: Sizes, runtime: Runtime, image_root: Path) -> Iterator[Table]:
    """Table after table."""
    with Sandbox(runtime) as sandbox:
        yield one_script.measure(sandbox, image_root, sizes.scripts)
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as place:
        installation = Installation(Path(place) / "data", Path(place) / "homes", options=())
        try:
            installation.start()
            yield whole.round_trips(installation, sizes.round_trips)
            yield whole.throughput(installation, image_root, sizes.clients, sizes.computations_each)
            yield whole.fairness(installation, sizes.many, sizes.few)
            yield from bulk.measure(installation, Path(place), sizes.files)
            yield from sql.through_a_room(installation, sizes.rows, sizes.queries)
        finally:
            if installation.process is not None:
                installation.stop()
    with Sandbox(runtime) as sandbox:
        yield from images.measure(sandbox, sizes.images, sizes.starts)
        yield synthetic.measure(sandbox, sizes.synthetic_rows, sizes.synthetics)
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        yield validation.measure(Path(folder), sizes.table, 1)
    yield sql.measure(sizes.rows, sizes.queries)
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        yield from pages.measure(Path(folder), sizes.loads, sizes.uploaded, sizes.nodes, sizes.events)
    yield from logs.lengths(sizes.logs)
    yield logs.many_rooms(sizes.rooms, 100)


def main(arguments: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what Cloister costs on this machine.")
    parser.add_argument("--smoke", action="store_true", help="measure next to nothing, to see that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON file")
    chosen = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.exit("The benchmark starts containers: run it as root (make bench).")
    # As Ctrl-C does: what was started is stopped, what was mounted goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    enter_private_mounts()
    at, tables = now(), []
    with open_image("python") as image:
        runtime = detect(image.root)
        here = machine(runtime.version)
        for table in measure(SMOKE if chosen.smoke else Sizes(), runtime, image.root):
            tables.append(table)
            print(table.text() + "\n", flush=True)
    print(f"Written to {Report(at=at, machine=here, tables=tuple(tables)).write(chosen.results)}")


if __name__ == "__main__":
    main(sys.argv[1:])
