"""Signing in at the provider, over HTTP: a browser is sent there, and comes back.

What goes wrong is told on the page that it lands on: ``/sign-in?problem=`` with one word, never words from outside.
"""

from __future__ import annotations

import hmac
import logging
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from cloister.errors import BadRequestError
from cloister.hub import browsers, flows
from cloister.hub.accounts import checked_email
from cloister.hub.entrance import begin, hand_over
from cloister.hub.problems import not_found, responses
from cloister.hub.provider import CALLBACK, NotVouchedFor, Person, Provider, ProviderAway
from cloister.hub.services import Hub, Services
from cloister.hub.tokens import NewToken

router = APIRouter(tags=["sign-in"], responses=responses(400, 404, 429, 503, 507))

FLOW = "cloister-flow"
"""The cookie of a browser that was sent to the provider."""
_DONE = "/"
_LONGEST = 4096

Problem = Literal["expired", "refused", "unverified", "unknown", "elsewhere", "away"]
"""The attempt took too long, was answered already, or was begun in another browser; the provider, or its user, said no;
the provider does not vouch for them, or not for this email; they have no account; their account belongs to somebody
else at the provider; the provider does not answer."""

_Text = Annotated[str | None, Query(max_length=_LONGEST)]

logger = logging.getLogger("cloister.hub")


@router.get(
    "/auth/provider",
    summary="Sign in at the provider",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=Response,
    responses={303: {"description": "To the provider; or, where that is away, to the page that says so."}},
)
async def go_to_provider(request: Request, hub: Hub) -> Response:
    """For browsers to go to. 404 where no provider is set."""
    provider = _provider(hub)
    hub.sign_in.count(browsers.address(request.scope, hub.settings))
    now = datetime.now(UTC)
    secret, flow = await hub.database.writing(lambda db: flows.start(db, now))
    try:
        url = await provider.where(flow.state, flow.nonce, flow.verifier)
    except (ProviderAway, NotVouchedFor) as error:
        logger.warning("the provider is of no use: %s", error)
        return _back("away")
    answer = Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": url})
    # Not strict: it is to come along when the provider sends the browser back.
    seconds = int(flows.LIFETIME.total_seconds())
    answer.headers.append(
        "Set-Cookie",
        browsers.set_cookie(request.scope, hub.settings, FLOW, secret, seconds=seconds, strict=False),
    )
    return answer


@router.get(
    CALLBACK,
    summary="Come back from the provider",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=Response,
    responses={303: {"description": "Signed in, to `/`; or to `/sign-in?problem=`, with a word for what went wrong."}},
)
async def come_back(
    request: Request,
    hub: Hub,
    code: _Text = None,
    state: _Text = None,
    iss: _Text = None,
    error: _Text = None,
) -> Response:
    """Where the provider sends browsers. 404 where no provider is set."""
    provider = _provider(hub)
    hub.sign_in.count(browsers.address(request.scope, hub.settings))
    answer = await _let_in(provider, request, hub, code, state, iss, error)
    forget = browsers.set_cookie(request.scope, hub.settings, FLOW, "", seconds=0, strict=False)
    answer.headers.append("Set-Cookie", forget)
    return answer


async def _let_in(
    provider: Provider,
    request: Request,
    hub: Services,
    code: str | None,
    state: str | None,
    issuer: str | None,
    error: str | None,
) -> Response:
    # 1. This browser was sent there, a while ago at most, and has not come back yet.
    now = datetime.now(UTC)
    secret = browsers.cookie(request.scope, hub.settings, FLOW)
    flow = None if secret is None else await hub.database.writing(lambda db: flows.finish(db, secret, now))
    # 2. What it brings is the answer to that.
    if flow is None or state is None or not hmac.compare_digest(state.encode(), flow.state.encode()):
        return _back("expired")
    if error is not None or code is None:
        return _back("refused")
    # 3. The provider vouches for who that is.
    try:
        person = await provider.who(code, issuer, flow.nonce, flow.verifier, int(time.time()))
        email = _allowed(person, hub)
    except ProviderAway as failure:
        logger.warning("the provider is of no use: %s", failure)
        return _back("away")
    except NotVouchedFor as failure:
        logger.info("somebody came back from the provider in vain: %s", failure)
        return _back("unverified")

    # 4. They have an account, or get one.
    def work(db: Session) -> NewToken | flows.Refusal:
        found = flows.account(db, provider.issuer, person, email, now, make=hub.settings.oidc_accounts)
        if not isinstance(found, flows.Found):
            return found
        return begin(db, hub, request, found.principal_id, "provider", now)

    session = await hub.database.writing(work)
    if not isinstance(session, NewToken):
        return _back(session)
    answer = Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": _DONE})
    hand_over(session, request, answer, hub)
    return answer


def _allowed(person: Person, hub: Services) -> str:
    """The email in the spelling of accounts. `NotVouchedFor` for one that may not sign in so."""
    try:
        email = checked_email(person.email)
    except BadRequestError:
        raise NotVouchedFor("the email is none that an account may have") from None
    domains = hub.settings.oidc_email_domains
    if domains is not None and email.rpartition("@")[2] not in {each.strip().lower() for each in domains.split(",")}:
        raise NotVouchedFor("the email's domain is not allowed")
    return email


def _provider(hub: Services) -> Provider:
    if hub.sign_in.provider is None:
        raise not_found("This hub has no provider to sign in at. Sign in with email and password.")
    return hub.sign_in.provider


def _back(problem: Problem) -> Response:
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": f"/sign-in?problem={problem}"})
