"""Tables of medians and ratios, and the same as JSON with the facts of the machine."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cloister.version import VERSION


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    """To the table's first row; None where that would mean nothing."""
    samples: tuple[float, ...] = ()
    """What `value` was taken from, in its unit, in the order of measuring."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One question."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What was left out, and why; targets."""

    def text(self) -> str:
        """For a person."""
        width = max(len(row.name) for row in self.rows)
        lines = [self.title]
        for row in self.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:8.2f} x"
            lines.append(f"  {row.name:<{width}}{row.value:10.1f} {row.unit:<4}{ratio}".rstrip())
        return "\n".join([*lines, *(f"  ({note})" for note in self.notes)])


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    runtime: str
    load_before: float
    """The load average of the minute before: others should have let the machine be."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    version: int = 1
    cloister: str = VERSION
    at: str
    machine: Machine
    tables: tuple[Table, ...]

    def write(self, folder: Path) -> Path:
        """Stores it as JSON in a file of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.at.replace(':', '').replace('+0000', 'Z')}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        return path


def now() -> str:
    """RFC 3339, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine(runtime: str) -> Machine:
    """This one."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return Machine(
        processor=names[0] if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        kernel=platform.release(),
        runtime=runtime,
        load_before=os.getloadavg()[0],
    )


def percentile(samples: Iterable[float], share: float) -> float:
    """By the nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def compared(samples: Sequence[tuple[str, Sequence[float]]]) -> tuple[Row, ...]:
    """Medians of seconds, in milliseconds, with their ratios to the first."""
    medians = [statistics.median(seconds) for _, seconds in samples]
    return tuple(
        Row(
            name=name,
            value=median * 1000,
            unit="ms",
            ratio=median / medians[0],
            samples=tuple(each * 1000 for each in seconds),
        )
        for (name, seconds), median in zip(samples, medians, strict=True)
    )
