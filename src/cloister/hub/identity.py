"""Identity tokens over HTTP: binding a device key to the caller's email, and the keys to verify that with."""

from __future__ import annotations

import time

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.hub.access import Account
from cloister.hub.issuer import Issuer
from cloister.hub.problems import conflict, responses
from cloister.hub.schema import InvitationRow, RoomRow, VaultRow
from cloister.hub.services import Hub

router = APIRouter(tags=["identity"])


class IdentityRequest(BaseModel, extra="forbid"):
    """Asks for a token that binds a device key to the caller's email."""

    device_key: str = Field(pattern="^[0-9a-f]{64}$", description="The raw Ed25519 public key, 32 bytes in hex.")
    room: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="The room, or vault, that the token is for: it is signed with a key that it has pinned.",
    )


class IdentityAnswer(BaseModel):
    """The token, a JWT for the enclave; it holds for five minutes."""

    token: str


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517), with a member more, as its section 5 allows."""

    keys: list[dict[str, str]]
    issuer: str = Field(description="Who signs with these keys: the tokens' `iss`, and the name that rooms pin.")


@router.get("/.well-known/jwks.json", summary="The keys that verify identity tokens", responses=responses(503))
async def get_jwks(hub: Hub) -> KeySet:
    """The key that signs now, then the one that will next: new rooms pin both."""
    return KeySet(keys=await hub.database.reading(hub.signing.shown), issuer=hub.signing.name)


@router.post("/v1/identity", summary="Get an identity token", responses=responses(400, 401, 403, 408, 409, 413, 503))
async def make_identity(body: IdentityRequest, account: Account, hub: Hub) -> IdentityAnswer:
    """The client hands it to an enclave inside a sealed request that the device key has signed. 409 where the hub
    has destroyed every key that the room trusts."""

    def work(db: Session) -> Issuer | None:
        # Only for those whom the room invites: nobody else learns when it was entered, or whether.
        entered = select(RoomRow.created_at).join(InvitationRow, InvitationRow.room_id == RoomRow.id)
        entered = entered.where(RoomRow.id == body.room, InvitationRow.email == account.name)
        vault = select(VaultRow.created_at).where(VaultRow.id == body.room, VaultRow.account_id == account.id)
        pinned = None if body.room is None else db.scalars(entered.union_all(vault)).first()
        return hub.signing.issuer(db, pinned)

    issuer = await hub.database.reading(work)
    if issuer is None:
        raise conflict(
            "The keys by which this room would know you were destroyed by whoever runs the hub. Devices that the room "
            "knows already can go on. On a new device, take part from one of those, or ask the room's owner to "
            "publish it anew."
        )
    return IdentityAnswer(token=issuer.issue(account.name, bytes.fromhex(body.device_key), int(time.time())))
