"""The privacy ledger and the quotas of previews: folds of what has happened, and what is allowed by them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from cloister.errors import Refused, VerificationError
from cloister.formats.encoding import canonical, decode
from cloister.formats.receipt import Attested, Input
from cloister.rooms.decisions import cost, fetch_table, lose, preview
from cloister.rooms.definition import Definition
from cloister.rooms.events import (
    Body,
    DatasetAttached,
    DatasetRemoved,
    Event,
    Published,
    ResultFetched,
    ResultLost,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
)
from cloister.rooms.nodes import PreviewNode, RunNode
from cloister.rooms.planning import leaves
from cloister.rooms.state import RoomState, fold
from tests.rooms.examples import ANALYST, HOSPITAL, OWNER
from tests.rooms.kinds import match, sql, synthetic, tables

WORKER = Attested(evidence="insecure-software", measurement="55" * 32)
DATA = {"people": "a1" * 32, "sales": "b2" * 32}
ROOM = tables(match("of counts", "counts", "sales"), sql("again", "pairs"), synthetic("later", "again", epsilon=0.25))


def budget(epsilon: float | None, definition: Definition = ROOM) -> RoomState:
    """A room with that budget, and with data."""
    room = msgspec.structs.replace(definition, privacy_budget=UNSET if epsilon is None else epsilon)
    bodies: list[Body] = [Published(definition=room)]
    bodies += [DatasetAttached(node=node, manifest=digest, request=digest) for node, digest in DATA.items()]
    return fold(Event(time=1, actor=OWNER, body=body) for body in bodies)


def happens(state: RoomState, *bodies: Body, actor: str = ANALYST) -> RoomState:
    for body in bodies:
        state.apply(Event(time=state.time, actor=actor, body=body))
    return state


def run(index: int) -> str:
    return f"{index:064x}"


def started(state: RoomState, node: str, index: int) -> RunStarted:
    """What the enclave appends as a run begins.

    Raises:
        Refused: it may not.
    """
    assert state.definition is not None
    read = leaves(state.definition, node, state.attached)
    found = state.definition.node(node)
    assert isinstance(found, RunNode)
    return RunStarted(
        run=run(index), node=node, cache_key=run(1000 + index), inputs=read, epsilon=cost(state, found, read)
    )


def begin(state: RoomState, node: str, index: int) -> RoomState:
    return happens(state, started(state, node, index))


def finished(index: int, node: str) -> RunFinished:
    return RunFinished(run=run(index), node=node, manifest="00" * 32, worker=WORKER)


def spent(state: RoomState) -> dict[str, float]:
    return {node: float(epsilon) for node, epsilon in state.privacy.items() if epsilon}


# --- the ledger ---


def test_each_data_node_that_is_read_pays() -> None:
    state = begin(budget(None), "fake", 1)
    assert spent(state) == {"people": 1}
    assert spent(begin(state, "pairs", 2)) == {"people": 1.5, "sales": 0.5}
    # Also by way of other computations.
    assert spent(begin(state, "of counts", 3)) == {"people": 2, "sales": 1}
    assert spent(begin(state, "later", 4)) == {"people": 2.25, "sales": 1.25}


def test_what_takes_no_epsilon_costs_none() -> None:
    state = budget(1)
    for index, node in enumerate(("people", "counts", "listed", "light", "look", "of pairs")):
        assert started(state, node, index).epsilon is UNSET
        begin(state, node, index)
    assert spent(state) == {}


def test_data_that_is_absent_pays_nothing() -> None:
    state = happens(budget(0.5), DatasetRemoved(node="sales", manifest=DATA["sales"], request="c3" * 32))
    assert spent(begin(state, "pairs", 1)) == {"people": 0.5}
    happens(state, DatasetAttached(node="sales", manifest="d4" * 32, request="d4" * 32))
    with pytest.raises(Refused, match=r"costs epsilon 0\.5 of 'people'"):
        begin(state, "pairs", 2)


@pytest.mark.parametrize(
    ("ends", "left"),
    [
        ((), {"people": 1}),  # running
        ((finished(1, "fake"),), {"people": 1}),
        ((RunFailed(run=run(1), node="fake"),), {"people": 1}),
        ((RunFailed(run=run(1), node="fake", unspent=True),), {}),
        ((RunVoided(run=run(1), node="fake", reason="worker lost"),), {}),
        ((RunVoided(run=run(1), node="fake", reason="cancelled"),), {}),
        ((finished(1, "fake"), ResultLost(run=run(1), node="fake")), {"people": 1}),
        (
            (finished(1, "fake"), DatasetRemoved(node="people", manifest=DATA["people"], request="c3" * 32)),
            {"people": 1},
        ),
        # Each ends once: what is told again, or late, gives nothing back.
        ((RunVoided(run=run(1), node="fake", reason="cancelled"),) * 2, {}),
        ((finished(1, "fake"), RunVoided(run=run(1), node="fake", reason="cancelled")), {"people": 1}),
        ((RunFailed(run=run(1), node="fake"), RunFailed(run=run(1), node="fake", unspent=True)), {"people": 1}),
    ],
)
def test_how_a_run_ends(ends: tuple[Body, ...], left: dict[str, float]) -> None:
    assert spent(happens(begin(budget(None), "fake", 1), *ends)) == left


def test_a_run_that_failed_and_is_run_again_costs_twice() -> None:
    """Under another id, and under the same, which a job that is sent again after a restart leads to."""
    for second in (2, 1):
        state = happens(begin(budget(None), "fake", 1), RunFailed(run=run(1), node="fake"))
        assert spent(begin(state, "fake", second)) == {"people": 2}


def test_data_that_is_replaced_keeps_its_ledger() -> None:
    state = begin(budget(1), "fake", 1)
    happens(state, finished(1, "fake"), DatasetRemoved(node="people", manifest=DATA["people"], request="c3" * 32))
    happens(state, DatasetAttached(node="people", manifest="d4" * 32, request="d4" * 32))
    with pytest.raises(Refused, match="has 0 left"):
        begin(state, "fake", 2)


def test_the_ceiling_counts_what_is_under_way() -> None:
    state = begin(budget(1.75), "fake", 1)
    with pytest.raises(Refused) as caught:
        begin(state, "fake", 2)
    assert caught.value.code == "conflict"
    assert "'fake' costs epsilon 1 of 'people', whose budget of 1.75 has 0.75 left" in caught.value.message
    # What it does not get, something smaller does; and all of it again, once the first was voided.
    begin(state, "pairs", 3)
    happens(state, RunVoided(run=run(1), node="fake", reason="interrupted"))
    begin(state, "fake", 4)
    assert spent(state) == {"people": 1.5, "sales": 0.5}


def test_any_data_node_that_has_none_left_refuses() -> None:
    """Whichever it is, in whatever order it is read."""
    one_sided = tables(synthetic("of sales", "sales", epsilon=1))
    state = begin(budget(1.25, one_sided), "of sales", 1)
    with pytest.raises(Refused, match=r"'pairs' costs epsilon 0\.5 of 'sales', whose budget of 1\.25 has 0\.25 left"):
        begin(state, "pairs", 2)
    assert spent(begin(state, "fake", 3)) == {"people": 1, "sales": 1}


def test_decimal_fractions_add_up() -> None:
    """Ten times a tenth is one, and not a bit more: neither a run too few nor any tolerance."""
    room = tables(synthetic("tenth", "people", epsilon=0.1), synthetic("least", "people", epsilon=1e-6))
    state = budget(1, room)
    for index in range(10):
        begin(state, "tenth", index)
    assert state.privacy["people"] == 1
    with pytest.raises(Refused, match="has 0 left"):
        begin(state, "least", 10)
    for index in range(10):
        happens(state, RunVoided(run=run(index), node="tenth", reason="cancelled"))
    assert spent(state) == {}


def test_large_and_small_costs_do_not_swallow_each_other() -> None:
    room = tables(synthetic("large", "people", epsilon=1000), synthetic("small", "people", epsilon=1e-6))
    state = budget(None, room)
    for index in range(100):
        begin(state, "small", index)
    begin(state, "large", 100)
    happens(state, RunVoided(run=run(100), node="large", reason="cancelled"))
    assert state.privacy["people"] == Fraction(1, 10_000)


ENDS = ("running", "finished", "failed", "unread", "voided", "lost")


@given(st.lists(st.tuples(st.sampled_from(["fake", "pairs", "of counts"]), st.sampled_from(ENDS)), max_size=25))
def test_the_ceiling_holds_whatever_happens(story: list[tuple[str, str]]) -> None:
    state = budget(2.5)
    paid = Fraction(0)
    for index, (node, end) in enumerate(story):
        epsilon = Fraction(1) if node == "fake" else Fraction(1, 2)
        if paid + epsilon > Fraction(5, 2):
            with pytest.raises(Refused, match="left"):
                begin(state, node, index)
            continue
        begin(state, node, index)
        paid += 0 if end in ("unread", "voided") else epsilon
        ends: dict[str, tuple[Body, ...]] = {
            "running": (),
            "finished": (finished(index, node),),
            "failed": (RunFailed(run=run(index), node=node),),
            "unread": (RunFailed(run=run(index), node=node, unspent=True),),
            "voided": (RunVoided(run=run(index), node=node, reason="interrupted"),),
            "lost": (finished(index, node), ResultLost(run=run(index), node=node)),
        }
        happens(state, *ends[end])
        assert state.privacy["people"] == paid <= Fraction(5, 2)


@pytest.mark.parametrize("epsilon", [float("nan"), float("inf"), -1.0, 0.0, -float("inf")])
def test_the_fold_takes_any_cost_without_falling_over(epsilon: float) -> None:
    odd = RunStarted(
        run=run(1), node="fake", cache_key=run(2), inputs=(Input(node="people", manifest="a1" * 32),), epsilon=epsilon
    )
    state = happens(budget(1), odd)
    assert spent(state) == {}
    assert spent(happens(state, RunVoided(run=run(1), node="fake", reason="cancelled"))) == {}


def test_nothing_but_true_gives_back() -> None:
    for value in (b"false", b"null", b"1"):
        data = canonical(RunFailed(run=run(1), node="fake"))[:-1] + b',"unspent":' + value + b"}"
        with pytest.raises(VerificationError):
            decode(data, RunFailed, what="an event")


# --- previews ---

OTHER = "other@example.org"


def fetched(state: RoomState, user: str, index: int, size: int) -> RoomState:
    """A user fetches a preview of so many bytes.

    Raises:
        Refused: they may not.
    """
    node = ROOM.node("look")
    assert isinstance(node, PreviewNode)
    return happens(
        state,
        ResultFetched(run=run(index), node="look", spent=preview(state, user, node, run(index), size)),
        actor=user,
    )


def test_quotas_are_of_each_user_and_what_was_had_is_free() -> None:
    state = fetched(budget(None), ANALYST, 1, 60)
    for _ in range(3):
        fetched(state, ANALYST, 1, 60)
    with pytest.raises(Refused) as caught:
        fetched(state, ANALYST, 2, 41)
    assert caught.value.code == "conflict"
    assert "'look' has 41 bytes, and 40 are left of your quota of 100" in caught.value.message
    fetched(state, ANALYST, 3, 40)
    with pytest.raises(Refused, match="has 1 bytes, and 0 are left"):
        fetched(state, ANALYST, 4, 1)
    fetched(state, OTHER, 2, 100)
    assert state.previewed == {(ANALYST, "look"): 100, (OTHER, "look"): 100}
    assert fetched(state, ANALYST, 1, 60).previewed[ANALYST, "look"] == 100


def test_what_others_have_had_is_not_free() -> None:
    state = fetched(budget(None), ANALYST, 1, 60)
    fetched(state, OTHER, 1, 60)
    with pytest.raises(Refused):
        fetched(state, OTHER, 2, 60)


def test_quotas_outlive_data_that_is_removed() -> None:
    state = fetched(budget(None), ANALYST, 1, 60)
    happens(state, DatasetRemoved(node="people", manifest=DATA["people"], request="c3" * 32), actor=HOSPITAL)
    with pytest.raises(Refused, match="40 are left"):
        fetched(state, ANALYST, 2, 60)


def test_results_that_are_no_previews_count_for_nothing() -> None:
    state = happens(budget(None), ResultFetched(run=run(1), node="counts"))
    assert (state.previewed, state.seen) == ({}, set())


def test_a_preview_without_a_quota_shows_nothing_but_nothing() -> None:
    node = PreviewNode(id="p", name="p", dependency="counts", quota_bytes=0, image="python")
    assert preview(budget(None), ANALYST, node, run(1), 0) == 0
    with pytest.raises(Refused, match="0 are left of your quota of 0"):
        preview(budget(None), ANALYST, node, run(1), 22)


# --- validated tables ---


def test_a_validated_table_is_for_the_devices_that_the_data_was_attached_for() -> None:
    state = budget(None)
    key = "77" * 32
    with pytest.raises(Refused, match="was not attached for this device") as caught:
        fetch_table(state, "people", key)
    assert caught.value.code == "forbidden"
    happens(
        state,
        DatasetRemoved(node="people", manifest=DATA["people"], request="c3" * 32),
        DatasetAttached(node="people", manifest="d4" * 32, request="d4" * 32, readers=(key,)),
    )
    fetch_table(state, "people", key)
    with pytest.raises(Refused):
        fetch_table(state, "sales", key)


def test_the_ledger_is_a_fold_of_the_log_alone() -> None:
    """As a restart finds it."""
    events: list[Event] = []
    state = RoomState()
    bodies: list[tuple[str, Any]] = [(OWNER, Published(definition=ROOM))]
    bodies += [(OWNER, DatasetAttached(node=node, manifest=digest, request=digest)) for node, digest in DATA.items()]
    for actor, body in bodies:
        events.append(Event(time=1, actor=actor, body=body))
        state.apply(events[-1])
    for index, node in enumerate(("fake", "pairs")):
        for body in (started(state, node, index), finished(index, node)):
            events.append(Event(time=1, actor=ANALYST, body=body))
            state.apply(events[-1])
    events.append(Event(time=1, actor=ANALYST, body=ResultFetched(run=run(5), node="look", spent=60)))
    state.apply(events[-1])
    assert lose(state, "fake", run(0)) == [ResultLost(run=run(0), node="fake")]
    read = [decode(canonical(event), Event, what="an event") for event in events]
    assert fold(read) == state
    assert spent(fold(read)) == {"people": 1.5, "sales": 0.5}
    assert fold(read).previewed == {(ANALYST, "look"): 60}
