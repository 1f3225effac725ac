"""What the hub knows of blobs and parts, and every change of it; each function runs in one transaction.

(nothing) --claim--> unfinished --complete--> complete
unfinished: parts may be recorded and replaced, by its uploader alone
complete: nothing changes any more
both --delete--> (nothing)
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import CursorResult, case, delete, func, select, update
from sqlalchemy.orm import Session

from cloister.hub.problems import Problem, conflict, forbidden, not_found, too_large
from cloister.hub.schema import BlobRow, PartRow, PrincipalRow
from cloister.hub.tokens import Principal, new_id

_NAMED = 20
_LEAST_COUNTED = 64 * 1024
UNWATCHED = timedelta(days=1)
"""After so long without an answer from the enclave, the days for which a blob is of no use are counted anew."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its place in the blob, its size in bytes, its SHA-256 in hex, its object's key."""

    index: int
    size: int
    sha256: str
    key: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What an uploader finds: the prefix of its objects, and the part of that index if there is one."""

    folder: str
    complete: bool
    part: Part | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """``new`` unless the very same part was there; ``stray`` is the key that nothing refers to now."""

    new: bool
    stray: str | None


def counted(size: int) -> int:
    """What a part of that size counts for, in bytes: an object and a row cost something however small it is."""
    return max(size, _LEAST_COUNTED)


def claim(session: Session, principal: Principal, blob_id: str, index: int, now: datetime, *, most_blobs: int) -> Claim:
    """Begin or go on with an upload. 403 if the blob is somebody else's, 413 if an account would have too many."""
    blob = session.get(BlobRow, blob_id, with_for_update=True)
    if blob is None:
        _require_few_blobs(session, principal, most_blobs)
        token = new_id()
        blob = BlobRow(id=blob_id, owner_id=principal.id, folder=token, complete=False, touched_at=now)
        session.add(blob)
        session.flush()
    _require_owner(blob, principal)
    row = session.get(PartRow, (blob_id, index))
    return Claim(blob.folder, blob.complete, None if row is None else _part(row))


def record(
    session: Session,
    principal: Principal,
    blob_id: str,
    folder: str,
    part: Part,
    now: datetime,
    *,
    quota_bytes: int | None,
) -> Recorded:
    """Make a part that lies in the object store exist.

    409 if the blob was completed or deleted meanwhile, 413 if the uploader would keep too much (unless there is no
    bound, because it was checked before).
    """
    blob = session.get(BlobRow, blob_id, with_for_update=True)
    if blob is None or blob.folder != folder:
        raise conflict("The blob was deleted while the part was sent. Start the upload anew.")
    row = session.get(PartRow, (blob_id, part.index))
    if row is not None and row.sha256 == part.sha256:
        return Recorded(new=False, stray=part.key)
    if blob.complete:
        raise immutable()
    stray, before = (None, 0) if row is None else (row.object_key, counted(row.size))
    add_stored(session, principal.id, counted(part.size) - before, quota_bytes)
    blob.touched_at = now
    session.merge(PartRow(blob_id=blob_id, number=part.index, size=part.size, sha256=part.sha256, object_key=part.key))
    return Recorded(new=True, stray=stray)


def complete(session: Session, principal: Principal, blob_id: str, parts: int) -> str:
    """Close the blob; its objects' prefix. 409 unless exactly the parts 0 to ``parts - 1`` are there."""
    blob = _own(session, principal, blob_id)
    query = select(func.count(), func.max(PartRow.number)).where(PartRow.blob_id == blob_id)
    there, last = session.execute(query).one()
    if (there, last) != (parts, parts - 1):
        raise conflict(_what_is_wrong(session, blob_id, parts))
    blob.complete = True
    return blob.folder


def remove(session: Session, principal: Principal, blob_id: str) -> str:
    """Delete the blob's entry; the prefix of the objects that are to be deleted now."""
    return _remove(session, _own(session, principal, blob_id))


def remove_abandoned(session: Session, before: datetime, at_most: int = 100) -> list[str]:
    """Delete the entries of uploads that got no part since then; the prefixes of their objects."""
    query = (
        select(BlobRow)
        .where(BlobRow.complete.is_(False), BlobRow.touched_at < before)
        .order_by(BlobRow.touched_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return [_remove(session, blob) for blob in session.scalars(query).all()]


def complete_after(session: Session, after: str, at_most: int) -> list[str]:
    """Ids of complete blobs, in their order."""
    query = select(BlobRow.id).where(BlobRow.complete.is_(True), BlobRow.id > after).order_by(BlobRow.id).limit(at_most)
    return list(session.scalars(query))


def settle(session: Session, blob_ids: Sequence[str], held: Set[str], now: datetime, before: datetime) -> list[str]:
    """Note of each of these blobs since when it is of no use, and delete the entries of those that are of none since
    ``before``; the prefixes of their objects.

    Days on which nobody asked don't count: a hub that was off, or a database that was restored, knows nothing of them.
    """
    folders = []
    for blob in session.scalars(select(BlobRow).where(BlobRow.id.in_(blob_ids), BlobRow.complete.is_(True))).all():
        since, last = blob.unreferred_since, blob.unreferred_at
        if blob.id in held:
            blob.unreferred_since = blob.unreferred_at = None
        elif since is None or last is None or now - last > UNWATCHED:
            blob.unreferred_since = blob.unreferred_at = now
        elif since <= before:
            folders.append(_remove(session, blob))
        else:
            blob.unreferred_at = now
    return folders


def remove_of_removed(session: Session, before: datetime, at_most: int = 100) -> list[str]:
    """Delete the entries of blobs whose uploaders were removed before then; the prefixes of their objects."""
    query = (
        select(BlobRow)
        .join(PrincipalRow, PrincipalRow.id == BlobRow.owner_id)
        .where(PrincipalRow.removed_at < before)
        .limit(at_most)
    )
    return [_remove(session, blob) for blob in session.scalars(query).all()]


def is_complete(session: Session, principal: Principal, blob_id: str) -> bool:
    """Whether the blob is complete. 404 if it isn't and the asker is not its uploader."""
    blob = session.get(BlobRow, blob_id)
    if blob is None or not (blob.complete or blob.owner_id == principal.id):
        raise no_blob()
    return blob.complete


def parts_after(session: Session, blob_id: str, index: int, at_most: int) -> list[Part]:
    """The blob's parts beyond ``index``, in order."""
    query = (
        select(PartRow)
        .where(PartRow.blob_id == blob_id, PartRow.number > index)
        .order_by(PartRow.number)
        .limit(at_most)
    )
    return [_part(row) for row in session.scalars(query)]


def all_keys(session: Session, blob_id: str) -> frozenset[str]:
    """The keys of all parts of the blob."""
    return frozenset(session.scalars(select(PartRow.object_key).where(PartRow.blob_id == blob_id)))


def fetchable(session: Session, blob_id: str, index: int) -> Part:
    """A part of a complete blob; whoever names it may read it. 404 otherwise."""
    row = session.scalars(
        select(PartRow)
        .join(BlobRow, BlobRow.id == PartRow.blob_id)
        .where(PartRow.blob_id == blob_id, PartRow.number == index, BlobRow.complete.is_(True))
    ).one_or_none()
    if row is None:
        raise not_found("There is no such part of a complete blob. Check the id, and that its upload has ended.")
    return _part(row)


def immutable() -> Problem:
    return conflict("The blob is complete and can't change any more. Upload other content under a new id.")


def no_blob() -> Problem:
    return not_found("There is no such blob, or its upload has not ended.")


def _own(session: Session, principal: Principal, blob_id: str) -> BlobRow:
    blob = session.get(BlobRow, blob_id, with_for_update=True)
    if blob is None or not (blob.complete or blob.owner_id == principal.id):
        raise no_blob()
    _require_owner(blob, principal)
    return blob


def _require_owner(blob: BlobRow, principal: Principal) -> None:
    if blob.owner_id != principal.id:
        raise forbidden("Only the uploader of a blob may change it. Upload yours under a new random id.")


def _require_few_blobs(session: Session, principal: Principal, at_most: int) -> None:
    # What workers store is of computations, which the enclave bounds: users of a worker must not use up each other's.
    if not principal.is_account:
        return
    count = session.scalar(select(func.count()).where(BlobRow.owner_id == principal.id)) or 0
    if count >= at_most:
        raise too_large(
            f"You have {count} blobs on this hub, the most that one account may. Delete datasets that you no longer "
            "need, or ask whoever runs the hub for more."
        )


def _remove(session: Session, blob: BlobRow) -> str:
    each = case((PartRow.size < _LEAST_COUNTED, _LEAST_COUNTED), else_=PartRow.size)
    freed = session.scalar(select(func.sum(each)).where(PartRow.blob_id == blob.id)) or 0
    session.execute(delete(PartRow).where(PartRow.blob_id == blob.id))
    add_stored(session, blob.owner_id, -freed, None)
    session.delete(blob)
    return blob.folder


def add_stored(session: Session, principal_id: str, size: int, quota_bytes: int | None) -> None:
    """Count in the database, so that parts arriving side by side can't exceed the quota together. ``size`` is that of
    one or more parts as `counted`, negative for those that go."""
    change = update(PrincipalRow).where(PrincipalRow.id == principal_id)
    if quota_bytes is not None and size > 0:
        change = change.where(PrincipalRow.stored_bytes + size <= quota_bytes)
    change = change.values(stored_bytes=PrincipalRow.stored_bytes + size)
    done = cast("CursorResult[None]", session.execute(change, execution_options={"synchronize_session": False}))
    if done.rowcount != 1:
        raise too_large(
            f"You may keep {quota_bytes} bytes on this hub, each part counted for {_LEAST_COUNTED} at least, and this "
            "part would exceed that. Delete what you no longer need, or ask whoever runs the hub for more."
        )


def _what_is_wrong(session: Session, blob_id: str, parts: int) -> str:
    query = select(PartRow.number).where(PartRow.blob_id == blob_id)
    there = set(session.scalars(query))
    missing = [index for index in range(parts) if index not in there]
    if missing:
        return f"{len(missing)} parts are missing: {_some(missing)}. Upload them and try again."
    surplus = sorted(index for index in there if index >= parts)
    return f"The blob has parts beyond the {parts} named: {_some(surplus)}. Name the right number, or delete it."


def _some(indices: list[int]) -> str:
    return ", ".join(map(str, indices[:_NAMED])) + (", ..." if len(indices) > _NAMED else "")


def _part(row: PartRow) -> Part:
    return Part(row.number, row.size, row.sha256, row.object_key)
