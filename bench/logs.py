"""Long logs: what one more event costs, what opening the room takes, and how much memory rooms need."""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.opened import KEY, Opened
from bench.report import Row, Table
from cloister.enclave.room import Room
from cloister.enclave.sealed_log import SealedLog
from cloister.enclave.store import SqliteStore
from cloister.formats.encoding import canonical
from cloister.formats.merkle import BLOCK
from cloister.formats.receipt import Attested
from cloister.rooms.definition import Definition, ImageReference, Issuer, Participant, Reference
from cloister.rooms.events import Body, Event, Published, ResultFetched, RunFinished, RunStarted
from cloister.rooms.nodes import PythonNode, RawDataNode

MIB = 1024 * 1024
USER = "analyst@bench.example"
SOFTWARE = Reference(evidence="insecure-software", measurement="11" * 32)
APPENDS = 50


def definition() -> Definition:
    """A small room."""
    return Definition(
        nonce=os.urandom(32).hex(),
        title="Bench",
        owner=USER,
        participants=(Participant(user=USER, data_owner_of=("letter",), analyst_of=("shout",)),),
        nodes=(
            RawDataNode(id="letter", name="letter", required=True),
            PythonNode(id="shout", name="shout", script="pass", dependencies=("letter",), image="python"),
        ),
        issuers=(Issuer(name="hub", keys=("22" * 32,)),),
        enclaves=(SOFTWARE,),
        workers=(SOFTWARE,),
        images=(ImageReference(name="python", measurement="33" * 32),),
    )


def happening(number: int) -> Body:
    """What happens most in a long-lived room: a run starts, ends, and its result is fetched."""
    run, key = (hashlib.sha256(f"{what} {number // 3}".encode()).hexdigest() for what in ("run", "key"))
    if number % 3 == 0:
        return RunStarted(run=run, node="shout", cache_key=key, inputs=())
    if number % 3 == 1:
        worker = Attested(evidence=SOFTWARE.evidence, measurement=SOFTWARE.measurement)
        return RunFinished(run=run, node="shout", manifest=key, worker=worker)
    return ResultFetched(run=run, node="shout")


class Growing:
    """A room whose log is made longer, many events to a transaction."""

    def __init__(self, store: SqliteStore) -> None:
        first = definition()
        self.id = first.id()
        self._store = store
        self._log = SealedLog(self.id, store, KEY)
        self._rows: list[bytes] = []
        self._add(Published(definition=first))

    def grow(self, size: int) -> None:
        """Until there are so many events."""
        while len(self._log) < size:
            self._add(happening(len(self._log)))
        self._write({})

    def again(self) -> None:
        """Reads anew what somebody else has appended."""
        self._log = SealedLog(self.id, self._store, KEY)
        self._log.load(lambda: lambda _event: None)

    def _add(self, body: Body) -> None:
        size = len(self._log)
        if size and size % BLOCK == 0:
            self._write({})
            self._write(self._log.segment_due())
        entry = canonical(Event(time=size, actor=USER, body=body))
        self._rows.append(self._log.row(entry))
        self._log.take(entry)

    def _write(self, put: dict[str, bytes]) -> None:
        self._store.append(self.id, len(self._log) - len(self._rows), self._rows, put=put)
        self._rows = []


async def appended(store: SqliteStore, room_id: str) -> tuple[list[float], float]:
    """Seconds that each of some appends takes, and processor time that one takes: that is the same on a busy disk."""
    room = Room(room_id, store, KEY, Ed25519PrivateKey.generate())
    room.load()
    samples = []
    used = time.process_time()
    for _ in range(APPENDS):
        started = time.perf_counter()
        await room.append(room.prepare(USER, happening(room.state.size), room.state.time))
        samples.append(time.perf_counter() - started)
    return samples, (time.process_time() - used) / APPENDS


def opened(path: Path) -> Opened:
    """What opening all rooms of a store takes."""
    ran = subprocess.run([sys.executable, "-m", "bench.opened", path], check=True, capture_output=True)
    return msgspec.json.decode(ran.stdout, type=Opened)


def lengths(sizes: Sequence[int]) -> list[Table]:
    """One room that grows."""
    appends, processor, openings, readings, memory = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as place:
        path = Path(place) / "rooms.db"
        with closing(SqliteStore(path)) as store:
            growing = Growing(store)
            for size in sizes:
                growing.grow(size)
                took = opened(path)
                seconds, used = asyncio.run(appended(store, growing.id))
                samples = tuple(each * 1000 for each in seconds)
                growing.again()
                name = f"{size:,} events"
                appends.append(Row(name=name, value=statistics.median(samples), unit="ms", samples=samples))
                processor.append(Row(name=name, value=used * 1_000_000, unit="us"))
                openings.append(Row(name=name, value=took.seconds * 1000, unit="ms"))
                openings.append(Row(name=f"{name}, processor time", value=took.processor_seconds * 1000, unit="ms"))
                readings.append(Row(name=name, value=took.reading_seconds * 1000, unit="ms"))
                memory.append(Row(name=name, value=max(took.memory_bytes, 1) / MIB, unit="MiB"))
    return [
        _flat("One more event, on disk, by the length of the log (median)", appends),
        _flat("One more event, processor time", processor),
        Table(title="Opening a room, by the length of its log", rows=tuple(openings)),
        Table(title="Reading the whole log, checked, in the enclave", rows=tuple(readings)),
        Table(
            title="Memory of a room, by the length of its log",
            rows=tuple(memory),
            notes=("a third of the events are runs, all of which are remembered",),
        ),
    ]


def _flat(title: str, rows: Sequence[Row]) -> Table:
    compared = (msgspec.structs.replace(row, ratio=row.value / rows[0].value) for row in rows)
    return Table(title=title, rows=tuple(compared), notes=("flat: 1 x",))


def many_rooms(counts: Sequence[int], events: int) -> Table:
    """Rooms in memory at once."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as place:
        path = Path(place) / "rooms.db"
        with closing(SqliteStore(path)) as store:
            made = 0
            for count in counts:
                for _ in range(count - made):
                    Growing(store).grow(events)
                made = count
                took = opened(path)
                rows.append(Row(name=f"{count:,} rooms, all opened", value=took.seconds * 1000, unit="ms"))
                rows.append(Row(name=f"{count:,} rooms, memory", value=max(took.memory_bytes, 1) / MIB, unit="MiB"))
    return Table(title=f"Many rooms of {events} events each", rows=tuple(rows))
