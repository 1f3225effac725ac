"""Everything that is read from others, by what nobody in their right mind would send: one kind of error, or a record.

Numbers that no field holds, NaN, keys that come twice, half characters, lists inside lists inside lists, megabytes of
nothing; and records that were right once, with a value exchanged for such a thing.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister import protocol
from cloister.enclave import segments
from cloister.errors import DefinitionInvalid, LogTampered, ReceiptInvalid, VerificationError
from cloister.formats import checkpoint, dataset, merkle, receipt, sealed
from cloister.formats.checkpoint import verify_checkpoint
from cloister.formats.encoding import Record, canonical, decode, decode_canonical
from cloister.formats.receipt import verify_receipt
from cloister.rooms import definition, events, nodes, vault
from cloister.rooms.definition import check_definition, read_definition
from cloister.rooms.events import Event
from cloister.rooms.planning import node_digest, plan
from cloister.rooms.state import fold
from cloister.rooms.vault import VaultEvent, VaultState
from cloister.trust import evidence, software
from tests.documents import ROOT
from tests.rooms.examples import ROOM
from tests.vectors import make

MODULES = (
    protocol,
    dataset,
    checkpoint,
    merkle,
    receipt,
    sealed,
    segments,
    definition,
    events,
    nodes,
    vault,
    evidence,
    software,
)


def records(*modules: ModuleType) -> Iterator[type[Record]]:
    """All kinds of record of those modules, public or not."""
    found = {value for module in modules for value in vars(module).values() if inspect.isclass(value)}
    return iter(sorted((kind for kind in found if issubclass(kind, Record) and kind is not Record), key=repr))


KINDS = list(records(*MODULES))
DEEP = 200_000
NASTY: dict[str, bytes] = {
    "nothing": b"",
    "NaN": b'{"version":NaN}',
    "infinity": b'{"size":Infinity}',
    "a huge number": b'{"version":1' + b"0" * 100_000 + b"}",
    "a huge exponent": b'{"size":1e999999999}',
    "a tiny exponent": b'{"size":1e-999999999}',
    "minus a half": b'{"size":-0.5}',
    "deep lists": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "closed deep lists": b"[" * DEEP + b"]" * DEEP,
    "half a character": b'{"name":"\\ud800"}',
    "half a character, raw": b'{"name":"\xed\xa0\x80"}',
    "not UTF-8": b'{"name":"\xff"}',
    "a key twice": b'{"version":1,"version":1}',
    "a type twice": b'{"type":"describe","type":"stop_room"}',
    "an unknown type": b'{"type":"give me everything"}',
    "a type that is none": b'{"type":{}}',
    "an unknown version": b'{"version":2}',
    "a version that is nearly one": b'{"version":1.0}',
    "a version that is true": b'{"version":true}',
    "two documents": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"version":1}'.encode("utf-16"),
    "NUL": b"\0" * 1000,
    "a megabyte of names": b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}",
}
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53, -(2**63), 2**64, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["\ud800", "\0", "ab" * 32, "../x", "a@b.example", "AA=="]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=6,
)


@pytest.mark.parametrize("name", NASTY)
def test_what_nobody_sends_is_refused_by_every_record(name: str) -> None:
    for kind in KINDS:
        with pytest.raises(VerificationError):
            decode(NASTY[name], kind, what="it")
        with pytest.raises(VerificationError):
            decode_canonical(NASTY[name], kind, what="it")


def changed(data: st.DataObject, record: Any) -> Any:
    """A record as plain values, one of them exchanged, gone or doubled."""
    if not isinstance(record, dict | list) or not record or data.draw(st.integers(0, 4)) == 0:
        return data.draw(values)
    places = sorted(record) if isinstance(record, dict) else range(len(record))
    place = data.draw(st.sampled_from(places))
    copy = record.copy()
    match data.draw(st.sampled_from(["inside", "inside", "inside", "gone", "more"])):
        case "inside":
            copy[place] = changed(data, record[place])
        case "gone":
            del copy[place]
        case _ if isinstance(copy, dict):
            copy[data.draw(st.text(max_size=6))] = data.draw(values)
        case _:
            copy.append(copy[place])
    return copy


def written(data: st.DataObject, value: Any) -> bytes:
    """As JSON: canonical where there is such a form of it."""
    try:
        return rfc8785.dumps(value)
    except (ValueError, rfc8785.CanonicalizationError):
        return json.dumps(value).encode()


@given(st.data())
@settings(max_examples=400)
def test_a_definition_with_one_thing_changed_keeps_the_rules_or_is_refused(data: st.DataObject) -> None:
    told = written(data, changed(data, json.loads(canonical(ROOM))))
    try:
        read = read_definition(told)
    except DefinitionInvalid:
        return
    assert canonical(read) == told
    check_definition(read)
    # What was taken can be worked with.
    for node in read.nodes:
        assert len(node_digest(node)) == 32
        assert plan(read, "ab" * 32, node.id, dict.fromkeys(("patients", "lab"), "cd" * 32)) is not None


VAULT = json.loads((ROOT / "tests/vectors/vault.json").read_text())
PROTOCOL = json.loads((ROOT / "tests/vectors/protocol.json").read_text())
SENT: dict[str, Any] = {
    "requests": protocol.Request,
    "frames": protocol.Frame,
    "tasks": protocol.Task,
    "reports": protocol.Report,
    "evidence": protocol.EnclaveEvidence,
}


@pytest.mark.parametrize("kind", SENT)
@given(st.data())
@settings(max_examples=150)
def test_a_message_with_one_thing_changed_is_another_message_or_refused(kind: str, data: st.DataObject) -> None:
    seeds = PROTOCOL[kind]
    seed = data.draw(st.sampled_from(seeds)) if isinstance(seeds, list) else seeds
    try:
        read = decode(written(data, changed(data, seed)), SENT[kind], what="a message")
    except VerificationError:
        return
    assert decode(msgspec.json.encode(read), SENT[kind], what="a message") == read
    assert repr(read)


EVENTS: dict[type[Any], list[Any]] = {
    Event: [json.loads(canonical(each)) for each in make.events()],
    VaultEvent: [json.loads(each["canonical"]) for each in VAULT["events"]],
}


@pytest.mark.parametrize("kind", EVENTS)
@given(st.data())
@settings(max_examples=150)
def test_an_event_with_one_thing_changed_is_another_event_or_refused(kind: type[Any], data: st.DataObject) -> None:
    """And whatever event it is, the state of the room takes it: folding never fails."""
    told = written(data, changed(data, data.draw(st.sampled_from(EVENTS[kind]))))
    try:
        read = decode_canonical(told, kind, what="an event")
    except VerificationError:
        return
    assert canonical(read) == told
    if isinstance(read, Event):
        fold([*make.events(), read, *make.events()])
    else:
        VaultState().apply(read)


RECEIPT = json.loads((ROOT / "tests/vectors/receipt.json").read_text())
NOTE = json.loads((ROOT / "tests/vectors/log.json").read_text())["checkpoint"]


@given(st.data())
@settings(max_examples=200)
def test_a_receipt_with_one_thing_changed_is_refused(data: st.DataObject) -> None:
    told = written(data, changed(data, json.loads(RECEIPT["envelope"])))
    public, result = bytes.fromhex(RECEIPT["public"]), RECEIPT["result"]
    try:
        body = verify_receipt(told, public, result=result)
    except ReceiptInvalid:
        return
    # The name of the key is a hint, which nothing is made of.
    assert body == verify_receipt(RECEIPT["envelope"].encode(), public, result=result)
    assert json.loads(told)["payload"] == json.loads(RECEIPT["envelope"])["payload"]


@given(st.text(max_size=200), st.integers(0, 400), st.integers(0, 60))
@settings(max_examples=300)
def test_a_checkpoint_with_anything_in_it_is_refused(noise: str, place: int, length: int) -> None:
    note, public, room = NOTE["note"], bytes.fromhex(NOTE["public"]), NOTE["room"]
    for each in (note[:place] + noise + note[place + length :], noise, note + noise):
        try:
            found = verify_checkpoint(each, public, room=room)
        except LogTampered:
            continue
        # Base64 has spare bits at its end: other letters, the same signature.
        assert found == verify_checkpoint(note, public, room=room)
