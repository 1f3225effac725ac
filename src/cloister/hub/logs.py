"""What the hub logs and counts: one line per request, without anything that came in it.

A line names the method, the *template* of the path, the status, the time and the principal's id. Headers,
query strings, bodies, emails, blob ids and room ids are never written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloister.hub.database import DatabaseFailed
from cloister.hub.metrics import count
from cloister.hub.problems import error_response, of_database
from cloister.logs import REQUEST, REQUEST_HEADER, fields, new_request_id

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

logger = logging.getLogger("cloister.hub")


class AccessLog:
    """Outermost layer: logs each request, and answers what nobody foresaw with a plain 500.

    A request that is cancelled because the hub stops ends quietly: with 503 if nothing was sent yet. Each gets an id,
    which the answer and all lines of the log about it bear, here and at the enclave.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = received = sent = 0
        request = new_request_id()
        REQUEST.set(request)

        async def watching_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def watching_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_HEADER.lower().encode(), request.encode())]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, watching_receive, watching_send)
        except asyncio.CancelledError:
            if not status:
                stopping = error_response(503, "unavailable", "The hub is stopping. Try again in a moment.")
                await stopping(scope, receive, watching_send)
        except ClientDisconnect:
            # Nobody is left to be answered.
            status = 0
        except DatabaseFailed as failure:
            # Before the operation itself: nobody could be identified.
            if not status:
                await of_database(failure).response()(scope, receive, watching_send)
        except Exception as error:
            # The frames say where; the message of a foreign exception might say what was in the request.
            logger.error("unforeseen %s", _places(error))
            if not status:
                await _broken()(scope, receive, watching_send)
        finally:
            _tell(scope, status, time.perf_counter() - began, received, sent)


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


def _tell(scope: Scope, status: int, seconds: float, received: int, sent: int) -> None:
    route = getattr(scope.get("route"), "path", "-")
    method = scope["method"] if scope["method"] in _METHODS else "-"
    principal = scope.get("state", {}).get("principal")
    who = "-" if principal is None else principal.id
    count(method, route, status, seconds, received, sent)
    milliseconds = round(seconds * 1000, 1)
    logger.info(
        "%s %s %s %.1fms %s",
        method,
        route,
        status or "gone",
        milliseconds,
        who,
        extra=fields(
            method=method,
            route=route,
            status=status,
            milliseconds=milliseconds,
            principal=who,
            received=received,
            sent=sent,
        ),
    )
