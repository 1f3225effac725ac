"""Which vault is the account's: so that another machine of the same user finds it. The hub knows its definition, and
nothing of what is in it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cloister.hub.access import Account
from cloister.hub.problems import conflict, not_found, responses
from cloister.hub.schema import VaultRow
from cloister.hub.services import Hub
from cloister.rooms.vault import MAX_DEFINITION

router = APIRouter(prefix="/v1/vault", tags=["account"], responses=responses(400, 401, 403, 503))


class Vault(BaseModel, extra="forbid"):
    """An account's vault."""

    definition: str = Field(
        min_length=1,
        max_length=MAX_DEFINITION,
        pattern="^[ -~]*$",
        description="Canonical JSON, as the enclave knows it; its SHA-256 is the vault's id.",
    )


@router.get("", summary="Which vault is the account's?", responses=responses(404))
async def get_vault(account: Account, hub: Hub) -> Vault:
    """As the user's first machine has said it."""
    row = await hub.database.reading(lambda db: db.get(VaultRow, account.id))
    if row is None:
        raise not_found("You have no vault yet. The first dataset that you upload makes one.")
    return Vault(definition=row.definition)


@router.put(
    "",
    summary="Say which vault is the account's",
    status_code=HTTPStatus.CREATED,
    responses=responses(408, 409, 413, 507) | {200: {"model": Vault, "description": "It was said before"}},
)
async def put_vault(body: Vault, account: Account, hub: Hub, response: Response) -> Vault:
    """Once: an account has one vault for good. Saying the same again does no harm (200)."""
    vault_id = hashlib.sha256(body.definition.encode()).hexdigest()

    def work(db: Session) -> bool:
        row = db.get(VaultRow, account.id, with_for_update=True)
        if row is not None and row.id != vault_id:
            raise conflict("You have a vault already, and it is another one. Use that.")
        if row is not None:
            return False
        now = datetime.now(UTC)
        db.add(VaultRow(account_id=account.id, id=vault_id, definition=body.definition, created_at=now))
        return True

    if not await hub.database.writing(work):
        response.status_code = HTTPStatus.OK
    return body
