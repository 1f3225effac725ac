"""Tables and what computes over them: validated as runs of their own, rows withheld, privacy and previews paid for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from cloister.errors import Refused
from cloister.protocol import (
    AwaitJob,
    CancelJob,
    Failed,
    FetchResult,
    Finished,
    ReadStatus,
    RoomStatus,
    RunComputation,
    StopRoom,
)
from cloister.rooms.definition import Participant
from cloister.rooms.events import ResultFetched, ResultLost, RunFailed, RunFinished, RunStarted, RunVoided
from cloister.rooms.nodes import MatchNode, PreviewNode, SqlNode, SyntheticNode
from cloister.rooms.planning import run_id
from cloister.rooms.programs import CONFIG_NAME, program_of
from cloister.rooms.tables import SyntheticColumn
from tests.enclave.peers import (
    Enclave,
    Lease,
    Meeting,
    Person,
    attachment,
    checked,
    finished,
    manifest_of,
    pull,
    python,
    stored_secrets,
    table,
    work,
)
from tests.enclave.test_held import held
from tests.enclave.test_store import KEEP, PUT_BACK, change

pytestmark = pytest.mark.anyio

OWNER, HOSPITAL, SHOP, ANALYST, OTHER = (
    f"{name}@tables.example" for name in ("owner", "hospital", "shop", "analyst", "other")
)


def synthetic(node: str, dependency: str, epsilon: float) -> SyntheticNode:
    columns = (SyntheticColumn(index=0, type="STRING", mask_type="genericString", mask=False),)
    return SyntheticNode(
        id=node, name=node, columns=columns, dependency=dependency, epsilon=epsilon, image="python", logs_on_error=True
    )


PAIRS = MatchNode(
    id="pairs",
    name="pairs",
    query='{"==":[{"var":"a"},{"var":"b"}]}',
    round=10,
    epsilon=0.5,
    sensitivity=1.0,
    paths=("people", "sales"),
    dependencies=("people", "sales"),
    image="python",
)
COUNTS = SqlNode(id="counts", name="counts", statement="SELECT 1", dependencies=("people", "sales"), image="python")
NODES = (
    table("people"),
    table("sales", required=False),
    COUNTS,
    synthetic("fake", "people", 1.0),
    synthetic("fake too", "people", 1.0),
    PAIRS,
    python("of pairs", "pairs"),
    PreviewNode(id="look", name="look", dependency="counts", quota_bytes=100, image="python"),
    python("of fake", "fake"),
)
RUN = tuple(node.id for node in NODES[2:])
ROLES = (
    Participant(user=OWNER),
    Participant(user=HOSPITAL, data_owner_of=("people",)),
    Participant(user=SHOP, data_owner_of=("sales",)),
    Participant(user=ANALYST, analyst_of=RUN),
    Participant(user=OTHER, analyst_of=("look", "of fake")),
)


@pytest.fixture
def enclave(tmp_path: Path) -> Iterator[Enclave]:
    running = Enclave(tmp_path / "rooms.db")
    yield running
    running.close()


async def publish(enclave: Enclave, **fields: Any) -> Meeting:
    """With data at both tables."""
    room = await Meeting.publish(enclave, NODES, ROLES, **fields)
    for who in (HOSPITAL, SHOP):
        await room.ask(who, ReadStatus())
    await room.attach(HOSPITAL, "people")
    await room.attach(SHOP, "sales")
    return room


async def compute(room: Meeting, node: str, who: str = ANALYST, steps: int = 1, content: bytes = b"PK") -> str:
    """Runs a computation, which takes so many tasks; the job."""
    job = await room.start(who, node)
    for _ in range(steps):
        await work(room.enclave, content)
    await room.wait(who, node, job)
    return job


async def privacy(room: Meeting) -> dict[str, float]:
    told = checked(await room.ask(OWNER, ReadStatus()), RoomStatus).privacy
    return {} if told is UNSET else {each.node: each.epsilon for each in told}


async def given(enclave: Enclave, name: str) -> Lease:
    """A worker that has taken the next task, which is that one."""
    lease = await pull(enclave)
    assert (await lease.given()).name == name
    return lease


# --- validation ---


async def test_a_table_is_validated_as_a_run_of_its_own(enclave: Enclave) -> None:
    room = await Meeting.publish(enclave, NODES, ROLES)
    attached = await room.attach(HOSPITAL, "people")
    job = await room.start(OWNER, "people")
    task = await work(enclave)
    program = program_of(room.definition, NODES[0])
    assert (task.kind, task.name, task.script) == ("program", "people", program.script)
    assert [(file.name, file.content) for file in task.files] == [(CONFIG_NAME, program.config_text)]
    assert [(each.mount, each.kind, each.manifest) for each in task.inputs] == [("people", "file", attached)]
    assert (task.withheld, task.environment) == (UNSET, UNSET)
    await room.wait(OWNER, "people", job)
    assert (await room.fetch(HOSPITAL, "people", job)).name == "people.zip"
    # Once, whoever asks for it.
    assert await room.wait(ANALYST, "people", await room.start(ANALYST, "people")) == []
    assert await room.count(RunStarted) == 1


async def test_dependents_get_the_validated_table_and_never_what_was_attached(enclave: Enclave) -> None:
    room = await publish(enclave)
    await room.start(ANALYST, "counts")
    tables = {task.name: task for task in [await work(enclave), await work(enclave)]}
    assert set(tables) == {"people", "sales"}
    task = await work(enclave)
    assert [(each.mount, each.kind) for each in task.inputs] == [("people", "table"), ("sales", "table")]
    for each in task.inputs:
        assert (each.manifest.dataset, each.key) == (tables[each.mount].result, tables[each.mount].result_key)


async def test_an_optional_table_without_data_is_absent(enclave: Enclave) -> None:
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(HOSPITAL, "people")
    await room.start(ANALYST, "counts")
    assert [(await work(enclave)).name] == ["people"]
    assert [each.mount for each in (await work(enclave)).inputs] == ["people"]


async def test_a_table_that_has_changed_is_all_that_is_validated_anew(enclave: Enclave) -> None:
    room = await publish(enclave)
    await compute(room, "counts", steps=3)
    await room.remove(SHOP, "sales")
    await room.attach(SHOP, "sales", b"others")
    job = await room.start(ANALYST, "counts")
    assert [(await work(enclave)).name for _ in range(2)] == ["sales", "counts"]
    await room.wait(ANALYST, "counts", job)


async def test_a_validated_table_is_for_its_data_owners_devices_alone(enclave: Enclave) -> None:
    """It holds the same as what was attached: nobody gets it who would not get that."""
    room = await publish(enclave)
    job = await compute(room, "people", OWNER)
    for who in (OWNER, SHOP, ANALYST):
        for body in (FetchResult(node="people"), FetchResult(node="people", job=job)):
            with pytest.raises(Refused, match="You may not fetch the validated table"):
                await room.ask(who, body)
        with pytest.raises(Refused, match="You may not fetch the validated table"):
            await room.ask(who, AwaitJob(node="people", job=job, fetch=True))
    await room.fetch(HOSPITAL, "people")
    # A device that came in later, on the issuer's word, and that whoever attached the data has not looked at.
    late = Person(HOSPITAL)
    await enclave.ask(late, ReadStatus(), room.id, token=room.token(late))
    for ask in (FetchResult(node="people"), AwaitJob(node="people", job=job, fetch=True)):
        with pytest.raises(Refused, match="was not attached for this device"):
            await enclave.ask(late, ask, room.id)
    fetched = [event for event in await room.events() if isinstance(event, ResultFetched)]
    assert [(event.node, event.spent) for event in fetched] == [("people", UNSET)]


async def test_only_data_owners_say_that_a_validated_table_is_lost(enclave: Enclave) -> None:
    """Whoever could would take it from all that read it, and use up how often that may be said."""
    room = await publish(enclave)
    run = run_id(await compute(room, "people", OWNER), "people")
    for who in (OWNER, SHOP, ANALYST):
        with pytest.raises(Refused, match="You may not fetch the validated table"):
            await room.ask(who, RunComputation(node="people", job=os.urandom(32).hex(), lost=run))
    assert await room.count(ResultLost) == 0
    await room.ask(HOSPITAL, RunComputation(node="people", job=os.urandom(32).hex(), lost=run))
    assert (await work(enclave)).name == "people"
    assert await room.count(ResultLost) == 1


async def test_a_dataset_that_is_removed_takes_its_validated_table_along(enclave: Enclave) -> None:
    room = await publish(enclave)
    await compute(room, "of pairs", steps=4)
    job = await compute(room, "people", OWNER, steps=0)
    names = {name for _, name, _ in stored_secrets(enclave.path)}
    await room.remove(HOSPITAL, "people")
    with pytest.raises(Refused, match="needs data that is not there yet"):
        await room.fetch(HOSPITAL, "people")
    with pytest.raises(Refused):
        await room.fetch(HOSPITAL, "people", job)
    # Gone: the dataset, three results (people, pairs, of pairs) and what was withheld. Left: those of the other table.
    assert len(names) - len({name for _, name, _ in stored_secrets(enclave.path)}) == 5


async def test_a_removal_ends_a_validation_that_is_under_way(enclave: Enclave) -> None:
    room = await publish(enclave)
    job = await room.start(HOSPITAL, "people")
    lease = await given(enclave, "people")
    await room.remove(HOSPITAL, "people")
    await lease.over()
    with pytest.raises(Refused, match="'people' had its inputs changed"):
        await room.wait(HOSPITAL, "people", job)
    assert [event.reason for event in await room.events() if isinstance(event, RunVoided)] == ["input removed"]


async def test_whoever_asks_about_a_table_is_told_nothing_of_another_computation(enclave: Enclave) -> None:
    """Anybody in the room may ask about a table, by the id of whatever job."""
    room = await publish(enclave)
    job = await room.start(ANALYST, "fake")
    await work(enclave)
    lease = await given(enclave, "fake")
    await lease.end(Failed(message="safe words for analysts", log="the console"))
    with pytest.raises(Refused, match="safe words for analysts"):
        await room.wait(ANALYST, "fake", job)
    for who in (OWNER, SHOP):
        await room.wait(who, "people", job)  # its result is there
        with pytest.raises(Refused, match="You may not run"):
            await room.wait(who, "fake", job)
        with pytest.raises(Refused, match="Only who has started a computation may cancel it"):
            await room.ask(who, CancelJob(node="people", job=job))


# --- what fails ---


async def test_a_failure_names_the_node_that_failed_and_reaches_those_who_wait_for_more(enclave: Enclave) -> None:
    room = await publish(enclave)
    jobs = {who: await room.start(who, "of fake") for who in (ANALYST, OTHER)}
    await work(enclave)
    lease = await given(enclave, "fake")
    await lease.end(Failed(message="There is too little of it.", log="the console"))
    with pytest.raises(Refused, match=r"'fake' failed\. There is too little of it\.\n\nIts console:\nthe console"):
        await room.wait(ANALYST, "of fake", jobs[ANALYST])
    with pytest.raises(Refused, match=r"'fake' failed\. There is too little of it\.$"):
        await room.wait(OTHER, "of fake", jobs[OTHER])


async def test_a_table_that_is_not_valid_costs_no_privacy(enclave: Enclave) -> None:
    room = await publish(enclave, privacy_budget=1.0)
    for attempt in range(2):
        job = await room.start(ANALYST, "fake")
        if not attempt:
            await work(enclave)
        lease = await given(enclave, "fake")
        assert await privacy(room) == {"people": 1.0}
        await lease.end(Failed(message="The table 'people' is not valid.", unread=True))
        with pytest.raises(Refused, match="'people' is not valid"):
            await room.wait(ANALYST, "fake", job)
        assert await privacy(room) == {}
    assert [event.unspent for event in await room.events() if isinstance(event, RunFailed)] == [True, True]


async def test_only_what_costs_privacy_is_said_not_to_be_spent(enclave: Enclave) -> None:
    room = await publish(enclave)
    await room.start(ANALYST, "counts")
    for _ in range(2):
        await work(enclave)
    await (await given(enclave, "counts")).end(Failed(message="The table 'people' is not valid.", unread=True))
    assert [event.unspent for event in await room.events() if isinstance(event, RunFailed)] == [UNSET]


# --- withheld rows ---


async def test_rows_of_a_match_are_for_later_computations_alone(enclave: Enclave) -> None:
    room = await publish(enclave)
    job = await room.start(ANALYST, "of pairs")
    for _ in range(2):
        await work(enclave)
    lease = await given(enclave, "pairs")
    task = lease.task
    assert task is not None
    assert task.withheld is not UNSET
    assert len({task.result_key, task.withheld.key, task.report_key}) == 3
    assert task.withheld.blob != task.result
    outcome = await lease.finish(b"statistics", b"rows")
    assert outcome.withheld is not UNSET
    later = await given(enclave, "of pairs")
    assert later.task is not None
    (read,) = later.task.inputs
    assert (read.mount, read.kind, read.manifest, read.key) == ("pairs", "zip", outcome.withheld, task.withheld.key)
    await later.finish()
    await room.wait(ANALYST, "of pairs", job)
    result = await room.fetch(ANALYST, "pairs", job)
    assert (result.manifest, result.key) == (outcome.manifest, task.result_key)
    told = msgspec.json.encode(result)
    assert task.withheld.blob.encode() not in told
    (ended,) = [event for event in await room.events() if isinstance(event, RunFinished) and event.node == "pairs"]
    assert ended.withheld == outcome.withheld.digest()
    # The hub keeps both, for as long as there are keys to both.
    blobs = {task.result, task.withheld.blob}
    assert await held(enclave, *blobs) == blobs
    await room.remove(SHOP, "sales")
    assert await held(enclave, *blobs) == set()


@pytest.mark.parametrize("ending", ["stopped", "lost"])
async def test_other_ways_in_which_withheld_rows_end(enclave: Enclave, ending: str) -> None:
    room = await publish(enclave)
    job = await room.start(ANALYST, "pairs")
    task = [await work(enclave) for _ in range(3)][-1]
    await room.wait(ANALYST, "pairs", job)
    assert task.withheld is not UNSET
    assert await held(enclave, task.withheld.blob) == {task.withheld.blob}
    if ending == "stopped":
        await room.ask(OWNER, StopRoom())
    else:
        await room.ask(ANALYST, RunComputation(node="pairs", job=os.urandom(32).hex(), lost=run_id(job, "pairs")))
    assert await held(enclave, task.withheld.blob, task.result) == set()


async def test_results_of_before_are_not_put_back(tmp_path: Path) -> None:
    """The log was cut off by hand, and the same job sent again, which has the same runs: names are used again."""
    path = tmp_path / "again.db"
    before = Enclave(path)
    room = await publish(before)
    rows = len(await room.events()) + 1
    job = await compute(room, "pairs", steps=3)
    before.close()
    change(path, f"{KEEP};DELETE FROM rows WHERE room = :one AND position >= {rows}", one=room.id)
    for person in room.people.values():
        person.seen.clear()
    after = Enclave(path)
    room = room.again(after)
    again = await room.start(ANALYST, "pairs", job)
    for _ in range(3):
        await work(after, b"another")
    await room.wait(ANALYST, "pairs", again)
    change(path, PUT_BACK, one=room.id)
    with pytest.raises(Refused, match="not the one that its log tells of"):
        await room.fetch(ANALYST, "pairs")
    # Nor what is withheld, to what reads it.
    later = await room.start(ANALYST, "of pairs")
    with pytest.raises(Refused, match="not the one that its log tells of"):
        await room.wait(ANALYST, "of pairs", later)
    assert "of pairs" not in [event.node for event in await room.events() if isinstance(event, RunStarted)]
    after.close()


async def test_what_is_withheld_is_not_kept_where_the_run_is_voided(enclave: Enclave) -> None:
    room = await publish(enclave)
    await room.start(ANALYST, "pairs")
    for _ in range(2):
        await work(enclave)
    lease = await given(enclave, "pairs")
    assert lease.task is not None
    assert lease.task.withheld is not UNSET
    report = lease.report(finished(lease.task))
    await room.remove(SHOP, "sales")
    await enclave.post(report)
    await lease.over()
    assert await held(enclave, lease.task.withheld.blob, lease.task.result) == set()


async def odd(task_report: Finished, task: Any, how: str) -> Finished:
    """What a worker reports that has done it wrong."""
    place = task.withheld
    withheld: Any = {
        "none": UNSET,
        "another blob": manifest_of(b"rows", place.key, os.urandom(32).hex()),
        "the result's blob": manifest_of(b"rows", place.key, task.result),
        "another key": manifest_of(b"rows", os.urandom(32), place.blob),
        "the result's key": manifest_of(b"rows", task.result_key, place.blob),
        "the result": task_report.manifest,
    }[how]
    return msgspec.structs.replace(task_report, withheld=withheld)


@pytest.mark.parametrize(
    "how", ["none", "another blob", "the result's blob", "another key", "the result's key", "the result"]
)
async def test_a_match_whose_rows_are_not_there_counts_as_no_result(enclave: Enclave, how: str) -> None:
    room = await publish(enclave)
    job = await room.start(ANALYST, "pairs")
    for _ in range(2):
        await work(enclave)
    for _ in range(2):  # it goes to another worker once
        lease = await given(enclave, "pairs")
        assert lease.task is not None
        await lease.end(await odd(finished(lease.task), lease.task, how))
    with pytest.raises(Refused, match="'pairs' lost its worker twice"):
        await room.wait(ANALYST, "pairs", job)
    assert not any(isinstance(event, RunFinished) and event.node == "pairs" for event in await room.events())
    assert await privacy(room) == {}


async def test_what_nobody_has_asked_for_counts_as_no_result_either(enclave: Enclave) -> None:
    room = await publish(enclave)
    job = await room.start(OWNER, "people")
    for _ in range(2):
        lease = await given(enclave, "people")
        assert lease.task is not None
        assert lease.task.withheld is UNSET
        rows = manifest_of(b"rows", os.urandom(32), os.urandom(32).hex())
        await lease.end(msgspec.structs.replace(finished(lease.task), withheld=rows))
    with pytest.raises(Refused, match="'people' lost its worker twice"):
        await room.wait(OWNER, "people", job)


# --- previews ---


async def test_previews_are_counted_for_each_user_and_over_a_restart(enclave: Enclave) -> None:
    room = await publish(enclave)
    await compute(room, "look", steps=4, content=b"x" * 60)
    for _ in range(3):
        await room.fetch(ANALYST, "look")
    await room.fetch(OTHER, "look")
    spent = [event.spent for event in await room.events() if isinstance(event, ResultFetched)]
    assert spent == [60, 0, 0, 60]
    await room.remove(SHOP, "sales")
    await room.attach(SHOP, "sales", b"others")
    job = await compute(room, "look", steps=3, content=b"y" * 41)
    enclave.close()
    again = Enclave(enclave.path)
    room = room.again(again)
    for body in (FetchResult(node="look"), AwaitJob(node="look", job=job, fetch=True)):
        with pytest.raises(Refused, match="'look' has 41 bytes, and 40 are left of your quota of 100") as caught:
            await room.ask(ANALYST, body)
        assert caught.value.code == "conflict"
    fetched = await room.count(ResultFetched)
    with pytest.raises(Refused, match="40 are left"):
        await room.fetch(OTHER, "look")
    assert await room.count(ResultFetched) == fetched
    again.close()


# --- privacy ---


async def test_a_budget_that_is_used_up_refuses_and_names_the_node(enclave: Enclave) -> None:
    room = await publish(enclave, privacy_budget=1.5)
    await compute(room, "fake", steps=2)
    job = await room.start(ANALYST, "fake too")
    with pytest.raises(
        Refused, match=r"'fake too' costs epsilon 1 of 'people', whose budget of 1\.5 has 0\.5 left"
    ) as no:
        await room.wait(ANALYST, "fake too", job)
    assert no.value.code == "conflict"
    # A result that is there costs nothing; nor does what was made of it.
    assert await room.wait(ANALYST, "fake", await room.start(ANALYST, "fake")) == []
    await compute(room, "of fake", OTHER)
    assert await privacy(room) == {"people": 1.0}
    assert [event.epsilon for event in await room.events() if isinstance(event, RunStarted) and event.epsilon] == [1.0]


async def test_the_refusal_reaches_whoever_waits_for_what_comes_after(enclave: Enclave) -> None:
    room = await publish(enclave, privacy_budget=1.0)
    await compute(room, "fake too", steps=2)
    job = await room.start(OTHER, "of fake")
    with pytest.raises(Refused, match="'fake' costs epsilon 1 of 'people', whose budget of 1 has 0 left"):
        await room.wait(OTHER, "of fake", job)


async def test_runs_at_the_same_time_do_not_overspend(enclave: Enclave) -> None:
    room = await publish(enclave, privacy_budget=1.25)
    jobs = {node: await room.start(ANALYST, node) for node in ("fake", "fake too", "pairs")}
    for _ in range(2):
        await work(enclave)
    lease = await pull(enclave)
    task = await lease.given()
    ends = await asyncio.gather(
        *(room.wait(ANALYST, node, job) for node, job in jobs.items() if node != task.name), return_exceptions=True
    )
    # One of them has begun, and with it there is too little for the others.
    assert await privacy(room) in ({"people": 1.0}, {"people": 0.5, "sales": 0.5})
    assert all(isinstance(end, Refused) and "left" in str(end) for end in ends)
    await lease.finish()


async def test_what_is_voided_gives_back_what_it_was_to_cost(enclave: Enclave) -> None:
    room = await publish(enclave, privacy_budget=1.0)
    job = await room.start(ANALYST, "fake")
    await work(enclave)
    lease = await given(enclave, "fake")
    assert await privacy(room) == {"people": 1.0}
    await room.ask(ANALYST, CancelJob(node="fake", job=job))
    await lease.over()
    with pytest.raises(Refused, match="was cancelled"):
        await room.wait(ANALYST, "fake", job)
    await compute(room, "fake too")
    assert await privacy(room) == {"people": 1.0}


async def test_the_ledger_is_there_after_a_restart_that_interrupts_a_run(enclave: Enclave) -> None:
    room = await publish(enclave, privacy_budget=1.5)
    await compute(room, "fake", steps=2)
    await room.start(ANALYST, "pairs")
    await work(enclave)
    lease = await given(enclave, "pairs")
    assert await privacy(room) == {"people": 1.5, "sales": 0.5}
    await lease.hang_up()
    enclave.close()
    room = room.again(Enclave(enclave.path))
    assert await privacy(room) == {"people": 1.0}
    room.enclave.close()


async def test_a_lost_answer_costs_again_but_not_what_is_behind_an_answer(enclave: Enclave) -> None:
    room = await publish(enclave)
    job = await compute(room, "of fake", steps=3)
    lost = RunComputation(node="fake", job=os.urandom(32).hex(), lost=run_id(job, "fake"))
    await room.ask(ANALYST, lost)
    assert (await work(enclave)).name == "fake"
    await room.wait(ANALYST, "fake", lost.job)
    assert await privacy(room) == {"people": 2.0}


async def test_attaching_for_others_devices_is_not_needed_for_a_table_to_be_read(enclave: Enclave) -> None:
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.ask(HOSPITAL, attachment("people"))
    await compute(room, "fake", steps=2)
    with pytest.raises(Refused, match="was not attached for this device"):
        await room.fetch(HOSPITAL, "people")
