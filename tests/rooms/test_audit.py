"""The audit log as text: five fields a line, whatever anybody is called."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.formats.receipt import Attested, Input
from cloister.rooms.audit import audit_line, audit_text
from cloister.rooms.events import (
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
from tests.rooms.examples import ROOM

HEX = "ab" * 32
WORKER = Attested(evidence="insecure-software", measurement=HEX)


def bodies(name: str) -> list[Body]:
    """One of each kind, with ``name`` wherever there is a name."""
    return [
        Published(definition=ROOM),
        KeyBound(user=name, key=HEX, issuer=name),
        DatasetAttached(node=name, manifest=HEX, request=HEX),
        DatasetFetched(node=name, manifest=HEX),
        DatasetRemoved(node=name, manifest=HEX, request=HEX),
        RunStarted(run=HEX, node=name, cache_key=HEX, inputs=(Input(node=name, manifest=None),)),
        RunFinished(run=HEX, node=name, manifest=HEX, worker=WORKER),
        RunFailed(run=HEX, node=name),
        RunVoided(run=HEX, node=name, reason="room stopped"),
        ResultFetched(run=HEX, node=name),
        LogRead(size=5),
        Stopped(),
        KeyUnbound(user=name, key=HEX),
        Restored(restore=HEX, declared=5),
        ResultLost(run=HEX, node=name),
    ]


def test_there_is_one_of_each_kind() -> None:
    assert {type(body) for body in bodies("x")} == set(typing.get_args(Body))


@given(st.text(), st.text(), st.integers(0, 2**53 - 1))
def test_always_five_fields_and_one_line(name: str, actor: str, time: int) -> None:
    for body in bodies(name):
        line = audit_line(Event(time=time, actor=actor, body=body))
        assert len(line.split(",")) == 5
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        assert line.split(",")[0] == str(time)
    events = [Event(time=time, actor=actor, body=body) for body in bodies(name)]
    assert len(audit_text(events).splitlines()) == len(events)
    assert audit_text(events).endswith("\n")


@pytest.mark.parametrize("character", [",", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u202e"])
def test_nobody_can_write_a_line_of_their_own(character: str) -> None:
    name = f"x{character}1700000000000{character}owner@example.org"
    line = audit_line(Event(time=1, actor="a@b", body=KeyBound(user="a@b", key=HEX, issuer=name)))
    assert character not in line.replace(",", "", 4)
    assert line.endswith(HEX)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            DatasetAttached(node="lab", manifest=HEX, request="cd" * 32),
            f"Dataset has been attached to lab,attach dataset,{HEX}",
        ),
        (LogRead(size=5), "Audit log has been retrieved,read log,5"),
        (Stopped(), "Room has been stopped,stop,"),
        (
            RunStarted(run=HEX, node="fake", cache_key=HEX, inputs=(), epsilon=0.5),
            f"Computation fake has been started at the cost of epsilon 0.5,start run,{HEX}",
        ),
        (
            RunFailed(run=HEX, node="fake", unspent=True),
            f"Computation fake has failed before it had begun: its epsilon is not spent,fail run,{HEX}",
        ),
        (
            ResultFetched(run=HEX, node="look", spent=60),
            f"Result of look has been fetched at the cost of 60 bytes of the quota,fetch result,{HEX}",
        ),
        (ResultFetched(run=HEX, node="look"), f"Result of look has been fetched,fetch result,{HEX}"),
        (Published(definition=ROOM), f"Room has been published,publish,{ROOM.id()}"),
    ],
)
def test_lines(body: Any, expected: str) -> None:
    assert audit_line(Event(time=17, actor="a@b", body=body)) == f"17,a@b,{expected}"
