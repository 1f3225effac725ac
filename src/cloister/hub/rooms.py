"""The directory of rooms: which ids exist and whom they invite. Everything else about them is the enclave's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloister.formats.encoding import Email, normal_email
from cloister.hub.access import Account
from cloister.hub.problems import bad_request, busy, forbidden, responses
from cloister.hub.schema import InvitationRow, PrincipalRow, RoomRow
from cloister.hub.services import Hub
from cloister.hub.tokens import Principal

router = APIRouter(prefix="/v1/rooms", tags=["rooms"], responses=responses(400, 401, 403, 503))

RoomId = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the room's canonical definition, in hex.")
]


class RoomRequest(BaseModel, extra="forbid"):
    """Whom the room invites; the caller must be among them."""

    participants: list[str] = Field(min_length=1, description="Emails.")


class RoomInfo(BaseModel):
    """A room that invites the caller."""

    id: str
    created_at: datetime
    owner: str = Field(description="The email of whoever entered it here.")


@router.put("/{room_id}", summary="Enter a room, or change whom it invites", responses=responses(408, 413, 429, 507))
async def put_room(room_id: RoomId, body: RoomRequest, account: Account, hub: Hub) -> RoomInfo:
    """Saying the same again does no harm. Only whoever entered a room may change its entry."""
    emails = _checked(body.participants, account, hub.settings.participants_per_room)
    now = datetime.now(UTC)

    def work(db: Session) -> RoomInfo:
        room = db.get(RoomRow, room_id, with_for_update=True)
        if room is None:
            _require_few_rooms(db, account, hub.settings.rooms_per_account)
            room = RoomRow(id=room_id, owner_id=account.id, created_at=now)
            db.add(room)
            db.flush()
        elif room.owner_id != account.id:
            raise forbidden("Only whoever entered this room may change whom it invites. Ask them to.")
        db.execute(delete(InvitationRow).where(InvitationRow.room_id == room_id))
        db.add_all(InvitationRow(room_id=room_id, email=email) for email in sorted(emails))
        return RoomInfo(id=room_id, created_at=room.created_at, owner=account.name)

    return await hub.database.writing(work)


@router.get("", summary="List the rooms that invite the caller")
async def list_rooms(account: Account, hub: Hub) -> list[RoomInfo]:
    """The newest first."""
    query = (
        select(RoomRow.id, RoomRow.created_at, PrincipalRow.name)
        .join(InvitationRow, InvitationRow.room_id == RoomRow.id)
        .join(PrincipalRow, PrincipalRow.id == RoomRow.owner_id)
        .where(InvitationRow.email == account.name)
        .order_by(RoomRow.created_at.desc(), RoomRow.id)
    )
    rows = await hub.database.reading(lambda db: db.execute(query).all())
    return [RoomInfo(id=room, created_at=created_at, owner=owner) for room, created_at, owner in rows]


def _checked(participants: list[str], account: Principal, at_most: int) -> set[str]:
    if len(participants) > at_most:
        raise bad_request(f"A room invites at most {at_most} participants here.")
    try:
        emails = {normal_email(msgspec.convert(text.strip(), Email)) for text in participants}
    except msgspec.ValidationError:
        raise bad_request("One of the participants is not an email address.") from None
    if account.name not in emails:
        raise bad_request("Whoever enters a room must be one of its participants. Add your own email.")
    return emails


def _require_few_rooms(db: Session, account: Principal, at_most: int) -> None:
    count = db.scalar(select(func.count()).where(RoomRow.owner_id == account.id)) or 0
    if count >= at_most:
        raise busy(
            f"You have entered {count} rooms, the most that one account may. Ask whoever runs the hub for more, "
            "then try again.",
            retry_seconds=3600,
        )
