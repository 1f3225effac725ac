"""Links that set an account's password, once: what an operator hands to a user who has none, or has forgotten it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.hub import passwords, sessions, tokens
from cloister.hub.schema import LinkRow, PrincipalRow


def issue(db: Session, principal_id: str, expires_at: datetime) -> str:
    """The secret of a new link. An earlier one of this account is of no use any more."""
    secret = tokens.new_secret()
    row = db.get(LinkRow, principal_id)
    if row is None:
        db.add(LinkRow(principal_id=principal_id, sha256=tokens.digest(secret), expires_at=expires_at))
    else:
        row.sha256, row.expires_at = tokens.digest(secret), expires_at
    return secret


def find(db: Session, secret: str, email: str, now: datetime) -> PrincipalRow | None:
    """Whose link this is; ``None`` where it is unknown, used or over, its account disabled, or of another email.

    Nobody shall be led by a link into an account that isn't the one that they were told of.
    """
    query = (
        select(PrincipalRow)
        .join(LinkRow, LinkRow.principal_id == PrincipalRow.id)
        .where(LinkRow.sha256 == tokens.digest(secret), LinkRow.expires_at > now)
        .where(PrincipalRow.name == email, PrincipalRow.disabled_at.is_(None))
    )
    return db.scalars(query).one_or_none()


def redeem(db: Session, secret: str, email: str, hash_: str, now: datetime) -> PrincipalRow | None:
    """Set the password of whose link it is, and end their sessions. ``None`` as of `find`; then nothing has changed."""
    principal = find(db, secret, email, now)
    if principal is None:
        return None
    db.delete(db.get_one(LinkRow, principal.id))
    passwords.keep(db, principal.id, hash_, now)
    sessions.end_all(db, principal.id)
    return principal
