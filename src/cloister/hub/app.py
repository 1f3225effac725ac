"""Puts the hub together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloister.hub import (
    blobs,
    bundle,
    collection,
    direct,
    entrance,
    identity,
    me,
    metrics,
    own_sessions,
    problems,
    provider_flow,
    relay,
    removal,
    rooms,
    vaults,
)
from cloister.hub.access import Authentication
from cloister.hub.database import open_database
from cloister.hub.health import Checks, Readiness
from cloister.hub.limits import BodyLimit, Rate, Slots
from cloister.hub.logs import AccessLog
from cloister.hub.objects import open_objects
from cloister.hub.pages import Pages
from cloister.hub.revocations import Revocations
from cloister.hub.services import Hub, Services
from cloister.hub.settings import HubSettings
from cloister.hub.sign_in import SignIn
from cloister.hub.signing import open_signing_keys
from cloister.hub.upstream import Upstream

_SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_HOUR = 3600
_TLS_HEADERS = [(b"strict-transport-security", b"max-age=31536000")]

_TAGS = [
    {"name": "service", "description": "Is the hub there?"},
    {"name": "identity", "description": "Binding device keys to emails."},
    {"name": "sign-in", "description": "Getting a session in a browser. No token is needed."},
    {"name": "account", "description": "The caller's account, its API tokens, sessions and password."},
    {"name": "blobs", "description": "Ciphertext, in parts."},
    {"name": "rooms", "description": "Which rooms exist, and whom they invite."},
    {"name": "relay", "description": "Sealed messages to the enclave and back. The hub can't read them."},
]

_health = APIRouter(tags=["service"])


class Health(BaseModel):
    """The hub answers."""

    status: str


@_health.get("/healthz", summary="Is the hub up?")
async def healthz() -> Health:
    return Health(status="ok")


@_health.get(
    "/readyz",
    summary="Can the hub serve?",
    responses={503: {"model": Readiness, "description": "Not now; the body says what is missing."}},
)
async def readyz(hub: Hub, response: Response) -> Readiness:
    """Database, blob store and enclave answer. Load balancers ask this."""
    found = Readiness(status="stopping") if hub.draining.is_set() else await hub.checks.readiness()
    if found.status != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return found


class SecurityHeaders:
    """Tells browsers to be strict with every answer; more so than pages are, which say for themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        extra = _SECURITY_HEADERS + (_TLS_HEADERS if scope["scheme"] == "https" else [])

        async def adding_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in extra if each[0] not in said)]
            await send(message)

        await self._app(scope, receive, adding_send)


def create_app(settings: HubSettings) -> FastAPI:
    """The hub as an ASGI application. Makes or migrates the database and the identity key.

    The application is for one server process and one life: its connections close when it shuts down.
    """
    folder = settings.ui or bundle.installed()
    pages = None if folder is None else bundle.load(folder)
    database = open_database(settings)
    try:
        services = Services(
            settings=settings,
            database=database,
            objects=(objects := open_objects(settings)),
            signing=open_signing_keys(settings, database),
            upstream=(upstream := Upstream(settings)),
            checks=Checks(database, objects, upstream),
            relayed=Slots(settings.relay_slots, "relayed requests"),
            transfers=Slots(settings.transfer_slots, "transfers"),
            messages=Rate(settings.messages_per_second, settings.messages_burst, "requests"),
            proofs=Rate(settings.evidence_per_second, settings.evidence_burst, "requests for evidence"),
            rooms=Rate(settings.rooms_per_hour / _HOUR, settings.rooms_burst, "changes of the directory of rooms"),
            revocations=Revocations(database, settings.revocation_seconds),
            sign_in=SignIn(settings),
        )
    except BaseException:
        database.close()
        raise

    metrics.watch(lambda: services.relayed.taken, lambda: services.transfers.taken)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tidying = asyncio.gather(
            collection.keep_tidy(services),
            direct.keep_ending_permits(services),
            removal.keep_removing(services),
            services.revocations.keep_up(services.closing),
        )
        try:
            yield
        finally:
            services.closing.set()
            await tidying
            await services.upstream.close()
            await services.sign_in.close()
            database.close()

    app = FastAPI(
        title="Cloister hub",
        description="Accounts, ciphertext, a directory of rooms, and a relay for sealed messages.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        responses={"default": {"model": problems.ErrorBody, "description": "Any other error"}},
        openapi_tags=_TAGS,
        lifespan=lifespan,
        middleware=[
            Middleware(AccessLog),
            Middleware(SecurityHeaders),
            Middleware(Pages, pages, settings.idle_seconds, settings.slowest_bytes),
            Middleware(BodyLimit, settings.json_bytes, settings.idle_seconds, settings.slowest_bytes),
            Middleware(Authentication, database, settings),
        ],
    )
    app.state.services = services
    routers = (
        _health,
        identity.router,
        entrance.router,
        provider_flow.router,
        me.router,
        own_sessions.router,
        vaults.router,
        blobs.router,
        direct.router,
        rooms.router,
        relay.router,
    )
    problems.install(app, routers)
    for router in routers:
        app.include_router(router)
    return app
