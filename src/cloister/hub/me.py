"""An account's own affairs: its email and its API tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cloister.hub import tokens
from cloister.hub.access import Account
from cloister.hub.problems import conflict, not_found, responses
from cloister.hub.services import Hub

router = APIRouter(prefix="/v1", tags=["account"], responses=responses(400, 401, 403, 503))

TokenId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the list of tokens names it.")]


class Me(BaseModel):
    """Whose token was sent."""

    email: str


class TokenInfo(BaseModel):
    """An API token that works. The token itself is not kept."""

    id: str
    created_at: datetime
    last_used_at: datetime | None = Field(description="To a few minutes; null: never.")
    last_four: str = Field(description="The token's last four characters.")
    description: str


class NewTokenRequest(BaseModel, extra="forbid"):
    """What the new token is for."""

    description: str = Field(
        default="", max_length=200, pattern="^[^\\x00]*$", description="For the list of tokens; without NUL characters."
    )


class NewTokenAnswer(BaseModel):
    """A new API token, shown this once."""

    id: str
    token: str


@router.get("/me", summary="Whose token is this?")
async def get_me(account: Account) -> Me:
    return Me(email=account.name)


@router.get("/tokens", summary="List the account's API tokens")
async def list_tokens(account: Account, hub: Hub) -> list[TokenInfo]:
    """Those that work, oldest first."""
    rows = await hub.database.reading(lambda db: tokens.listed(db, account.id))
    return [
        TokenInfo(
            id=row.id,
            created_at=row.created_at,
            last_used_at=row.used_at,
            last_four=row.last_four,
            description=row.description,
        )
        for row in rows
    ]


@router.post(
    "/tokens",
    summary="Make another API token",
    status_code=HTTPStatus.CREATED,
    responses=responses(408, 409, 413, 507),
)
async def make_token(account: Account, hub: Hub, body: NewTokenRequest | None = None) -> NewTokenAnswer:
    """It can do whatever the account can. Keep it: the hub keeps only its hash."""
    description = "" if body is None else body.description

    def work(db: Session) -> tokens.NewToken:
        if tokens.count(db, account.id) >= hub.settings.tokens_per_account:
            raise conflict(
                f"The account has {hub.settings.tokens_per_account} tokens, the most it may. Revoke some first."
            )
        return tokens.issue(db, account.id, description, datetime.now(UTC))

    token = await hub.database.writing(work)
    return NewTokenAnswer(id=token.id, token=token.secret)


@router.delete(
    "/tokens/{token_id}",
    summary="Revoke an API token",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(404, 507),
)
async def revoke_token(token_id: TokenId, account: Account, hub: Hub) -> None:
    """It stops working at once, also if it is the one that this request was made with."""
    now = datetime.now(UTC)
    if not await hub.database.writing(lambda db: tokens.revoke(db, account.id, token_id, now)):
        raise not_found("The account has no such token. List them with GET /v1/tokens.")
