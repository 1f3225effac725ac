"""What installations allow a computation: asked for more, they say so before anything waits, with both figures."""

from __future__ import annotations

import asyncio
import os

import msgspec
import pytest

from cloister.enclave.offers import OFFER_SECONDS, Demand, Offer, Offers
from cloister.errors import Refused
from cloister.protocol import AwaitJob, Progress, Request, RunComputation, offer_digest
from cloister.rooms.definition import ImageReference, Participant
from cloister.rooms.limits import NAMES, Limits, beyond
from tests.enclave.peers import IMAGE, WORKER, Enclave, Meeting, finished, pull, python

OWNER = "owner@ceilings.example"
ROLES = [Participant(user=OWNER, analyst_of=("only",))]
USUAL = Limits()
MORE = {field: getattr(USUAL, field) + 1 for field in NAMES}
OTHER_IMAGE = ImageReference(name="python", measurement="77" * 32)


def test_every_limit_has_a_name() -> None:
    assert list(NAMES) == [field.name for field in msgspec.structs.fields(Limits)]
    assert len({name for name, _ in NAMES.values()}) == len(NAMES)


@pytest.mark.parametrize("field", NAMES)
def test_what_is_beyond(field: str) -> None:
    """Each by itself, at its bound and one over it."""
    asked = msgspec.structs.replace(USUAL, **{field: MORE[field]})
    name, unit = NAMES[field]
    assert beyond(asked, USUAL) == f"{name}: {MORE[field]} {unit}, where {getattr(USUAL, field)} are allowed"
    assert beyond(asked, asked) == ""
    assert beyond(USUAL, asked) == ""


def test_offers_are_remembered_for_a_while() -> None:
    now = [0.0]
    offers = Offers(lambda: now[0])
    asked = Demand(IMAGE, frozenset((WORKER,)), USUAL)
    small = Offer(WORKER, (IMAGE,), Limits(pids=1, cpus=1.0))
    with offers.held(small):
        now[0] += 10 * OFFER_SECONDS
        assert offers.refused(asked) != ""
    now[0] += OFFER_SECONDS - 1
    assert "pids: 512 processes and threads, where 1 are allowed; cpus: 2.0 cores" in offers.refused(asked)
    with offers.held(Offer(WORKER, (IMAGE,), Limits(pids=1))):
        assert offers.refused(asked) == "pids: 512 processes and threads, where 1 are allowed", "the least short one"
        with offers.held(Offer(WORKER, (IMAGE,))):
            assert offers.refused(asked) == ""
            assert offers.lacking(asked) == ""
    now[0] += OFFER_SECONDS
    assert offers.refused(asked) == ""
    assert offers.lacking(asked) == "a worker: none is connected"


def test_workers_that_could_not_open_it_anyway_say_nothing_of_limits() -> None:
    offers = Offers()
    asked = Demand(IMAGE, frozenset((WORKER,)), USUAL)
    with offers.held(Offer(WORKER, (OTHER_IMAGE,), Limits(pids=1))):
        assert offers.refused(asked) == ""
        assert offers.lacking(asked) == "a worker that this room accepts with its image 'python'"


@pytest.mark.anyio
class TestAtTheEnclave:
    @pytest.mark.parametrize("field", NAMES)
    async def test_publishing_and_running_are_refused(self, enclave: Enclave, field: str) -> None:
        """Where all workers allow less."""
        nodes = [python("only", limits=msgspec.structs.replace(USUAL, **{field: MORE[field]}))]
        words = rf"'only' asks for more than this installation allows \({NAMES[field][0]}: {MORE[field]} "
        earlier = await Meeting.publish(enclave, nodes, ROLES)
        lease = await pull(enclave, limits=USUAL)
        waiting = asyncio.create_task(lease.given())
        with pytest.raises(Refused, match=words):
            await Meeting.publish(enclave, nodes, ROLES)
        with pytest.raises(Refused, match=words) as caught:
            await earlier.start(OWNER, "only")
        assert caught.value.code == "failed"
        assert "Publish a room that asks for less" in caught.value.message
        waiting.cancel()
        with pytest.raises((asyncio.CancelledError, StopAsyncIteration)):
            await waiting

    async def test_a_worker_that_allows_enough_gets_it(self, enclave: Enclave) -> None:
        room = await Meeting.publish(enclave, [python("only")], ROLES)
        small = await pull(enclave, limits=Limits(memory_bytes=1))
        waiting = asyncio.create_task(small.given())
        large = await pull(enclave, limits=USUAL)
        job = await room.start(OWNER, "only")
        task = await large.given()
        assert task.limits == USUAL
        await large.end(finished(task))
        await room.wait(OWNER, "only", job)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises((asyncio.CancelledError, StopAsyncIteration)):
            await waiting

    async def test_who_waits_is_told_what_for(self, enclave: Enclave) -> None:
        room = await Meeting.publish(enclave, [python("only")], ROLES)
        person = room.people[OWNER]
        job = os.urandom(32).hex()
        await room.ask(OWNER, RunComputation(node="only", job=job))
        frames = enclave.frames(Request(body=AwaitJob(node="only", job=job), room=room.id, user=OWNER), person.device)

        async def told() -> tuple[str, object]:
            frame = msgspec.json.decode(await anext(frames), type=Progress)
            return frame.status, frame.waiting_for

        first = await told()
        while first[0] != "queued":
            first = await told()
        assert first == ("queued", "a worker: none is connected")
        other = await pull(enclave, images=(OTHER_IMAGE,))
        idle = [asyncio.create_task(other.given())]
        assert await told() == ("queued", "a worker that this room accepts with its image 'python'")
        small = await pull(enclave, limits=Limits(pids=2))
        idle.append(asyncio.create_task(small.given()))
        status, what = await told()
        assert status == "queued"
        assert what == "a worker that allows more (pids: 512 processes and threads, where 2 are allowed)"
        large = await pull(enclave)
        task = await large.given()
        assert await told() == ("running", msgspec.UNSET)
        await large.end(finished(task))
        assert (await told())[0] == "finished"
        for each in idle:
            each.cancel()
        await asyncio.gather(*idle, return_exceptions=True)

    async def test_behind_others(self, enclave: Enclave) -> None:
        nodes = [python("only"), python("next")]
        room = await Meeting.publish(enclave, nodes, [Participant(user=OWNER, analyst_of=("only", "next"))])
        lease = await pull(enclave)
        await room.start(OWNER, "only")
        await lease.given()
        job = await room.start(OWNER, "next")
        body = AwaitJob(node="next", job=job)
        frames = enclave.frames(Request(body=body, room=room.id, user=OWNER), room.people[OWNER].device)
        frame = msgspec.json.decode(await anext(frames), type=Progress)
        while frame.status != "queued":
            frame = msgspec.json.decode(await anext(frames), type=Progress)
        assert frame.waiting_for == "a worker that is free"
        await frames.aclose()
        await lease.hang_up()

    async def test_limits_are_part_of_what_evidence_vouches_for(self, enclave: Enclave) -> None:
        with pytest.raises(Refused, match="vouches for other keys"):
            await pull(enclave, limits=USUAL, offer=offer_digest(b"\x00", (IMAGE,), None))
