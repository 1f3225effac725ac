"""A whole Cloister on this machine: round trips from client to client, throughput, and who has to wait for whom."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bare import bare
from bench.report import Row, Table, percentile
from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.nodes import PythonComputeNode
from tests.installation import Installation, attach, compute_node, data_node, run

UPPERCASE = """
with open("/input/letter") as letter, open("/output/loud.txt", "w") as loud:
    loud.write(letter.read().upper())
"""


def room_of(installation: Installation, email: str, computations: int) -> AnalyticsDcr:
    """A room of this user alone, with data and so many computations, no two of which are the same."""
    client = installation.client(email)
    builder = AnalyticsDcrBuilder(client=client).with_name("Bench").with_owner(email)
    builder.add_node_definition(RawDataNodeDefinition(name="letter", is_required=True))
    names = _names(computations)
    for name in names:
        script = f"# {name}\n{UPPERCASE}"
        builder.add_node_definition(PythonComputeNodeDefinition(name=name, script=script, dependencies=["letter"]))
    builder.add_participant(email, data_owner_of=["letter"], analyst_of=names)
    room = client.publish_analytics_dcr(builder.build())
    attach(room, "letter", f"hello {email}".encode())
    return room


def _names(count: int) -> list[str]:
    return [f"shout {number}" for number in range(count)]


def round_trips(installation: Installation, repetitions: int) -> Table:
    """Other data each time, so that nothing is answered from what was computed before."""
    room = room_of(installation, "rounds@bench.example", 1)
    run(room, "shout 0").close()
    data, computing, both = [], [], []
    for number in range(repetitions):
        data_node(room, "letter").remove_published_dataset()
        started = time.perf_counter()
        attach(room, "letter", f"hello {number}".encode())
        attached = time.perf_counter()
        with run(room, "shout 0") as result:
            answer = result.read("loud.txt")
        ended = time.perf_counter()
        if answer != f"HELLO {number}".encode():
            raise RuntimeError(f"the wrong answer: {answer!r}")
        data.append(attached - started)
        computing.append(ended - attached)
        both.append(ended - started)
    rows = []
    for name, samples in {
        "ask, compute, fetch, check": computing,
        "encrypt, upload, attach": data,
        "both": both,
    }.items():
        milliseconds = tuple(each * 1000 for each in samples)
        rows.append(Row(name=f"{name}: p50", value=statistics.median(milliseconds), unit="ms", samples=milliseconds))
        rows.append(Row(name=f"{name}: p99", value=percentile(milliseconds, 0.99), unit="ms"))
    return Table(
        title=f"Uppercase, client to client, {repetitions} times on other data",
        rows=tuple(rows),
        notes=("target: p50 at most 150 ms",),
    )


def throughput(installation: Installation, image_root: Path, clients: int, each: int) -> Table:
    """Many clients at once, each asking for one computation after the other."""
    rooms = [room_of(installation, f"client{number}@bench.example", each) for number in range(clients)]

    def ask(room: AnalyticsDcr) -> None:
        for name in _names(each):
            run(room, name).close()

    total, cores = clients * each, len(os.sched_getaffinity(0))
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, rooms))
    ours = total / (time.perf_counter() - started)
    with bare(image_root, UPPERCASE, {"letter": b"hello"}) as files:
        started = time.perf_counter()
        files.run_many(total, cores)
        theirs = total / (time.perf_counter() - started)
    return Table(
        title=f"{total} computations, asked for by {clients} clients at once; {cores} at a time",
        rows=(
            Row(name=f"bare scripts, xargs -P{cores}", value=theirs, unit="/s", ratio=1.0),
            Row(name="Cloister, results fetched", value=ours, unit="/s", ratio=ours / theirs),
        ),
    )


def fairness(installation: Installation, many: int, few: int) -> Table:
    """One user queues many computations, then another a few: how long has that one to wait?"""
    rooms = [room_of(installation, f"{name}@bench.example", count) for name, count in (("many", many), ("few", few))]
    counts = (many, few)
    queued = [[compute_node(room, name) for name in _names(n)] for room, n in zip(rooms, counts, strict=True)]
    for node in queued[0]:
        node.run_computation()
    started = time.perf_counter()
    for node in queued[1]:
        node.run_computation()

    def ended(nodes: Sequence[PythonComputeNode]) -> float:
        for node in nodes:
            node.get_results_as_bytes()
        return time.perf_counter() - started

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ended, queued)
    return Table(
        title=f"One user has queued {many} computations when another queues {few}",
        rows=(
            Row(name="until all of the first user's are done", value=first * 1000, unit="ms", ratio=1.0),
            Row(name="until all of the second user's are done", value=second * 1000, unit="ms", ratio=second / first),
        ),
        notes=(
            "from the moment that the second asks",
            f"in turns: about {2 * few / (many + few):.2f} x, first come, first served: 1 x",
        ),
    )
