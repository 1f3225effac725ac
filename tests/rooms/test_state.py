"""The fold of events against a model that knows nothing of cache keys, and against nonsense."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloister.errors import Refused
from cloister.formats.encoding import canonical, decode_canonical
from cloister.formats.receipt import Attested, Input
from cloister.rooms import decisions
from cloister.rooms.events import (
    ENCLAVE,
    Body,
    DatasetAttached,
    DatasetFetched,
    DatasetRemoved,
    Event,
    KeyBound,
    KeyUnbound,
    LogRead,
    Published,
    Restored,
    ResultFetched,
    ResultLost,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)
from cloister.rooms.planning import leaves, plan, run_id
from cloister.rooms.state import RoomState, RunStatus, fold
from tests.rooms.examples import ANALYST, HOSPITAL, LAB, OWNER, ROOM

ID = ROOM.id()
WORKER = Attested(evidence="insecure-software", measurement="55" * 32)
READS = {"joined": ("patients", "lab"), "report": ("patients", "lab"), "lab-only": ("lab",)}
"""Computation to the data that it comes from, written down by hand."""
NEEDS = {"joined": ["joined"], "report": ["joined", "report"], "lab-only": ["lab-only"]}
REQUIRED = {"patients"}

users = st.sampled_from([HOSPITAL, LAB])
data_nodes = st.sampled_from(["patients", "lab"])
computations = st.sampled_from(sorted(READS))
requests = st.integers(1, 12).map(lambda value: f"{value:064x}")
digests = st.integers(1, 3).map(lambda value: f"{value:064x}")
jobs = st.integers(1, 8).map(lambda value: f"{value:064x}")


@dataclass
class ModelRun:
    """A run, and the data that it read: the model's idea of what it is the answer to."""

    node: str
    question: tuple[str | None, ...]
    status: str = "running"


class Life(RuleBasedStateMachine):
    """Requests of all kinds in any order. Each is decided by the code and by the model, and both must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.state = RoomState()
        self.events: list[Event] = []
        self.stopped = False
        self.attached: dict[str, str] = {}
        self.answered: set[tuple[str, str]] = set()
        self.runs: dict[str, ModelRun] = {}

    # --- the model ---

    def question(self, node: str) -> tuple[str | None, ...]:
        return tuple(self.attached.get(each) for each in READS[node])

    def missing(self, node: str) -> bool:
        return any(each in REQUIRED and each not in self.attached for each in READS[node])

    def lacks(self, run: ModelRun) -> bool:
        """Whether anything that it read is gone; what has come meanwhile is no loss."""
        return any(read not in (None, now) for read, now in zip(run.question, self.question(run.node), strict=True))

    def find(self, node: str, status: str) -> str | None:
        wanted = (node, self.question(node), status)
        return next((name for name, run in self.runs.items() if (run.node, run.question, run.status) == wanted), None)

    # --- both ---

    def append(self, body: Body, actor: str = HOSPITAL) -> None:
        time = decisions.event_time(self.state, self.now)
        event = Event(time=time, actor=actor, body=body)
        data = canonical(event)
        assert decode_canonical(data, Event, what="an event") == event
        self.state.apply(event)
        self.events.append(event)

    def refused(self, code: str, decide: Any, *arguments: Any) -> None:
        """The decision is a refusal with this code, and leaves no trace."""
        before = copy.deepcopy(self.state)
        with pytest.raises(Refused) as caught:
            decide(*arguments)
        assert caught.value.code == code
        assert self.state == before

    @initialize()
    def publish(self) -> None:
        self.refused("not_found", decisions.published, self.state)
        self.append(Published(definition=ROOM), OWNER)

    @rule(step=st.integers(-900, 5000))
    def tick(self, step: int) -> None:
        """Clocks that are being set step back a little."""
        self.now = max(self.state.time - 900, self.now + step)

    @rule(user=users, node=data_nodes, manifest=digests, request=requests)
    def attach(self, user: str, node: str, manifest: str, request: str) -> None:
        arguments = (self.state, node, manifest, request)
        if self.stopped:
            self.refused("conflict", decisions.attach, *arguments)
        elif (node, request) in self.answered:
            assert decisions.attach(*arguments) == []
        elif node in self.attached:
            self.refused("conflict", decisions.attach, *arguments)
        else:
            (body,) = decisions.attach(*arguments)
            self.append(body, user)
            self.attached[node] = manifest
            self.answered.add((node, request))

    @rule(node=data_nodes, request=requests)
    def remove(self, node: str, request: str) -> None:
        arguments = (self.state, node, request)
        if (node, request) in self.answered:
            assert decisions.remove(*arguments) == []
        elif node not in self.attached:
            self.refused("conflict", decisions.remove, *arguments)
        else:
            (body,) = decisions.remove(*arguments)
            assert isinstance(body, DatasetRemoved)
            assert body.manifest == self.attached.pop(node)
            self.append(body)
            self.answered.add((node, request))
            for run in self.runs.values():
                if node in READS[run.node] and run.status == "finished":
                    run.status = "withdrawn"

    @rule()
    @precondition(lambda self: len(self.events) > 12)
    def stop(self) -> None:
        for body in decisions.stop(self.state):
            assert not self.stopped
            self.append(body, OWNER)
        self.stopped = True

    @rule(node=computations, job=jobs)
    def start(self, node: str, job: str) -> None:
        if self.stopped:
            self.refused("conflict", decisions.open_room, self.state)
            return
        if self.missing(node):
            self.refused("bad_request", plan, ROOM, ID, node, self.state.attached)
            return
        steps = plan(ROOM, ID, node, self.state.attached)
        assert [step.node.id for step in steps] == NEEDS[node]
        for step in steps:
            each, run = step.node.id, run_id(job, step.node.id)
            answered = self.find(each, "finished")
            under_way = self.find(each, "running")
            assert (step.cache_key in self.state.results) == (answered is not None)
            assert (step.cache_key in self.state.running) == (under_way is not None)
            if answered is None and under_way is None and run not in self.state.runs:
                read = dict(zip(READS[each], self.question(each), strict=True))
                inputs = tuple(Input(node=leaf, manifest=manifest) for leaf, manifest in read.items())
                assert leaves(ROOM, each, self.state.attached) == inputs
                self.append(RunStarted(run=run, node=each, cache_key=step.cache_key, inputs=inputs), ANALYST)
                self.runs[run] = ModelRun(each, self.question(each))

    def running(self) -> list[str]:
        return sorted(name for name, run in self.runs.items() if run.status == "running")

    @rule(data=st.data(), manifest=digests)
    @precondition(lambda self: self.running())
    def finish(self, data: st.DataObject, manifest: str) -> None:
        name = data.draw(st.sampled_from(self.running()))
        run = self.runs[name]
        wanted = RunFinished(run=name, node=run.node, manifest=manifest, worker=WORKER)
        decision = decisions.release(self.state, self.state.runs[name], wanted)
        if self.stopped:
            assert decision == RunVoided(run=name, node=run.node, reason="room stopped")
        elif self.lacks(run):
            assert decision == RunVoided(run=name, node=run.node, reason="input removed")
        else:
            assert decision == wanted
        self.append(decision, ENCLAVE)
        run.status = "finished" if decision == wanted else "voided"

    @precondition(lambda self: self.running())
    @rule(data=st.data(), how=st.sampled_from(["failed", "interrupted", "worker lost"]))
    def end(self, data: st.DataObject, how: Literal["failed", "interrupted", "worker lost"]) -> None:
        name = data.draw(st.sampled_from(self.running()))
        run = self.runs[name]
        decision: RunFailed | RunVoided
        if how == "failed":
            decision = decisions.release(self.state, self.state.runs[name], RunFailed(run=name, node=run.node))
            assert isinstance(decision, RunVoided) == (self.stopped or self.lacks(run))
        else:
            decision = RunVoided(run=name, node=run.node, reason=how)
        self.append(decision, ENCLAVE)
        run.status = "failed" if isinstance(decision, RunFailed) else "voided"

    @rule(node=computations, data=st.data())
    def fetch(self, node: str, data: st.DataObject) -> None:
        asked = data.draw(st.none() | st.sampled_from(["ff" * 32, *sorted(self.runs)]))
        arguments = (self.state, ID, node, asked)
        if self.stopped:
            self.refused("conflict", decisions.fetch, *arguments)
            return
        if asked is None and self.missing(node):
            self.refused("bad_request", decisions.fetch, *arguments)
            return
        name = asked if asked is not None else (self.find(node, "finished") or self.find(node, "running"))
        run = self.runs.get(name) if name is not None else None
        if name is None or run is None or run.node != node:
            self.refused("not_found", decisions.fetch, *arguments)
        elif run.status == "finished":
            assert decisions.fetch(*arguments).id == name
            self.append(ResultFetched(run=name, node=node), ANALYST)
        else:
            self.refused("failed" if run.status == "failed" else "conflict", decisions.fetch, *arguments)

    @rule()
    def read_log(self) -> None:
        self.append(LogRead(size=self.state.size + 1), ANALYST)

    # --- what always holds ---

    @invariant()
    def agree(self) -> None:
        state = self.state
        assert state.size == len(self.events)
        assert state.stopped == self.stopped
        assert state.attached == self.attached
        assert state.answered == self.answered
        assert {name: run.status.value for name, run in state.runs.items()} == {
            name: run.status for name, run in self.runs.items()
        }

    @invariant()
    def consistent(self) -> None:
        check(self.state)

    @invariant()
    def folding_again_gives_the_same(self) -> None:
        assert fold(self.events) == self.state

    @invariant()
    def time_does_not_go_back(self) -> None:
        times = [event.time for event in self.events]
        assert times == sorted(times)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


def check(state: RoomState) -> None:
    """What holds of any state, however it came to be."""
    assert all(state.runs[run].status is RunStatus.FINISHED for run in state.results.values())
    assert all(state.runs[run].status is RunStatus.RUNNING for run in state.running.values())
    assert all(state.runs[run].cache_key == key for key, run in state.results.items())
    assert all(state.runs[run].cache_key == key for key, run in state.running.items())
    assert all(run.log_index < state.size and run.finished_at <= state.time for run in state.runs.values())
    assert all((run.manifest is not None) == (run.worker is not None) for run in state.runs.values())
    assert state.attached.keys() <= {node for node, _ in state.answered}
    assert all(epsilon >= 0 for epsilon in state.privacy.values())
    assert all(size >= 0 for size in state.previewed.values())


# --- nonsense ---

names = st.sampled_from(["patients", "lab", "joined", "report", "nowhere", ""])
hexes = st.integers(0, 3).map(lambda value: f"{value:064x}")
inputs = st.builds(Input, node=names, manifest=st.none() | hexes)
anything: st.SearchStrategy[Body] = st.one_of(
    st.sampled_from([Published(definition=ROOM), Stopped()]),
    st.builds(KeyBound, user=st.sampled_from([HOSPITAL, "x@y"]), key=hexes, issuer=st.text(max_size=3)),
    st.builds(KeyUnbound, user=st.sampled_from([HOSPITAL, "x@y"]), key=hexes),
    st.builds(Restored, restore=hexes, declared=st.integers(0, 9)),
    st.builds(DatasetAttached, node=names, manifest=hexes, request=hexes),
    st.builds(DatasetAttached, node=names, manifest=hexes, request=hexes, readers=st.tuples(hexes)),
    st.builds(DatasetFetched, node=names, manifest=hexes),
    st.builds(DatasetRemoved, node=names, manifest=hexes, request=hexes),
    st.builds(RunStarted, run=hexes, node=names, cache_key=hexes, inputs=st.lists(inputs, max_size=2).map(tuple)),
    st.builds(
        RunStarted,
        run=hexes,
        node=names,
        cache_key=hexes,
        inputs=st.lists(inputs, max_size=2).map(tuple),
        epsilon=st.sampled_from([0.1, 1.0, 1e300, 0.0, -1.0]),
    ),
    st.builds(RunFinished, run=hexes, node=names, manifest=hexes, worker=st.just(WORKER)),
    st.builds(RunFinished, run=hexes, node=names, manifest=hexes, worker=st.just(WORKER), withheld=hexes),
    st.builds(RunFailed, run=hexes, node=names),
    st.builds(RunFailed, run=hexes, node=names, unspent=st.just(True)),
    st.builds(RunVoided, run=hexes, node=names, reason=st.just("interrupted")),
    st.builds(ResultFetched, run=hexes, node=names),
    st.builds(ResultFetched, run=hexes, node=names, spent=st.integers(0, 9)),
    st.builds(ResultLost, run=hexes, node=names),
    st.builds(LogRead, size=st.integers(0, 9)),
)
nonsense = st.lists(st.builds(Event, time=st.integers(0, 2**53 - 1), actor=st.text(max_size=3), body=anything))


@given(nonsense)
@settings(max_examples=400)
def test_any_events_fold_into_a_sound_state(events: list[Event]) -> None:
    state = RoomState()
    for size, event in enumerate(events, 1):
        before = state.time
        state.apply(event)
        assert state.size == size
        assert state.time == max(before, event.time)
        check(state)
    assert state == fold(events)
    published = any(isinstance(event.body, Published) for event in events)
    assert (state.definition is not None) == published
    assert state.stopped == any(isinstance(event.body, Stopped) for event in events)


@given(nonsense, hexes, nonsense)
@settings(max_examples=200)
def test_a_key_that_was_unbound_never_speaks_again(before: list[Event], key: str, after: list[Event]) -> None:
    start = Event(time=0, actor=OWNER, body=Published(definition=ROOM))
    unbound = Event(time=0, actor=HOSPITAL, body=KeyUnbound(user=HOSPITAL, key=key))
    again = Event(time=0, actor=HOSPITAL, body=KeyBound(user=HOSPITAL, key=key, issuer="hub"))
    state = fold([start, *before, unbound, *after, again])
    assert key not in state.keys.get(HOSPITAL, ())
    assert decisions.unbind(state, HOSPITAL, key, "ff" * 32) == []


@given(nonsense, st.sampled_from(["patients", "lab"]))
@settings(max_examples=200)
def test_removal_withdraws_everything_derived_whatever_came_before(events: list[Event], node: str) -> None:
    state = fold([Event(time=0, actor=OWNER, body=Published(definition=ROOM)), *events])
    state.apply(Event(time=0, actor=HOSPITAL, body=DatasetRemoved(node=node, manifest="00" * 32, request="00" * 32)))
    for run in state.runs.values():
        if node in READS.get(run.node, ()):
            assert run.status is not RunStatus.FINISHED
            assert run.id not in state.results.values()


@given(nonsense, names, st.none() | hexes)
@settings(max_examples=200)
def test_a_stopped_room_never_releases(events: list[Event], node: str, run: str | None) -> None:
    start = Event(time=0, actor=OWNER, body=Published(definition=ROOM))
    state = fold([start, *events, Event(time=0, actor=OWNER, body=Stopped()), *events])
    for known in state.runs.values():
        wanted = RunFinished(run=known.id, node=known.node, manifest="00" * 32, worker=WORKER)
        assert decisions.release(state, known, wanted) == RunVoided(
            run=known.id, node=known.node, reason="room stopped"
        )
    with pytest.raises(Refused, match="The room was stopped"):
        decisions.fetch(state, ID, node, run)
