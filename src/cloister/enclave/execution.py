"""Carrying out what a request needs: each computation once, as early as its inputs allow, then released or voided."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import cache, partial
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET

from cloister.enclave.limits import RUN_SECONDS, Meter, busy
from cloister.enclave.logs import log, place
from cloister.enclave.orders import Attempt, Delivery, Order
from cloister.enclave.reasons import failed, why_failed, why_voided
from cloister.enclave.room import Room
from cloister.enclave.store import StoreFailed
from cloister.enclave.tasks import StoredResult, Withheld, demanded, inputs_of, make_task
from cloister.enclave.under_way import Changes, Execution, Job, Status, Turns
from cloister.enclave.workers import WorkerLost, Workers
from cloister.errors import LogTampered, Refused
from cloister.formats.receipt import Attested, Input, ReceiptBody, sign_receipt
from cloister.protocol import Failed, Finished, Progress, Task
from cloister.rooms.decisions import cost, open_room, published, release, voided
from cloister.rooms.definition import Definition, Reference
from cloister.rooms.events import RunFailed, RunFinished, RunStarted, RunVoided
from cloister.rooms.nodes import MatchNode, RunNode, dependencies, epsilon_of, sources
from cloister.rooms.planning import derived, leaves, node_digest, plan, run_id, unanswered
from cloister.rooms.state import RunStatus

MAX_JOBS = 10_000
"""Jobs whose course is remembered beside the log; what became of older ones is read from the log."""
MAX_ASKED = 1_000
"""Jobs of one account that may be under way. One that waits for what others have started costs little, not nothing."""


class Executor:
    """Runs computations for all rooms."""

    def __init__(
        self,
        workers: Workers,
        enclave: Reference,
        signing: Ed25519PrivateKey,
        clock: Callable[[], int],
        meter: Meter,
        monotonic: Callable[[], float],
    ) -> None:
        self._workers = workers
        self._enclave = Attested(evidence=enclave.evidence, measurement=enclave.measurement)
        self._signing = signing
        self._clock = clock
        self._meter = meter
        self._monotonic = monotonic
        self._turns = Turns(meter.allowed.running_per_user)
        self._executions: dict[tuple[str, str], Execution] = {}
        self._jobs: OrderedDict[tuple[str, str], Job] = OrderedDict()
        self._changes: dict[str, Changes] = {}

    # --- asking ---

    def start(self, room: Room, node: str, user: str, job: str, account: str = "") -> None:
        """Sees to it that everything that ``node`` needs is computed. The caller holds the room's lock.

        Args:
            account: who takes turns with others, and has bounds across rooms; the user where nobody has said.

        Raises:
            Refused: the room was stopped, data is missing, or the user has too much waiting.
        """
        if (room.id, job) in self._jobs or run_id(job, node) in room.state.runs:
            return
        open_room(room.state)
        account = account or user
        definition = published(room.state)
        steps = plan(definition, room.id, node, room.state.attached)
        wanted = unanswered(steps, room.state.results)
        new = [step for step in wanted if (room.id, step.cache_key) not in self._executions]
        if wanted:
            self._check_room_for(room, account, len(new))
        if new and self._workers.references.isdisjoint(definition.workers):
            raise Refused("failed", "The room names a worker that this installation doesn't have. Publish it anew.")
        for step in new:
            self.check_fits(definition, step.node)
        if new:
            # Each begins and ends. Whoever has asked has done it for all of them.
            self._meter.event(room.id, user, room.state.size, self._monotonic(), 2 * len(new))
        changes = self._changes.setdefault(room.id, Changes())
        attached = dict(room.state.attached)
        by_node: dict[str, Execution] = {}
        for step in wanted:
            execution = self._executions.get((room.id, step.cache_key))
            if execution is None:
                execution = Execution(room, step, run_id(job, step.node.id), user, changes, attached)
                execution.after = [by_node[each] for each in dependencies(step.node) if each in by_node]
                self._executions[room.id, step.cache_key] = execution
                room.users += 1
                execution.task = asyncio.create_task(self._execute(execution))
                # One that is ended before its first step never takes it, and none after it.
                execution.task.add_done_callback(partial(self._over, execution))
            execution.wanted_by[job] = account
            by_node[step.node.id] = execution
        self._jobs[room.id, job] = Job(node, user, account, tuple(by_node.values()))
        self._forget_old_jobs()

    def check_fits(self, definition: Definition, node: RunNode) -> None:
        """Where workers are there that could carry out a computation, but for what it may use.

        Raises:
            Refused: all of them allow less.
        """
        if excess := self._workers.refused(demanded(definition, node)):
            raise Refused(
                "failed",
                f"The computation {node.name!r} asks for more than this installation allows ({excess}). Publish a room "
                "that asks for less, or have the operator of the installation allow more.",
            )

    def _check_room_for(self, room: Room, account: str, more: int) -> None:
        waiting = [each for each in self._executions.values() if each.status in ("", "queued")]
        of_account = sum(each.account == account for each in waiting)
        self._meter.waiting(of_account, sum(each.room is room for each in waiting), more)
        if sum(job.account == account and job.under_way for job in self._jobs.values()) >= MAX_ASKED:
            raise busy(f"You wait for {MAX_ASKED} computations already. Let some of them end.", RUN_SECONDS)

    async def watch(self, room: Room, node: str, user: str, job: str) -> AsyncGenerator[Progress]:
        """Tells each change of a job, and ends once the result of ``node`` can be fetched.

        Raises:
            Refused: there will be no result; the message says why, and holds what this user may know of it.
        """
        known = self._jobs.get((room.id, job))
        # Whoever may ask about one node is not told of what somebody runs on another.
        if known is None or known.node != node:
            self._ended_before(room, node, user, job)
            return
        executions = known.executions
        told: dict[str, tuple[Status, str]] = {}
        while True:
            news = [each for each in executions if told.get(each.node, ("", "")) != (each.status, each.waiting_for)]
            for execution in news:
                told[execution.node] = (execution.status, execution.waiting_for)
                what = execution.waiting_for or UNSET
                yield Progress(node=execution.node, status=execution.status, waiting_for=what)
            if news:
                continue  # telling takes its time, and what changes meanwhile is waited for by nobody
            target = executions[-1] if executions else None
            if target is None or target.over:
                break
            if known.cancelled:
                # It may go on for others who wait for it.
                raise why_voided(target, "cancelled")
            await target.changes.wait()
        if target is not None and target.error is not None:
            raise self._why(room, user, executions, target.error)

    def run_of(self, room: Room, node: str, job: str) -> str | None:
        """The run that a job led to, if it is known."""
        known = self._jobs.get((room.id, job))
        for execution in known.executions if known else ():
            if execution.node == node:
                return execution.run
        own = run_id(job, node)
        return own if own in room.state.runs else None

    def withdraw(self, room: Room) -> None:
        """Ends what is under way in a room that was stopped, or reads data that was removed. The caller holds the
        room's lock."""
        state, definition = room.state, published(room.state)
        reading = cache(lambda node: derived(definition, node))
        for execution in list(self._executions.values()):
            if execution.room is not room or not execution.under_way:
                continue
            gone = (node for node, manifest in execution.attached.items() if state.attached.get(node) != manifest)
            if state.stopped:
                execution.end("room stopped")
            elif any(execution.node in reading(node) for node in gone):
                execution.end("input removed")

    def cancel(self, room: Room, user: str, job: str) -> None:
        """Ends what is under way for a job, but for what other jobs wait for. The caller holds the room's lock: what
        has ended by now stays as it has ended.

        Raises:
            Refused: ``forbidden``, where somebody else has started it.
        """
        known = self._jobs.get((room.id, job))
        if known is None:
            return
        if known.user != user:
            raise Refused("forbidden", "Only who has started a computation may cancel it.")
        known.cancelled = True
        for execution in known.executions:
            before = execution.account
            execution.wanted_by.pop(job, None)
            if execution.wanted_by and execution.account != before:
                self._turns.pass_on(execution, before)
            if execution.under_way and not execution.wanted_by:
                execution.end("cancelled")
                # Whoever asks for the same from now on gets a run of their own, not the end of this one.
                self._forget(execution)
        if known.executions:
            known.executions[-1].changes.notify()

    def _forget_old_jobs(self) -> None:
        """Those that are under way stay: to be waited for, and to be cancelled."""
        for key in list(islice(self._jobs, max(0, len(self._jobs) - MAX_JOBS))):
            if self._jobs[key].under_way:
                self._jobs.move_to_end(key)
            else:
                del self._jobs[key]

    def _forget(self, execution: Execution) -> None:
        key = (execution.room.id, execution.step.cache_key)
        if self._executions.get(key) is execution:
            del self._executions[key]

    def forget(self, room: Room) -> None:
        """Lets go of a room in which nothing is under way. What became of its jobs is read from the log then."""
        self._changes.pop(room.id, None)
        for key in [key for key in self._jobs if key[0] == room.id]:
            del self._jobs[key]

    # --- doing ---

    async def _execute(self, execution: Execution) -> None:
        room = execution.room
        try:
            for needed in execution.after:
                await needed.ended()
                if needed.error is not None:
                    raise Refused(needed.error.code, needed.error.message)
            order = await self._begin(execution)
            execution.move("queued")
            async with self._turns.of(execution):
                delivery = await self._workers.run(order)
            async with room.lock:
                await self._finish(execution, delivery)
        except (Refused, LogTampered, StoreFailed) as error:
            execution.error = error if isinstance(error, Refused) else Refused("failed", str(error))
            await self._void(execution)
        except WorkerLost:
            execution.void_reason = "worker lost"
            await self._void(execution)
        except asyncio.CancelledError:
            if execution.void_reason == "interrupted":
                raise  # The enclave is shutting down: the next start finds the run and says so.
            await self._void(execution)
        except Exception as error:
            execution.error = Refused("failed", f"The enclave could not carry out {execution.node!r}. Run it again.")
            await self._void(execution)
            log.error("an execution failed: %s", place(error))
        finally:
            self._over(execution)

    def _over(self, execution: Execution, _: asyncio.Task[None] | None = None) -> None:
        """Nothing more is done for it, whatever has become of it."""
        if execution.over:
            return
        self._forget(execution)
        execution.room.users -= 1
        if execution.error is None and execution.status != "finished":
            execution.error = why_voided(execution, execution.void_reason)
        execution.over = True
        execution.changes.notify()

    async def _begin(self, execution: Execution) -> Order:
        """Appends `RunStarted` and puts together what the worker needs."""
        room = execution.room
        async with room.lock:
            open_room(room.state)
            definition = published(room.state)
            inputs = inputs_of(room, definition, execution.step)
            execution.inputs = tuple(
                Input(node=each, manifest=inputs[each].manifest.digest() if each in inputs else None)
                for each in sources(execution.step.node)
            )
            read = leaves(definition, execution.node, room.state.attached)
            body = RunStarted(
                run=execution.run,
                node=execution.node,
                cache_key=execution.step.cache_key,
                inputs=read,
                epsilon=cost(room.state, execution.step.node, read),
            )
            await room.append(room.prepare(execution.user, body, self._clock()))
        node = execution.step.node
        demand = demanded(definition, node)

        def make(attempt: Attempt) -> Task:
            return make_task(room.id, definition, node, inputs, attempt)

        return Order(
            make,
            room.id,
            demand,
            execution.account,
            lambda: execution.move("running"),
            execution.waits,
            withholds=isinstance(node, MatchNode),
        )

    async def _finish(self, execution: Execution, delivery: Delivery) -> None:
        """Appends how a run ended. The decision to release is taken here and now. The room's lock is held."""
        room, outcome = execution.room, delivery.outcome
        run = room.state.runs[execution.run]
        decision: RunFinished | RunFailed | RunVoided
        if isinstance(outcome, Failed):
            # What has read nothing gives back the privacy that it was to cost.
            costs = epsilon_of(execution.step.node) is not UNSET
            unspent = outcome.unread if costs else UNSET
            decision = release(room.state, run, RunFailed(run=run.id, node=run.node, unspent=unspent))
        else:
            assert isinstance(outcome, Finished)  # the only one that is taken for such an order
            withheld = outcome.withheld
            finished = RunFinished(
                run=run.id,
                node=run.node,
                manifest=outcome.manifest.digest(),
                worker=delivery.worker,
                withheld=UNSET if withheld is UNSET else withheld.digest(),
            )
            decision = release(room.state, run, finished)
        event = room.prepare(execution.user, decision, self._clock())
        if isinstance(decision, RunVoided):
            await room.append(event)
            execution.error = Refused("conflict", voided(room.state.runs[run.id]))
            return
        if isinstance(outcome, Failed):
            await room.append(event, put={f"failure/{run.id}": outcome})
            execution.error = failed(run.node, outcome)
            return
        stored = StoredResult(
            manifest=outcome.manifest,
            key=delivery.attempt.result_key,
            commitment=outcome.commitment,
            receipt=sign_receipt(
                self._receipt(execution, delivery, event.time, room.checkpoint_with(event)),
                outcome.manifest.digest(),
                f"{execution.step.node.name}.zip.manifest",
                self._signing,
            ),
        )
        name = f"result/{run.id}"
        put: dict[str, object] = {name: stored}
        holds = {name: outcome.manifest.dataset}
        if withheld is not UNSET:
            put[f"withheld/{run.id}"] = Withheld(manifest=withheld, key=delivery.attempt.withheld.key)
            holds[f"withheld/{run.id}"] = withheld.dataset
        await room.append(event, put=put, holds=holds)
        execution.move("finished")

    def _receipt(self, execution: Execution, delivery: Delivery, time: int, checkpoint: str) -> ReceiptBody:
        room, node = execution.room, execution.step.node
        definition = published(room.state)
        image = definition.image(node.image)
        assert image is not None
        return ReceiptBody(
            room=room.id,
            node=node.id,
            definition=node_digest(node).hex(),
            run=execution.run,
            inputs=execution.inputs,
            image=image.name,
            image_measurement=image.measurement,
            enclave=self._enclave,
            worker=delivery.worker,
            log_index=room.state.size,
            checkpoint=checkpoint,
            finished=time,
        )

    async def _void(self, execution: Execution) -> None:
        """Ends a run without a result, if it was started at all."""
        room = execution.room
        if execution.error is None:
            execution.error = why_voided(execution, execution.void_reason)
        async with room.lock:
            run = room.state.runs.get(execution.run)
            if run is None or run.status is not RunStatus.RUNNING:
                return
            body = RunVoided(run=run.id, node=run.node, reason=execution.void_reason)
            try:
                await room.append(room.prepare(execution.user, body, self._clock()))
            except (Refused, StoreFailed):
                # The next start of the enclave finds the run and voids it.
                log.error("the end of a run could not be recorded")

    # --- telling ---

    def _why(self, room: Room, user: str, executions: Sequence[Execution], error: Refused) -> Refused:
        """Why a job has no result, as far as this user may know now."""
        runs = (room.state.runs.get(execution.run) for execution in executions)
        run = next((run for run in runs if run is not None and run.status is RunStatus.FAILED), None)
        if run is not None and error.code == "failed":
            return why_failed(room, user, run)
        return Refused(error.code, error.message)

    def _ended_before(self, room: Room, node: str, user: str, job: str) -> None:
        """What the log says of a job that isn't remembered otherwise.

        Raises:
            Refused: it has no result.
        """
        steps = plan(published(room.state), room.id, node, room.state.attached)
        for step in steps:
            run = room.state.runs.get(run_id(job, step.node.id))
            if run is not None and run.status is RunStatus.FAILED:
                raise why_failed(room, user, run)
            if run is not None and run.status is RunStatus.VOIDED:
                raise Refused("conflict", voided(run))
        if steps[-1].cache_key not in room.state.results:
            raise Refused("conflict", f"The computation {node!r} is not running (any more). Run it again.")
