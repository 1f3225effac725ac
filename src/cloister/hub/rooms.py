"""The directory of rooms: which ids exist and whom they invite. Everything else about them is the enclave's."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloister.formats.encoding import Email, normal_email
from cloister.hub.access import Account
from cloister.hub.problems import bad_request, busy, forbidden, not_found, responses
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
    hub.rooms.take(account.id)
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
        invited = set(db.scalars(select(InvitationRow.email).where(InvitationRow.room_id == room_id)))
        if added := emails - invited:
            _require_few_invitations(db, account, room_id, len(emails), hub.settings.invitations_per_account)
        if gone := invited - emails:
            db.execute(delete(InvitationRow).where(InvitationRow.room_id == room_id, InvitationRow.email.in_(gone)))
        # Those who are there stay as they are: who has left the room is not called back by hearing the same again.
        db.add_all(InvitationRow(room_id=room_id, email=email) for email in sorted(added))
        return RoomInfo(id=room_id, created_at=room.created_at, owner=account.name)

    return await hub.database.writing(work)


@router.get("", summary="List the rooms that invite the caller")
async def list_rooms(account: Account, hub: Hub) -> list[RoomInfo]:
    """The newest first; without those that the caller has left, or whose owner's account was disabled or removed."""
    query = (
        select(RoomRow.id, RoomRow.created_at, PrincipalRow.name)
        .join(InvitationRow, InvitationRow.room_id == RoomRow.id)
        .join(PrincipalRow, PrincipalRow.id == RoomRow.owner_id)
        .where(InvitationRow.email == account.name, InvitationRow.left_at.is_(None), PrincipalRow.disabled_at.is_(None))
        .order_by(RoomRow.created_at.desc(), RoomRow.id)
    )
    rows = await hub.database.reading(lambda db: db.execute(query).all())
    return [RoomInfo(id=room, created_at=created_at, owner=owner) for room, created_at, owner in rows]


@router.delete(
    "/{room_id}/invitation",
    summary="Have a room no longer listed",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(404, 507),
)
async def leave_room(room_id: RoomId, account: Account, hub: Hub) -> None:
    """For the caller alone. What they may do in the room is the enclave's business, and stays as it is; whoever knows
    the room's id goes on. It is listed again once its owner has left the caller out and named them again."""
    now = datetime.now(UTC)

    def work(db: Session) -> None:
        invitation = db.get(InvitationRow, (room_id, account.name), with_for_update=True)
        if invitation is None:
            raise not_found("There is no such room, or it does not invite you.")
        invitation.left_at = invitation.left_at or now

    await hub.database.writing(work)


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


def _require_few_invitations(db: Session, account: Principal, room_id: str, more: int, at_most: int) -> None:
    """``more``: those of this room, which take the place of those that it has."""
    query = select(func.count()).select_from(InvitationRow).join(RoomRow, RoomRow.id == InvitationRow.room_id)
    others = db.scalar(query.where(RoomRow.owner_id == account.id, RoomRow.id != room_id)) or 0
    if others + more > at_most:
        raise busy(
            f"Your other rooms invite {others} participants, and all of them together may invite {at_most}. Ask "
            "whoever runs the hub for more, then try again.",
            retry_seconds=3600,
        )
