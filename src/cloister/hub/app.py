"""Puts the hub together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloister.hub import problems
from cloister.hub.access import Authentication
from cloister.hub.database import open_database
from cloister.hub.limits import BodyLimit
from cloister.hub.logs import AccessLog
from cloister.hub.services import Services
from cloister.hub.settings import HubSettings

_SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_TLS_HEADERS = [(b"strict-transport-security", b"max-age=31536000")]

_health = APIRouter(tags=["service"])


class Health(BaseModel):
    """The hub answers."""

    status: str


@_health.get("/healthz", summary="Is the hub up?")
async def healthz() -> Health:
    return Health(status="ok")


class SecurityHeaders:
    """Tells browsers to be strict with every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        extra = _SECURITY_HEADERS + (_TLS_HEADERS if scope["scheme"] == "https" else [])

        async def adding_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._app(scope, receive, adding_send)


def create_app(settings: HubSettings) -> FastAPI:
    """The hub as an ASGI application. Makes or migrates the database and the identity key.

    The application is for one server process and one life: its connections close when it shuts down.
    """
    database = open_database(settings)
    services = Services(settings=settings, database=database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            database.close()

    app = FastAPI(
        title="Cloister hub",
        description="Accounts, ciphertext, a directory of rooms, and a relay for sealed messages.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(AccessLog),
            Middleware(SecurityHeaders),
            Middleware(BodyLimit, settings.json_bytes, settings.idle_seconds),
            Middleware(Authentication, database),
        ],
    )
    app.state.services = services
    problems.install(app)
    app.include_router(_health)
    return app
