"""`python -m bench.opened STORE`: opens every room of a store, as an enclave does that was just started; prints what it
took as JSON. A process of its own, as memory that others have used can't be told from its own."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.enclave.room import Room
from cloister.enclave.store import SqliteStore

KEY = bytes(32)


class Opened(msgspec.Struct, frozen=True):
    """What opening took."""

    seconds: float
    processor_seconds: float
    reading_seconds: float
    """To go through all events once more, checked, page by page."""
    memory_bytes: int
    """That the rooms take, as resident memory of the process has grown."""
    events: int


def main(path: Path) -> None:
    """The command."""
    with closing(sqlite3.connect(path)) as database:
        names = [room for (room,) in database.execute("SELECT DISTINCT room FROM rows")]
    signing = Ed25519PrivateKey.generate()
    process = psutil.Process()
    with closing(SqliteStore(path)) as store:
        before, started, used = process.memory_info().rss, time.perf_counter(), time.process_time()
        rooms = [Room(name, store, KEY, signing) for name in names]
        for room in rooms:
            room.load()
        opened, used = time.perf_counter(), time.process_time() - used
        memory = process.memory_info().rss - before
        events = 0
        for room in rooms:
            read = 0
            while page := room.events(read, 8 * 1024 * 1024):
                read += len(page)
            events += read
        read_at = time.perf_counter()
    told = Opened(
        seconds=opened - started,
        processor_seconds=used,
        reading_seconds=read_at - opened,
        memory_bytes=memory,
        events=events,
    )
    print(msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
