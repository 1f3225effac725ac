"""Handing tasks to workers that pull: a fair queue on one side, attested workers on the other.

Nothing here polls. A task waits for a worker or a worker for a task, and both are woken by the event.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from cloister.enclave.logs import log
from cloister.enclave.metrics import TASKS
from cloister.enclave.offers import OFFER_SECONDS, Demand, Offer, Offers
from cloister.enclave.orders import Attempt, Delivery, Order, answers
from cloister.errors import Refused
from cloister.formats.encoding import decode
from cloister.formats.receipt import Attested
from cloister.formats.sealed import open_report, seal_task
from cloister.logs import fields
from cloister.protocol import (
    Accepted,
    Answer,
    Done,
    Finished,
    Frame,
    HandedBack,
    Progress,
    PullTask,
    Report,
    Resolved,
    SealedTask,
    Unable,
    offer_digest,
)
from cloister.rooms.definition import ImageReference, Reference
from cloister.trust.evidence import NONCE_SIZE, WORKER_LABEL, appraise

MAX_NONCES = 4096
ATTEMPTS = 2
"""A task whose worker was lost is given to another once."""
HAND_BACKS = 16
"""How often a task may be handed back by workers that end. After that each counts as a lost one: a worker that takes
tasks only to hand them back must not keep one going round for ever."""


class WorkerLost(Exception):
    """No worker brought the task to an end."""


class Withdrawn(Exception):
    """The task is not wanted any more."""


@dataclass(eq=False)
class _Entry:
    """An order on its way through the queue."""

    order: Order
    done: asyncio.Future[Delivery]
    attempts: int = 0
    handed_back: int = 0


@dataclass(eq=False)
class _Lease:
    """An order in the hands of one worker."""

    entry: _Entry
    worker: Attested
    attempt: Attempt
    sealed: bytes = field(repr=False)
    over: asyncio.Future[None]


@dataclass(eq=False)
class _Waiting:
    """A worker without a task."""

    worker: Attested
    offer: Offer
    only_room: str | None
    is_news: bool
    """Whether nobody with that offer was there before."""
    assigned: asyncio.Future[_Entry]


class Workers:
    """The queue between rooms and workers."""

    def __init__(
        self,
        references: Iterable[Reference],
        *,
        allow_software: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.references = frozenset(references)
        self._allow_software = allow_software
        self._queued: OrderedDict[str, deque[_Entry]] = OrderedDict()
        """By user; the first in order is served next, then goes to the end."""
        self._waiting: list[_Waiting] = []
        self._leases: dict[str, _Lease] = {}
        self._nonces: OrderedDict[bytes, None] = OrderedDict()
        self._offers = Offers(monotonic)
        self._told: asyncio.TimerHandle | None = None
        """When those that wait are told next that workers have gone."""
        self.draining = False
        """Whether no more tasks are given out."""
        self._none_out = asyncio.Event()
        self._none_out.set()

    @property
    def images(self) -> tuple[ImageReference, ...]:
        """The images for new rooms; see `Offers.images`."""
        return self._offers.images

    @property
    def queued(self) -> int:
        """How many tasks wait for a worker."""
        return sum(len(queue) for queue in list(self._queued.values()))

    @property
    def waiting(self) -> int:
        """How many workers wait for a task."""
        return len(self._waiting)

    @property
    def out(self) -> int:
        """How many tasks are in the hands of workers."""
        return len(self._leases)

    async def drain(self, seconds: float) -> bool:
        """Gives out no more tasks, and waits until those that are out have ended; whether they have in time."""
        self.draining = True
        while self._waiting:
            waiting = self._waiting.pop()
            if not waiting.assigned.done():  # its worker may be just going
                waiting.assigned.set_exception(_stopping())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none_out.wait(), seconds)
        return self._none_out.is_set()

    # --- from the side of rooms ---

    async def run(self, order: Order) -> Delivery:
        """Gives the order to a worker, and returns what became of it. Cancelling withdraws it, from its worker too.

        Raises:
            WorkerLost: two workers in turn have not brought it to an end.
        """
        entry = _Entry(order, asyncio.get_running_loop().create_future())
        self._offer(entry)
        try:
            return await entry.done
        finally:
            self._withdraw(entry)

    def _offer(self, entry: _Entry, *, first: bool = False) -> None:
        for waiting in () if self.draining else self._waiting:
            if not waiting.assigned.done() and self._fits(entry, waiting):
                self._waiting.remove(waiting)
                waiting.assigned.set_result(entry)
                return
        queue = self._queued.setdefault(entry.order.user, deque())
        if first:
            queue.appendleft(entry)
        else:
            queue.append(entry)
        self._tell(entry)

    def refused(self, demand: Demand) -> str:
        """See `Offers.refused`."""
        return self._offers.refused(demand)

    def _tell(self, entry: _Entry) -> None:
        entry.order.waits(self._offers.lacking(entry.order.demand) or "a worker that is free")

    def _tell_all(self) -> None:
        for queue in self._queued.values():
            for entry in queue:
                self._tell(entry)

    def _gone(self) -> None:
        """A worker has gone. If it doesn't come back, those that wait are told."""

        def tell() -> None:
            self._told = None
            self._tell_all()

        if self._told is None:
            self._told = asyncio.get_running_loop().call_later(OFFER_SECONDS + 1, tell)

    def _withdraw(self, entry: _Entry) -> None:
        """Takes a task that has ended, or that nobody waits for any more, from the queue and from its worker."""
        queue = self._queued.get(entry.order.user)
        if queue and entry in queue:
            queue.remove(entry)
            if not queue:
                del self._queued[entry.order.user]
        for lease in self._leases.values():
            if lease.entry is entry and not lease.over.done():
                lease.over.set_exception(Withdrawn())

    def _next(self, waiting: _Waiting) -> _Entry | None:
        """The task that this worker gets: users take turns, each one's tasks in order."""
        for user, queue in self._queued.items():
            for entry in queue:
                if self._fits(entry, waiting):
                    queue.remove(entry)
                    self._queued.move_to_end(user)
                    if not queue:
                        del self._queued[user]
                    return entry
        return None

    @staticmethod
    def _fits(entry: _Entry, waiting: _Waiting) -> bool:
        return waiting.offer.suffices(entry.order.demand) and waiting.only_room in (None, entry.order.room)

    # --- from the side of workers ---

    def nonce(self) -> bytes:
        """A fresh nonce for a worker's evidence. The oldest unused one is forgotten when there are too many."""
        nonce = os.urandom(NONCE_SIZE)
        self._nonces[nonce] = None
        if len(self._nonces) > MAX_NONCES:
            self._nonces.popitem(last=False)
        return nonce

    async def pull(self, request: PullTask) -> AsyncGenerator[Frame]:
        """Serves one worker with one task; see `PullTask`. Closing the iterator early means that the worker is lost.

        Raises:
            EvidenceRejected: the worker has not proven what it is.
            Refused: ``rejected``, for a nonce that isn't one; ``conflict``, where its task was withdrawn.
        """
        # 1. The nonce is ours and unused.
        if request.nonce not in self._nonces:
            raise Refused("rejected", "The nonce is unknown or used. Get a new one.")
        del self._nonces[request.nonce]
        # 2. The evidence binds it to this key and shows an accepted worker.
        worker = appraise(
            request.evidence,
            label=WORKER_LABEL,
            nonce=request.nonce,
            keys_digest=offer_digest(request.key, request.images, request.only_room, request.limits),
            references=self.references,
            allow_software=self._allow_software,
        )
        # 3. A task can be sealed to its key: it is too late to learn that once it has one.
        seal_task(request.key, b"")
        # 4. It is counted on for as long as it is here, by new rooms too.
        reference = Reference(evidence=worker.evidence, measurement=worker.measurement)
        offer = Offer(reference, request.images, request.limits)
        is_news = offer not in self._offers.known()
        with self._offered(offer):
            yield Progress(body=Accepted())
            # 5. One task, sealed to that key.
            entry = await self._assign(_Waiting(worker, offer, request.only_room, is_news, asyncio.Future()))
            lease = self._lease(entry, worker, request.key)
            try:
                yield Progress(body=SealedTask(id=lease.attempt.id, sealed=lease.sealed))
                # Shielded: when the worker goes, this wait is cancelled, which must not pass for the end of the lease.
                await asyncio.shield(lease.over)
            except Withdrawn:
                raise Refused("conflict", "The task is not wanted any more. Discard it and pull another.") from None
            finally:
                del self._leases[lease.attempt.id]
                if not self._leases:
                    self._none_out.set()
                if not lease.over.done():
                    log.warning(
                        "task %s is lost with its worker", lease.attempt.id, extra=fields(task=lease.attempt.id)
                    )
                    TASKS.labels("lost").inc()
                    self._lost(entry)
            yield Answer(body=Done())

    @contextlib.contextmanager
    def _offered(self, offer: Offer) -> Iterator[None]:
        try:
            with self._offers.held(offer):
                yield
        finally:
            self._gone()

    async def _assign(self, waiting: _Waiting) -> _Entry:
        while True:
            if self.draining:
                raise _stopping()
            entry = self._next(waiting)
            if waiting.is_news:
                self._tell_all()
            entry = entry or await self._wait(waiting)
            if not entry.done.done():
                return entry
            # It was withdrawn just now: before it had left the queue, or before the worker had heard of it.
            waiting.assigned = asyncio.Future()

    async def _wait(self, waiting: _Waiting) -> _Entry:
        self._waiting.append(waiting)
        try:
            return await waiting.assigned
        except asyncio.CancelledError:
            # The worker went away; a task that was put into its hands in the same moment goes to another.
            given = waiting.assigned
            if given.done() and not given.cancelled() and given.exception() is None:
                self._lost(given.result())
            raise
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _lease(self, entry: _Entry, worker: Attested, key: bytes) -> _Lease:
        attempt = Attempt()
        sealed = seal_task(key, msgspec.json.encode(entry.order.make(attempt)))
        lease = _Lease(entry, worker, attempt, sealed, asyncio.get_running_loop().create_future())
        # A withdrawal that nobody is left to hear of is no mistake.
        lease.over.add_done_callback(lambda over: over.cancelled() or over.exception())
        self._leases[attempt.id] = lease
        self._none_out.clear()
        entry.attempts += 1
        log.info("task %s is given to a worker", attempt.id, extra=fields(task=attempt.id))
        entry.order.started()
        return lease

    def report(self, task_id: bytes, message: bytes) -> None:
        """Takes a worker's report.

        Raises:
            Refused: ``not_found``, where no such task is out (any more).
            VerificationError: it isn't from the worker that has the task, or is no report.
        """
        lease = self._leases.get(task_id.hex())
        if lease is None or lease.over.done():
            raise Refused("not_found", "There is no such task any more.")
        payload = open_report(message, task_id, lease.sealed, lease.attempt.report_key)
        outcome = decode(payload, Report, what="a report").outcome
        if isinstance(outcome, Finished | Resolved) and not answers(outcome, lease.entry.order, lease.attempt):
            outcome = Unable(message="The worker reported a result that isn't the task's.")
        lease.over.set_result(None)
        how = type(outcome).__name__.lower()
        log.info("task %s is reported: %s", lease.attempt.id, how, extra=fields(task=lease.attempt.id, outcome=how))
        TASKS.labels(how).inc()
        if isinstance(outcome, Unable):
            self._lost(lease.entry)
        elif isinstance(outcome, HandedBack):
            self._handed_back(lease.entry)
        elif not lease.entry.done.done():
            lease.entry.done.set_result(Delivery(lease.worker, lease.attempt, outcome))

    def _handed_back(self, entry: _Entry) -> None:
        """A worker that is to end couldn't bring it to an end before: no fault of anybody's, up to a point."""
        entry.handed_back += 1
        if entry.handed_back <= HAND_BACKS:
            entry.attempts -= 1
        self._lost(entry)

    def _lost(self, entry: _Entry) -> None:
        if entry.done.done():
            return
        if entry.attempts < ATTEMPTS:
            self._offer(entry, first=True)
        else:
            entry.done.set_exception(WorkerLost())


def _stopping() -> Refused:
    return Refused("busy", "The enclave is stopping. Ask again in a few seconds.")
