"""Workers and enclaves that are stopped in order: no task is lost by it, and none goes round for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from cloister.enclave.offers import Demand
from cloister.enclave.orders import Attempt, Order
from cloister.enclave.tasks import make_task
from cloister.enclave.workers import ATTEMPTS, HAND_BACKS, Workers
from cloister.errors import Refused
from cloister.formats.sealed import SealingKey
from cloister.protocol import Frame, HandedBack, Progress, PullTask, SealedTask, Task, offer_digest
from cloister.rooms.definition import Participant
from cloister.rooms.events import RunFinished, RunStarted
from cloister.rooms.limits import Limits
from cloister.trust import software
from cloister.trust.evidence import WORKER_LABEL, Evidence, report_data
from tests.enclave.peers import (
    IMAGE,
    SECONDS,
    WORKER,
    Enclave,
    Meeting,
    checked,
    finished,
    make_definition,
    pull,
    python,
    token_issuer,
)

pytestmark = pytest.mark.anyio

OWNER = "owner@stopping.example"


@pytest.fixture
async def room(enclave: Enclave) -> Meeting:
    return await Meeting.publish(
        enclave, [python("one"), python("two")], [Participant(user=OWNER, analyst_of=("one", "two"))]
    )


def offer(enclave: Enclave) -> PullTask:
    """What a worker asks with that is accepted."""
    key, nonce = SealingKey().public, enclave.workers.nonce()
    bound = report_data(WORKER_LABEL, nonce, offer_digest(key, (IMAGE,), None))
    evidence = Evidence(type=software.TYPE, document=software.produce(bound, WORKER.measurement))
    return PullTask(evidence=evidence, nonce=nonce, key=key, images=(IMAGE,))


class TestHandingBack:
    async def test_another_worker_has_it_at_once(self, room: Meeting) -> None:
        job = await room.start(OWNER, "one")
        first = await pull(room.enclave)
        task = await first.given()
        second = await pull(room.enclave)
        await first.end(HandedBack())
        again = await second.given()
        # Nothing of the first attempt is used again, and what its worker may still say of it counts for nothing.
        assert not {task.id, task.result, task.result_key} & {again.id, again.result, again.result_key}
        status, _ = await room.enclave.post(first.report(finished(task)))
        assert status == 409
        await second.finish()
        await room.wait(OWNER, "one", job)
        assert await room.count(RunStarted) == await room.count(RunFinished) == 1

    async def test_it_is_the_next_one_to_be_given_out(self, room: Meeting) -> None:
        await room.start(OWNER, "one")
        await room.start(OWNER, "two")
        lease = await pull(room.enclave)
        name = (await lease.given()).name
        await lease.end(HandedBack())
        assert (await (await pull(room.enclave)).given()).name == name

    async def test_it_is_no_lost_attempt(self, room: Meeting) -> None:
        job = await room.start(OWNER, "one")
        for _ in range(ATTEMPTS + 1):
            lease = await pull(room.enclave)
            await lease.given()
            await lease.end(HandedBack())
        lease = await pull(room.enclave)
        await lease.given()
        await lease.hang_up()
        lease = await pull(room.enclave)
        await lease.given()
        await lease.finish()
        await room.wait(OWNER, "one", job)

    async def test_but_not_for_ever(self, room: Meeting) -> None:
        """A worker that takes tasks only to hand them back doesn't keep one going round."""
        job = await room.start(OWNER, "one")
        for _ in range(HAND_BACKS + ATTEMPTS):
            lease = await pull(room.enclave)
            await lease.given()
            await lease.end(HandedBack())
        with pytest.raises(Refused, match="lost its worker twice"):
            await room.wait(OWNER, "one", job)


class TestWithdrawing:
    """In the very moment in which the task is given out."""

    async def test_before_its_worker_has_heard_of_it(self, enclave: Enclave) -> None:
        workers, given = enclave.workers, Given()
        frames, waiting = await idle(workers, offer(enclave))
        first = asyncio.create_task(workers.run(given.order("first")))
        await until(lambda: not workers.waiting)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await until(lambda: workers.waiting > 0)
        assert (workers.queued, workers.out, given.names) == (0, 0, [])
        # It gets the next one.
        second = asyncio.create_task(workers.run(given.order("second")))
        assert isinstance(checked(await waiting, Progress).body, SealedTask)
        assert given.names == ["second"]
        second.cancel()
        with pytest.raises(Refused, match="not wanted any more"):
            await anext(frames)

    async def test_while_its_worker_goes(self, enclave: Enclave) -> None:
        workers, given = enclave.workers, Given()
        _, going = await idle(workers, offer(enclave))
        _, staying = await idle(workers, offer(enclave), 2)
        running = asyncio.create_task(workers.run(given.order("first")))
        await until(lambda: workers.waiting == 1)
        running.cancel()
        going.cancel()
        for each in (running, going):
            with pytest.raises(asyncio.CancelledError):
                await each
        await until(lambda: workers.waiting == 1)
        assert (workers.queued, workers.out, given.names) == (0, 0, [])
        staying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await staying

    async def test_before_it_has_left_the_queue(self, enclave: Enclave) -> None:
        workers, given = enclave.workers, Given()
        first, second = (asyncio.create_task(workers.run(given.order(name))) for name in ("first", "second"))
        await until(lambda: workers.queued == 2)
        frames = workers.pull(offer(enclave))
        await anext(frames)
        first.cancel()
        assert isinstance(checked(await anext(frames), Progress).body, SealedTask)
        assert given.names == ["second"]
        second.cancel()
        with pytest.raises(Refused, match="not wanted any more"):
            await anext(frames)


async def until(holds: Callable[[], bool]) -> None:
    """Lets everything else have its turn, until that is so."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0)


class Given:
    """Orders, and those of them that were made tasks of."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def order(self, name: str) -> Order:
        def make(attempt: Attempt) -> Task:
            self.names.append(name)
            demanding = python(name)
            return make_task(
                "ab" * 32,
                make_definition([demanding], [Participant(user=OWNER)], token_issuer()),
                demanding,
                {},
                attempt,
            )

        demand = Demand(IMAGE, frozenset({WORKER}), Limits())
        return Order(make, "ab" * 32, demand, OWNER, started=lambda: None, waits=lambda what: None)


async def idle(workers: Workers, body: PullTask, nth: int = 1) -> tuple[AsyncGenerator[Frame], asyncio.Task[Frame]]:
    """A worker that waits for a task, the ``nth`` that does."""
    frames = workers.pull(body)
    await anext(frames)

    async def following() -> Frame:
        return await anext(frames)

    waiting = asyncio.create_task(following())
    await until(lambda: workers.waiting == nth)
    return frames, waiting


class TestDraining:
    async def test_what_is_out_may_end_and_nothing_is_given_out(self, room: Meeting) -> None:
        job = await room.start(OWNER, "one")
        working = await pull(room.enclave)
        task = await working.given()
        idle = await pull(room.enclave)
        draining = asyncio.create_task(room.enclave.workers.drain(SECONDS))
        # Whoever waits is sent away, and may come again; so is whoever comes.
        assert getattr(await idle.over(), "code", None) == "busy"
        await room.start(OWNER, "two")
        late = await pull(room.enclave)
        assert getattr(await late.over(), "code", None) == "busy"
        assert not draining.done()
        while not room.enclave.workers.queued:  # it is planned first, and written to the log
            await asyncio.sleep(0)
        assert (room.enclave.workers.out, room.enclave.workers.waiting, room.enclave.workers.queued) == (1, 0, 1)
        await working.finish()
        assert await draining
        await room.wait(OWNER, "one", job)
        assert (await room.fetch(OWNER, "one")).manifest.dataset == task.result

    async def test_a_task_that_is_handed_back_meanwhile_stays(self, room: Meeting) -> None:
        await room.start(OWNER, "one")
        lease = await pull(room.enclave)
        await lease.given()
        draining = asyncio.create_task(room.enclave.workers.drain(SECONDS))
        await lease.end(HandedBack())
        assert await draining
        assert room.enclave.workers.queued == 1

    async def test_the_time_is_bounded(self, room: Meeting) -> None:
        await room.start(OWNER, "one")
        lease = await pull(room.enclave)
        await lease.given()
        assert not await room.enclave.workers.drain(0.01)
        await lease.hang_up()

    async def test_with_nothing_out_it_takes_no_time(self, room: Meeting) -> None:
        assert await room.enclave.workers.drain(0.0)

    async def test_a_worker_that_goes_in_the_same_moment_does_not_hold_it_up(self, enclave: Enclave) -> None:
        frames = enclave.workers.pull(offer(enclave))
        assert isinstance(await anext(frames), Progress)
        waiting = asyncio.create_task(anext(frames, None))
        while not enclave.workers.waiting:
            await asyncio.sleep(0)
        waiting.cancel()
        # Before its connection's end has been dealt with.
        assert await enclave.workers.drain(0.0)
        with pytest.raises(asyncio.CancelledError):
            await waiting
