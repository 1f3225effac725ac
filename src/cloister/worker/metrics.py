"""What a worker counts, for whoever operates it: numbers, no names, no ids."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector("cloister_worker", registry=REGISTRY)

TASKS = Counter(
    "cloister_worker_tasks",
    "Tasks, by how they ended: finished, failed, unable, handedback, cancelled.",
    ["outcome"],
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "cloister_worker_task_seconds",
    "How long tasks take, with fetching and storing.",
    buckets=(0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0),
    registry=REGISTRY,
)
PEAK_MEMORY = Histogram(
    "cloister_worker_task_peak_memory_bytes",
    "The most memory that a task held at once, rounded up to a power of two.",
    buckets=tuple(float(1 << bits) for bits in range(26, 40, 2)),
    registry=REGISTRY,
)
BUSY = Gauge("cloister_worker_busy", "1 while there is a task.", registry=REGISTRY)
CONNECTED = Gauge("cloister_worker_connected", "1 while the enclave takes it for a worker.", registry=REGISTRY)
POOL = Gauge("cloister_worker_containers_waiting", "Containers that wait for their task.", registry=REGISTRY)
FREE_MEMORY = Gauge("cloister_worker_free_memory_bytes", "Memory of the machine that tasks can use.", registry=REGISTRY)


def held_memory(peak: int) -> None:
    """A task held that many bytes at most. Rounded: how many exactly is the script's to choose, and could say something
    of the data."""
    PEAK_MEMORY.observe(1 << max(0, peak - 1).bit_length())


def watch(waiting: Callable[[], int], free_memory: Callable[[], int]) -> None:
    """Where the numbers of now come from, each time that they are asked for. They may be asked by another thread."""
    POOL.set_function(waiting)
    FREE_MEMORY.set_function(free_memory)
