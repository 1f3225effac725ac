"""The protocol: every message there and back, and nothing that isn't one."""

from __future__ import annotations

import base64
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from cloister.errors import Refused, VerificationError
from cloister.formats.encoding import Bytes32, decode, pack, sha256
from cloister.formats.sealed import EnclaveKeys
from cloister.protocol import (
    Answer,
    AttachDataset,
    Dataset,
    EnclaveEvidence,
    Finished,
    Frame,
    Nonce,
    Progress,
    PullTask,
    Refusal,
    RemoveDataset,
    Report,
    Request,
    RequestBody,
    Result,
    RunComputation,
    Task,
    TaskInput,
    offer_digest,
    refusal,
)
from cloister.rooms.definition import ImageReference
from cloister.rooms.limits import Limits
from tests.messages import BODIES, FRAMES, KEY, REPORTS, REQUESTS, SCRIPT_WITH_PACKAGES, SHOWN, TASK

MESSAGES: list[tuple[Any, Any]] = [
    *((Request, message) for message in REQUESTS),
    *((Frame, message) for message in FRAMES),
    *((Report, message) for message in REPORTS),
    (Task, TASK),
    (Task, SCRIPT_WITH_PACKAGES),
    (EnclaveEvidence, SHOWN),
]


def kinds(union: Any) -> set[type]:
    return set(typing.get_args(union)) - {type(None)}


def test_there_is_one_of_each_kind() -> None:
    assert {type(body) for body in BODIES} == kinds(RequestBody)
    for frame in (Progress, Answer):
        bodies = {type(message.body) for message in FRAMES if isinstance(message, frame)} - {type(None)}
        assert bodies == kinds(typing.get_type_hints(frame)["body"])
    assert {type(message) for message in FRAMES} == kinds(Frame)
    assert {type(message.outcome) for message in REPORTS} == kinds(typing.get_type_hints(Report)["outcome"])


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_there_and_back(kind: Any, message: Any) -> None:
    assert decode(msgspec.json.encode(message), kind, what="a message") == message


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_unknown_fields_are_refused_at_every_depth(kind: Any, message: Any) -> None:
    def changes(value: Any) -> list[Any]:
        """The value with one field more, once for each object in it."""
        if isinstance(value, dict):
            inner = [{**value, name: each} for name in value for each in changes(value[name])]
            return [{**value, "unknown": 1}, *inner]
        if isinstance(value, list):
            return [[*value[:at], each, *value[at + 1 :]] for at in range(len(value)) for each in changes(value[at])]
        return []

    for changed in changes(msgspec.to_builtins(message)):
        with pytest.raises(VerificationError, match="unknown field `unknown`"):
            decode(msgspec.json.encode(changed), kind, what="a message")


@pytest.mark.parametrize("kind", [Request, Task, Report])
def test_other_versions_are_refused(kind: Any) -> None:
    message = next(message for known, message in MESSAGES if known is kind)
    for version in (0, 2, "1", None):
        data = msgspec.json.encode({**msgspec.to_builtins(message), "version": version})
        with pytest.raises(VerificationError):
            decode(data, kind, what="a message")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"type": "unknown"},
        {"type": "done"},
        {"type": "remove_dataset", "node": "lab"},
        {"type": "remove_dataset", "node": "lab", "request": "zz"},
        {"type": "attach_dataset", "node": "lab", "manifest": {}, "key": ""},
        {"type": "read_log", "start": -1},
        {"type": "read_log", "start": 2**53},
        {"type": "read_log", "start": None},
        {"type": "publish_room", "definition": "not base64!"},
    ],
)
def test_what_is_not_a_request_is_refused(body: Any) -> None:
    with pytest.raises(VerificationError, match="not a request"):
        decode(msgspec.json.encode({"body": body}), Request, what="a request")


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """The value with something else at one place inside; None takes a field away."""
    first, *rest = path
    if isinstance(value, list | tuple):
        return [changed(each, tuple(rest), new) if at == first else each for at, each in enumerate(value)]
    if rest:
        return {**value, first: changed(value[first], tuple(rest), new)}
    return {**value, first: new} if new is not None else {name: value[name] for name in value if name != first}


BYTES32: list[tuple[Any, type, tuple[str | int, ...]]] = [
    (Request, AttachDataset, ("body", "key")),
    (Request, PullTask, ("body", "nonce")),
    (Frame, Dataset, ("body", "key")),
    (Frame, Result, ("body", "key")),
    (Frame, Result, ("body", "commitment")),
    (Frame, Nonce, ("body", "nonce")),
    (Task, Task, ("result_key",)),
    (Task, Task, ("report_key",)),
    (Task, Task, ("inputs", 0, "key")),
    (Report, Finished, ("outcome", "commitment")),
    (EnclaveEvidence, EnclaveEvidence, ("keys", "keys", "signing")),
]
"""What is read, the kind that the field is in, and the field."""


def example(kind: Any, inner: type) -> Any:
    """The message of ``kind`` that is, or has for its body or outcome, an ``inner``."""
    parts = ((message, getattr(message, "body", getattr(message, "outcome", message))) for _, message in MESSAGES)
    return next(message for message, part in parts if isinstance(part, inner))


@pytest.mark.parametrize(
    ("kind", "inner", "path"), BYTES32, ids=[f"{inner.__name__}-{path}" for _, inner, path in BYTES32]
)
def test_keys_nonces_and_commitments_are_32_bytes(kind: Any, inner: type, path: tuple[str | int, ...]) -> None:
    message = msgspec.to_builtins(example(kind, inner))
    for size in (0, 16, 31, 33, 64):
        data = msgspec.json.encode(changed(message, path, base64.b64encode(bytes(size)).decode()))
        with pytest.raises(VerificationError, match="Expected `bytes` of length"):
            decode(data, kind, what="a message")
    for wrong in ("zz", 1):
        with pytest.raises(VerificationError):
            decode(msgspec.json.encode(changed(message, path, wrong)), kind, what="a message")
    assert decode(msgspec.json.encode(changed(message, path, base64.b64encode(bytes(32)).decode())), kind, what="it")


def test_every_field_of_32_bytes_is_among_them() -> None:
    """Fields of bytes that are not of 32 are texts, sealed boxes, signatures, proofs or X-Wing keys."""
    fields = {(inner.__name__, path[-1]) for _, inner, path in BYTES32}
    listed = fields - {("Task", "key"), ("EnclaveEvidence", "signing")} | {
        ("TaskInput", "key"),
        ("EnclaveKeys", "signing"),
    }
    found = set()
    for known in {
        *kinds(RequestBody),
        *kinds(typing.get_type_hints(Answer)["body"]),
        Task,
        TaskInput,
        Finished,
        EnclaveKeys,
    }:
        for name, annotation in typing.get_type_hints(known, include_extras=True).items():
            if annotation == Bytes32:
                found.add((known.__name__, name))
    assert found == listed


def test_every_request_that_may_come_twice_has_an_id() -> None:
    """Of those that change something: a late one must be told from a new one."""
    for body, field in ((AttachDataset, "request"), (RemoveDataset, "request"), (RunComputation, "job")):
        message = msgspec.to_builtins(example(Request, body))
        for wrong in (None, "", "AA" * 32, "aa" * 31, "aa" * 33):
            with pytest.raises(VerificationError, match="not a request"):
                decode(msgspec.json.encode(changed(message, ("body", field), wrong)), Request, what="a request")


def test_an_offer_is_all_that_a_worker_says_of_itself() -> None:
    """Evidence vouches for it as a whole: what is left out, added or put in another order is another offer."""
    key, other = b"\x01" * 1216, b"\x02" * 1216
    images = [ImageReference(name=name, measurement=measurement * 32) for name in "ab" for measurement in ("11", "22")]
    offers: list[tuple[bytes, tuple[ImageReference, ...], str | None, Limits | UnsetType]] = [
        (each, tuple(listed), room, limits)
        for each in (key, other)
        for listed in ([], *([image] for image in images), images, images[::-1], images[:2])
        for room in (None, "aa" * 32, "bb" * 32)
        for limits in (UNSET, Limits(), Limits(pids=1))
    ]
    digests = {offer_digest(*offer) for offer in offers}
    assert len(digests) == len(offers)
    assert {len(digest) for digest in digests} == {32}
    pull = example(Request, PullTask).body
    assert offer_digest(pull.key, pull.images, pull.only_room).hex() == OFFER


OFFER = sha256(
    pack(
        "cloister/worker-offer/v1",
        b"\x01" * 1216,
        b'{"images":[{"measurement":"' + b"bb" * 32 + b'","name":"python"}],"only_room":"' + b"cc" * 32 + b'"}',
    )
).hex()
"""Of the example, put together by hand."""


@given(st.binary(max_size=100))
def test_noise_is_refused(data: bytes) -> None:
    unions: list[Any] = [Request, Frame, Task, Report]
    for kind in unions:
        with pytest.raises(VerificationError):
            decode(data, kind, what="a message")


def test_every_refusal_can_be_sent() -> None:
    codes = typing.get_args(typing.get_type_hints(Refusal)["code"])
    assert set(codes) == Refused.CODES
    for code in codes:
        sent = refusal(Refused(code, "No."))
        assert decode(msgspec.json.encode(sent), Frame, what="a frame") == Refusal(code=code, message="No.")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown refusal code"):
        Refused("maybe", "No.")


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_keys_are_not_shown(kind: Any, message: Any) -> None:
    assert repr(KEY)[2:-1] not in repr(message)
    assert f"<{len(KEY)} bytes>" in repr(TASK)
