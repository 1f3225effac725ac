"""What may happen next, where the state machine's model says nothing: messages, clocks, late requests."""

from __future__ import annotations

import pytest

from cloister.errors import Refused
from cloister.formats.receipt import Attested
from cloister.rooms import decisions
from cloister.rooms.events import (
    Body,
    DatasetAttached,
    DatasetFetched,
    DatasetRemoved,
    Event,
    KeyBound,
    Published,
    Restored,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)
from cloister.rooms.planning import leaves, plan
from cloister.rooms.state import RoomState, RunStatus, fold
from tests.rooms.examples import ANALYST, HOSPITAL, LAB, OWNER, ROOM, room

ID = ROOM.id()
ONE, TWO, THREE = "01" * 32, "02" * 32, "03" * 32
FIRST, SECOND, THIRD = "f1" * 32, "f2" * 32, "f3" * 32
"""Ids of requests."""
WORKER = Attested(evidence="insecure-software", measurement="55" * 32)


def state(*bodies: Body, actor: str = HOSPITAL) -> RoomState:
    return fold(Event(time=1000, actor=actor, body=body) for body in (Published(definition=ROOM), *bodies))


def started(state_: RoomState, node: str = "joined", run: str = ONE) -> RunStarted:
    key = plan(ROOM, ID, node, state_.attached)[-1].cache_key
    return RunStarted(run=run, node=node, cache_key=key, inputs=leaves(ROOM, node, state_.attached))


def finished(node: str = "joined", run: str = ONE) -> RunFinished:
    return RunFinished(run=run, node=node, manifest=TWO, worker=WORKER)


ATTACHED = DatasetAttached(node="patients", manifest=ONE, request=FIRST)
LAB_ATTACHED = DatasetAttached(node="lab", manifest=THREE, request=SECOND)
REMOVED = DatasetRemoved(node="patients", manifest=ONE, request=SECOND)


def running(run: str = ONE) -> RoomState:
    subject = state(ATTACHED)
    subject.apply(Event(time=1000, actor=ANALYST, body=started(subject, run=run)))
    return subject


def after(subject: RoomState, *bodies: Body) -> RoomState:
    for body in bodies:
        subject.apply(Event(time=2000, actor=HOSPITAL, body=body))
    return subject


# --- clocks ---


def test_time_never_goes_back() -> None:
    subject = state()
    assert decisions.event_time(subject, 5000) == 5000
    assert decisions.event_time(subject, 1000) == 1000
    assert decisions.event_time(subject, 1) == 1000, "a clock that is being set steps back a little"
    later = after(subject)
    later.time = 10_000
    assert decisions.event_time(later, 9000) == 10_000
    with pytest.raises(Refused, match="clock is behind") as caught:
        decisions.event_time(later, 8999)
    assert caught.value.code == "failed"


# --- data ---


def test_attaching_again_changes_nothing_and_something_else_is_refused() -> None:
    subject = state(ATTACHED)
    assert decisions.attach(subject, "patients", ONE, FIRST) == []
    assert decisions.attach(subject, "patients", TWO, FIRST) == [], "the id says that it was answered, not the content"
    for manifest in (ONE, TWO):
        with pytest.raises(Refused, match=r"already has a dataset\. Remove that one first") as caught:
            decisions.attach(subject, "patients", manifest, SECOND)
        assert caught.value.code == "conflict"


def test_a_dataset_is_fetched_by_the_devices_that_it_was_attached_for() -> None:
    """A key that is bound on the word of an issuer that lies doesn't get at the data itself, whenever that is."""
    early = KeyBound(user=HOSPITAL, key="aa" * 32, issuer="hub")
    unseen = KeyBound(user=HOSPITAL, key="ee" * 32, issuer="hub")
    late = KeyBound(user=HOSPITAL, key="bb" * 32, issuer="hub")
    others = KeyBound(user=LAB, key="cc" * 32, issuer="hub")
    subject = state(early, unseen, others)
    # Named are also one that isn't a data owner's, and one that comes only later.
    (attached,) = decisions.attach(subject, "patients", ONE, FIRST, (others.key, late.key, early.key))
    assert attached == DatasetAttached(node="patients", manifest=ONE, request=FIRST, readers=(early.key,))
    after(subject, attached, late)
    assert decisions.fetch_dataset(subject, "patients", early.key) == DatasetFetched(node="patients", manifest=ONE)
    for key in (unseen.key, late.key, others.key, "dd" * 32):
        with pytest.raises(Refused, match="was not attached for this device") as caught:
            decisions.fetch_dataset(subject, "patients", key)
        assert caught.value.code == "forbidden"
    after(subject, REMOVED)
    with pytest.raises(Refused, match="has no dataset to fetch"):
        decisions.fetch_dataset(subject, "patients", early.key)
    after(subject, *decisions.attach(subject, "patients", TWO, THIRD, (late.key,)))
    assert decisions.fetch_dataset(subject, "patients", late.key).manifest == TWO
    with pytest.raises(Refused, match="was not attached for this device"):
        decisions.fetch_dataset(subject, "patients", early.key)
    after(subject, Stopped())
    with pytest.raises(Refused, match="was stopped"):
        decisions.fetch_dataset(subject, "patients", early.key)


def test_removing_what_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="has no dataset to remove") as caught:
        decisions.remove(state(), "patients", FIRST)
    assert caught.value.code == "conflict"


def test_a_removal_that_comes_late_never_hits_a_newer_dataset() -> None:
    """A relay may hold a request that was sent twice and let it go when new data is there."""
    subject = state(ATTACHED)
    for request, following in ((SECOND, "a1" * 32), (THIRD, "a2" * 32)):
        (body,) = decisions.remove(subject, "patients", request)
        after(subject, body, DatasetAttached(node="patients", manifest=THREE, request=following))
    for late in (SECOND, THIRD):
        assert decisions.remove(subject, "patients", late) == []
    assert decisions.remove(subject, "patients", "a3" * 32) == [
        DatasetRemoved(node="patients", manifest=THREE, request="a3" * 32)
    ]


def test_an_attachment_that_comes_late_never_brings_back_what_was_removed() -> None:
    """A relay may hold a request that was sent twice and let it go when its data was taken away."""
    subject = state(ATTACHED, REMOVED)
    assert decisions.attach(subject, "patients", ONE, FIRST) == []
    assert subject.attached == {}
    (body,) = decisions.attach(subject, "patients", TWO, THIRD)
    after(subject, body)
    assert decisions.attach(subject, "patients", ONE, FIRST) == []
    assert subject.attached == {"patients": TWO}


def test_request_ids_are_of_a_node() -> None:
    """Another node's request with the same id is another request."""
    subject = state(ATTACHED)
    (body,) = decisions.attach(subject, "lab", ONE, FIRST)
    assert body == DatasetAttached(node="lab", manifest=ONE, request=FIRST)
    assert len(decisions.remove(after(state(ATTACHED, REMOVED), LAB_ATTACHED), "lab", FIRST)) == 1


def test_data_can_be_removed_from_a_stopped_room_and_nothing_else_can_be_done() -> None:
    subject = state(ATTACHED, Stopped())
    assert len(decisions.remove(subject, "patients", SECOND)) == 1
    assert decisions.stop(subject) == []
    for refuse in (
        lambda: decisions.attach(subject, "lab", ONE, SECOND),
        lambda: decisions.attach(subject, "patients", ONE, FIRST),
        lambda: decisions.fetch(subject, ID, "joined", None),
        lambda: decisions.fetch(subject, ID, "joined", ONE),
        lambda: decisions.open_room(subject),
    ):
        with pytest.raises(Refused, match="The room was stopped") as caught:
            refuse()
        assert caught.value.code == "conflict"


# --- release ---


def test_a_run_whose_inputs_are_still_there_is_released() -> None:
    subject = running()
    assert decisions.release(subject, subject.runs[ONE], finished()) == finished()


@pytest.mark.parametrize(
    "meanwhile",
    [
        [LAB_ATTACHED],
        [LAB_ATTACHED, DatasetRemoved(node="lab", manifest=THREE, request=THIRD)],
        [LAB_ATTACHED, RunFailed(run=TWO, node="joined")],
    ],
)
def test_an_optional_input_that_was_absent_may_come_and_go_while_it_runs(meanwhile: list[Body]) -> None:
    """The result is what was asked for then, and its receipt says so."""
    subject = after(running(), *meanwhile)
    run = subject.runs[ONE]
    assert [(each.node, each.manifest) for each in run.inputs] == [("patients", ONE), ("lab", None)]
    assert decisions.release(subject, run, finished()) == finished()


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        ([Stopped()], "room stopped"),
        ([REMOVED], "input removed"),
        ([REMOVED, DatasetAttached(node="patients", manifest=TWO, request=THIRD)], "input removed"),
        ([REMOVED, LAB_ATTACHED], "input removed"),
        ([REMOVED, Stopped()], "room stopped"),
        ([RunFailed(run=ONE, node="joined")], "input removed"),
    ],
)
def test_a_result_is_discarded_when_its_room_or_data_has_gone(meanwhile: list[Body], reason: str) -> None:
    subject = after(running(), *meanwhile)
    decision = decisions.release(subject, subject.runs[ONE], finished())
    assert decision == RunVoided(run=ONE, node="joined", reason=reason)  # type: ignore[arg-type]
    # How a computation fails tells of the data, too.
    failed = RunFailed(run=ONE, node="joined")
    assert decisions.release(subject, subject.runs[ONE], failed) == decision
    assert decisions.release(running(), running().runs[ONE], failed) == failed


@pytest.mark.parametrize("node", ["joined", "report"])
@pytest.mark.parametrize("replaced", [False, True])
def test_an_optional_input_that_was_read_must_stay(node: str, replaced: bool) -> None:
    """Whether it was read by the computation itself or by another that it depends on."""
    subject = state(ATTACHED, LAB_ATTACHED)
    after(subject, started(subject, node), DatasetRemoved(node="lab", manifest=THREE, request=THIRD))
    if replaced:
        after(subject, DatasetAttached(node="lab", manifest=TWO, request="a1" * 32))
    decision = decisions.release(subject, subject.runs[ONE], finished(node))
    assert decision == RunVoided(run=ONE, node=node, reason="input removed")


def test_other_data_does_not_matter() -> None:
    subject = state(ATTACHED, LAB_ATTACHED)
    after(subject, started(subject, "lab-only", TWO), REMOVED)
    assert decisions.release(subject, subject.runs[TWO], finished("lab-only", TWO)) == finished("lab-only", TWO)


# --- fetching ---


def test_what_a_fetch_is_told() -> None:
    subject = running()
    cases: list[tuple[list[Body], str, str]] = [
        ([], "conflict", "still running. Wait for it"),
        ([RunFailed(run=ONE, node="joined")], "failed", "failed. Run it again"),
        ([finished(), REMOVED], "conflict", "went with it"),
    ]
    for bodies, code, message in cases:
        with pytest.raises(Refused, match=message) as caught:
            decisions.fetch(after(running(), *bodies), ID, "joined", ONE)
        assert caught.value.code == code
    assert decisions.fetch(after(subject, finished()), ID, "joined", ONE).manifest == TWO
    assert decisions.fetch(subject, ID, "joined", None).id == ONE


@pytest.mark.parametrize("run", [ONE, TWO])
def test_a_run_of_another_node_is_not_found(run: str) -> None:
    subject = after(running(), finished())
    with pytest.raises(Refused, match=r"has no result\. Run it first") as caught:
        decisions.fetch(subject, ID, "report", run)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("reason", ["input removed", "room stopped", "interrupted", "worker lost", "cancelled"])
def test_every_reason_has_its_words(reason: str) -> None:
    subject = after(running(), RunVoided(run=ONE, node="joined", reason=reason))  # type: ignore[arg-type]
    with pytest.raises(Refused) as caught:
        decisions.fetch(subject, ID, "joined", ONE)
    assert caught.value.message == decisions.voided(subject.runs[ONE])
    assert "has no result" not in caught.value.message


def test_a_room_that_is_not_there() -> None:
    empty = RoomState()
    with pytest.raises(Refused, match="There is no such room"):
        decisions.fetch(empty, ID, "joined", None)


# --- keys ---


def test_a_key_is_ended_by_another_one() -> None:
    subject = after(state(), KeyBound(user=LAB, key=ONE, issuer="hub"))
    with pytest.raises(Refused, match="from another of your devices") as caught:
        decisions.unbind(subject, LAB, ONE, ONE)
    assert caught.value.code == "conflict"
    # Pinned keys too.
    [event] = decisions.unbind(subject, LAB, "22" * 32, ONE)
    assert after(subject, event).keys == {LAB: {ONE}}
    assert decisions.unbind(subject, LAB, "22" * 32, ONE) == []


def test_a_key_can_be_ended_before_it_was_ever_bound_and_for_its_user_alone() -> None:
    subject = after(state(), *decisions.unbind(state(), LAB, TWO, ONE))
    after(subject, KeyBound(user=LAB, key=TWO, issuer="hub"), KeyBound(user=OWNER, key=TWO, issuer="hub"))
    assert subject.keys == {LAB: {"22" * 32}, OWNER: {TWO}}


def test_a_restore_is_told_once() -> None:
    subject = state()
    first, second = Restored(restore=ONE, declared=7), Restored(restore=TWO, declared=8)
    [event] = decisions.restored(subject, first)
    assert after(subject, event).restored == first
    assert decisions.restored(subject, first) == []
    assert decisions.restored(subject, second) == [second]


# --- the fold ---


def test_pinned_keys_are_bound_from_the_start() -> None:
    subject = state()
    assert subject.keys == {LAB: {"22" * 32}}
    after(subject, KeyBound(user=LAB, key=ONE, issuer="hub"), KeyBound(user=OWNER, key=ONE, issuer="hub"))
    assert subject.keys == {LAB: {"22" * 32, ONE}, OWNER: {ONE}}


def test_two_runs_of_one_question_are_both_withdrawn() -> None:
    """It can't come to that by the planner, but removal must not depend on it."""
    subject = running()
    after(subject, started(subject, run=TWO), finished(run=ONE), finished(run=TWO))
    after(subject, REMOVED)
    assert {run.status for run in subject.runs.values()} == {RunStatus.WITHDRAWN}
    assert subject.results == {}


def test_a_released_run_is_not_started_over() -> None:
    subject = after(running(), finished())
    after(subject, RunStarted(run=ONE, node="lab-only", cache_key=THREE, inputs=()))
    assert subject.runs[ONE].status is RunStatus.FINISHED
    assert subject.running == {}


def test_a_room_is_published_once() -> None:
    subject = state(ATTACHED)
    assert after(subject, Published(definition=room(title="x"))).definition == ROOM
