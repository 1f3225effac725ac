"""Results that the hub has lost: computed again on an analyst's word, in plain sight, and only so often."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloister.errors import Refused
from cloister.protocol import Result, RunComputation
from cloister.rooms.decisions import MAX_LOSSES
from cloister.rooms.definition import Participant
from cloister.rooms.events import ResultLost, RunFinished
from cloister.rooms.planning import run_id
from tests.enclave.peers import Enclave, Meeting, data, python, work
from tests.enclave.test_held import held

pytestmark = pytest.mark.anyio

OWNER, OTHER = "owner@lost.example", "other@lost.example"
NODES = (data("patients"), python("mean", "patients"), python("max", "patients"))
ROLES = (
    Participant(user=OWNER, data_owner_of=("patients",), analyst_of=("mean",)),
    Participant(user=OTHER, analyst_of=("max",)),
)


async def prepared(enclave: Enclave) -> Meeting:
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(OWNER, "patients")
    return room


async def compute(room: Meeting, lost: str | None = None, who: str = OWNER, node: str = "mean") -> tuple[str, Result]:
    """Runs a computation, which a worker carries out; the run and its result."""
    job = os.urandom(32).hex()
    body = RunComputation(node=node, job=job) if lost is None else RunComputation(node=node, job=job, lost=lost)
    await room.ask(who, body)
    await work(room.enclave)
    await room.wait(who, node, job)
    return run_id(job, node), await room.fetch(who, node, job)


async def test_what_was_lost_is_computed_again(tmp_path: Path) -> None:
    room = await prepared(Enclave(tmp_path / "rooms.db"))
    run, result = await compute(room)
    # Without a word about a loss it is the answer, however often it is asked for.
    job = await room.start(OWNER, "mean")
    await room.wait(OWNER, "mean", job)
    assert (await room.fetch(OWNER, "mean", job)).manifest == result.manifest
    again, other = await compute(room, run)
    assert (again != run, other.manifest.dataset != result.manifest.dataset) == (True, True)
    assert await room.count(ResultLost) == 1
    assert await held(room.enclave, result.manifest.dataset, other.manifest.dataset) == {other.manifest.dataset}
    # The one before is lost for good, and saying so again changes nothing.
    job = os.urandom(32).hex()
    await room.ask(OWNER, RunComputation(node="mean", job=job, lost=run))
    await room.wait(OWNER, "mean", job)
    assert (await room.fetch(OWNER, "mean", job)).manifest == other.manifest
    assert await room.count(ResultLost) == 1
    room.enclave.close()
    later = room.again(Enclave(tmp_path / "rooms.db"))
    assert (await later.fetch(OWNER, "mean")).manifest == other.manifest
    later.enclave.close()


async def test_only_so_often(enclave: Enclave) -> None:
    """A script that makes use of chance gives another answer each time: whoever asks often could average."""
    room = await prepared(enclave)
    run, _ = await compute(room)
    for _ in range(MAX_LOSSES):
        run, _ = await compute(room, run)
    with pytest.raises(Refused, match=f"were reported lost {MAX_LOSSES} times"):
        await room.ask(OWNER, RunComputation(node="mean", job=os.urandom(32).hex(), lost=run))
    assert await room.count(ResultLost) == MAX_LOSSES
    assert await room.count(RunFinished) == MAX_LOSSES + 1
    # What is there stays there.
    await room.fetch(OWNER, "mean")


async def test_nobody_loses_the_results_of_others(enclave: Enclave) -> None:
    room = await prepared(enclave)
    run, result = await compute(room)
    own, _ = await compute(room, who=OTHER, node="max")
    await room.ask(OTHER, RunComputation(node="max", job=os.urandom(32).hex(), lost=run))
    for lost in (run, "ab" * 32):
        with pytest.raises(Refused, match="You may not"):
            await room.ask(OTHER, RunComputation(node="mean", job=os.urandom(32).hex(), lost=lost))
    await room.ask(OWNER, RunComputation(node="mean", job=os.urandom(32).hex(), lost=own))
    assert await room.count(ResultLost) == 0
    assert (await room.fetch(OWNER, "mean")).manifest == result.manifest
