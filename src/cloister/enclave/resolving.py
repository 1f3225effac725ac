"""Which Python packages fit: asked before a room is published, told by a worker, which gets no data for it."""

from __future__ import annotations

import asyncio

from cloister.enclave.offers import Demand
from cloister.enclave.orders import Attempt, Order
from cloister.enclave.workers import WorkerLost, Workers
from cloister.errors import DefinitionInvalid, Refused
from cloister.protocol import NO_ROOM, Failed, Resolved, ResolvedEnvironment, ResolveEnvironment, Task, TaskEnvironment
from cloister.rooms.definition import ImageReference
from cloister.rooms.environments import plain_requirements
from cloister.rooms.limits import MIB, Limits

SECONDS = 600.0
"""How long a worker may take, with the time until one is free."""
LIMITS = Limits(
    memory_bytes=1024 * MIB,
    pids=128,
    wall_seconds=300,
    output_bytes=16 * MIB,
    output_files=16,
    scratch_bytes=512 * MIB,
    log_bytes=MIB // 16,
)


async def resolve(workers: Workers, asked: ResolveEnvironment, account: str) -> ResolvedEnvironment:
    """Has a worker lock the requirements.

    Args:
        account: who takes turns with others.

    Raises:
        Refused: ``bad_request``, where they aren't plain requirements; ``failed``, where nothing fits them, in the
            installer's own words; ``busy``, where no worker had the time.
    """
    try:
        wanted = plain_requirements(asked.requirements)
    except DefinitionInvalid as error:
        raise Refused("bad_request", str(error)) from None
    if asked.image not in workers.images:
        raise Refused("failed", "No worker offers that image now. Ask the operator to start one that does.")
    demand = Demand(asked.image, workers.references, LIMITS)
    if excess := workers.refused(demand):
        raise Refused(
            "failed",
            f"The workers of this installation allow too little to resolve requirements ({excess}). Ask its operator.",
        )
    order = Order(
        lambda attempt: _task(asked.image, "\n".join(wanted), attempt),
        NO_ROOM,
        demand,
        account,
        lambda: None,
        lambda _: None,
        Resolved,
    )
    try:
        async with asyncio.timeout(SECONDS):
            outcome = (await workers.run(order)).outcome
    except (TimeoutError, WorkerLost):
        raise Refused("busy", "No worker has brought it to an end. Try again later, or ask the operator.") from None
    if isinstance(outcome, Failed):
        raise Refused("failed", outcome.message)
    assert isinstance(outcome, Resolved)
    return ResolvedEnvironment(lock=outcome.lock)


def _task(image: ImageReference, requirements: str, attempt: Attempt) -> Task:
    return Task(
        id=attempt.id,
        room=NO_ROOM,
        kind="resolve",
        name="",
        script="",
        files=(),
        inputs=(),
        image=image,
        limits=LIMITS,
        logs_on_error=False,
        logs_on_success=False,
        result=attempt.result,
        result_key=attempt.result_key,
        report_key=attempt.report_key,
        environment=TaskEnvironment(requirements=requirements, lock=(), limits=LIMITS),
    )
