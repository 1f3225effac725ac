"""How every part logs: one line an event, to standard error, as text or as JSON.

What may be in a line is up to whoever writes it. Two things are seen to here: lines that belong to one request bear its
id, wherever on its way they are written; and of an exception the kind and the places are told, never the message,
which may hold what a request said.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import msgspec

Style = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

REQUEST_HEADER = "X-Request-Id"
"""Bears the id of a request from the hub to the enclave, and back to whoever asked."""
REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being served, where one is."""

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_FIELDS = "cloister_fields"
_QUIET = ("httpx", "httpcore", "alembic", "uvicorn")


def new_request_id() -> str:
    """16 random bytes in hex. What a client may have sent is never used for it."""
    return secrets.token_hex(16)


def is_request_id(text: str) -> bool:
    """Whether another part of Cloister may have made this id."""
    return _REQUEST_ID.fullmatch(text) is not None


def fields(**values: str | float | None) -> dict[str, Any]:
    """For ``extra=``: what a line of JSON has as members of its own beside the message."""
    return {_FIELDS: values}


class TextFormatter(logging.Formatter):
    """For people: time, level, part, message, and the request that it belongs to."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as the base class has it
        # One event, one line, whatever a library may have put into its message.
        line = super().formatMessage(record).replace("\n", " ").replace("\r", " ")
        request = REQUEST.get()
        return f"{line} request={request}" if request else line

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as the base class has it
        return _places(ei)


class JsonFormatter(logging.Formatter):
    """For machines: one JSON object a line, with ``time`` (RFC 3339, UTC), ``level``, ``part``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name,
            "message": record.getMessage(),
        }
        if request := REQUEST.get():
            line["request"] = request
        if record.exc_info:
            line["error"] = _places(record.exc_info)
        return msgspec.json.encode({**getattr(record, _FIELDS, {}), **line}).decode()


def _places(
    error: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
) -> str:
    kind, _, trace = error
    name = "nothing" if kind is None else f"{kind.__module__}.{kind.__qualname__}"
    where = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)[-12:])
    return f"{name} at {where or 'an unknown place'}"


def configure(style: Style = "text", level: Level = "info") -> None:
    """Sends everything that this process logs to standard error. May be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if style == "text" else JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
