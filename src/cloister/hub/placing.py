"""What the hub knows of parts that are on their way to the blob store directly, and every change of it; each function
runs in one transaction.

(nothing) --permit--> permitted --settle--> settled: the part exists
permitted --expire--> (nothing)     its bytes no longer count
settled --expire--> (nothing)       the part goes on to exist

A permit counts against its uploader's quota from the start, so that nobody fills the store with what is never recorded.
It is kept until its URL is of no use any more, so that whatever is sent late is found and deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloister.hub import shelf
from cloister.hub.problems import busy, conflict, not_found
from cloister.hub.schema import PartRow, UploadRow
from cloister.hub.shelf import Part, Recorded
from cloister.hub.tokens import Principal

MOST_PERMITS = 1_000
"""Of one principal, at a time."""
_GRACE = timedelta(minutes=5)
"""After a URL has expired, how long a request that had begun may still write."""


def permit(
    session: Session,
    principal: Principal,
    blob_id: str,
    folder: str,
    part: Part,
    expires_at: datetime,
    ticket: str,
    *,
    quota_bytes: int,
) -> None:
    """Allow a part to be sent. 413 if the uploader would keep too much, 429 if too many are on their way."""
    query = select(func.count()).where(UploadRow.owner_id == principal.id, UploadRow.settled.is_(False))
    if (session.scalar(query) or 0) >= MOST_PERMITS:
        raise busy(
            f"You have {MOST_PERMITS} parts on their way to the blob store, the most that are allowed at once. Try "
            "again when some of them have arrived.",
            retry_seconds=30,
        )
    shelf.add_stored(session, principal.id, shelf.counted(part.size), quota_bytes)
    session.add(
        UploadRow(
            ticket=ticket,
            owner_id=principal.id,
            blob_id=blob_id,
            folder=folder,
            number=part.index,
            size=part.size,
            sha256=part.sha256,
            object_key=part.key,
            settled=False,
            expires_at=expires_at,
        )
    )


def permitted(session: Session, principal: Principal, blob_id: str, index: int, ticket: str) -> Part:
    """The part that was permitted. 404 if they weren't, or no longer are."""
    row = session.get(UploadRow, ticket)
    if row is None or (row.owner_id, row.blob_id, row.number) != (principal.id, blob_id, index):
        raise not_found("There is no such permission, or it has expired. Ask for the part's place again.")
    return _part(row)


def settle(session: Session, principal: Principal, ticket: str, now: datetime) -> Recorded:
    """Make the part exist, whose bytes lie in the store. Doing it again does no harm.

    409 if the blob was completed or deleted meanwhile.
    """
    row = session.get(UploadRow, ticket, with_for_update=True)
    if row is None:
        raise conflict("The permission to send this part has expired. Ask for its place again.")
    part = _part(row)
    if row.settled:
        return Recorded(new=False, stray=None)
    # Counted already: what is recorded takes its place.
    shelf.add_stored(session, principal.id, -shelf.counted(part.size), None)
    recorded = shelf.record(session, principal, row.blob_id, row.folder, part, now, quota_bytes=None)
    row.settled = True
    return recorded


def expired(session: Session, now: datetime, at_most: int = 100) -> tuple[int, list[str]]:
    """Forget permits that are of no use any more: how many, and the keys of objects that are to be deleted now."""
    query = (
        select(UploadRow)
        .where(UploadRow.expires_at < now - _GRACE)
        .order_by(UploadRow.expires_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    strays = []
    rows = session.scalars(query).all()
    for row in rows:
        if not row.settled:
            shelf.add_stored(session, row.owner_id, -shelf.counted(row.size), None)
        part = session.get(PartRow, (row.blob_id, row.number))
        if part is None or part.object_key != row.object_key:
            strays.append(row.object_key)
        session.delete(row)
    return len(rows), strays


def _part(row: UploadRow) -> Part:
    return Part(row.number, row.size, row.sha256, row.object_key)
