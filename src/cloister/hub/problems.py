"""How the hub says no: one JSON shape for every error, and the exceptions that become it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from cloister.hub.database import DatabaseFailed

_HOW_TO_GET_ONE = "Get one on the hub's machine with: cloister user add EMAIL --data DIR"


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="A stable word for programs, e.g. `not_found`.")
    message: str = Field(description="For people: what happened, and what to do next.")


class ErrorBody(BaseModel):
    """The body of every answer that isn't 2xx (the enclave's own are passed on in the same shape)."""

    error: ErrorDetail


class Problem(HTTPException):
    """Ends the request with ``status`` and the message. The message must not repeat what was sent.

    It is an `HTTPException` so that FastAPI lets it pass while it reads a body.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status_code=status, detail=message, headers=headers)
        self.code = code
        self.message = message

    def response(self) -> JSONResponse:
        """The answer that says so."""
        return error_response(self.status_code, self.code, self.message, dict(self.headers or {}))


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer in the one error shape."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)


def unauthorized() -> Problem:
    """The same answer for every credential that doesn't work, so that it tells nothing about why."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "Sign in, again if you were: this needs a session, or a valid API token in the header 'Authorization: Bearer "
        f"TOKEN'. {_HOW_TO_GET_ONE}",
        {"WWW-Authenticate": "Bearer"},
    )


def forbidden(message: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", message)


def not_found(message: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "not_found", message)


def bad_request(message: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "bad_request", message)


def conflict(message: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "conflict", message)


def too_large(message: str) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message)


def busy(message: str, retry_seconds: int) -> Problem:
    """429; ``message`` says when to try again, and so does the header."""
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "busy", message, {"Retry-After": str(retry_seconds)})


def unavailable(message: str, retry_seconds: int = 5) -> Problem:
    """503: something that the hub needs is away or slow. The header says when to try again."""
    headers = {"Retry-After": str(retry_seconds)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", message, headers)


def full(message: str, retry_seconds: int = 60) -> Problem:
    """507: something that the hub needs has no room left. The header says when to try again."""
    headers = {"Retry-After": str(retry_seconds)}
    return Problem(HTTPStatus.INSUFFICIENT_STORAGE, "full", message, headers)


def of_database(failure: DatabaseFailed) -> Problem:
    """What a failure of the database is to a client."""
    return full(str(failure)) if failure.full else unavailable(str(failure))


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of the errors that an operation may answer with."""
    return {status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in statuses}


async def _answer_problem(_request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    return problem.response()


async def _answer_database(_request: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, DatabaseFailed)
    return of_database(failure).response()


async def _answer_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    message = f"{phrase}. The hub's operations are described at /openapi.json."
    return error_response(error.status_code, code, message, dict(error.headers or {}))


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    """What doesn't fit the schema, named by place and rule only: the input itself may be private."""
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(
        f"{'.'.join(str(place) for place in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5]
    )
    return bad_request(f"The request does not fit the interface. {faults}").response()


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make ``app`` answer every error in the one shape. ``routers`` are all that it includes."""

    async def answer_http(request: Request, error: Exception) -> JSONResponse:
        answer = await _answer_http(request, error)
        if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Each method is a route of its own, which knows nothing of the others.
            answer.headers["Allow"] = ", ".join(_methods(routers, request))
        return answer

    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(DatabaseFailed, _answer_database)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


def _methods(routers: Sequence[APIRouter], request: Request) -> list[str]:
    """What may be done at the path that was asked for."""
    routes = (route for router in routers for route in router.routes if isinstance(route, Route))
    return sorted(
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    )
