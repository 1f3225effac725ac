"""Who may call what: every path under ``/v1/`` needs a token or a session, and most of them an account's.

The authentication is a layer in front of the operations, so that one added later is closed by default.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from cloister.hub import browsers, sessions, tokens
from cloister.hub.database import Database
from cloister.hub.problems import Problem, forbidden, unauthorized
from cloister.hub.settings import HubSettings
from cloister.hub.tokens import Principal

SESSION = "cloister"
"""The cookie of a browser in which somebody is signed in."""

_CLOSED = "/v1/"

# For the OpenAPI document; the check is that of `Authentication`.
_SCHEME = Security(
    HTTPBearer(auto_error=False, description="An API token, as `cloister user add EMAIL --data DIR` prints it.")
)


class Authentication:
    """Finds the principal of each request, and answers 401 where there is none and one is needed."""

    def __init__(self, app: ASGIApp, database: Database, settings: HubSettings) -> None:
        self._app = app
        self._database = database
        self._settings = settings
        self._idle = timedelta(seconds=settings.session_idle_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_CLOSED):
            try:
                principal = await self._identify(scope)
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
            if principal is None:
                await unauthorized().response()(scope, receive, send)
                return
            scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, receive, send)

    async def _identify(self, scope: Scope) -> Principal | None:
        now = datetime.now(UTC)
        credentials = [value for name, value in scope["headers"] if name == b"authorization"]
        if not credentials and (session := browsers.cookie(scope, self._settings, SESSION)) is not None:
            browsers.require_own_page(scope, self._settings, by_cookie=True)
            return await sessions.find_principal(self._database, session, now, self._idle)
        if len(credentials) != 1:
            return None
        scheme, _, secret = credentials[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return await tokens.find_principal(self._database, secret.strip(), now)


async def _anyone(request: Request, _documented: object = _SCHEME) -> Principal:
    principal = request.state.principal
    assert isinstance(principal, Principal)
    return principal


AnyPrincipal = Annotated[Principal, Depends(_anyone)]
"""Whoever has a token or a session: an account or a worker."""


async def _account(principal: AnyPrincipal) -> Principal:
    if not principal.is_account:
        raise forbidden("A worker's token can't do this. Use the API token of an account.")
    return principal


Account = Annotated[Principal, Depends(_account)]
"""An account; workers get 403."""
