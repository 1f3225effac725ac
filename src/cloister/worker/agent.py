"""The worker's life: prove itself, pull one task, do it, report, forget; and again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from cloister.errors import ApiError, CloisterError, ServerError
from cloister.formats.encoding import decode
from cloister.formats.sealed import SealingKey, open_task, seal_report
from cloister.logs import fields
from cloister.protocol import (
    NO_ROOM,
    Accepted,
    GetNonce,
    HandedBack,
    Nonce,
    Progress,
    PullTask,
    Report,
    Request,
    SealedTask,
    Task,
    Unable,
    offer_digest,
)
from cloister.rooms.limits import Limits, beyond, most
from cloister.trust.evidence import WORKER_LABEL, EvidenceSource, report_data
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience, Unavailable
from cloister.worker.environments.store import Environments
from cloister.worker.images.offer import Offer
from cloister.worker.metrics import BUSY, CONNECTED, TASK_SECONDS, TASKS
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.pool import Pool
from cloister.worker.task import perform

log = logging.getLogger("cloister.worker")
PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts while the hub or the enclave is away; the last one goes on."""
TASK_PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, *5 * (30.0,))
"""Seconds between attempts to fetch an input, to store a result, or to report it: a store that is away for three
minutes must not cost hours of work. Where the lease is lost meanwhile, or the task withdrawn, they end at once."""


class Agent:
    """One worker process. Does one task at a time.

    Args:
        channel: to the enclave, without patience of its own: a broken connection is a lost lease.
        on_accepted: called whenever the enclave has accepted this worker's evidence.
        limits: the most that a computation may ask for; without them, anything.
        single_room: whether to stay with the room of the first task, so that not even a broken-out script meets
            the data of another.
        grace: seconds that a task may take to end once `stop` was called; then it is handed back.
    """

    def __init__(
        self,
        hub: Hub,
        channel: Channel,
        source: EvidenceSource,
        sandbox: Sandbox,
        pool: Pool,
        offer: Offer,
        on_accepted: Callable[[], None],
        *,
        limits: Limits | UnsetType = UNSET,
        single_room: bool = False,
        grace: float = 0.0,
    ) -> None:
        self._hub = hub
        self._channel = channel
        self._source = source
        self._sandbox = sandbox
        self._pool = pool
        self._offer = offer
        self._environments = Environments(sandbox)
        self._on_accepted = on_accepted
        self._limits = limits
        self._single_room = single_room
        self._grace = grace
        self._stopping = threading.Event()
        self._lease: _Lease | None = None
        self._room: str | None = None
        """The room that this worker stays with, once it has had a task of it."""
        self._pause = threading.Event()

    def stop(self) -> None:
        """For a signal handler of the main thread, which `run` runs in: no more tasks. The one that is being done may
        end within the grace, or else is handed back; then `run` returns. Called again, it hands it back now.

        Raises:
            SystemExit: nothing is being done, so nothing is to be waited for.
        """
        lease = self._lease
        if lease is None or not lease.has_task:
            raise SystemExit(0)
        lease.hand_back_after(0.0 if self._stopping.is_set() else self._grace)
        self._stopping.set()

    @property
    def connected(self) -> bool:
        """Whether the enclave takes this worker for one, and it waits for a task or does one."""
        return self._lease is not None and self._lease.accepted

    def run(self) -> None:
        """Works until `stop`, or until an exception that isn't Cloister's ends it.

        Raises:
            CloisterError: the enclave does not prove what it is, or does not accept this worker: trying again would
                not help.
        """
        failures = 0
        while not self._stopping.is_set():
            try:
                self.work()
                failures = 0
            except Unavailable as error:
                if self._stopping.is_set():
                    return
                log.warning("waiting for the hub and the enclave: %s", error)
                self._pause.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    def work(self) -> None:
        """Pulls one task and sees it through."""
        nonce = self._channel.ask(Request(body=GetNonce()), None).answer.body
        if not isinstance(nonce, Nonce):
            raise CloisterError("The enclave speaks another version of the protocol. Update the worker.")
        # A fresh key for each task: what is sealed to it can't be opened once the task is over.
        key = SealingKey()
        digest = offer_digest(key.public, self._offer.references, self._room, self._limits)
        pull = PullTask(
            evidence=self._source.produce(report_data(WORKER_LABEL, nonce.nonce, digest)),
            nonce=nonce.nonce,
            key=key.public,
            images=self._offer.references,
            only_room=self._room,
            limits=self._limits,
        )
        lease = self._lease = _Lease(self, key)
        try:
            self._channel.ask(Request(body=pull), None, wait=True, progressed=lease.hear)
        except ApiError as error:
            if not lease.has_task:
                raise
            # The lease is lost or the task withdrawn; the next pull tells whether the enclave is there.
            log.info("a task was taken back: %s", error)
        finally:
            lease.end()
            self._lease = None

    def accepted(self) -> None:
        """The enclave takes this worker for what it says."""
        self._on_accepted()

    def perform(self, sealed: SealedTask, key: SealingKey, cancelled: threading.Event) -> None:
        """Does a task and reports it.

        Raises:
            CloisterError: it could not be opened, or the report was not taken.
        """
        task = decode(open_task(sealed.sealed, key), Task, what="a task")
        log.info("task %s begins", sealed.id, extra=fields(task=sealed.id))
        began = time.monotonic()
        if self._single_room and task.room != NO_ROOM:
            self._room = self._room or task.room
        patience = Patience(TASK_PAUSES, sleep=lambda seconds: _sleep(cancelled, seconds))
        try:
            if self._room not in (None, task.room) and task.room != NO_ROOM:
                raise CloisterError("The enclave has sent a task of another room.")
            asked = task.limits if task.environment is UNSET else most(task.limits, task.environment.limits)
            if self._limits is not UNSET and (excess := beyond(asked, self._limits)):
                raise CloisterError(f"The enclave has sent a task that asks for more than is allowed: {excess}.")
            outcome = perform(
                task, self._hub, self._sandbox, self._pool, self._offer, self._environments, patience, cancelled
            )
        except Exception as error:
            # Its message may hold what the script or the data said: type and places alone are told (logs.py).
            log.error("a task failed: %s", type(error).__name__, exc_info=error)
            outcome = Unable(message="The worker failed.")
        if isinstance(outcome, Unable):
            log.warning("a task could not be done here: %s", outcome.message)
        seconds = time.monotonic() - began
        how = "cancelled" if cancelled.is_set() else type(outcome).__name__.lower()
        TASK_SECONDS.observe(seconds)
        TASKS.labels(how).inc()
        told = fields(task=sealed.id, outcome=how, seconds=round(seconds, 3))
        log.info("task %s ends: %s, %.1f s", sealed.id, how, seconds, extra=told)
        if cancelled.is_set():
            return
        payload = msgspec.json.encode(Report(outcome=outcome))
        message = seal_report(bytes.fromhex(task.id), sealed.sealed, task.report_key, payload)
        patience.run(lambda: self._send(message))

    def hand_back(self, sealed: SealedTask, key: SealingKey) -> None:
        """Tells the enclave that another worker is to have this task.

        Raises:
            CloisterError: it could not be told.
        """
        task = decode(open_task(sealed.sealed, key), Task, what="a task")
        payload = msgspec.json.encode(Report(outcome=HandedBack()))
        self._send(seal_report(bytes.fromhex(task.id), sealed.sealed, task.report_key, payload))
        TASKS.labels("handedback").inc()
        log.info("task %s is handed back", sealed.id, extra=fields(task=sealed.id))

    def _send(self, message: bytes) -> None:
        with self._hub.relay(message) as chunks:
            for _ in chunks:
                pass


class _Lease:
    """What is heard while a task is pulled and done. `end` is called however it ends."""

    def __init__(self, agent: Agent, key: SealingKey) -> None:
        self._agent = agent
        self._key = key
        self._cancelled = threading.Event()
        self._failed = False
        self._thread: threading.Thread | None = None
        self._sealed: SealedTask | None = None
        self._timer: threading.Timer | None = None
        self.accepted = False
        """Whether the enclave takes this worker for one."""

    @property
    def has_task(self) -> bool:
        """Whether a task has come."""
        return self._thread is not None

    def hear(self, progress: Progress) -> None:
        """A frame has come; the stream is read on while the task is done, so that its end is noticed."""
        if self._failed:
            raise Unavailable("The task could not be brought to an end.")
        match progress.body:
            case Accepted():
                self.accepted = True
                CONNECTED.set(1)
                self._agent.accepted()
            case SealedTask() as sealed if self._thread is None:
                self._sealed = sealed
                BUSY.set(1)
                self._thread = threading.Thread(target=self._perform, args=(sealed,), name="task")
                self._thread.start()

    def _perform(self, sealed: SealedTask) -> None:
        """In a thread of its own."""
        try:
            self._agent.perform(sealed, self._key, self._cancelled)
        except CloisterError as error:
            # The enclave waits for a report that will not come: the next sign of life from there ends the lease.
            self._failed = True
            if not self._cancelled.is_set():
                log.warning("a task could not be reported: %s", error)

    def hand_back_after(self, seconds: float) -> None:
        """Hands the task back unless it has ended by then."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._hand_back)
        self._timer.start()

    def _hand_back(self) -> None:
        """In a thread of its own."""
        if self._cancelled.is_set() or self._sealed is None:
            return
        self._cancelled.set()
        try:
            self._agent.hand_back(self._sealed, self._key)
        except CloisterError as error:
            # It may be reported in this very moment. Or else the hub is away, and the enclave will notice.
            self._failed = True
            log.warning("a task could not be handed back: %s", error)

    def end(self) -> None:
        """The enclave has the report, or doesn't want it: nothing of the task goes on after this."""
        self._cancelled.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()
        BUSY.set(0)
        CONNECTED.set(0)


def _sleep(cancelled: threading.Event, seconds: float) -> None:
    """A pause between attempts, while the task is wanted: its transfers must not keep the worker from the next one.

    Raises:
        ServerError: it isn't any more.
    """
    if cancelled.wait(seconds):
        raise ServerError("The task was taken back.")
