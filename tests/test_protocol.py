"""The protocol: every message there and back, and nothing that isn't one."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import Refused, VerificationError
from cloister.formats.encoding import decode
from cloister.protocol import (
    Answer,
    EnclaveEvidence,
    Frame,
    Progress,
    Refusal,
    Report,
    Request,
    RequestBody,
    Task,
    refusal,
)
from tests.messages import BODIES, FRAMES, KEY, REPORTS, REQUESTS, SHOWN, TASK

MESSAGES: list[tuple[Any, Any]] = [
    *((Request, message) for message in REQUESTS),
    *((Frame, message) for message in FRAMES),
    *((Report, message) for message in REPORTS),
    (Task, TASK),
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
        {"type": "publish_room", "definition": "not base64!"},
    ],
)
def test_what_is_not_a_request_is_refused(body: Any) -> None:
    with pytest.raises(VerificationError, match="not a request"):
        decode(msgspec.json.encode({"body": body}), Request, what="a request")


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
