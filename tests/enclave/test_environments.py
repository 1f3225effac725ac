"""Python packages that rooms bring along: resolved for whoever asks, handed to workers, and never with data."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import UNSET

from cloister.enclave.limits import Allowances
from cloister.enclave.resolving import LIMITS
from cloister.errors import Refused
from cloister.formats.receipt import verify_receipt
from cloister.protocol import (
    NO_ROOM,
    Failed,
    Resolved,
    ResolvedEnvironment,
    ResolveEnvironment,
    TaskEnvironment,
)
from cloister.rooms.definition import ImageReference, Participant
from cloister.rooms.environments import LockedPackage
from cloister.rooms.events import RunFailed, RunFinished
from cloister.rooms.limits import GIB, Limits
from cloister.rooms.nodes import PythonEnvironmentNode
from tests.enclave.peers import IMAGE, Enclave, Meeting, Person, data, finished, pull, python, work

pytestmark = pytest.mark.anyio

OWNER, HOSPITAL, ANALYST = (f"{name}@packages.example" for name in ("owner", "hospital", "analyst"))
LOCK = (LockedPackage(name="six", version="1.16.0", sha256=("ab" * 32,)),)
PACKAGES = PythonEnvironmentNode(
    id="packages", name="packages", requirements="six # please\n", lock=LOCK, image="python", limits=Limits(pids=9)
)
NODES = (data("patients"), PACKAGES, python("uses", "patients", environment="packages"), python("plain", "patients"))
ROLES = (
    Participant(user=OWNER),
    Participant(user=HOSPITAL, data_owner_of=("patients",)),
    Participant(user=ANALYST, analyst_of=("packages", "uses", "plain")),
)
ASKED = ResolveEnvironment(image=IMAGE, requirements="six # please\n\n")


async def asking(enclave: Enclave, person: Person | None = None) -> asyncio.Task[ResolvedEnvironment]:
    return asyncio.create_task(enclave.ask(person, ASKED))


# --- resolving ---


async def test_a_worker_resolves_and_learns_nothing_else(enclave: Enclave) -> None:
    lease = await pull(enclave)
    answer = await asking(enclave)
    task = await lease.given()
    assert (task.kind, task.room, task.image, task.inputs, task.files, task.script) == (
        "resolve",
        NO_ROOM,
        IMAGE,
        (),
        (),
        "",
    )
    assert task.environment == TaskEnvironment(requirements="six", lock=(), limits=LIMITS)
    await lease.end(Resolved(lock=LOCK))
    assert (await answer).lock == LOCK


async def test_the_installers_own_words_are_told(enclave: Enclave) -> None:
    lease = await pull(enclave)
    answer = await asking(enclave)
    await lease.given()
    await lease.end(Failed(message="The installer says:\nno such thing"))
    with pytest.raises(Refused, match="no such thing") as caught:
        await answer
    assert caught.value.code == "failed"


@pytest.mark.parametrize("requirements", ["-r /etc/passwd", "six @ https://elsewhere.example/x.whl", "a" * 70_000])
async def test_what_is_no_plain_requirement_reaches_no_worker(enclave: Enclave, requirements: str) -> None:
    lease = await pull(enclave)
    with pytest.raises(Refused) as caught:
        await enclave.ask(None, ResolveEnvironment(image=IMAGE, requirements=requirements))
    assert caught.value.code == "bad_request"
    assert enclave.workers.waiting == 1
    await lease.hang_up()


async def test_an_image_that_nobody_has_is_not_waited_for(enclave: Enclave) -> None:
    lease = await pull(enclave)
    other = ImageReference(name="python", measurement="99" * 32)
    with pytest.raises(Refused, match="No worker offers that image"):
        await enclave.ask(None, ResolveEnvironment(image=other, requirements="six"))
    await lease.hang_up()


async def test_workers_that_allow_too_little(enclave: Enclave) -> None:
    lease = await pull(enclave, limits=Limits(wall_seconds=1))
    with pytest.raises(Refused, match="allow too little"):
        await enclave.ask(None, ASKED)
    await lease.hang_up()


async def test_who_goes_away_leaves_nothing_in_the_queue(enclave: Enclave) -> None:
    lease = await pull(enclave)
    answer = await asking(enclave)
    await lease.given()
    answer.cancel()
    over = await lease.over()
    assert "not wanted any more" in getattr(over, "message", "")
    assert (enclave.workers.queued, enclave.workers.out) == (0, 0)


async def test_a_worker_that_stays_with_one_room_is_not_asked(enclave: Enclave) -> None:
    one = await pull(enclave, only_room="77" * 32)
    answer = await asking(enclave)
    free = await pull(enclave)
    assert (await free.given()).kind == "resolve"
    await free.end(Resolved(lock=LOCK))
    await answer
    await one.hang_up()


async def test_each_account_may_ask_so_often() -> None:
    enclave = Enclave(allowed=Allowances(environments_burst=1, environments_per_hour=1.0))
    person, other = Person(OWNER, account="first"), Person(OWNER, account="second")
    wrong = ResolveEnvironment(image=IMAGE, requirements="-r x")
    for who in (person, other):
        with pytest.raises(Refused, match="Line 1"):
            await enclave.ask(who, wrong)
    with pytest.raises(Refused, match="too many requirements") as caught:
        await enclave.ask(person, wrong)
    assert caught.value.code == "busy"
    enclave.close()


# --- workers that mean ill ---


async def test_a_lock_is_no_result_and_a_result_no_lock(enclave: Enclave) -> None:
    answer = None
    for _ in range(2):
        lease = await pull(enclave)
        answer = answer or await asking(enclave)
        task = await lease.given()
        await lease.end(finished(task))
    assert answer is not None
    with pytest.raises(Refused, match="No worker has brought it to an end"):
        await answer
    meeting = await Meeting.publish(enclave, NODES, ROLES)
    await meeting.attach(HOSPITAL, "patients")
    job = await meeting.start(ANALYST, "plain")
    for _ in range(2):
        lease = await pull(enclave)
        await lease.given()
        await lease.end(Resolved(lock=LOCK))
    with pytest.raises(Refused, match="lost its worker"):
        await meeting.wait(ANALYST, "plain", job)


# --- in rooms ---


async def test_the_environment_comes_first_and_data_only_with_the_script(enclave: Enclave) -> None:
    meeting = await Meeting.publish(enclave, NODES, ROLES)
    manifest = await meeting.attach(HOSPITAL, "patients")
    job = await meeting.start(ANALYST, "uses")
    first, second = await work(enclave), await work(enclave)
    packages = TaskEnvironment(requirements=PACKAGES.requirements, lock=LOCK, limits=PACKAGES.limits)
    assert (first.kind, first.inputs, first.script, first.environment) == ("python_environment", (), "", packages)
    assert (second.kind, second.environment) == ("python", packages)
    assert [(each.mount, each.manifest) for each in second.inputs] == [("patients", manifest)]
    changes = await meeting.wait(ANALYST, "uses", job)
    assert changes[-1] == ("uses", "finished")
    # The receipt vouches for it: which installation the result comes from.
    result = await meeting.fetch(ANALYST, "uses", job)
    body = verify_receipt(result.receipt, enclave.public, result=result.manifest.digest())
    assert [each.node for each in body.inputs] == ["patients", "packages"]
    assert body.inputs[1].manifest is not None
    # It is installed for all, whatever data there is.
    await meeting.remove(HOSPITAL, "patients")
    await meeting.attach(HOSPITAL, "patients", b"other data")
    await meeting.start(ANALYST, "uses")
    assert (await work(enclave)).name == "uses"
    assert (await meeting.fetch(ANALYST, "packages")).name == "packages.zip"


async def test_computations_without_one_say_nothing_of_it(enclave: Enclave) -> None:
    meeting = await Meeting.publish(enclave, NODES, ROLES)
    await meeting.attach(HOSPITAL, "patients")
    await meeting.start(ANALYST, "plain")
    assert (await work(enclave)).environment is UNSET


async def test_where_it_can_not_be_installed_nothing_runs(enclave: Enclave) -> None:
    meeting = await Meeting.publish(enclave, NODES, ROLES)
    await meeting.attach(HOSPITAL, "patients")
    job = await meeting.start(ANALYST, "uses")
    lease = await pull(enclave)
    await lease.given()
    await lease.end(Failed(message="The installer says:\nhash mismatch"))
    with pytest.raises(Refused, match=r"'packages' failed.*\nhash mismatch"):
        await meeting.wait(ANALYST, "uses", job)
    events = await meeting.events()
    assert [event.node for event in events if isinstance(event, RunFailed)] == ["packages"]
    assert not any(isinstance(event, RunFinished) for event in events)


async def test_a_room_that_is_not_resolved_is_refused(enclave: Enclave) -> None:
    meeting = await Meeting.publish(enclave, [data("patients")], ROLES[:2])
    unresolved = PythonEnvironmentNode(id="packages", name="packages", requirements="six", lock=(), image="python")
    with pytest.raises(Refused, match="not resolved"):
        await Meeting.publish(enclave, [unresolved], ROLES[:1], issuer=meeting.issuer)


async def test_a_script_goes_to_a_worker_that_may_install_for_it(enclave: Enclave) -> None:
    much = PythonEnvironmentNode(
        id="packages",
        name="packages",
        requirements="six",
        lock=LOCK,
        image="python",
        limits=Limits(memory_bytes=64 * GIB),
    )
    small = await pull(enclave, limits=Limits())
    with pytest.raises(Refused, match="more than this installation allows"):
        await Meeting.publish(enclave, [much, python("uses", environment="packages")], ROLES[:1])
    await small.hang_up()
