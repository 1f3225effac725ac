"""API tokens: 32 random bytes in padded base64url, of which only the SHA-256 is kept."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from cloister.hub.database import Database, DatabaseFailed
from cloister.hub.schema import ACCOUNT, PrincipalRow, TokenRow

_USED = timedelta(minutes=5)
"""How exact the time is at which a token was last used: not every request writes."""
_FIND = (
    select(PrincipalRow.id, PrincipalRow.kind, PrincipalRow.name, TokenRow.id, TokenRow.used_at)
    .join(TokenRow, TokenRow.principal_id == PrincipalRow.id)
    .where(TokenRow.sha256 == bindparam("sha256"), TokenRow.revoked_at.is_(None), PrincipalRow.disabled_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. ``name`` is an account's email, or a worker's name."""

    id: str
    kind: str
    name: str
    token_id: str
    """The token that was shown, or the session (`cloister.hub.sessions`)."""
    in_session: bool = False
    """Whether that was a session."""

    @property
    def is_account(self) -> bool:
        return self.kind == ACCOUNT


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. This is the only time that ``secret`` is known."""

    id: str
    secret: str = field(repr=False)


def new_id() -> str:
    """An identifier for a row: 16 random bytes in hexadecimal."""
    return secrets.token_hex(16)


def new_secret() -> str:
    """What only its holder is to know: 32 random bytes in padded base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def digest(secret: str) -> str:
    """By which a secret is found again: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def issue(session: Session, principal_id: str, description: str, now: datetime) -> NewToken:
    """Make a token for a principal that exists."""
    secret = new_secret()
    row = TokenRow(
        id=new_id(),
        principal_id=principal_id,
        sha256=digest(secret),
        last_four=secret[-4:],
        description=description,
        created_at=now,
        revoked_at=None,
    )
    session.add(row)
    return NewToken(row.id, secret)


async def find_principal(database: Database, secret: str, now: datetime) -> Principal | None:
    """Whose token this is; ``None`` if it is unknown or revoked, or its account disabled.

    The lookup is by digest, so how long it takes tells nothing about the tokens that exist.
    """
    row = await database.looking_up(_FIND, {"sha256": digest(secret)})
    if row is None:
        return None
    *principal, used_at = row
    found = Principal(*as_words(principal))
    if not isinstance(used_at, datetime) or now - used_at > _USED:
        # Whoever may ask is answered, also where the database takes nothing.
        with suppress(DatabaseFailed):
            await database.writing(
                lambda db: db.execute(update(TokenRow).where(TokenRow.id == found.token_id).values(used_at=now))
            )
    return found


def as_words(row: Sequence[object]) -> tuple[str, str, str, str]:
    """The four columns that make a `Principal`."""
    principal_id, kind, name, token_id = map(str, row)
    return principal_id, kind, name, token_id


def working(session: Session, token_ids: Iterable[str]) -> set[str]:
    """Which of these tokens still work."""
    query = (
        select(TokenRow.id)
        .join(PrincipalRow, PrincipalRow.id == TokenRow.principal_id)
        .where(TokenRow.id.in_(token_ids), TokenRow.revoked_at.is_(None), PrincipalRow.disabled_at.is_(None))
    )
    return set(session.scalars(query))


def listed(session: Session, principal_id: str) -> list[TokenRow]:
    """The principal's tokens that work, oldest first."""
    return list(
        session.scalars(
            select(TokenRow)
            .where(TokenRow.principal_id == principal_id, TokenRow.revoked_at.is_(None))
            .order_by(TokenRow.created_at, TokenRow.id)
        )
    )


def count(session: Session, principal_id: str) -> int:
    """How many of the principal's tokens work."""
    query = select(func.count()).where(TokenRow.principal_id == principal_id, TokenRow.revoked_at.is_(None))
    return session.scalar(query) or 0


def revoke(session: Session, principal_id: str, token_id: str, now: datetime) -> bool:
    """End one token of this principal at once; whether there was such a one."""
    row = session.get(TokenRow, token_id)
    if row is None or row.principal_id != principal_id or row.revoked_at is not None:
        return False
    row.revoked_at = now
    return True


def revoke_all(session: Session, principal_id: str, now: datetime) -> int:
    """End all tokens of this principal at once; how many there were."""
    rows = listed(session, principal_id)
    for row in rows:
        row.revoked_at = now
    return len(rows)
