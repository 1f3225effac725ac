"""What may happen next, where the state machine's model says nothing: messages, clocks, late requests."""

from __future__ import annotations

import pytest

from cloister.errors import Refused
from cloister.formats.receipt import Attested
from cloister.rooms import decisions
from cloister.rooms.events import (
    Body,
    DatasetAttached,
    DatasetRemoved,
    Event,
    KeyBound,
    Published,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)
from cloister.rooms.planning import plan
from cloister.rooms.state import RoomState, RunStatus, fold
from tests.rooms.examples import ANALYST, HOSPITAL, LAB, OWNER, ROOM, room

ID = ROOM.id()
ONE, TWO, THREE = "01" * 32, "02" * 32, "03" * 32
WORKER = Attested(evidence="insecure-software", measurement="55" * 32)


def state(*bodies: Body, actor: str = HOSPITAL) -> RoomState:
    return fold(Event(time=1000, actor=actor, body=body) for body in (Published(definition=ROOM), *bodies))


def started(state_: RoomState, node: str = "joined", run: str = ONE) -> RunStarted:
    return RunStarted(run=run, node=node, cache_key=plan(ROOM, ID, node, state_.attached)[-1].cache_key)


def finished(node: str = "joined", run: str = ONE) -> RunFinished:
    return RunFinished(run=run, node=node, manifest=TWO, worker=WORKER)


ATTACHED = DatasetAttached(node="patients", manifest=ONE)


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
    assert decisions.attach(subject, HOSPITAL, "patients", ONE) == []
    for user, manifest in ((HOSPITAL, TWO), (LAB, ONE), (LAB, TWO)):
        with pytest.raises(Refused, match=r"already has a dataset\. Remove that one first") as caught:
            decisions.attach(subject, user, "patients", manifest)
        assert caught.value.code == "conflict"


def test_removing_what_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="has no dataset to remove") as caught:
        decisions.remove(state(), "patients", ONE)
    assert caught.value.code == "conflict"


def test_a_removal_that_comes_late_never_hits_a_newer_dataset() -> None:
    """A relay may hold a request that was sent twice and let it go when new data is there."""
    subject = state(ATTACHED)
    for request in (ONE, TWO):
        (body,) = decisions.remove(subject, "patients", request)
        after(subject, body, DatasetAttached(node="patients", manifest=THREE))
    for late in (ONE, TWO):
        assert decisions.remove(subject, "patients", late) == []
    assert decisions.remove(subject, "patients", THREE) == [
        DatasetRemoved(node="patients", manifest=THREE, request=THREE)
    ]
    assert decisions.remove(after(subject, DatasetAttached(node="lab", manifest=ONE)), "lab", ONE) != []


def test_data_can_be_removed_from_a_stopped_room_and_nothing_else_can_be_done() -> None:
    subject = state(ATTACHED, Stopped())
    assert len(decisions.remove(subject, "patients", ONE)) == 1
    assert decisions.stop(subject) == []
    for refuse in (
        lambda: decisions.attach(subject, LAB, "lab", ONE),
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
    assert decisions.release(subject, ID, subject.runs[ONE], finished()) == finished()


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        ([Stopped()], "room stopped"),
        ([DatasetRemoved(node="patients", manifest=ONE, request=ONE)], "input removed"),
        (
            [
                DatasetRemoved(node="patients", manifest=ONE, request=ONE),
                DatasetAttached(node="patients", manifest=TWO),
            ],
            "input removed",
        ),
        ([DatasetRemoved(node="patients", manifest=ONE, request=ONE), Stopped()], "room stopped"),
        ([RunFailed(run=ONE, node="joined")], "input removed"),
    ],
)
def test_a_result_is_discarded_when_its_room_or_data_has_gone(meanwhile: list[Body], reason: str) -> None:
    subject = after(running(), *meanwhile)
    decision = decisions.release(subject, ID, subject.runs[ONE], finished())
    assert decision == RunVoided(run=ONE, node="joined", reason=reason)  # type: ignore[arg-type]


def test_other_data_does_not_matter() -> None:
    subject = running()
    other = "lab-only"
    after(subject, RunStarted(run=TWO, node=other, cache_key=plan(ROOM, ID, other, subject.attached)[-1].cache_key))
    after(subject, DatasetRemoved(node="patients", manifest=ONE, request=ONE))
    assert decisions.release(subject, ID, subject.runs[TWO], finished(other, TWO)) == finished(other, TWO)


# --- fetching ---


def test_what_a_fetch_is_told() -> None:
    subject = running()
    cases: list[tuple[list[Body], str, str]] = [
        ([], "conflict", "still running. Wait for it"),
        ([RunFailed(run=ONE, node="joined")], "failed", "failed. Run it again"),
        ([finished(), DatasetRemoved(node="patients", manifest=ONE, request=ONE)], "conflict", "went with it"),
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


@pytest.mark.parametrize("reason", ["input removed", "room stopped", "interrupted", "worker lost"])
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
    after(subject, DatasetRemoved(node="patients", manifest=ONE, request=ONE))
    assert {run.status for run in subject.runs.values()} == {RunStatus.WITHDRAWN}
    assert subject.results == {}


def test_a_released_run_is_not_started_over() -> None:
    subject = after(running(), finished())
    after(subject, RunStarted(run=ONE, node="lab-only", cache_key=THREE))
    assert subject.runs[ONE].status is RunStatus.FINISHED
    assert subject.running == {}


def test_a_room_is_published_once() -> None:
    subject = state(ATTACHED)
    assert after(subject, Published(definition=room(title="x"))).definition == ROOM
