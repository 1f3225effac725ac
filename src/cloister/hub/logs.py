"""What the hub logs: one line per request, to standard error, without anything that came in it.

A line names the method, the *template* of the path, the status, the time and the principal's id. Headers,
query strings, bodies, emails, blob ids and room ids are never written.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloister.hub.problems import error_response

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

logger = logging.getLogger("cloister.hub")


def configure() -> None:
    """Send the hub's log, and the server's warnings, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for name, level in (("cloister.hub", logging.INFO), ("uvicorn.error", logging.WARNING)):
        channel = logging.getLogger(name)
        channel.handlers = [handler]
        channel.setLevel(level)
        channel.propagate = False


class AccessLog:
    """Outermost layer: logs each request, and answers what nobody foresaw with a plain 500.

    A request that is cancelled because the hub stops ends quietly: with 503 if nothing was sent yet.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def watching_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watching_send)
        except asyncio.CancelledError:
            if not status:
                stopping = error_response(503, "unavailable", "The hub is stopping. Try again in a moment.")
                await stopping(scope, receive, watching_send)
        except ClientDisconnect:
            # Nobody is left to be answered.
            status = 0
        except Exception as error:
            # The frames say where; the message of a foreign exception might say what was in the request.
            logger.error("unforeseen %s", _places(error))
            if not status:
                await _broken()(scope, receive, watching_send)
        finally:
            _log_line(scope, status, time.perf_counter() - began)


def _broken() -> ASGIApp:
    message = "The hub failed to serve this. Its log says where; please tell whoever runs it."
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", message)


def _places(error: BaseException) -> str:
    """The kinds of an exception and its causes, and where they were raised, without their messages."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        frames = []
        trace = link.__traceback__
        while trace is not None:
            frames.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
            trace = trace.tb_next
        parts.append(f"{type(link).__module__}.{type(link).__qualname__} at {' > '.join(frames[-12:])}")
        link = link.__cause__ or link.__context__
    return " caused by ".join(parts)


def _log_line(scope: Scope, status: int, seconds: float) -> None:
    path = getattr(scope.get("route"), "path", "-")
    principal = scope.get("state", {}).get("principal")
    logger.info(
        "%s %s %s %.1fms %s",
        scope["method"] if scope["method"] in _METHODS else "-",
        path,
        status or "gone",
        seconds * 1000,
        "-" if principal is None else principal.id,
    )
