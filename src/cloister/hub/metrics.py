"""What the hub counts, for whoever operates it: routes and sizes, never who, never which room or blob."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector("cloister_hub", registry=REGISTRY)

REQUESTS = Counter(
    "cloister_hub_requests",
    "Requests, by method, template of the path, and status (`gone`: the client left).",
    ["method", "route", "status"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "cloister_hub_request_seconds",
    "From the first byte of a request to the last one of its answer. Relayed ones may wait long.",
    ["route"],
    buckets=(0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0),
    registry=REGISTRY,
)
RECEIVED = Counter("cloister_hub_received_bytes", "Bytes of bodies of requests.", ["route"], registry=REGISTRY)
SENT = Counter("cloister_hub_sent_bytes", "Bytes of bodies of answers.", ["route"], registry=REGISTRY)
RELAYED = Gauge("cloister_hub_relayed_open", "Relayed requests that are open.", registry=REGISTRY)
TRANSFERS = Gauge("cloister_hub_transfers_open", "Parts that are being sent or fetched.", registry=REGISTRY)
ENCLAVE_ERRORS = Counter(
    "cloister_hub_enclave_errors", "Relayed requests that the enclave did not answer to their end.", registry=REGISTRY
)


def watch(relayed: Callable[[], int], transfers: Callable[[], int]) -> None:
    """Where the numbers of now come from, each time that they are asked for. They may be asked by another thread."""
    RELAYED.set_function(relayed)
    TRANSFERS.set_function(transfers)


def count(method: str, route: str, status: int, seconds: float, received: int, sent: int) -> None:
    """One request that has ended. ``status``: 0 where nobody was left to be answered."""
    REQUESTS.labels(method, route, str(status or "gone")).inc()
    SECONDS.labels(route).observe(seconds)
    RECEIVED.labels(route).inc(received)
    SENT.labels(route).inc(sent)
