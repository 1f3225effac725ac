"""Cancelling: what nobody waits for any more ends at once, what others wait for goes on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.enclave.execution import MAX_ASKED, MAX_JOBS, Executor
from cloister.enclave.limits import Allowances, Meter
from cloister.enclave.room import Room
from cloister.errors import Refused
from cloister.protocol import CancelJob, Done, Refusal, RunComputation
from cloister.rooms.definition import Participant
from cloister.rooms.events import Body, RunFinished, RunStarted, RunVoided
from tests.enclave.peers import ENCLAVE, Enclave, Meeting, finished, pull, python, work

pytestmark = pytest.mark.anyio

OWNER, ANN, BEN = (f"{name}@cancel.example" for name in ("owner", "ann", "ben"))
NODES = (python("left"), python("right"), python("both", "left", "right"))
NAMES = tuple(node.id for node in NODES)
ROLES = (Participant(user=OWNER), Participant(user=ANN, analyst_of=NAMES), Participant(user=BEN, analyst_of=NAMES))


@pytest.fixture
def enclave(tmp_path: Path) -> Iterator[Enclave]:
    running = Enclave(tmp_path / "rooms.db")
    yield running
    running.close()


@pytest.fixture
async def room(enclave: Enclave) -> Meeting:
    return await Meeting.publish(enclave, NODES, ROLES)


async def cancel(room: Meeting, who: str, node: str, job: str) -> None:
    assert await room.ask(who, CancelJob(node=node, job=job)) == Done()


async def ends(room: Meeting) -> list[tuple[str, str]]:
    """Node and end of every run that has one, in order."""

    def end(event: Body) -> str:
        return event.reason if isinstance(event, RunVoided) else "finished"

    return [(event.node, end(event)) for event in await room.events() if isinstance(event, RunVoided | RunFinished)]


async def test_its_worker_is_told_at_once_and_the_log_says_why(room: Meeting) -> None:
    job = await room.start(ANN, "left")
    lease = await pull(room.enclave)
    task = await lease.given()
    waiting = asyncio.create_task(room.wait(ANN, "left", job))
    await cancel(room, ANN, "left", job)
    over = await lease.over()
    assert isinstance(over, Refusal)
    assert over.code == "conflict"
    with pytest.raises(Refused, match=r"'left' was cancelled\. Run it again") as caught:
        await waiting
    assert caught.value.code == "conflict"
    # A report that comes all the same changes nothing.
    assert (await room.enclave.post(lease.report(finished(task))))[0] == 409
    assert await ends(room) == [("left", "cancelled")]
    with pytest.raises(Refused, match="'left' has no result"):
        await room.fetch(ANN, "left")


async def test_what_waits_in_the_queue_leaves_it(room: Meeting) -> None:
    job = await room.start(ANN, "both")
    await cancel(room, ANN, "both", job)
    await room.start(BEN, "right")
    assert (await work(room.enclave)).name == "right"
    with pytest.raises(Refused, match="cancelled"):
        await room.wait(ANN, "both", job)


async def test_it_goes_on_until_the_last_has_cancelled(room: Meeting) -> None:
    jobs = {who: await room.start(who, "left") for who in (ANN, BEN)}
    lease = await pull(room.enclave)
    await lease.given()
    waiting = asyncio.create_task(room.wait(ANN, "left", jobs[ANN]))
    await cancel(room, ANN, "left", jobs[ANN])
    with pytest.raises(Refused, match="cancelled"):
        await waiting
    assert await ends(room) == []
    await cancel(room, BEN, "left", jobs[BEN])
    assert isinstance(await lease.over(), Refusal)
    with pytest.raises(Refused, match="cancelled"):
        await room.wait(BEN, "left", jobs[BEN])
    assert await ends(room) == [("left", "cancelled")]


async def test_only_what_nobody_else_needs_ends(room: Meeting) -> None:
    whole, part = await room.start(ANN, "both"), await room.start(BEN, "left")
    leases = [await pull(room.enclave), await pull(room.enclave)]
    by_name = {(await lease.given()).name: lease for lease in leases}
    await cancel(room, ANN, "both", whole)
    assert isinstance(await by_name["right"].over(), Refusal)
    await by_name["left"].finish()
    await room.wait(BEN, "left", part)
    assert sorted(await ends(room)) == [("left", "finished"), ("right", "cancelled")]


async def test_it_can_be_run_again_at_once(room: Meeting) -> None:
    """While the end of the first run is not even recorded: the second must not get that end."""
    first = await room.start(ANN, "left")
    lease = await pull(room.enclave)
    await lease.given()
    second = os.urandom(32).hex()
    await asyncio.gather(
        room.ask(ANN, CancelJob(node="left", job=first)), room.ask(ANN, RunComputation(node="left", job=second))
    )
    assert isinstance(await lease.over(), Refusal)
    await work(room.enclave)
    await room.wait(ANN, "left", second)
    assert await ends(room) == [("left", "cancelled"), ("left", "finished")]
    with pytest.raises(Refused, match="cancelled"):
        await room.wait(ANN, "left", first)


async def test_a_job_that_was_cancelled_is_not_started_by_a_late_request(room: Meeting) -> None:
    job = await room.start(ANN, "left")
    await cancel(room, ANN, "left", job)
    await room.start(ANN, "left", job)
    with pytest.raises(Refused, match="cancelled"):
        await room.wait(ANN, "left", job)
    assert await room.count(RunStarted) <= 1


async def test_what_has_ended_stays_as_it_has_ended(room: Meeting) -> None:
    job = await room.start(ANN, "left")
    await work(room.enclave)
    await room.wait(ANN, "left", job)
    for _ in range(2):
        await cancel(room, ANN, "left", job)
    await room.wait(ANN, "left", job)
    assert await room.fetch(ANN, "left", job)
    # What was answered from the start has nothing to be cancelled; nor has what was never asked for.
    answered = await room.start(ANN, "left")
    await cancel(room, ANN, "left", answered)
    await cancel(room, ANN, "left", os.urandom(32).hex())
    assert await ends(room) == [("left", "finished")]


@pytest.mark.parametrize("first", ["report", "cancel"])
async def test_the_report_and_the_cancelling_meet(room: Meeting, first: str) -> None:
    """Whichever wins, everybody is told the same: the log, who waits, and who fetches."""
    job = await room.start(ANN, "left")
    lease = await pull(room.enclave)
    task = await lease.given()
    report = room.enclave.post(lease.report(finished(task)))
    cancelling = room.ask(ANN, CancelJob(node="left", job=job))
    await asyncio.gather(*((report, cancelling) if first == "report" else (cancelling, report)))
    await lease.hang_up()
    told = [end for _, end in await ends(room)]
    assert told in (["finished"], ["cancelled"])
    if told == ["finished"]:
        await room.wait(ANN, "left", job)
        await room.fetch(ANN, "left", job)
    else:
        with pytest.raises(Refused, match="cancelled"):
            await room.wait(ANN, "left", job)
        with pytest.raises(Refused, match="has no result"):
            await room.fetch(ANN, "left", job)


async def test_only_who_has_started_it_cancels(room: Meeting) -> None:
    job = await room.start(ANN, "left")
    lease = await pull(room.enclave)
    await lease.given()
    for who, why in ((BEN, "Only who has started"), (OWNER, "analyst of the node")):
        with pytest.raises(Refused, match=why) as caught:
            await room.ask(who, CancelJob(node="left", job=job))
        assert caught.value.code == "forbidden"
    await lease.finish()
    await room.wait(ANN, "left", job)


async def test_it_is_said_after_a_restart_too(room: Meeting) -> None:
    job = await room.start(ANN, "left")
    lease = await pull(room.enclave)
    await lease.given()
    await cancel(room, ANN, "left", job)
    await lease.over()
    with pytest.raises(Refused, match="cancelled"):
        await room.wait(ANN, "left", job)
    while not await ends(room):  # told before it is written down
        await asyncio.sleep(0)
    room = room.again(Enclave(room.enclave.path))
    with pytest.raises(Refused, match=r"'left' was cancelled"):
        await room.wait(ANN, "left", job)
    room.enclave.close()


# --- behind the enclave's door: jobs by the thousand, and who is slow to listen ---


@pytest.fixture
def inside(room: Meeting) -> tuple[Executor, Room]:
    """What lies behind the enclave's door: a flood of requests takes long to be sealed and opened."""
    enclave = room.enclave
    meter = Meter(Allowances())
    opened = Room(room.id, enclave.store, enclave.storage_key, enclave.signing)
    opened.load()
    return Executor(enclave.workers, ENCLAVE, enclave.signing, enclave.clock, meter, time.monotonic), opened


async def told(executor: Executor, room: Room, who: str, node: str, job: str) -> list[str]:
    return [progress.status async for progress in executor.watch(room, node, who, job)]


async def test_a_flood_of_others_jobs_makes_nobodys_forgotten(room: Meeting, inside: tuple[Executor, Room]) -> None:
    executor, opened = inside
    answered, job = os.urandom(32).hex(), os.urandom(32).hex()
    executor.start(opened, "right", BEN, answered)
    await work(room.enclave)
    assert (await told(executor, opened, BEN, "right", answered))[-1] == "finished"
    executor.start(opened, "left", ANN, job)
    lease = await pull(room.enclave)
    await lease.given()
    for _ in range(MAX_JOBS + 100):
        executor.start(opened, "right", BEN, os.urandom(32).hex())
    waiting = asyncio.create_task(told(executor, opened, ANN, "left", job))
    with pytest.raises(Refused, match="Only who has started"):
        executor.cancel(opened, BEN, job)
    executor.cancel(opened, ANN, job)
    assert isinstance(await lease.over(), Refusal)
    with pytest.raises(Refused, match="was cancelled"):
        await waiting


async def test_what_ends_before_its_first_step_keeps_nothing(room: Meeting, inside: tuple[Executor, Room]) -> None:
    executor, opened = inside
    job, again = os.urandom(32).hex(), os.urandom(32).hex()
    executor.start(opened, "left", ANN, job)
    executor.cancel(opened, ANN, job)
    with pytest.raises(Refused, match="was cancelled"):
        await told(executor, opened, ANN, "left", job)
    lease = await pull(room.enclave)
    while not room.enclave.workers.waiting:
        await asyncio.sleep(0)
    assert opened.users == 0
    executor.start(opened, "left", ANN, again)
    await lease.given()
    assert opened.users == 1
    await lease.finish()
    assert (await told(executor, opened, ANN, "left", again))[-1] == "finished"
    assert opened.users == 0


async def test_one_account_waits_for_so_many_and_leaves_others_their_place(inside: tuple[Executor, Room]) -> None:
    executor, opened = inside
    jobs = [os.urandom(32).hex() for _ in range(MAX_ASKED)]
    for job in jobs:
        executor.start(opened, "left", ANN, job, "ann's account")
    with pytest.raises(Refused, match=r"wait for 1000 computations already.*Try again in 30 seconds") as caught:
        executor.start(opened, "right", ANN, os.urandom(32).hex(), "ann's account")
    assert caught.value.code == "busy"
    executor.start(opened, "right", BEN, os.urandom(32).hex(), "ben's account")
    executor.cancel(opened, ANN, jobs[0])
    executor.start(opened, "right", ANN, os.urandom(32).hex(), "ann's account")


async def test_what_changes_while_something_is_told_is_told_next(room: Meeting, inside: tuple[Executor, Room]) -> None:
    executor, opened = inside
    job = os.urandom(32).hex()
    executor.start(opened, "left", ANN, job)
    changes = executor.watch(opened, "left", ANN, job)
    assert (await anext(changes)).status == "queued"
    # Whoever asks has not taken this yet when the worker begins.
    lease = await pull(room.enclave)
    await lease.given()
    assert (await anext(changes)).status == "running"
    await lease.finish()
    assert [progress.status async for progress in changes] == ["finished"]
