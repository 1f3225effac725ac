"""What is asked of workers, and how that ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import UNSET

from cloister.enclave.offers import Demand
from cloister.errors import VerificationError
from cloister.formats.dataset import Manifest, check_key, check_manifest
from cloister.formats.receipt import Attested
from cloister.protocol import Failed, Finished, Resolved, Task, TaskResult


@dataclass(frozen=True)
class Attempt:
    """What is new each time that a task is given out, so that nothing of a lost attempt is ever used."""

    id: str = field(default_factory=lambda: os.urandom(32).hex())
    result: str = field(default_factory=lambda: os.urandom(32).hex())
    """Id of the blob for the result."""
    result_key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    report_key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    withheld: TaskResult = field(
        default_factory=lambda: TaskResult(blob=os.urandom(32).hex(), key=os.urandom(32)), repr=False
    )
    """For what later computations alone may read, where there is such a thing."""


@dataclass(frozen=True)
class Order:
    """A task that is to be done by any worker that fits."""

    make: Callable[[Attempt], Task]
    room: str
    demand: Demand
    user: str
    """On whose behalf: users take turns."""
    started: Callable[[], None]
    """Called when a worker takes it."""
    waits: Callable[[str], None]
    """Called with what it waits for, in words, when that changes."""
    answer: type[Finished | Resolved] = Finished
    """What a worker reports that has done it."""
    withholds: bool = False
    """Whether there is something for later computations alone beside the result."""


@dataclass(frozen=True)
class Delivery:
    """How an order ended."""

    worker: Attested
    attempt: Attempt
    outcome: Finished | Resolved | Failed


def answers(outcome: Finished | Resolved, order: Order, attempt: Attempt) -> bool:
    """Whether it is what was asked for, and a result is stored where, and encrypted as, this attempt was told."""
    if not isinstance(outcome, order.answer) or isinstance(outcome, Resolved):
        return isinstance(outcome, order.answer)
    if not _is_there(outcome.manifest, attempt.result, attempt.result_key):
        return False
    # Later computations must find what they were promised, and nothing must be kept that nobody has asked for.
    if outcome.withheld is UNSET or not order.withholds:
        return outcome.withheld is UNSET and not order.withholds
    return _is_there(outcome.withheld, attempt.withheld.blob, attempt.withheld.key)


def _is_there(manifest: Manifest, blob: str, key: bytes) -> bool:
    try:
        check_manifest(manifest)
        check_key(key, manifest)
    except VerificationError:
        return False
    return manifest.dataset == blob
