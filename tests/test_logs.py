"""One way to log for all parts: a line an event, the request that it belongs to, and never an exception's message."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from cloister.logs import REQUEST, JsonFormatter, TextFormatter, fields, is_request_id, new_request_id


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cloister.hub", logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_json_has_the_fields_and_the_request() -> None:
    request = new_request_id()
    token = REQUEST.set(request)
    try:
        line = json.loads(JsonFormatter().format(record("%s done", "it", **fields(task="t", seconds=1.5))))
    finally:
        REQUEST.reset(token)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "part": "cloister.hub",
        "message": "it done",
        "request": request,
        "task": "t",
        "seconds": 1.5,
    }


def test_fields_can_not_pass_for_what_every_line_has() -> None:
    line = json.loads(JsonFormatter().format(record("true", **fields(message="false", level="none"))))
    assert (line["message"], line["level"]) == ("true", "info")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_one_event_is_one_line(formatter: logging.Formatter) -> None:
    told = formatter.format(record("first\nforged 2026 INFO cloister.hub\r\nlast"))
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_of_an_exception_the_place_and_not_the_message(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("canary")
    except ValueError:
        told = formatter.format(record("failed", exc_info=sys.exc_info()))
    assert "builtins.ValueError at " in told
    assert "test_logs.py:" in told
    assert "canary" not in told


def test_ids_of_requests_are_of_one_form() -> None:
    assert is_request_id(new_request_id())
    for wrong in ("", "a" * 31, "A" * 32, "a" * 32 + "\n", "request=" + "a" * 24):
        assert not is_request_id(wrong)


@pytest.mark.parametrize(("style", "level", "lines"), [("text", "info", 2), ("json", "warning", 1)])
def test_it_is_set_up_for_a_process(style: str, level: str, lines: int) -> None:
    program = (
        "import logging, sys; from cloister.logs import configure; configure(*sys.argv[1:]);"
        "logging.getLogger('cloister.x').info('a'); logging.getLogger('cloister.x').warning('b');"
        "logging.getLogger('httpx').info('the library is quiet')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, style, level], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout == ""
    told = ran.stderr.splitlines()
    assert len(told) == lines
    if style == "json":
        assert json.loads(told[0])["message"] == "b"
