"""An account's sessions and its password, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cloister.hub import browsers, passwords, sessions
from cloister.hub.access import SESSION, Account
from cloister.hub.entrance import acceptable, wrong
from cloister.hub.problems import not_found, responses
from cloister.hub.schema import SessionRow
from cloister.hub.services import Hub, Services
from cloister.hub.tokens import Principal

router = APIRouter(prefix="/v1", tags=["account"], responses=responses(400, 401, 403, 503))

SessionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the list of sessions names it.")]


class SessionInfo(BaseModel):
    """A browser in which the account is signed in."""

    id: str
    email: str
    means: str = Field(description="By what: `password`, `invitation` or `provider`.")
    browser: str = Field(description="What it called itself. Whoever signs in chooses these words.")
    created_at: datetime
    used_at: datetime = Field(description="To a minute.")
    expires_at: datetime = Field(description="When it ends in any case.")
    idle_seconds: int = Field(description="It ends before, after so long without a request.")
    current: bool = Field(description="Whether it is the one that this was asked in.")


class PasswordChange(BaseModel, extra="forbid"):
    """The password that the account has, and the one that it is to have."""

    current: str = Field(max_length=4 * passwords.MOST)
    new: str = Field(max_length=4 * passwords.MOST)


@router.get("/session", summary="Which session is this?", responses=responses(404))
async def get_session(account: Account, hub: Hub) -> SessionInfo:
    """404 where the request was made with an API token."""
    for info in await _listed(account, hub):
        if info.current:
            return info
    raise not_found("This request was made with an API token, in no session. Sign in with POST /auth/password.")


@router.delete("/session", summary="Log out", status_code=HTTPStatus.NO_CONTENT, responses=responses(404, 507))
async def log_out(account: Account, hub: Hub, request: Request, response: Response) -> None:
    """This browser's session ends, and what is open in it."""
    if not account.in_session:
        raise not_found("This request was made with an API token, in no session. DELETE /v1/tokens/{id} ends it.")
    await hub.database.writing(lambda db: sessions.end(db, account.id, account.token_id))
    _forget(request, response, hub)


@router.get("/sessions", summary="List the account's sessions")
async def list_sessions(account: Account, hub: Hub) -> list[SessionInfo]:
    """Those that go on, the one used least lately first."""
    return await _listed(account, hub)


@router.delete("/sessions", summary="Log out everywhere", status_code=HTTPStatus.NO_CONTENT, responses=responses(507))
async def log_out_everywhere(account: Account, hub: Hub, request: Request, response: Response) -> None:
    """All sessions of the account end, this one too. API tokens go on."""
    await hub.database.writing(lambda db: sessions.end_all(db, account.id))
    _forget(request, response, hub)


@router.delete(
    "/sessions/{session_id}",
    summary="End a session",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(404, 507),
)
async def end_session(session_id: SessionId, account: Account, hub: Hub) -> None:
    """It ends at once, also if it is the one that this request was made in."""
    if not await hub.database.writing(lambda db: sessions.end(db, account.id, session_id)):
        raise not_found("The account has no such session. List them with GET /v1/sessions.")


@router.put(
    "/password",
    summary="Change the password",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(408, 413, 429, 507),
)
async def change_password(body: PasswordChange, account: Account, hub: Hub, request: Request) -> None:
    """All other sessions of the account end; API tokens go on. An account without a password gets one by an invitation
    alone, so that who is signed in otherwise can't stay by it."""
    hub.sign_in.count(browsers.address(request.scope, hub.settings), account.name)
    kept = await hub.database.reading(lambda db: passwords.find(db, account.name))
    if not await hub.sign_in.passwords.fits(kept, body.current) or kept is None:
        raise wrong()
    hashed = await hub.sign_in.passwords.hash(acceptable(body.new, account.name))
    now = datetime.now(UTC)

    def work(db: Session) -> None:
        if passwords.find(db, account.name) != kept:
            raise wrong()
        passwords.keep(db, account.id, hashed, now)
        sessions.end_all(db, account.id, but=account.token_id)

    await hub.database.writing(work)


async def _listed(account: Principal, hub: Services) -> list[SessionInfo]:
    now, idle = datetime.now(UTC), timedelta(seconds=hub.settings.session_idle_seconds)
    rows = await hub.database.reading(lambda db: sessions.listed(db, account.id, now, idle))
    return [_info(row, account, hub) for row in rows]


def _info(row: SessionRow, account: Principal, hub: Services) -> SessionInfo:
    return SessionInfo(
        id=row.id,
        email=account.name,
        means=row.means,
        browser=row.browser,
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
        idle_seconds=hub.settings.session_idle_seconds,
        current=row.id == account.token_id,
    )


def _forget(request: Request, response: Response, hub: Services) -> None:
    cookie = browsers.set_cookie(request.scope, hub.settings, SESSION, "", seconds=0)
    response.headers.append("Set-Cookie", cookie)
