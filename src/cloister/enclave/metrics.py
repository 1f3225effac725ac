"""What the enclave counts, for whoever operates it: numbers over all rooms, no names, no ids.

That is less than the operator sees anyway, who passes the messages on and keeps the store's rows.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector("cloister_enclave", registry=REGISTRY)

EVENTS = Counter("cloister_enclave_events", "Events appended to logs of rooms.", ["type"], registry=REGISTRY)
APPEND_SECONDS = Histogram(
    "cloister_enclave_append_seconds",
    "How long it takes until an event is on disk.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
    registry=REGISTRY,
)
TASKS = Counter(
    "cloister_enclave_tasks",
    "Tasks that workers had, by how they ended: finished, failed, unable, handedback, lost.",
    ["outcome"],
    registry=REGISTRY,
)
REQUESTS = Counter("cloister_enclave_requests", "Requests, by what they ask.", ["type"], registry=REGISTRY)
REFUSED = Counter("cloister_enclave_refused", "Messages turned away at the door.", ["reason"], registry=REGISTRY)
ROOMS = Gauge("cloister_enclave_rooms_open", "Rooms in memory.", registry=REGISTRY)
QUEUED = Gauge("cloister_enclave_tasks_queued", "Tasks that wait for a worker.", registry=REGISTRY)
OUT = Gauge("cloister_enclave_tasks_out", "Tasks in the hands of workers.", registry=REGISTRY)
WAITING = Gauge("cloister_enclave_workers_waiting", "Workers that wait for a task.", registry=REGISTRY)


def watch(
    rooms: Callable[[], int], queued: Callable[[], int], out: Callable[[], int], waiting: Callable[[], int]
) -> None:
    """Where the numbers of now come from, each time that they are asked for. They may be asked by another thread."""
    ROOMS.set_function(rooms)
    QUEUED.set_function(queued)
    OUT.set_function(out)
    WAITING.set_function(waiting)
