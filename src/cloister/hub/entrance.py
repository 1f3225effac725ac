"""Signing in over HTTP: by a password, and by a link that sets one. Needs no token; gives a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.errors import BadRequestError
from cloister.hub import browsers, links, passwords, sessions
from cloister.hub.access import SESSION
from cloister.hub.accounts import checked_email
from cloister.hub.problems import Problem, bad_request, responses
from cloister.hub.schema import PasswordRow
from cloister.hub.services import Hub, Services
from cloister.hub.sessions import Means
from cloister.hub.tokens import NewToken

router = APIRouter(prefix="/auth", tags=["sign-in"], responses=responses(400, 503))

_PASSWORD = Field(max_length=4 * passwords.MOST, description="It is never kept, nor logged.")


class Ways(BaseModel):
    """How one may sign in here."""

    password: bool = Field(description="By email and password, where the account has one.")
    provider: str | None = Field(description="At this provider, through `/auth/provider`; null: there is none.")


class PasswordSignIn(BaseModel, extra="forbid"):
    """Who wants to come in."""

    email: str = Field(max_length=320)
    password: str = _PASSWORD


class Invitation(BaseModel, extra="forbid"):
    """A link from `cloister user invite`, and the password that its holder wants."""

    token: str = Field(max_length=100, description="From the link.")
    email: str = Field(max_length=320, description="Whom the link is for. It is of no use for any other account.")
    password: str = _PASSWORD


class SignedIn(BaseModel):
    """Whose session the cookie is now."""

    email: str
    expires_at: datetime = Field(description="When it ends in any case.")
    idle_seconds: int = Field(description="It ends before, after so long without a request.")


def wrong() -> Problem:
    """The same whatever is wrong: nobody learns who has an account, or how they sign in."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "wrong_credentials",
        "Email and password don't fit together, or this account has no password. Try again; whoever runs the hub can "
        "give you a link to set a new one: cloister user invite EMAIL",
    )


@router.get("", summary="How can one sign in?")
async def get_ways(hub: Hub) -> Ways:
    """There is always a way by password; whether an account has one is nobody's business."""
    provider = hub.sign_in.provider
    return Ways(password=True, provider=None if provider is None else provider.name)


@router.post("/password", summary="Sign in by email and password", responses=responses(401, 403, 408, 413, 429, 507))
async def sign_in(body: PasswordSignIn, request: Request, response: Response, hub: Hub) -> SignedIn:
    """The answer sets the cookie of a session. It takes as long for an account that isn't there."""
    browsers.require_own_page(request.scope, hub.settings, by_cookie=False)
    email = _normal(body.email)
    hub.sign_in.count(browsers.address(request.scope, hub.settings), email)
    kept = await hub.database.reading(lambda db: passwords.find(db, email))
    if not await hub.sign_in.passwords.fits(kept, body.password) or kept is None:
        raise wrong()
    renewed = await hub.sign_in.passwords.hash(body.password) if hub.sign_in.passwords.is_dated(kept) else None
    now = datetime.now(UTC)

    def work(db: Session) -> NewToken | None:
        # It may have been changed since it was read.
        query = select(PasswordRow).where(PasswordRow.principal_id == kept.principal_id)
        row = db.scalars(query.with_for_update()).one_or_none()
        if row is None or row.hash != kept.hash:
            return None
        row.hash = renewed or row.hash
        return begin(db, hub, request, kept.principal_id, "password", now)

    session = await hub.database.writing(work)
    if session is None:
        raise wrong()
    return _welcome(email, session, request, response, hub, now)


@router.post(
    "/invitation", summary="Set a password by a link, and sign in", responses=responses(401, 403, 408, 413, 429, 507)
)
async def accept_invitation(body: Invitation, request: Request, response: Response, hub: Hub) -> SignedIn:
    """The link works once. Sessions that the account has had end."""
    browsers.require_own_page(request.scope, hub.settings, by_cookie=False)
    hub.sign_in.count(browsers.address(request.scope, hub.settings))
    now, email = datetime.now(UTC), _normal(body.email)
    found = await hub.database.reading(lambda db: links.find(db, body.token, email, now))
    if found is None:
        raise _no_link()
    hashed = await hub.sign_in.passwords.hash(acceptable(body.password, found.name))

    def work(db: Session) -> NewToken | None:
        principal = links.redeem(db, body.token, email, hashed, now)
        return None if principal is None else begin(db, hub, request, principal.id, "invitation", now)

    session = await hub.database.writing(work)
    if session is None:
        raise _no_link()
    return _welcome(found.name, session, request, response, hub, now)


def _normal(email: str) -> str:
    """As it is kept; empty, which is nobody's, where it can't be one."""
    try:
        return checked_email(email)
    except BadRequestError:
        return ""


def acceptable(password: str, email: str) -> str:
    """The password in the form that is hashed; 400 for one that is too weak."""
    try:
        return passwords.checked(password, email)
    except BadRequestError as error:
        raise bad_request(str(error)) from None


def begin(db: Session, hub: Services, request: Request, principal_id: str, means: Means, now: datetime) -> NewToken:
    """A session for who has shown to be this account's user."""
    browser = browsers.header(request.scope, "user-agent") or ""
    return sessions.issue(db, principal_id, means, browser, now, timedelta(seconds=hub.settings.session_seconds))


def hand_over(session: NewToken, request: Request, response: Response, hub: Services) -> None:
    """Have the browser keep it."""
    cookie = browsers.set_cookie(request.scope, hub.settings, SESSION, session.secret)
    response.headers.append("Set-Cookie", cookie)


def _welcome(
    email: str, session: NewToken, request: Request, response: Response, hub: Services, now: datetime
) -> SignedIn:
    hand_over(session, request, response, hub)
    settings = hub.settings
    ends = now + timedelta(seconds=settings.session_seconds)
    return SignedIn(email=email, expires_at=ends, idle_seconds=settings.session_idle_seconds)


def _no_link() -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "wrong_credentials",
        "This link is of no use any more: it was used, replaced by a newer one, or is too old. Ask whoever runs the "
        "hub for another: cloister user invite EMAIL",
    )
