"""Sessions of browsers: 32 random bytes in a cookie, of which only the SHA-256 is kept.

One ends after some time without a request, after some time in any case, when its user says so, when their password
changes, and when their account is disabled.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from cloister.hub import tokens
from cloister.hub.database import Database, DatabaseFailed
from cloister.hub.schema import PrincipalRow, SessionRow
from cloister.hub.tokens import NewToken, Principal

Means = Literal["password", "invitation", "provider"]
"""By what somebody has signed in."""
MOST = 50
"""Sessions of one account. Another one ends the one that was used least lately."""
_USED = timedelta(minutes=1)
_BROWSER = 200

_FIND = (
    select(PrincipalRow.id, PrincipalRow.kind, PrincipalRow.name, SessionRow.id, SessionRow.used_at)
    .join(SessionRow, SessionRow.principal_id == PrincipalRow.id)
    .where(
        SessionRow.sha256 == bindparam("sha256"),
        SessionRow.expires_at > bindparam("now"),
        SessionRow.used_at > bindparam("since"),
        PrincipalRow.disabled_at.is_(None),
    )
)


def issue(db: Session, principal_id: str, means: Means, browser: str, now: datetime, lifetime: timedelta) -> NewToken:
    """Begin one for an account that exists; those that are over are forgotten.

    Args:
        browser: what it says it is, for the list of sessions.
    """
    db.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    rows = listed(db, principal_id, now)
    for row in rows[: max(0, len(rows) - MOST + 1)]:
        db.delete(row)
    secret = tokens.new_secret()
    shown = "".join(letter for letter in browser[:_BROWSER] if letter.isascii() and letter.isprintable())
    row = SessionRow(
        id=tokens.new_id(),
        principal_id=principal_id,
        sha256=tokens.digest(secret),
        means=means,
        browser=shown,
        created_at=now,
        used_at=now,
        expires_at=now + lifetime,
    )
    db.add(row)
    return NewToken(row.id, secret)


async def find_principal(database: Database, secret: str, now: datetime, idle: timedelta) -> Principal | None:
    """Whose session this is; ``None`` if it is unknown or over, or its account disabled.

    Args:
        idle: after how long without a request it is over.
    """
    values: dict[str, object] = {"sha256": tokens.digest(secret), "now": now, "since": now - idle}
    row = await database.looking_up(_FIND, values)
    if row is None:
        return None
    *principal, used_at = row
    found = Principal(*tokens.as_words(principal), in_session=True)
    assert isinstance(used_at, datetime)
    if now - used_at > min(_USED, idle / 10):
        # It only ends the sooner where the database takes nothing.
        with suppress(DatabaseFailed):
            await database.writing(lambda db: use(db, [found.token_id], now))
    return found


def use(db: Session, ids: Iterable[str], now: datetime) -> None:
    """These are in use now."""
    db.execute(update(SessionRow).where(SessionRow.id.in_(list(ids))).values(used_at=now))


def working(db: Session, ids: Iterable[str], now: datetime) -> set[str]:
    """Which of these sessions go on, if they are in use."""
    query = (
        select(SessionRow.id)
        .join(PrincipalRow, PrincipalRow.id == SessionRow.principal_id)
        .where(SessionRow.id.in_(list(ids)), SessionRow.expires_at > now, PrincipalRow.disabled_at.is_(None))
    )
    return set(db.scalars(query))


def listed(db: Session, principal_id: str, now: datetime, idle: timedelta | None = None) -> list[SessionRow]:
    """The account's sessions that aren't over, the one used least lately first."""
    query = select(SessionRow).where(SessionRow.principal_id == principal_id, SessionRow.expires_at > now)
    if idle is not None:
        query = query.where(SessionRow.used_at > now - idle)
    return list(db.scalars(query.order_by(SessionRow.used_at, SessionRow.id)))


def end(db: Session, principal_id: str, session_id: str) -> bool:
    """End one session of this account; whether there was such a one."""
    row = db.get(SessionRow, session_id)
    if row is None or row.principal_id != principal_id:
        return False
    db.delete(row)
    return True


def end_all(db: Session, principal_id: str, but: str | None = None) -> int:
    """End the account's sessions, all but one where that is named; how many."""
    rows = db.scalars(select(SessionRow).where(SessionRow.principal_id == principal_id)).all()
    ending = [row for row in rows if row.id != but]
    for row in ending:
        db.delete(row)
    return len(ending)
